"""A JSON object of an upload: fields as strings, the file in base64, for services that take nothing else.

Members stand in the order of the parts; several parts of one name are one list. The text is what `json.dumps`
writes without escaping what is not ASCII. The file is never in memory as a whole, and of the fields one at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from gateway.core.services import AddedField
from gateway.core.uploads import Part
from gateway.errors import FieldNotUTF8
from gateway.multipart.boundaries import media_type
from gateway.multipart.shaping import ShapedPart
from gateway.relay.blocks import Content, Piece, read_span
from gateway.spool.uploads import Upload

__all__ = ["object_pieces"]


def object_pieces(upload: Upload, parts: Sequence[ShapedPart]) -> Iterator[Piece]:
    """The object's bytes. There must be at least one part, and fields must have arrived. Raises FieldNotUTF8."""
    members: dict[str, list[ShapedPart]] = {}
    for part in parts:
        members.setdefault(part.name, []).append(part)
    opening = "{"
    for name, values in members.items():
        listed = len(values) > 1
        yield f"{opening}{json.dumps(name, ensure_ascii=False)}: {'[' if listed else ''}".encode()
        for number, value in enumerate(values):
            if number:
                yield b", "
            yield from _value(upload, value)
        if listed:
            yield b"]"
        opening = ", "
    yield b"}"


def _value(upload: Upload, part: ShapedPart) -> Iterator[Piece]:
    source = part.source
    if isinstance(source, AddedField):
        yield _encoded(source.content, part)
    elif part.is_file:
        yield b'"'
        yield Content(source.content_start, source.content_stop, in_base64=True)
        yield b'"'
    else:
        # No longer than `limits.field`.
        yield _encoded(read_span(upload, source.content_start, source.content.stop), part)


def _encoded(content: bytes, part: ShapedPart) -> bytes:
    """A field as a JSON value: what says of itself that it is JSON, and is, as it stands; else a string."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        source = part.source
        found = f"0x{content[error.start]:02x} at byte {error.start} of it"
        raise FieldNotUTF8(
            f"Expected UTF-8 in the field {part.name!r}, which is to be a JSON string; found {found}.",
            offset=source.content_start + error.start if isinstance(source, Part) and source.headers else None,
        ) from None
    if media_type(part.content_type) == "application/json" and _is_json(text):
        return content
    return json.dumps(text, ensure_ascii=False).encode()


def _is_json(text: str) -> bool:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not in the standard (RFC 8259 section 6)")

    try:
        # Numbers stay text: Python limits their digits, JSON does not.
        json.loads(text, parse_constant=refuse, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return True
