"""The bodies that services get, made of an upload's bytes.

A body has a `content_type`, a length (or None: chunked), and blocks to send. Where the upload is a
form and the service wants a form, the parts are copied: header lines and contents unchanged, under
a fresh boundary. A body never ends early: it has all its bytes, or it raises.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from gateway.core.uploads import Part
from gateway.errors import UnexpectedFailure
from gateway.multipart.boundaries import FRESH_MIN, fresh_boundary
from gateway.multipart.writer import closing_delimiter, content_type_of_form, opening_delimiter, part_headers
from gateway.spool.uploads import Upload, Watch

__all__ = ["Block", "Body", "Random", "copied_file", "copied_form", "written_form"]

Block = bytes | bytearray | memoryview
Blocks = Generator[Block, None, None]
Random = Callable[[int], bytes]

SMALL = 32 * 2**10
"""Pieces of one block below this size are joined before they are sent."""
WRITTEN_BOUNDARY = 32
"""Characters of the boundary of a form that is not a copy of one."""


class Body:
    """What one attempt sends; used once. `watch`, set before it is sent, is looked at while the client is awaited."""

    def __init__(self, content_type: str, length: int | None, blocks: Callable[[Watch | None], Blocks]) -> None:
        self.content_type = content_type
        """Of ASCII only, or its bytes as Latin-1: so a header goes out."""
        self.length = length
        """Bytes in all; None if it cannot be known yet, which means chunked."""
        self.watch: Watch | None = None
        self.sent = 0
        """Bytes handed out so far."""
        self._blocks = blocks
        self._running: Blocks | None = None

    def close(self) -> None:
        """Nothing more will be sent of it: the spool need not keep anything for it."""
        if self._running is not None:
            self._running.close()

    def __iter__(self) -> Iterator[Block]:
        """The blocks, each valid until the next; more or fewer bytes than `length` raise before harm is done.

        Nothing below checks the length: bytes too many would be the next request on this connection,
        and after too few the service would wait for the rest.
        """
        self._running = self._blocks(self.watch)
        for block in self._running:
            self.sent += len(block)
            if self.length is not None and self.sent > self.length:
                raise UnexpectedFailure(f"A body of {self.length} bytes has more than that.")
            yield block
        if self.length is not None and self.sent != self.length:
            raise UnexpectedFailure(f"A body of {self.length} bytes has only {self.sent}.")


def copied_form(upload: Upload, random: Random) -> Body:
    """The upload's form from its first delimiter on, with a fresh boundary of the same length.

    The first delimiter must have been seen, unless the upload is complete. Everything else is copied, padding and
    epilogue too, so the length is known as soon as the upload's is.
    """
    received = upload.head.boundary
    assert received is not None  # the caller has looked at the kind of body
    boundary = fresh_boundary(max(len(received), FRESH_MIN), random(max(len(received), FRESH_MIN)))
    start = upload.delimiters[0].start
    growth = len(boundary) - len(received)
    length = upload.spool.received if upload.complete else upload.head.length
    if length is not None and growth:
        # A boundary that had to grow: every delimiter must be known.
        length = length + growth * len(upload.delimiters) if upload.complete else None

    return Body(
        content_type_of_form(boundary),
        None if length is None else length - start,
        lambda watch: _with_boundary(upload, start, len(received), boundary, watch),
    )


def _with_boundary(upload: Upload, start: int, received_length: int, boundary: bytes, watch: Watch | None) -> Blocks:
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


def _joined(pieces: list[Block]) -> Iterator[Block]:
    """The same bytes in fewer blocks: a system call costs more than copying a small piece."""
    collected = bytearray()
    for piece in pieces:
        if len(piece) < SMALL:
            collected += piece
            continue
        if collected:
            yield bytes(collected)
            collected.clear()
        yield piece
    if collected:
        yield bytes(collected)


def copied_file(upload: Upload, part: Part) -> Body:
    """One file, bare, with the Content-Type that came with it. Its end must be known, unless the upload is raw."""
    raw = upload.head.boundary is None
    stop = None if raw else part.content.stop
    length = (upload.head.length if not upload.complete else upload.spool.received) if raw else len(part.content)
    content_type = part.content_type or "application/octet-stream"
    return Body(
        content_type.encode("utf-8", "surrogateescape").decode("latin-1"),
        length,
        lambda watch: upload.blocks(part.content_start, stop, watch),
    )


def written_form(upload: Upload, random: Random) -> Body:
    """A form whose only part is the raw upload; equal to MultipartEncoder's output for the same file."""
    boundary = fresh_boundary(WRITTEN_BOUNDARY, random(WRITTEN_BOUNDARY))
    part = upload.parts[0]
    opening = opening_delimiter(boundary) + part_headers(part.name, part.filename, part.content_type)
    closing = closing_delimiter(boundary)
    length = upload.spool.received if upload.complete else upload.head.length

    def blocks(watch: Watch | None) -> Blocks:
        yield opening
        yield from upload.blocks(0, watch=watch)
        yield closing

    return Body(
        content_type_of_form(boundary), None if length is None else length + len(opening) + len(closing), blocks
    )
