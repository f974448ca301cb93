"""The parts that members of a JSON object make: their content, decoded, and what is said of them.

Knows nothing of brackets and commas: the scanner says where a part begins and ends.
"""

from __future__ import annotations

import re

from gateway.core.uploads import Limits, Part
from gateway.errors import FieldTooLarge, FilenameInvalid, JSONInvalid, PartHeadersTooLarge, TooManyParts
from gateway.multipart.data_uris import Base64Decoder, PercentDecoder
from gateway.multipart.json_texts import Run

__all__ = ["UNNAMED_FILE", "JSONParts"]

UNNAMED_FILE = "file"
"""The name of a file that has none: without one it would be no file to most servers."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class JSONParts:
    """Collects content and parts, in order. Offsets in parts are those of the content alone."""

    def __init__(self, limits: Limits) -> None:
        self.name = ""
        """Of the member at hand."""
        self.start = 0
        """Offset in the body of its value, or of the array's element."""
        self._limits = limits
        self._events: list[Part | bytes] = []
        self._names: set[str] = set()
        self._parts = 0
        self._content = 0  # bytes of content so far
        self._content_start = 0  # of the part at hand
        self._decoder: Base64Decoder | PercentDecoder | None = None  # None: a field

    def taken(self) -> list[Part | bytes]:
        """What has come since the last call."""
        events, self._events = self._events, []
        return events

    def begin_member(self, name: str, offset: int) -> None:
        """Its name stands at `offset` of the body."""
        if _CONTROL.search(name):
            raise JSONInvalid(f"The name {name!r} has a control character.", offset=offset)
        if name in self._names:
            raise JSONInvalid(f"The name {name!r} occurs a second time.", offset=offset)
        if len(self._names) >= self._limits.parts:
            raise self._too_many(offset)
        self._names.add(name)
        self.name = name

    def begin(self, decoder: Base64Decoder | PercentDecoder | None = None) -> None:
        """A file, whose text goes through the decoder; or a field."""
        if self._parts >= self._limits.parts:
            raise self._too_many(self.start)
        self._decoder = decoder
        self._content_start = self._content

    def _too_many(self, offset: int) -> TooManyParts:
        return TooManyParts(f"Expected at most {self._limits.parts} parts.", offset=offset)

    def add_text(self, run: Run) -> None:
        """More of the text that is the content."""
        if self._decoder is None:
            self._add_to_field(run.text)
        else:
            self._add(self._decoder.feed(run.text, run.place))

    def end_text(self, offset: int) -> None:
        """The text ends at `offset` of the body."""
        if self._decoder is not None:
            self._add(self._decoder.finish(offset))

    def _add_to_field(self, content: bytes) -> None:
        self._add(content)
        if self._content - self._content_start > self._limits.field:
            detail = f"The field {self.name!r} is longer than {self._limits.field} bytes."
            raise FieldTooLarge(detail, offset=self.start)

    def _add(self, content: bytes) -> None:
        if content:
            self._content += len(content)
            self._events.append(content)

    def add_field(self, content: bytes, content_type: str | None = None) -> None:
        """A field whose content is there."""
        self.begin()
        self._add_to_field(content)
        self.end_field(content_type)

    def end_field(self, content_type: str | None = None) -> None:
        """The content of the field is whole."""
        self._end(None, content_type)

    def end_file(self, filename: str | None, content_type: str | None) -> None:
        """The content of the file is whole. Its name may be "": none was chosen."""
        filename = UNNAMED_FILE if filename is None else filename
        if _CONTROL.search(filename):
            raise FilenameInvalid(f"The name {filename!r} has a control character.", offset=self.start)
        if _CONTROL.search(content_type or ""):
            raise JSONInvalid(f"The type {content_type!r} has a control character.", offset=self.start)
        described = (self.name + filename + (content_type or "")).encode("utf-8", "surrogateescape")
        if len(described) > self._limits.part_headers:
            raise self.described_too_long()
        self._end(filename, content_type or None)

    def described_too_long(self) -> PartHeadersTooLarge:
        """What is said of the file, as an error."""
        most = self._limits.part_headers
        return PartHeadersTooLarge(f"Names and type of {self.name!r} are longer than {most} bytes.", offset=self.start)

    def _end(self, filename: str | None, content_type: str | None) -> None:
        part = Part(
            number=self._parts,
            name=self.name,
            filename=filename,
            content_type=content_type,
            headers=b"",
            content_start=self._content_start,
            content_stop=self._content,
        )
        self._parts += 1
        self._events.append(part)
