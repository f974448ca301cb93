"""The bodies that services get, made of an upload and of the shape that the service wants.

A body has a `content_type`, a length (or None: chunked), and blocks to send. Where the upload is a
form and the service wants it unchanged, the form is copied: header lines and contents as they are,
under a fresh boundary. A body never ends early: it has all its bytes, or it raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gateway.core.headers import Fields
from gateway.core.services import AddedField, Send
from gateway.core.uploads import Part
from gateway.errors import FileExpected, UnexpectedFailure
from gateway.multipart.boundaries import FRESH_MIN, fresh_boundary
from gateway.multipart.filenames import attachment
from gateway.multipart.shaping import ShapedPart, Shaper, added_parts, is_chosen, shaped_parts
from gateway.multipart.sniffing import SNIFFED_BYTES, sniff
from gateway.multipart.writer import content_type_of_form
from gateway.relay.blocks import (
    Block,
    Blocks,
    Content,
    blocks_of,
    fields_in_front,
    form_pieces,
    length_of,
    read_span,
    shaped_as_it_comes,
    with_boundary,
)
from gateway.relay.json_objects import object_pieces
from gateway.spool.uploads import Upload, Watch

__all__ = ["Block", "Body", "Random", "body_for", "copied_file", "copied_form", "json_object", "written_form"]

Random = Callable[[int], bytes]

WRITTEN_BOUNDARY = 32
"""Characters of the boundary of a form that is not a copy of one."""


class Body:
    """What one attempt sends; used once. `watch`, set before it is sent, is looked at while the client is awaited."""

    def __init__(
        self,
        content_type: str,
        length: int | None,
        blocks: Callable[[Watch | None], Blocks],
        fields: Fields | None = None,
    ) -> None:
        self.content_type = content_type
        """Of ASCII only, or its bytes as Latin-1: so a header goes out."""
        self.length = length
        """Bytes in all; None if it cannot be known yet, which means chunked."""
        self.fields: Fields = fields or []
        """Header fields that describe it, beside its type and length."""
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


def body_for(send: Send, upload: Upload, random: Random, *, request_id: str, file: Part | None = None) -> Body:
    """What a service with this `send` gets of the upload; with a `file`, only that one and all fields.

    The upload is complete, unless the plan is live (core/plans.py): then it is a form whose first delimiter has been
    seen, or raw. Raises UploadErrors where the upload does not fit; so may the body itself while it is sent live.
    """
    complete, received = upload.complete, upload.head.kind
    if send.kind == received == "multipart" and not send.changes_parts and file is None:
        return copied_form(upload, random, added_parts(send))
    if not complete and received != "raw":
        looks_ahead = send.kind != "multipart" or send.needs_whole or send.content_type == "sniff"
        if looks_ahead or received == "json" or file is not None:
            raise UnexpectedFailure("A delivery that needs the whole upload began before it was in.")
        return _streamed_form(upload, send, random, request_id)
    parts = shaped_parts(send, upload.parts, request_id=request_id, sniff=_sniffer(upload), file=file)
    if send.kind == "multipart":
        return written_form(upload, parts, random)
    chosen = _with_one_file(parts)
    return _bare_file(upload, chosen) if send.kind == "raw" else json_object(upload, chosen)


def _sniffer(upload: Upload) -> Callable[[Part], str | None]:
    def sniffed(part: Part) -> str | None:
        stop = min(part.content.stop, part.content_start + SNIFFED_BYTES)
        return sniff(read_span(upload, part.content_start, stop), part.filename)

    return sniffed


def _whole(upload: Upload) -> int | None:
    """Bytes of the upload in all, where they are known."""
    return upload.spool.received if upload.complete else upload.head.length


# --- forms -------------------------------------------------------------------------------------


def copied_form(upload: Upload, random: Random, added: Sequence[ShapedPart] = ()) -> Body:
    """The upload's form from its first delimiter on, with a fresh boundary of the same length, behind added fields.

    The first delimiter must have been seen, unless the upload is complete. Everything else is copied, padding and
    epilogue too, so the length is known as soon as the upload's is.
    """
    received = upload.head.boundary
    assert received is not None  # the caller has looked at the kind of body
    boundary = fresh_boundary(max(len(received), FRESH_MIN), random(max(len(received), FRESH_MIN)))
    start = upload.delimiters[0].start
    growth = len(boundary) - len(received)
    before = fields_in_front(added, boundary)
    length = _whole(upload)
    if length is not None and growth:
        # A boundary that had to grow: every delimiter must be known.
        length = length + growth * len(upload.delimiters) if upload.complete else None

    def blocks(watch: Watch | None) -> Blocks:
        if before:
            yield before
        yield from with_boundary(upload, start, len(received), boundary, watch)

    return Body(content_type_of_form(boundary), None if length is None else len(before) + length - start, blocks)


def written_form(upload: Upload, parts: Sequence[ShapedPart], random: Random) -> Body:
    """A form of these parts, equal to MultipartEncoder's output for the same ones. The upload is complete, or raw."""
    boundary = fresh_boundary(WRITTEN_BOUNDARY, random(WRITTEN_BOUNDARY))
    pieces = list(form_pieces(parts, boundary))
    complete = upload.complete
    added = [part for part in parts if isinstance(part.source, AddedField)]
    taken = next((part for part in parts if isinstance(part.source, Part)), None)

    def blocks(watch: Watch | None) -> Blocks:
        if complete:
            return blocks_of(upload, pieces, watch)
        # Also where the file itself does not go on, the end waits for the upload's.
        return shaped_as_it_comes(upload, added, lambda _: taken, watch, start=0, boundary=boundary)

    return Body(content_type_of_form(boundary), length_of(pieces, _whole(upload)), blocks)


def _streamed_form(upload: Upload, send: Send, random: Random, request_id: str) -> Body:
    """A form whose parts are shaped while they arrive; its length shows at its end."""
    boundary = fresh_boundary(WRITTEN_BOUNDARY, random(WRITTEN_BOUNDARY))
    start, added = upload.delimiters[0].start, added_parts(send)

    def blocks(watch: Watch | None) -> Blocks:
        shaper = Shaper(send, request_id=request_id)
        return shaped_as_it_comes(upload, added, shaper.shape, watch, start=start, boundary=boundary)

    return Body(content_type_of_form(boundary), None, blocks)


# --- one file ----------------------------------------------------------------------------------


def _with_one_file(parts: Sequence[ShapedPart]) -> list[ShapedPart]:
    """The parts without those for which no file was chosen, if there is exactly one file among them."""
    kept = [part for part in parts if not isinstance(part.source, Part) or is_chosen(part.source)]
    found = sum(part.is_file for part in kept)
    if found != 1:
        names = ", ".join(repr(part.name) for part in parts) or "none"
        raise FileExpected(f"Expected exactly one file; found {found} among the parts: {names}.")
    return kept


def _bare_file(upload: Upload, parts: Sequence[ShapedPart]) -> Body:
    shaped = next(part for part in parts if part.is_file)
    part = shaped.source
    assert isinstance(part, Part)  # added fields are no files
    # The name that a raw file has for want of one is not the client's.
    invented = upload.head.kind == "raw" and not upload.head.filename and shaped.filename == part.filename
    return copied_file(
        upload, part, content_type=shaped.content_type, filename=None if invented else shaped.filename or None
    )


def copied_file(upload: Upload, part: Part, *, content_type: str | None = None, filename: str | None = None) -> Body:
    """One file, bare, with the Content-Type that came with it unless another is given. Its end must be known, unless
    the upload is raw. With a `filename`, that is said in a Content-Disposition."""
    pieces = [Content(part.content_start, part.content_stop)]
    kind = content_type or part.content_type or "application/octet-stream"
    return Body(
        kind.encode("utf-8", "surrogateescape").decode("latin-1"),
        length_of(pieces, _whole(upload)),
        lambda watch: blocks_of(upload, pieces, watch),
        [("Content-Disposition", attachment(filename))] if filename else None,
    )


def json_object(upload: Upload, parts: Sequence[ShapedPart]) -> Body:
    """A JSON object with these parts as members; see json_objects.py."""
    return Body(
        "application/json",
        length_of(object_pieces(upload, parts), _whole(upload)),
        lambda watch: blocks_of(upload, object_pieces(upload, parts), watch),
    )
