"""A body shown to a person: every line with its offset, CR and LF visible, long contents cut short.

Pure, and flat in memory: it is fed block by block, like the scanner that it asks where the parts are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway.core.uploads import Limits, Part
from gateway.multipart.scanner import Delimiter, Scanner

__all__ = ["BodyPreview", "PreviewLine", "RequestPreview", "lines_of", "members_of", "visible"]

SHOWN_BYTES = 240
"""Of one content; more is told by its size and hash."""
SHOWN_LINES = 6
LINE_BYTES = 160
"""One line of a content; the rest follows as a line of its own."""

_NO_LIMITS = Limits(parts=2**31, part_headers=2**31, field=2**62, preamble=2**31, epilogue=2**31, near_delimiters=2**62)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewLine:
    """One line of a body, or a remark about what is not shown."""

    offset: int | None
    """Of the line's first byte in the body; None for a remark."""
    text: str
    """Printable; CR and LF as ␍ and ␊, other bytes that are no text as \\xff."""


def visible(data: bytes) -> str:
    """Bytes as printable text: CR and LF as their symbols, UTF-8 as it is, anything else escaped."""
    text = data.decode("utf-8", "backslashreplace").replace("\r", "␍").replace("\n", "␊")
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


class BodyPreview:
    """Feed it the whole body, then `finish`. With a boundary it is a form, else one content."""

    def __init__(self, boundary: bytes | None) -> None:
        self.lines: list[PreviewLine] = []
        self.size = 0
        """Bytes so far."""
        self._hash = hashlib.sha256()
        self._boundary = boundary
        self._scanner = None if boundary is None else Scanner(boundary, _NO_LIMITS)
        self._undecided = bytearray()
        self._told = 0  # offset of the first byte that is in no line and no content yet
        self._content: _Content | None = None if boundary is not None else _Content(0)

    @property
    def sha256(self) -> str:
        """Of all bytes so far, in hexadecimal."""
        return self._hash.hexdigest()

    def feed(self, block: bytes | bytearray | memoryview) -> None:
        """The next bytes of the body."""
        self._hash.update(block)
        self.size += len(block)
        self._undecided += block
        self._scan(last=False)

    def finish(self) -> None:
        """There are no more. Raises a MalformedUpload if it is no form: a body of our own always is one."""
        self._scan(last=True)
        self._end_content()

    def _scan(self, *, last: bool) -> None:
        if self._scanner is None:
            self._take(bytes(self._undecided))
            self._undecided.clear()
            return
        base = self._scanner.decided
        decided, events = self._scanner.feed(self._undecided, 0, len(self._undecided), last=last)
        data = bytes(self._undecided[:decided])
        del self._undecided[:decided]
        # The line that ends a part's headers is told with them, and decided only with what follows it.
        position = max(base, self._told)
        for event in events:
            if isinstance(event, Delimiter):
                position = self._delimiter(event, data, base, position)
            else:
                self._part(event)
                position = event.content_start
        self._take(data[max(0, position - base) :])
        self._told = max(position, base + decided)

    def _delimiter(self, delimiter: Delimiter, data: bytes, base: int, position: int) -> int:
        # The CR LF before it belongs to it, but for the one that ends an empty part's headers.
        end = max(position, delimiter.start - 2)
        self._take(data[position - base : end - base])
        self._end_content()
        stop = data.find(b"\n", delimiter.start - base)
        stop = len(data) if stop < 0 else stop + 1
        if end < delimiter.start:
            self._line(end, data[end - base : delimiter.start - base])
        self._line(delimiter.start, data[delimiter.start - base : stop])
        if delimiter.closing:
            self._content = _Content(base + stop)
        return base + stop

    def _part(self, part: Part) -> None:
        offset = part.content_start - len(part.headers)
        for line in part.headers.splitlines(keepends=True):
            self._line(offset, line)
            offset += len(line)
        self._content = _Content(part.content_start)

    def _line(self, offset: int, data: bytes) -> None:
        self.lines.append(PreviewLine(offset=offset, text=visible(data)))

    def _take(self, data: bytes) -> None:
        if self._content is not None:
            self._content.feed(data)

    def _end_content(self) -> None:
        if self._content is not None:
            self.lines += self._content.finish()
        self._content = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPreview:
    """A whole request, as a service would get it."""

    url: str
    """Where it would go."""
    head: bytes
    """Request line and header fields, with the empty line that ends them."""
    body: BodyPreview
    """Out of its chunks, where it would go out in chunks."""

    @property
    def chunked(self) -> bool:
        """Whether it would go out without a length."""
        return b"\r\ntransfer-encoding: chunked\r\n" in self.head.lower()


def members_of(request: RequestPreview) -> dict[str, Any]:
    """What can be told of a request, as JSON has it."""
    body = request.body
    return {
        "url": request.url,
        "head": request.head.decode("latin-1"),
        "chunked": request.chunked,
        "body": {
            "size": body.size,
            "sha256": body.sha256,
            "lines": [{"offset": line.offset, "text": line.text} for line in body.lines],
        },
    }


def lines_of(request: RequestPreview) -> Iterator[str]:
    """A request as a text, line by line: offsets of the body at the left."""
    body = request.body
    yield f"to {request.url}"
    yield from (visible(line) for line in request.head.splitlines(keepends=True))
    width = len(f"{body.size:,}")
    for line in body.lines:
        yield f"{'' if line.offset is None else format(line.offset, ','):>{width}}  {line.text}"
    framing = ", in chunks" if request.chunked else ""
    yield f"body {body.size:,} bytes{framing}, sha256 {body.sha256}"


class _Content:
    """The first lines of a content, and what there is to say about the rest."""

    def __init__(self, offset: int) -> None:
        self._offset = offset
        self._shown = bytearray()
        self._size = 0
        self._hash = hashlib.sha256()

    def feed(self, data: bytes) -> None:
        self._size += len(data)
        self._hash.update(data)
        self._shown += data[: max(0, SHOWN_BYTES - len(self._shown))]

    def finish(self) -> list[PreviewLine]:
        lines: list[PreviewLine] = []
        offset, shown = self._offset, bytes(self._shown)
        for line in _lines(shown)[:SHOWN_LINES]:
            lines.append(PreviewLine(offset=offset, text=visible(line)))
            offset += len(line)
        hidden = self._size - (offset - self._offset)
        if hidden:
            remark = f"… {hidden:,} more bytes; all {self._size:,} have sha256 {self._hash.hexdigest()}"
            lines.append(PreviewLine(offset=None, text=remark))
        return lines


def _lines(data: bytes) -> list[bytes]:
    """Split behind each LF, and where a line is too long."""
    return [
        line[start : start + LINE_BYTES]
        for line in data.splitlines(keepends=True)
        for start in range(0, len(line), LINE_BYTES)
    ]
