"""Which parts of an upload a service gets, in which order, and how they are called. Pure.

The rules are those of `Send`, applied in the order in which they stand there. A part that no rule changes keeps
its header lines byte for byte; of one that is changed, only the lines that say it are written anew.

A name that is not UTF-8 is no obstacle until a rule has to compare or rewrite it: then there is no right answer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from string import Formatter
from typing import Literal

from gateway.core.services import AddedField, Send
from gateway.core.uploads import Part
from gateway.errors import NameNotUTF8
from gateway.multipart.filenames import NAMELESS, ascii_filename, stem_and_suffix
from gateway.multipart.part_headers import with_lines_replaced
from gateway.multipart.writer import content_type_line, disposition_line, part_headers

__all__ = [
    "ShapedPart",
    "Shaper",
    "Sniff",
    "added_parts",
    "check_filename_template",
    "files_that_go",
    "is_chosen",
    "shaped_parts",
]

Sniff = Callable[[Part], str | None]
"""The media type that a file's content shows; None if it shows none."""

PLACEHOLDERS = ("filename", "stem", "suffix", "name", "n", "id")
"""What a template for filenames may name."""

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Control characters that would stand in a header as they are; CR and LF are escaped there.
_UNWRITABLE = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapedPart:
    """A part as a service gets it; its content is that of `source`."""

    source: Part | AddedField
    name: str
    filename: str | None = None
    """None for a field."""
    content_type: str | None = None
    extended: bool = False
    """Whether a filename that is not ASCII is also written as `filename*`."""

    @property
    def is_file(self) -> bool:
        """As for a part: whether it has a filename, be it an empty one."""
        return self.filename is not None

    @property
    def headers(self) -> bytes:
        """The header lines, with the empty line that ends them."""
        source = self.source
        if isinstance(source, AddedField) or not source.headers:
            return part_headers(self.name, self.filename, self.content_type, extended=self.extended)
        spelled_anew = self.extended and not (self.filename or "").isascii()
        disposition = content_type = None
        if (self.name, self.filename) != (source.name, source.filename) or spelled_anew:
            disposition = disposition_line(self.name, self.filename, extended=self.extended)
        if self.content_type is not None and self.content_type != source.content_type:
            content_type = content_type_line(self.content_type)
        if disposition is None and content_type is None:
            return source.headers
        return with_lines_replaced(source.headers, disposition=disposition, content_type=content_type)


def added_parts(send: Send) -> list[ShapedPart]:
    """The added fields, which precede the parts of the upload."""
    return [ShapedPart(source=field, name=field.name, content_type=field.content_type) for field in send.add]


class Shaper:
    """Applies the rules that need to know one part at a time; give it the parts in the order of the upload."""

    def __init__(self, send: Send, *, request_id: str, sniff: Sniff | None = None, file: Part | None = None) -> None:
        self._send = send
        self._request_id = request_id
        self._sniff = sniff
        self._file = file
        self._files = 0
        self._compares_names = (
            bool(send.rename or send.only is not None or send.drop) or send.repeat != "keep" or send.kind == "json"
        )

    def shape(self, part: Part) -> ShapedPart | None:
        """The part as it goes on; None if it does not."""
        if self._compares_names and _SURROGATE.search(part.name):
            raise _not_utf8(part, "name", part.name)
        name = _name_of(part, self._send)
        if not _goes_on(name, self._send):
            return None
        if part.filename:
            self._files += 1
        if self._file is not None and part.is_file and part.number != self._file.number:
            return None
        filename = self._filename_of(part, name)
        content_type = self._content_type_of(part)
        if not part.headers:
            _check_writable(part)
        return ShapedPart(
            source=part,
            name=name,
            filename=filename,
            content_type=content_type,
            extended=self._send.filename == "rfc5987" and part.is_file,
        )

    def _filename_of(self, part: Part, name: str) -> str | None:
        rule, received = self._send.filename, part.filename
        if received and not part.headers:
            # It may come from the request's path, where nothing forbids them.
            received = _UNWRITABLE.sub("_", received)
        # "" says that no file was chosen, and goes on saying so.
        if rule == "keep" or not received:
            return received
        if _SURROGATE.search(received):
            raise _not_utf8(part, "filename", received)
        if rule == "rfc5987":
            return received
        if rule == "ascii":
            return ascii_filename(received)
        stem, suffix = stem_and_suffix(received)
        filled = rule.format(filename=received, stem=stem, suffix=suffix, name=name, n=self._files, id=self._request_id)
        if _SURROGATE.search(filled):
            raise _not_utf8(part, "name", part.name)
        return _CONTROL.sub("_", filled) or NAMELESS

    def _content_type_of(self, part: Part) -> str | None:
        rule = self._send.content_type
        if rule == "keep" or not part.is_file:
            return part.content_type
        if rule == "sniff":
            return (self._sniff(part) if self._sniff else None) or part.content_type
        return rule


def shaped_parts(
    send: Send, parts: Iterable[Part], *, request_id: str, sniff: Sniff | None = None, file: Part | None = None
) -> list[ShapedPart]:
    """All that goes out, in order, of an upload whose parts are all known. With a `file`, only that one and all fields.

    Raises NameNotUTF8.
    """
    shaper = Shaper(send, request_id=request_id, sniff=sniff, file=file)
    shaped = [*added_parts(send), *(found for part in parts if (found := shaper.shape(part)) is not None)]
    if send.file_last:
        shaped.sort(key=lambda part: part.is_file)
    return shaped if send.repeat == "keep" else _numbered(shaped, send.repeat)


def files_that_go(send: Send, parts: Iterable[Part]) -> list[Part]:
    """The files that the rules let through, for one delivery each; those that nobody chose are none."""
    return [part for part in parts if part.is_file and is_chosen(part) and _goes_on(_name_of(part, send), send)]


def is_chosen(part: Part) -> bool:
    """Whether it is more than a file input in which no file was chosen: browsers send an empty name and no content."""
    return part.filename != "" or part.content_stop is None or part.content_stop > part.content_start


def _name_of(part: Part, send: Send) -> str:
    return send.rename.get(part.name, part.name)


def _goes_on(name: str, send: Send) -> bool:
    return (send.only is None or name in send.only) and name not in send.drop


def _numbered(parts: list[ShapedPart], rule: Literal["brackets", "index"]) -> list[ShapedPart]:
    """The same parts, where several have one name under names that say so."""
    counts, seen = Counter(part.name for part in parts), Counter[str]()
    named = []
    for part in parts:
        if counts[part.name] == 1:
            named.append(part)
            continue
        bare = part.name.removesuffix("[]")
        named.append(replace(part, name=f"{bare}[{seen[part.name] if rule == 'index' else ''}]"))
        seen[part.name] += 1
    return named


def _check_writable(part: Part) -> None:
    """Headers have to be written for this part. Escaped bytes become those bytes; other surrogates are no text."""
    for kind, text in (("name", part.name), ("filename", part.filename or "")):
        try:
            text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise _not_utf8(part, kind, text) from None


def _not_utf8(part: Part, kind: str, text: str) -> NameNotUTF8:
    # Surrogates stand for bytes, and are shown as such.
    shown = repr(text).replace("\\udc", "\\x")
    return NameNotUTF8(
        f"The {kind} of part {part.number}, {shown}, is not UTF-8, and a rule of the service's `send` needs it.",
        offset=part.content_start - len(part.headers) if part.headers else None,
    )


def check_filename_template(text: str) -> None:
    """Raise ValueError, with the reason, if this is no template for filenames."""
    try:
        pieces = list(Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{str(error)[:1].lower()}{str(error)[1:]}: a brace of its own is written twice") from None
    expected = ", ".join(f"{{{placeholder}}}" for placeholder in PLACEHOLDERS)
    named = False
    for literal, placeholder, form, conversion in pieces:
        if _CONTROL.search(literal):
            raise ValueError(f"control character in {literal!r}")
        if placeholder is None:
            continue
        named = True
        if placeholder not in PLACEHOLDERS:
            raise ValueError(f"unknown placeholder {{{placeholder}}}: expected some of {expected}")
        if form or conversion:
            raise ValueError(f"{{{placeholder}}} takes neither a format nor a conversion")
    if not named and "." not in text:
        # More likely a slip for one of the words than a name for all files.
        raise ValueError(
            f"expected keep, ascii, rfc5987, or a template with some of {expected}; a fixed name needs an extension"
        )
