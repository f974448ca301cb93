"""Blocks of bytes on their way to a service: those of an upload, changed or not, and what stands between them.

A block is valid until the next one is asked for. Whatever is made of an upload that is still arriving is made in
one walk over its bytes: an upload that is not kept can be read only once, and from the front.
"""

from __future__ import annotations

import binascii
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass

from gateway.core.services import AddedField
from gateway.core.uploads import Part
from gateway.multipart.shaping import ShapedPart
from gateway.multipart.writer import closing_delimiter, opening_delimiter
from gateway.spool.uploads import Upload, Watch

__all__ = [
    "Block",
    "Blocks",
    "Content",
    "Piece",
    "blocks_of",
    "fields_in_front",
    "form_pieces",
    "length_of",
    "read_span",
    "shaped_as_it_comes",
    "with_boundary",
]

Block = bytes | bytearray | memoryview
Blocks = Generator[Block, None, None]

SMALL = 32 * 2**10
"""Blocks below this size are joined before they are sent."""
JOINED_MAX = 2**18
"""Joined blocks are sent when they have reached this size."""


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes of the upload as a piece of a body."""

    start: int
    stop: int | None
    """None: to the end of the upload."""
    in_base64: bool = False


Piece = bytes | Content
"""What bodies are put together from."""


def read_span(upload: Upload, start: int, stop: int) -> bytes:
    """A short run of bytes, all at once. (Joining the blocks would not do: each is gone when the next one comes.)"""
    content = bytearray()
    for block in upload.blocks(start, stop):
        content += block
    return bytes(content)


def length_of(pieces: Iterable[Piece], whole: int | None) -> int | None:
    """Bytes in all, of an upload of `whole` bytes; None if that is not known and matters."""
    length = 0
    for piece in pieces:
        if isinstance(piece, bytes):
            length += len(piece)
            continue
        stop = whole if piece.stop is None else piece.stop
        if stop is None:
            return None
        count = stop - piece.start
        length += (count + 2) // 3 * 4 if piece.in_base64 else count
    return length


def blocks_of(upload: Upload, pieces: Iterable[Piece], watch: Watch | None) -> Blocks:
    """The pieces' bytes. Of an upload that is still arriving there may be only one `Content`, which reaches its end."""
    blocks = _each_block_of(upload, pieces, watch)
    # Joining would hold back what has arrived.
    yield from _joined(blocks) if upload.complete else blocks


def _each_block_of(upload: Upload, pieces: Iterable[Piece], watch: Watch | None) -> Blocks:
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
        elif piece.in_base64:
            yield from _in_base64(upload.blocks(piece.start, piece.stop, watch))
        else:
            yield from upload.blocks(piece.start, piece.stop, watch)


def _in_base64(blocks: Iterable[memoryview]) -> Blocks:
    """Base64 (RFC 4648 section 4), one block for each block: what does not fill a group waits for the next."""
    rest = b""
    for block in blocks:
        missing = -len(rest) % 3
        first, following = rest + bytes(block[:missing]), block[missing:]
        if len(first) % 3:
            rest = first
            continue
        count = len(following) // 3 * 3
        rest = bytes(following[count:])
        yield binascii.b2a_base64(first, newline=False) + binascii.b2a_base64(following[:count], newline=False)
    yield binascii.b2a_base64(rest, newline=False)


def _joined(blocks: Iterable[Block]) -> Blocks:
    """The same bytes in fewer blocks: a system call costs more than copying a small one."""
    collected = bytearray()
    for block in blocks:
        small = len(block) < SMALL
        if small:
            collected += block
        if collected and not (small and len(collected) < JOINED_MAX):
            yield bytes(collected)
            collected.clear()
        if not small:
            yield block
    if collected:
        yield bytes(collected)


def form_pieces(parts: Iterable[ShapedPart], boundary: bytes) -> Iterator[Piece]:
    """A form of these parts, whose ends are known, as MultipartEncoder writes it."""
    opening = opening_delimiter(boundary)
    for part in parts:
        yield opening + part.headers
        opening = b"\r\n" + opening_delimiter(boundary)
        if isinstance(part.source, AddedField):
            yield part.source.content
        else:
            yield Content(part.source.content_start, part.source.content_stop)
    yield _closing(opening, boundary)


def fields_in_front(added: Iterable[ShapedPart], boundary: bytes) -> bytes:
    """The beginning of a form: added fields, each with the line end that the delimiter after it begins with."""
    return b"".join(
        opening_delimiter(boundary) + part.headers + part.source.content + b"\r\n"
        for part in added
        if isinstance(part.source, AddedField)
    )


def with_boundary(upload: Upload, start: int, received_length: int, boundary: bytes, watch: Watch | None) -> Blocks:
    """The upload's bytes from `start` on, `boundary` in the place of the received one in each delimiter."""
    position = stop = start  # position: first byte that is not sent yet; stop: end of the current block
    delimiters, index = upload.delimiters, 0
    for block in upload.blocks(start, watch=watch):
        base, stop = stop, stop + len(block)
        pieces: list[Block] = []
        # A delimiter is in the list before its first byte can be read.
        while index < len(delimiters) and delimiters[index].start + 2 < stop:
            place = delimiters[index].start + 2
            pieces += (block[position - base : place - base], boundary)
            position = place + received_length
            index += 1
        if position < stop:
            pieces.append(block[position - base :])
            position = stop
        yield from _joined(pieces)


def shaped_as_it_comes(
    upload: Upload,
    added: Iterable[ShapedPart],
    shape: Callable[[Part], ShapedPart | None],
    watch: Watch | None,
    *,
    start: int,
    boundary: bytes,
) -> Blocks:
    """A form of the added fields and of the parts that `shape` lets through, made while the upload arrives.

    `start` is where its first delimiter begins, or its first byte. The closing delimiter follows when all is in.
    """
    opening = opening_delimiter(boundary)
    if before := fields_in_front(added, boundary):
        yield before
    index, shaped, begun = 0, None, False  # of the part that is being sent
    stop = start
    # The last block of an upload has its last bytes; what was found in them may need none.
    for block in itertools.chain(upload.blocks(start, watch=watch), [memoryview(b"")]):
        base, stop = stop, stop + len(block)
        pieces: list[Block] = []
        # A part is in the list, and has its end, before a byte that follows can be read.
        while index < len(upload.parts):
            part = upload.parts[index]
            if not begun:
                begun, shaped = True, shape(part)
                if shaped is not None:
                    pieces.append(opening + shaped.headers)
                    opening = b"\r\n" + opening_delimiter(boundary)
            end = stop if part.content_stop is None else min(part.content_stop, stop)
            if shaped is not None and end > max(part.content_start, base):
                pieces.append(block[max(part.content_start - base, 0) : end - base])
            if part.content_stop is None or part.content_stop > stop:
                break
            index, begun = index + 1, False
        yield from _joined(pieces)
    yield _closing(opening, boundary)


def _closing(opening: bytes, boundary: bytes) -> bytes:
    """The last delimiter where `opening` would be the next one: in a form without parts there is no line to end."""
    return closing_delimiter(boundary) if opening.startswith(b"\r\n") else closing_delimiter(boundary)[2:]
