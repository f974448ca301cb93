"""The scanner: walks over the bytes of a form as they arrive and says where everything is.

Push, without I/O. `feed()` takes a run of bytes and answers how many of them are decided; the rest
must come again, in front of what follows. Offsets in events are absolute. The same bytes give the
same events, however they are cut.

What is a delimiter: CR LF (or the start of the body), `--boundary`, optionally `--`, then blanks or
tabs, then CR LF (behind the closing one also the end of the body). Anything else is content. That is
stricter than the note on prefixes in RFC 2046 section 5.1.1, on purpose: it is what clients write and
what servers agree on. Only before the first delimiter a damaged one is a fault: what is skipped there
as preamble would be lost, and with it a part that some servers would have found.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from gateway.core.uploads import Limits, Part
from gateway.errors import (
    BoundaryNotFound,
    ClosingDelimiterMissing,
    EpilogueTooLarge,
    FieldTooLarge,
    NearDelimiters,
    PartHeadersTooLarge,
    PartHeadersUnterminated,
    TooManyParts,
)
from gateway.multipart.part_headers import parse_part

__all__ = ["Delimiter", "Event", "Scanner", "undecided_max"]


@dataclass(frozen=True, slots=True)
class Delimiter:
    """A delimiter; it ends the part before it."""

    start: int
    """Offset of its first dash.

    The content before it ended two bytes earlier, with the CR LF. If that CR LF is the empty line of the part's
    headers, the part has no content: its end is `max(part.content_start, start - 2)`.
    """
    closing: bool
    """Whether it is the one that ends the form."""


Event = Delimiter | Part


class _State(Enum):
    PREAMBLE = auto()  # no delimiter seen yet
    HEADERS = auto()  # behind a delimiter, before the empty line
    CONTENT = auto()
    EPILOGUE = auto()  # behind the closing delimiter


def undecided_max(boundary: bytes, limits: Limits) -> int:
    """The most bytes that one `feed()` can leave undecided: the headers of a part, or a delimiter and its padding."""
    return max(limits.part_headers, len(boundary) + 4 + 2 + limits.padding + 2)


class Scanner:
    """Reads one form. Raises a MalformedUpload or LimitExceeded at the first fault; it is of no use afterwards."""

    def __init__(self, boundary: bytes, limits: Limits) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._limits = limits
        self._state = _State.PREAMBLE
        self._near_delimiters = 0
        self._part: Part | None = None
        self._parts = 0
        self._epilogue_start = 0
        self.decided = 0
        """Absolute offset of the first undecided byte."""

    @property
    def closed(self) -> bool:
        """Whether the closing delimiter has been seen."""
        return self._state is _State.EPILOGUE

    def feed(self, buffer: bytes | bytearray, start: int, stop: int, *, last: bool = False) -> tuple[int, list[Event]]:
        """Scan `buffer[start:stop]`, whose first byte is the first undecided one.

        `last` says that the body ends at `stop`. Returns how many bytes are decided now, and what was found.
        """
        base = self.decided - start
        events: list[Event] = []
        position = start
        while position < stop:
            if self._state is _State.HEADERS:
                following = self._read_headers(buffer, position, stop, base, events)
            elif self._state is _State.EPILOGUE:
                following = stop
            elif self._state is _State.PREAMBLE:
                following = self._find_first(buffer, position, stop, base, last=last, events=events)
            else:
                following = self._find_delimiter(buffer, position, stop, base, last=last, events=events)
            if following == position:
                break
            position = following
        self.decided = base + position
        self._check_limits(base + stop, last=last)
        return position - start, events

    def _find_first(
        self, buffer: bytes | bytearray, position: int, stop: int, base: int, *, last: bool, events: list[Event]
    ) -> int:
        """Like `_find_delimiter`, in the preamble: the first `--boundary` of the body must be a delimiter.

        The start of the body counts as a CR LF, so a delimiter may stand at offset 0.
        """
        opening = self._delimiter[2:]
        found = buffer.find(opening, position, stop)
        if found < 0:
            return stop if last else max(position, stop - len(self._delimiter) + 1)
        self._check_preamble(base + found - 2, last=False)
        end = _CONTENT
        # What is undecided begins two bytes before `found` at the latest, unless the body begins there.
        if base + found == 0 or (found - position >= 2 and buffer[found - 2 : found] == b"\r\n"):
            end = self._delimiter_end(buffer, found + len(opening), stop, last=last)
        if end == _CONTENT:
            raise BoundaryNotFound(
                f"The first `{opening.decode()}` is no delimiter: expected a line of its own, with CR LF at both ends.",
                offset=base + found,
            )
        if end == _UNDECIDED:
            return max(position, found - 2)
        return self._accept(buffer, found - 2, end, base, events)

    def _find_delimiter(
        self, buffer: bytes | bytearray, position: int, stop: int, base: int, *, last: bool, events: list[Event]
    ) -> int:
        """Go on to behind the next delimiter, or to the first byte that may still become a part of one."""
        search = position
        while True:
            found = buffer.find(self._delimiter, search, stop)
            if found < 0:
                return stop if last else max(position, stop - len(self._delimiter) + 1)
            end = self._delimiter_end(buffer, found + len(self._delimiter), stop, last=last)
            if end == _UNDECIDED:
                return found
            if end != _CONTENT:
                return self._accept(buffer, found, end, base, events)
            # Before it is counted, so that of two faults the same one is found however the bytes are cut.
            self._check_field(base + found)
            self._near_delimiters += 1
            if self._near_delimiters > self._limits.near_delimiters:
                raise NearDelimiters(
                    f"More than {self._limits.near_delimiters} lines begin like a delimiter and are none.",
                    offset=base + found + 2,
                )
            search = found + 1

    def _delimiter_end(self, buffer: bytes | bytearray, position: int, stop: int, *, last: bool) -> int:
        """Where the delimiter ends whose boundary ends at `position`; or _CONTENT, or _UNDECIDED."""
        closing = buffer[position : min(position + 2, stop)] == b"--"
        if not closing and not last and position + 1 >= stop and buffer[position:stop] in (b"", b"-"):
            return _UNDECIDED
        position += 2 if closing else 0
        padding_stop = min(stop, position + self._limits.padding)  # a blank beyond it is something else: content
        while position < padding_stop and buffer[position] in b" \t":
            position += 1
        following = buffer[position : min(position + 2, stop)]
        if following == b"\r\n":
            return position + 2
        if last:
            return position if closing and position == stop else _CONTENT
        return _UNDECIDED if following in (b"", b"\r") and position + len(following) == stop else _CONTENT

    def _accept(self, buffer: bytes | bytearray, found: int, end: int, base: int, events: list[Event]) -> int:
        """Take the delimiter at `found` (its CR); returns where to go on."""
        self._check_field(base + found)
        closing = buffer[found + len(self._delimiter) : found + len(self._delimiter) + 2] == b"--"
        events.append(Delimiter(base + found + 2, closing))
        self._part = None
        self._state = _State.EPILOGUE if closing else _State.HEADERS
        self._epilogue_start = base + end
        return end

    def _read_headers(self, buffer: bytes | bytearray, position: int, stop: int, base: int, events: list[Event]) -> int:
        limit = self._limits.part_headers
        if buffer[position : min(position + 2, stop)] == b"\r\n":
            end = position + 2
        else:
            found = buffer.find(b"\r\n\r\n", position, min(stop, position + limit))
            if found < 0:
                if stop - position >= limit:
                    raise PartHeadersTooLarge(
                        f"The headers of part {self._parts} are longer than {limit} bytes.", offset=base + position
                    )
                return position
            end = found + 4
        if self._parts == self._limits.parts:
            raise TooManyParts(f"Expected at most {self._limits.parts} parts.", offset=base + position)
        self._part = parse_part(self._parts, bytes(buffer[position:end]), base + position)
        self._parts += 1
        events.append(self._part)
        self._state = _State.CONTENT
        # The empty line's own CR LF may be that of the next delimiter: a part without content.
        return end - 2

    def _check_limits(self, received: int, *, last: bool) -> None:
        """Faults that show only once the bytes at hand are used up; `received` is where they end."""
        if self._state is _State.EPILOGUE:
            if received - self._epilogue_start > self._limits.epilogue:
                raise EpilogueTooLarge(
                    f"More than {self._limits.epilogue} bytes follow the closing delimiter.",
                    offset=self._epilogue_start,
                )
            return
        if self._state is _State.CONTENT:
            self._check_field(self.decided)
        if self._state is _State.PREAMBLE:
            self._check_preamble(self.decided, last=last)
        if last and self._state is _State.HEADERS:
            raise PartHeadersUnterminated(f"The body ends in the headers of part {self._parts}.", offset=received)
        if last:
            raise ClosingDelimiterMissing(
                f"Expected a line `{self._delimiter[2:].decode()}--` at the end; the body ends after {received} bytes, "
                f"in part {self._parts - 1}.",
                offset=received,
            )

    def _check_preamble(self, length: int, *, last: bool) -> None:
        if last or length > self._limits.preamble:
            too_late = length > self._limits.preamble
            where = f"in the first {self._limits.preamble} bytes" if too_late else f"in a body of {length} bytes"
            where = where if length else "but the body is empty"
            line = self._delimiter[2:].decode()
            raise BoundaryNotFound(f"Expected a line `{line}`, with the header's boundary, {where}.", offset=0)

    def _check_field(self, stop: int) -> None:
        part = self._part
        if part is not None and not part.is_file and stop - part.content_start > self._limits.field:
            raise FieldTooLarge(
                f"The field {part.name!r} (part {part.number}) is longer than {self._limits.field} bytes.",
                offset=part.content_start,
            )


_CONTENT = -1
_UNDECIDED = -2
