"""What the tests of faithfulness share: uploads as exact bytes, and the one comparison that all of them make.

A service must get the bytes that the client sent, from the first delimiter on (what precedes it is to be
ignored, RFC 2046 section 5.1.1), with nothing changed but the boundary, and a bare file as it is.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gateway.testing import Answer, RawClient, Received, RecordingService, boundary_of, file_part, multipart
from gateway.testing.gateways import RunningGateway
from gateway.testing.listening import HOST
from gateway.testing.services import describe

__all__ = [
    "BOUNDARY",
    "Front",
    "Service",
    "Upload",
    "assert_same",
    "assert_unchanged",
    "bare",
    "chunks",
    "form",
    "found",
    "head",
    "noise",
    "send",
    "single_file",
    "unchunked",
]

BOUNDARY = b"client-boundary_0123456789"
GROWN_BOUNDARY = 16
"""A shorter boundary than this is replaced by one of this length, since a fresh one must not be guessed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """A gateway that is listening, and who reads its clients' sockets."""

    kind: str
    """`own`: the gateway; `wsgi`: gunicorn, and the gateway through `wsgi.input`; `cheroot`: likewise."""
    running: RunningGateway

    @property
    def port(self) -> int:
        return self.running.port

    @property
    def url(self) -> str:
        """Without a path and without a slash at the end."""
        return self.running.url

    def client(self, timeout: float = 20.0) -> RawClient:
        """One connection, to be used with `with`."""
        return RawClient(HOST, self.port, timeout=timeout)


class Service(RecordingService):
    """Records, and answers as a test wishes."""

    def __init__(self) -> None:
        super().__init__(answer=self._respond)
        self.respond: Callable[[Received], bytes] = describe
        """Makes the whole answer; asked in the connection's thread."""

    def _respond(self, received: Received) -> bytes:
        return self.respond(received)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What a client sends, without framing."""

    content_type: str
    body: bytes
    boundary: bytes | None = None
    """None for a bare file."""
    delimiters: Sequence[int] = ()
    """Where the delimiters are, their dashes included, in order; what precedes the first one is preamble."""


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes without a pattern, the same in every run."""
    return random.Random(seed).randbytes(size)


def form(
    parts: Sequence[tuple[bytes, bytes]], boundary: bytes = BOUNDARY, *, around: tuple[bytes, bytes] = (b"", b"")
) -> Upload:
    """A form of these parts; `around` is what precedes its first delimiter, and what follows its last."""
    places = [len(around[0])]
    for headers, content in parts:
        places.append(places[-1] + len(boundary) + 4 + len(headers) + 4 + len(content) + 2)
    return Upload(
        content_type=f'multipart/form-data; boundary="{boundary.decode("latin-1")}"',
        body=around[0] + multipart(parts, boundary) + around[1],
        boundary=boundary,
        delimiters=places,
    )


def single_file(content: bytes, boundary: bytes = BOUNDARY) -> Upload:
    """The most usual upload of all."""
    return form([file_part("file", "file.bin", content)], boundary)


def bare(content: bytes, content_type: str = "application/pdf") -> Upload:
    """A body that is the file."""
    return Upload(content_type=content_type, body=content)


def chunks(body: bytes, size: int, *, extension: bytes = b"", trailers: bytes = b"") -> bytes:
    """The body in chunks of `size` bytes, to be sent at once; `trailers` are whole lines."""
    view = memoryview(body)
    pieces: list[bytes | memoryview] = []
    for start in range(0, len(body), size):
        piece = view[start : start + size]
        pieces += [b"%x%s\r\n" % (len(piece), extension), piece, b"\r\n"]
    return b"".join([*pieces, b"0%s\r\n%s\r\n" % (extension, trailers)])


def unchunked(body: bytes) -> bytes:
    """A body out of its chunks, which are all there; trailers are dropped."""
    out, place = bytearray(), 0
    while True:
        stop = body.index(b"\r\n", place)
        length = int(body[place:stop].partition(b";")[0], 16)
        if not length:
            assert body.endswith(b"\r\n\r\n")
            return bytes(out)
        out += body[stop + 2 : stop + 2 + length]
        place = stop + 2 + length + 2


def found(body: bytes, boundary: bytes) -> Upload:
    """A form whose contents do not hold its boundary, as it is."""
    places = [each.start() for each in re.finditer(re.escape(b"--" + boundary), body)]
    return Upload(
        content_type=f"multipart/form-data; boundary={boundary.decode()}",
        body=body,
        boundary=boundary,
        delimiters=places,
    )


def head(path: str, upload: Upload, *, chunked: bool = False, more: bytes = b"") -> bytes:
    """The request's head; `more` are whole lines."""
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(upload.body)
    start = f"POST {path} HTTP/1.1\r\nHost: gateway.example\r\nContent-Type: {upload.content_type}\r\n"
    return start.encode("latin-1") + framing + b"\r\n" + more + b"\r\n"


def send(client: RawClient, path: str, upload: Upload, *, chunk_size: int | None = None) -> Answer:
    """Sends with Content-Length, or in chunks of that size, and reads the answer."""
    if chunk_size is None:
        wire = head(path, upload) + upload.body
    else:
        wire = head(path, upload, chunked=True) + chunks(upload.body, chunk_size)
    client.send(wire)
    return client.read_response()


def assert_unchanged(service: Service, upload: Upload) -> Received:
    """The service got this upload once, whole, and as it was sent; returns it."""
    received = service.received
    assert len(received) == 1, f"expected one request, found {len(received)}: {[each.head for each in received]}"
    whole = received[0]
    assert whole.complete
    assert whole.body is not None
    if upload.boundary is None:
        assert whole.headers.get("content-type") == upload.content_type
        assert_same(whole.body, upload.body)
        return whole
    boundary = boundary_of(whole.headers.get("content-type"))
    assert boundary.isalnum(), boundary
    assert boundary != upload.boundary, "the client's boundary was forwarded"
    assert len(boundary) == max(GROWN_BOUNDARY, len(upload.boundary)), boundary
    assert_same(whole.body, b"".join(_with_boundary(upload, upload.boundary, boundary)))
    if not whole.chunked:
        assert whole.headers.get("content-length") == str(len(whole.body))
    return whole


def _with_boundary(upload: Upload, old: bytes, new: bytes) -> Iterator[bytes | memoryview]:
    """The upload from its first delimiter on, with another boundary in each delimiter."""
    view = memoryview(upload.body)
    for place, following in zip(upload.delimiters, [*upload.delimiters[1:], len(view)], strict=True):
        assert view[place : place + 2 + len(old)] == b"--" + old, "the test is wrong about its delimiters"
        yield b"--" + new
        yield view[place + 2 + len(old) : following]


def assert_same(found: bytes, expected: bytes) -> None:
    """Equal, or an error that says where they begin to differ; megabytes are no help in an error."""
    if found == expected:
        return
    place = next((at for at, pair in enumerate(zip(found, expected, strict=False)) if pair[0] != pair[1]), None)
    place = min(len(found), len(expected)) if place is None else place
    shown = slice(max(0, place - 40), place + 40)
    raise AssertionError(
        f"{len(found)} bytes instead of {len(expected)}, different from {place} on: "
        f"{found[shown]!r} instead of {expected[shown]!r}"
    )
