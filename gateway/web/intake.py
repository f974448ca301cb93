"""From a WSGI request to an upload: what its header says, and where its body comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import IO, Any

from gunicorn.http.errors import ParseException

from gateway.core.services import Accept, BodyKind
from gateway.core.uploads import UploadHead
from gateway.errors import (
    BodyUnsupported,
    ClientGone,
    ClientStalled,
    EncodingUnsupported,
    FilenameInvalid,
    FramingInvalid,
    LengthRequired,
    NotMultipart,
    RequestInvalid,
)
from gateway.multipart.boundaries import boundary_of, media_type
from gateway.multipart.parameters import decode_extended, parse_parameters
from gateway.spool.uploads import Source, Watch
from gateway.web.worker import ClientBody

__all__ = ["head_of", "source_of"]

READ_BYTES = 2**18
"""Asked of a server's own input at once. It blocks until all of that is there, so more would be less live."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def head_of(environ: Mapping[str, Any], accept: Accept, filename: str | None = None) -> UploadHead:
    """What the request's header says; raises a RequestRefused or FilenameInvalid if its body cannot be taken.

    `filename` is what the route's placeholder stood for, decoded; its last segment names a raw body.
    Content-Disposition wins over it: whoever sends that header means the name, and a path may name a place.
    """
    content_type = _text(environ, "CONTENT_TYPE")
    encoding = str(environ.get("HTTP_CONTENT_ENCODING") or "identity")
    if encoding.strip(" \t").lower() != "identity":
        # A form could not be read; a bare file would reach the service as something that it is not.
        raise EncodingUnsupported(f"Expected no Content-Encoding (RFC 9110 section 8.4); found {encoding!r}.")
    kind = _kind_of(content_type, accept)
    if kind == "multipart":
        return UploadHead(boundary=boundary_of(content_type), length=_length_of(environ), content_type=content_type)
    name = _filename_of(environ, filename) if kind == "raw" else None
    return UploadHead(
        boundary=None,
        is_json=kind == "json",
        length=_length_of(environ),
        content_type=content_type,
        filename=name,
    )


def _text(environ: Mapping[str, Any], name: str) -> str | None:
    """A header as the rest of the gateway has it: UTF-8, with surrogates for what is not."""
    # WSGI gives bytes as Latin-1 (PEP 3333).
    received = str(environ.get(name) or "")
    return received.encode("latin-1").decode("utf-8", "surrogateescape") or None


_FORMATS: dict[BodyKind, str] = {
    "multipart": "multipart/form-data",
    "json": "application/json",
    "raw": "a bare file, whose type is not multipart",
}


def _kind_of(content_type: str | None, accept: Accept) -> BodyKind:
    """Which of the kinds that the route takes a body of this type is.

    A multipart type other than form-data is never a raw file: it is a form that somebody mislabelled.
    """
    received = media_type(content_type)
    if received == "multipart/form-data" and "multipart" in accept.bodies:
        return "multipart"
    if received == "application/json" and "json" in accept.bodies:
        return "json"
    if "raw" in accept.bodies and not received.startswith("multipart/"):
        return "raw"
    expected = " or ".join(name for kind, name in _FORMATS.items() if kind in accept.bodies)
    found = f"Content-Type is {content_type!r}" if content_type else "the request has no Content-Type"
    refusal = NotMultipart if "multipart" in accept.bodies else BodyUnsupported
    raise refusal(f"This route takes {expected}; {found}.")


def _filename_of(environ: Mapping[str, Any], from_path: str | None) -> str | None:
    """The name that the request gives its raw body; None if it gives none."""
    parameters = parse_parameters(_text(environ, "HTTP_CONTENT_DISPOSITION") or "")
    plain = [value for name, value in parameters if name == "filename"]
    extended = [value for name, value in parameters if name == "filename*"]
    if max(len(plain), len(extended)) > 1:
        raise FilenameInvalid("Content-Disposition names the file twice.")
    # RFC 6266 section 4.3: the extended one wins, if it can be read.
    decoded = decode_extended(extended[0]) if extended else None
    last_segment = (from_path or "").rpartition("/")[2]
    name = decoded or next(filter(None, [*plain, *extended, last_segment]), None)
    if name is not None and _CONTROL.search(name):
        # It goes into headers of others.
        raise FilenameInvalid(f"The name {name!r} has a control character.")
    return name


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
    if not coding:
        raise LengthRequired("The request has no Content-Length, and is not chunked.")
    if not environ.get("wsgi.input_terminated"):
        raise LengthRequired("The request is chunked; this server does not hand on where such a body ends.")
    return None


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
        except ParseException as error:
            raise FramingInvalid(f"{error}.") from error
        except Exception as error:
            # Other servers differ in what they raise for a connection that breaks or chunks that are wrong.
            raise ClientGone(f"The server could not read on: {type(error).__name__}: {error}.") from error
        view[: len(data)] = data
        return len(data)
