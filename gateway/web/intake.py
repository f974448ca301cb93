"""From a WSGI request to an upload: what its header says, and where its body comes from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import IO, Any

from gateway.core.services import BodyKind
from gateway.core.uploads import UploadHead
from gateway.errors import ClientGone, ClientStalled, EncodingUnsupported, LengthRequired, NotMultipart, RequestInvalid
from gateway.multipart.boundaries import boundary_of, media_type
from gateway.spool.uploads import Source, Watch
from gateway.web.worker import ClientBody

__all__ = ["head_of", "source_of"]

READ_BYTES = 2**18
"""Asked of a server's own input at once. It blocks until all of that is there, so more would be less live."""


def head_of(environ: Mapping[str, Any], bodies: Collection[BodyKind]) -> UploadHead:
    """What the request's header says; raises a RequestRefused if its body cannot be taken.

    `bodies` are the kinds that the route takes. A multipart type other than form-data is never a raw file: it is
    a form that somebody mislabelled.
    """
    # WSGI gives bytes as Latin-1 (PEP 3333); everywhere else here they are UTF-8, with surrogates for what is not.
    received = str(environ.get("CONTENT_TYPE") or "").encode("latin-1")
    content_type = received.decode("utf-8", "surrogateescape") or None
    encoding = str(environ.get("HTTP_CONTENT_ENCODING") or "identity")
    if encoding.strip(" \t").lower() != "identity":
        # A form could not be read; a bare file would reach the service as something that it is not.
        raise EncodingUnsupported(f"Expected no Content-Encoding (RFC 9110 section 8.4); found {encoding!r}.")
    kind = media_type(content_type)
    raw = "raw" in bodies and not kind.startswith("multipart/")
    if not raw and "multipart" not in bodies:
        raise NotMultipart(f"This route takes bare files only; Content-Type is {content_type!r}.")
    boundary = None if raw else boundary_of(content_type)
    return UploadHead(boundary=boundary, length=_length_of(environ), content_type=content_type)


def _length_of(environ: Mapping[str, Any]) -> int | None:
    """Content-Length; None for a chunked request that the server can tell the end of."""
    length = environ.get("CONTENT_LENGTH")
    if length:
        # The servers check it; a sign or a blank would pass through int().
        if not (length.isascii() and length.isdigit()):
            raise LengthRequired(f"Expected a number in Content-Length; found {length!r}.")
        return int(length)
    coding = environ.get("HTTP_TRANSFER_ENCODING", "")
    if coding and coding.strip(" \t").lower() != "chunked":
        # Some servers take `gzip, chunked` and leave the gzip in the body.
        raise RequestInvalid(f"Expected `chunked` alone in Transfer-Encoding; found {coding!r}.")
    if coding and environ.get("wsgi.input_terminated"):
        return None
    raise LengthRequired("The request has no Content-Length and is not chunked, or this server cannot take chunks.")


def source_of(environ: Mapping[str, Any], stall_s: float) -> Source:
    """Where the body comes from: the client's socket where the gateway reads it itself, else `wsgi.input`."""
    stream = environ["wsgi.input"]
    if isinstance(stream, ClientBody):
        stream.limit_stalls(stall_s)
        return stream
    sock = environ.get("gunicorn.socket")
    if sock is not None:
        sock.settimeout(stall_s)
    return _ServerInput(stream, stall_s)


class _ServerInput:
    """Any WSGI server's input. It cannot be interrupted: an early answer is seen when the client sends more."""

    def __init__(self, stream: IO[bytes], stall_s: float) -> None:
        self._stream = stream
        self._stall_s = stall_s

    def read_into(self, view: memoryview, watch: Watch | None) -> int:
        """See Source."""
        if watch is not None:
            watch.look()
        try:
            data = self._stream.read(min(len(view), READ_BYTES))
        except TimeoutError as error:
            raise ClientStalled(f"The client sent nothing for {self._stall_s:g} s.") from error
        except Exception as error:
            # Servers differ in what they raise for a connection that breaks or chunks that are wrong.
            raise ClientGone(f"The server could not read on: {type(error).__name__}: {error}.") from error
        view[: len(data)] = data
        return len(data)
