"""What is sent: parts, and the body that they make, streamed from where they lie.

A form is written by requests-toolbelt's MultipartEncoder, which also names its boundary.
"""

from __future__ import annotations

import base64
import json
import mimetypes
import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from requests_toolbelt import MultipartEncoder

from gateway.cli.sending.forms import FormPart
from gateway.cli.sending.inputs import STANDARD_INPUT, Input, open_input, read_text
from gateway.core.services import BodyKind
from gateway.relay.bodies import Body
from gateway.spool.uploads import Watch

__all__ = ["STDIN_NAME", "Outgoing", "Part", "open_parts", "outgoing"]

OCTETS = "application/octet-stream"
"""The type of what is of no known type."""
STDIN_NAME = "stdin"
"""The filename of standard input: most servers take a part without one for a field."""
JSON = "application/json"
_PACKED = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "compress": "application/x-compress",
}

BLOCK_BYTES = 2**17
JSON_BLOCK_BYTES = 3 * 2**16  # a multiple of three, which base64 writes without padding

Pieces = Generator[bytes, None, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part, with its content where it lies."""

    name: str
    filename: str | None
    """None for a field."""
    content_type: str | None
    content: bytes | Input


def open_parts(wanted: Sequence[FormPart], *, hashes: bool) -> list[Part]:
    """The parts with their contents, in the same order. Raises OSError and ValueError, each naming what is wrong."""
    return [_open_part(each, hashes=hashes) for each in wanted]


def _open_part(wanted: FormPart, *, hashes: bool) -> Part:
    filename = wanted.filename
    if filename is None and wanted.path is not None and wanted.is_file:
        filename = STDIN_NAME if wanted.path == STANDARD_INPUT else os.path.basename(wanted.path)
    for text in (wanted.name, filename, wanted.content_type):
        _require_utf8(text or "")
    content: bytes | Input
    if wanted.path is None:
        content = (wanted.text or "").encode("utf-8", "surrogateescape")
    elif wanted.is_file:
        content = open_input(wanted.path, hashes=hashes)
    else:
        content = read_text(wanted.path)
    content_type = wanted.content_type
    if content_type is None and filename is not None:
        content_type = _guessed_type(filename) or _guessed_type(wanted.path or "") or OCTETS
    return Part(name=wanted.name, filename=filename, content_type=content_type, content=content)


def _require_utf8(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        raise ValueError(f"{shown}: expected UTF-8 for a part's header; -F can give a file another name") from None


def _guessed_type(filename: str) -> str | None:
    kind, packed = mimetypes.guess_type(filename)
    # Of `notes.tar.gz` it says that it is a tar archive, packed.
    return _PACKED.get(packed, OCTETS) if packed else kind


class Outgoing:
    """One upload on its way: what it is, and how far it has come. `clock` says when all of it was in."""

    def __init__(
        self,
        parts: Sequence[Part],
        content_type: str,
        length: int | None,
        pieces: Callable[[], Pieces],
        clock: Callable[[], float],
    ) -> None:
        self.parts = parts
        self.inputs = [part.content for part in parts if isinstance(part.content, Input)]
        self.begun_at: float | None = None
        """When the connection stood and wanted the body; None before."""
        self.sent = 0
        """Bytes of the body that were handed to the kernel. The service need not have read them."""
        self.completed_at: float | None = None
        """When the last of them was; None before."""
        self._pieces = pieces
        self._clock = clock
        self.body = Body(content_type, length, self._blocks)

    @property
    def current(self) -> str:
        """The file that is being read, for people."""
        if not self.inputs:
            return "form"
        number, each = next(
            ((number, each) for number, each in enumerate(self.inputs, 1) if not each.has_ended),
            (len(self.inputs), self.inputs[-1]),
        )
        name = os.path.basename(each.name)
        return f"{number} of {len(self.inputs)}: {name}" if len(self.inputs) > 1 else name

    def _blocks(self, watch: Watch | None) -> Pieces:
        self.begun_at = self._clock()
        for each in self.inputs:
            each.watch = watch
            each.begin()
        for block in self._pieces():
            yield block
            # Whoever sends comes back for the next one when this one is gone.
            self.sent += len(block)
        self.completed_at = self._clock()

    def close(self) -> None:
        """Let go of all files and pipes."""
        for each in self.inputs:
            each.close()


def outgoing(kind: BodyKind, parts: Sequence[Part], clock: Callable[[], float]) -> Outgoing:
    """The upload of that kind. For `raw` there must be one part; for `json` fields must be UTF-8 (ValueError)."""
    if kind == "raw":
        (only,) = parts
        content = only.content
        length = len(content) if isinstance(content, bytes) else content.size
        # A header's bytes appear as Latin-1 in the libraries below.
        content_type = (only.content_type or OCTETS).encode().decode("latin-1")
        return Outgoing(parts, content_type, length, lambda: _bare(content), clock)
    if kind == "json":
        pieces = _json_pieces(parts)
        return Outgoing(parts, JSON, _length_of_json(pieces), lambda: _written(pieces), clock)
    encoder = MultipartEncoder([(part.name, (part.filename, part.content, part.content_type)) for part in parts])
    sizes = [part.content.size for part in parts if isinstance(part.content, Input)]
    length = None if None in sizes else encoder.len
    return Outgoing(parts, encoder.content_type, length, lambda: _encoded(encoder), clock)


def _encoded(encoder: MultipartEncoder) -> Pieces:
    while block := encoder.read(BLOCK_BYTES):
        yield block


def _bare(content: bytes | Input) -> Pieces:
    if isinstance(content, bytes):
        yield content
        return
    while block := content.read():
        yield block


# --- JSON ---


def _json_pieces(parts: Sequence[Part]) -> list[bytes | Input]:
    """The text of the object, with inputs where their base64 goes."""
    pieces: list[bytes | Input] = []
    opening = "{"
    for part in parts:
        opening += f"{json.dumps(part.name)}: "
        if part.filename is None:
            pieces.append(opening.encode() + _value(part))
        else:
            described = json.dumps({"filename": part.filename, "content_type": part.content_type}).removesuffix("}")
            content = base64.b64encode(part.content) if isinstance(part.content, bytes) else part.content
            pieces += [f'{opening}{described}, "base64": "'.encode(), content, b'"}']
        opening = ", "
    pieces.append(b"}")
    return pieces


def _value(part: Part) -> bytes:
    """A field in JSON: its text, or where its type is JSON what it holds, as it is written there."""
    assert isinstance(part.content, bytes)
    try:
        text = part.content.decode("utf-8")
        if part.content_type != JSON:
            return json.dumps(text).encode()
        json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        expected = "JSON" if part.content_type == JSON else "UTF-8"
        raise ValueError(f"the field {part.name!r} is not {expected}: {error}") from None
    return part.content


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is Python's, not JSON's")


def _length_of_json(pieces: Sequence[bytes | Input]) -> int | None:
    length = 0
    for piece in pieces:
        if isinstance(piece, bytes):
            length += len(piece)
        elif piece.size is None:
            return None
        else:
            length += (piece.size + 2) // 3 * 4
    return length


def _written(pieces: Sequence[bytes | Input]) -> Pieces:
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        left = b""
        while block := piece.read(JSON_BLOCK_BYTES):
            left += block
            whole = len(left) // 3 * 3
            if whole:
                yield base64.b64encode(left[:whole])
            left = left[whole:]
        if left:
            yield base64.b64encode(left)
