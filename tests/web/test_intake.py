"""What a request's header says about its upload, and where the bytes come from."""

from __future__ import annotations

import errno
import io
import random
from collections.abc import Collection
from typing import Any

import pytest

from gateway.core.services import BodyKind
from gateway.core.uploads import UploadHead
from gateway.errors import (
    BoundaryMissing,
    ClientGone,
    ClientStalled,
    EncodingUnsupported,
    GatewayError,
    LengthRequired,
    NotMultipart,
    RequestRefused,
)
from gateway.web.intake import READ_BYTES, head_of, source_of

BOTH: set[BodyKind] = {"multipart", "raw"}
FORMS: set[BodyKind] = {"multipart"}
FILES: set[BodyKind] = {"raw"}
FORM = "multipart/form-data; boundary=edge"


def environ(content_type: str | None = FORM, length: str | None = "10", **others: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"wsgi.input": io.BytesIO()}
    if content_type is not None:
        values["CONTENT_TYPE"] = content_type
    if length is not None:
        values["CONTENT_LENGTH"] = length
    return {**values, **{name.replace("__", "."): value for name, value in others.items()}}


@pytest.mark.parametrize(
    ("content_type", "bodies", "boundary"),
    [
        (FORM, FORMS, b"edge"),
        (FORM, BOTH, b"edge"),
        ('Multipart/Form-Data; charset=utf-8; BOUNDARY="a b"', BOTH, b"a b"),
        ("image/png", BOTH, None),
        ("image/png", FILES, None),
        ("application/x-www-form-urlencoded", FILES, None),
        ("", BOTH, None),
        (None, FILES, None),
        ("x-multipart/form-data; boundary=edge", BOTH, None),
    ],
)
def test_a_head_says_form_or_file(
    content_type: str | None, bodies: Collection[BodyKind], boundary: bytes | None
) -> None:
    head = head_of(environ(content_type), bodies)

    assert head == UploadHead(boundary=boundary, length=10, content_type=content_type or None)


@pytest.mark.parametrize(
    ("content_type", "bodies", "error"),
    [
        ("image/png", FORMS, NotMultipart),
        (None, FORMS, NotMultipart),
        ("", FORMS, NotMultipart),
        (FORM, FILES, NotMultipart),
        ("multipart/mixed; boundary=edge", BOTH, NotMultipart),
        ("multipart/mixed; boundary=edge", FILES, NotMultipart),
        ("multipart/", FILES, NotMultipart),
        ("multipart/form-data", FORMS, BoundaryMissing),
    ],
)
def test_a_body_that_a_route_does_not_take_is_refused(
    content_type: str | None, bodies: Collection[BodyKind], error: type[RequestRefused]
) -> None:
    with pytest.raises(error):
        head_of(environ(content_type), bodies)


@pytest.mark.parametrize("text", ["text/plain; name=Übersicht.txt", "text/plain; name=\udcff"])
def test_a_type_is_utf_8_with_surrogates(text: str) -> None:
    """WSGI has it as Latin-1; everywhere else in the gateway text that came as bytes looks like this."""
    as_wsgi = text.encode("utf-8", "surrogateescape").decode("latin-1")

    assert head_of(environ(as_wsgi), BOTH).content_type == text


@pytest.mark.parametrize(
    ("length", "others", "expected"),
    [
        ("0", {}, 0),
        ("10", {}, 10),
        ("007", {}, 7),
        ("99999999999999999999", {}, 99999999999999999999),
        (None, {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi__input_terminated": True}, None),
        ("", {"HTTP_TRANSFER_ENCODING": " Chunked ", "wsgi__input_terminated": True}, None),
    ],
)
def test_a_length_is_a_number_or_chunks(length: str | None, others: dict[str, Any], expected: int | None) -> None:
    assert head_of(environ(length=length, **others), FORMS).length == expected


@pytest.mark.parametrize(
    ("length", "others"),
    [
        (None, {}),
        ("", {}),
        ("abc", {}),
        ("-1", {}),
        ("+1", {}),
        ("1_0", {}),
        (" 1", {}),
        ("\u00b2", {}),
        ("1, 1", {}),
        # this server could not tell where the chunks end
        (None, {"HTTP_TRANSFER_ENCODING": "chunked"}),
        (None, {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi__input_terminated": False}),
        (None, {"wsgi__input_terminated": True}),
    ],
)
def test_without_a_length_that_can_be_trusted_there_is_no_upload(length: str | None, others: dict[str, Any]) -> None:
    with pytest.raises(LengthRequired) as raised:
        head_of(environ(length=length, **others), FORMS)
    assert raised.value.status == 411


@pytest.mark.parametrize("coding", ["gzip, chunked", "gzip", "chunked, chunked", "identity"])
def test_other_codings_are_refused(coding: str) -> None:
    """Some servers leave them in the body."""
    with pytest.raises(RequestRefused):
        head_of(environ(length=None, HTTP_TRANSFER_ENCODING=coding, wsgi__input_terminated=True), FORMS)


# --- any server's input ------------------------------------------------------------------------


class Watcher:
    def __init__(self, error: Exception | None = None) -> None:
        self.looks = 0
        self._error = error

    def fileno(self) -> int:
        return -1

    def look(self) -> None:
        self.looks += 1
        if self._error is not None:
            raise self._error


class Failing(io.RawIOBase):
    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, size: int = -1) -> bytes:
        raise self._error


@pytest.mark.parametrize("size", [1, 1000, READ_BYTES, 2 * READ_BYTES])
def test_a_servers_input_is_read_to_its_end(size: int) -> None:
    content = random.Random(1).randbytes(700_000)
    source = source_of(environ(wsgi__input=io.BytesIO(content[: size * 20])), 30)
    view = memoryview(bytearray(size))
    taken = bytearray()

    while count := source.read_into(view, None):
        assert count <= min(size, READ_BYTES)
        taken += view[:count]

    assert taken == content[: size * 20]


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (TimeoutError("timed out"), ClientStalled),
        (ConnectionResetError("reset"), ClientGone),
        (OSError(errno.EIO, "x"), ClientGone),
        (ValueError("bad chunk"), ClientGone),
        (EOFError(), ClientGone),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_whatever_a_server_raises_is_the_clients_failure(raised: Exception, error: type[GatewayError]) -> None:
    """And never an OSError: below a transport that would be the service's."""
    source = source_of(environ(wsgi__input=Failing(raised)), 30)

    with pytest.raises(error) as failure:
        source.read_into(memoryview(bytearray(10)), None)

    assert failure.value.__cause__ is raised
    assert not isinstance(failure.value, OSError)


def test_a_watch_is_looked_at_before_each_read() -> None:
    source = source_of(environ(wsgi__input=io.BytesIO(b"abcdef")), 30)
    watch = Watcher()

    for _ in range(3):
        source.read_into(memoryview(bytearray(2)), watch)

    assert watch.looks == 3


def test_a_watch_that_raises_takes_nothing_from_the_client() -> None:
    stream = io.BytesIO(b"abcdef")
    source = source_of(environ(wsgi__input=stream), 30)

    with pytest.raises(BrokenPipeError, match="answered"):
        source.read_into(memoryview(bytearray(2)), Watcher(BrokenPipeError("answered")))

    assert stream.tell() == 0


def test_under_gunicorn_a_stalled_client_has_a_limit() -> None:
    """Without the hook its socket would wait for ever."""

    class Socket:
        limit: float | None = None

        def settimeout(self, seconds: float) -> None:
            self.limit = seconds

    sock = Socket()

    source_of(environ(gunicorn__socket=sock), 12.5)

    assert sock.limit == 12.5


@pytest.mark.parametrize("bodies", [{"multipart"}, {"raw"}], ids=["form", "bare"])
@pytest.mark.parametrize("encoding", ["gzip", "br", "gzip, identity"])
def test_a_compressed_body_is_refused(encoding: str, bodies: set[BodyKind]) -> None:
    """A form could not be read, and a bare file would reach the service as something that it is not."""
    environ = {"CONTENT_TYPE": "application/pdf", "CONTENT_LENGTH": "3", "HTTP_CONTENT_ENCODING": encoding}

    with pytest.raises(EncodingUnsupported, match=encoding):
        head_of(environ, bodies)


def test_identity_is_no_encoding() -> None:
    environ = {"CONTENT_TYPE": "application/pdf", "CONTENT_LENGTH": "3", "HTTP_CONTENT_ENCODING": "Identity"}

    assert head_of(environ, {"raw"}).length == 3
