"""What a request's header says about its upload, and where the bytes come from."""

from __future__ import annotations

import errno
import io
import random
from typing import Any

import pytest

from gateway.core.services import Accept
from gateway.core.uploads import UploadHead
from gateway.errors import (
    BodyUnsupported,
    BoundaryMissing,
    ClientGone,
    ClientStalled,
    EncodingUnsupported,
    FilenameInvalid,
    GatewayError,
    LengthRequired,
    NotMultipart,
    RequestRefused,
)
from gateway.web.intake import READ_BYTES, head_of, source_of

FORMS = Accept()
FILES = Accept(bodies=frozenset({"raw"}))
JSON = Accept(bodies=frozenset({"json"}))
BOTH = Accept(bodies=frozenset({"multipart", "raw"}))
FORMS_AND_JSON = Accept(bodies=frozenset({"multipart", "json"}))
ALL = Accept(bodies=frozenset({"multipart", "raw", "json"}))
FORM = "multipart/form-data; boundary=edge"


def environ(content_type: str | None = FORM, length: str | None = "10", **others: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"wsgi.input": io.BytesIO()}
    if content_type is not None:
        values["CONTENT_TYPE"] = content_type
    if length is not None:
        values["CONTENT_LENGTH"] = length
    return {**values, **{name.replace("__", "."): value for name, value in others.items()}}


@pytest.mark.parametrize(
    ("content_type", "accept", "boundary"),
    [
        (FORM, FORMS, b"edge"),
        (FORM, BOTH, b"edge"),
        (FORM, ALL, b"edge"),
        ('Multipart/Form-Data; charset=utf-8; BOUNDARY="a b"', BOTH, b"a b"),
        ("image/png", BOTH, None),
        ("image/png", FILES, None),
        ("image/png", ALL, None),
        ("application/x-www-form-urlencoded", FILES, None),
        ("", BOTH, None),
        (None, FILES, None),
        ("x-multipart/form-data; boundary=edge", BOTH, None),
        # JSON is a file where the route does not take it apart
        ("application/json", BOTH, None),
        ("application/vnd.api+json", ALL, None),
        ("application/jsonl", ALL, None),
    ],
)
def test_a_head_says_form_or_file(content_type: str | None, accept: Accept, boundary: bytes | None) -> None:
    """A bare body is a file whatever its type; a form is one by its type alone."""
    head = head_of(environ(content_type), accept)

    assert head == UploadHead(boundary=boundary, length=10, content_type=content_type or None)
    assert head.kind == ("raw" if boundary is None else "multipart")


@pytest.mark.parametrize("accept", [JSON, FORMS_AND_JSON, ALL], ids=["json", "forms", "all"])
@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8", " application/json "])
def test_a_head_says_json(content_type: str, accept: Accept) -> None:
    """JSON is taken apart where the route takes JSON, also if it takes bare files of any type."""
    head = head_of(environ(content_type, HTTP_CONTENT_DISPOSITION="attachment; filename=x"), accept, "x")

    assert head == UploadHead(boundary=None, is_json=True, length=10, content_type=content_type)
    assert head.kind == "json"


@pytest.mark.parametrize(
    ("content_type", "accept", "error", "expected"),
    [
        ("image/png", FORMS, NotMultipart, "takes multipart/form-data; Content-Type is 'image/png'"),
        ("image/png", FORMS_AND_JSON, NotMultipart, "takes multipart/form-data or application/json; "),
        (None, FORMS, NotMultipart, "the request has no Content-Type"),
        ("", FORMS, NotMultipart, "the request has no Content-Type"),
        (FORM, FILES, BodyUnsupported, "takes a bare file, whose type is not multipart; "),
        (FORM, JSON, BodyUnsupported, "takes application/json; "),
        ("text/json", JSON, BodyUnsupported, "takes application/json; Content-Type is 'text/json'"),
        (None, JSON, BodyUnsupported, "takes application/json; the request has no Content-Type"),
        ("multipart/mixed; boundary=edge", BOTH, NotMultipart, "or a bare file"),
        ("multipart/mixed; boundary=edge", FILES, BodyUnsupported, "a bare file"),
        ("multipart/mixed; boundary=edge", ALL, NotMultipart, "form-data or application/json or a bare file"),
        ("multipart/", FILES, BodyUnsupported, "a bare file"),
        ("multipart/form-data", FORMS, BoundaryMissing, "boundary"),
    ],
)
def test_a_body_that_a_route_does_not_take_is_refused(
    content_type: str | None, accept: Accept, error: type[RequestRefused], expected: str
) -> None:
    """With what the route takes, and what came."""
    with pytest.raises(error, match=expected) as raised:
        head_of(environ(content_type), accept)

    assert raised.value.status == (400 if error is BoundaryMissing else 415)


# --- the name of a raw body --------------------------------------------------------------------


def in_wsgi(text: str) -> str:
    """A header as WSGI has it."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


@pytest.mark.parametrize(
    ("disposition", "path", "filename"),
    [
        (None, None, None),
        (None, "report.pdf", "report.pdf"),
        (None, "2024/May/Übersicht.pdf", "Übersicht.pdf"),
        (None, "not-utf-8-\udcff", "not-utf-8-\udcff"),
        # a path that ends in a slash names a place
        (None, "2024/", None),
        (None, "", None),
        ('attachment; filename="a b.pdf"', None, "a b.pdf"),
        ("attachment; filename=a.pdf", "b.pdf", "a.pdf"),
        ("inline; filename=a.pdf", None, "a.pdf"),
        ('attachment; filename="Übersicht.pdf"', None, "Übersicht.pdf"),
        # nothing is cut off: it is never used as a path here
        ('attachment; filename="C:\\x\\y.pdf"', None, "C:\\x\\y.pdf"),
        ("attachment; filename*=utf-8''%C3%9Cbersicht.pdf; filename=a.pdf", None, "Übersicht.pdf"),
        ("attachment; filename=a.pdf; filename*=utf-8''%C3%9Cbersicht.pdf", "b", "Übersicht.pdf"),
        # an extended name that cannot be read
        ("attachment; filename=a.pdf; filename*=klingon''x", None, "a.pdf"),
        ("attachment; filename*=klingon''x", "b.pdf", "klingon''x"),
        ("attachment; filename*=utf-8''a%0Ab; filename=a.pdf", None, "a.pdf"),
        # no name in it
        ("attachment", "b.pdf", "b.pdf"),
        ('attachment; filename=""', "b.pdf", "b.pdf"),
        ("attachment; name=a.pdf", "b.pdf", "b.pdf"),
    ],
)
def test_a_bare_file_is_named_by_the_request(disposition: str | None, path: str | None, filename: str | None) -> None:
    """By Content-Disposition; by the last segment of the path where that names none."""
    others = {} if disposition is None else {"HTTP_CONTENT_DISPOSITION": in_wsgi(disposition)}

    assert head_of(environ("image/png", **others), BOTH, path).filename == filename


@pytest.mark.parametrize(
    ("disposition", "path"),
    [
        (None, "a\nb"),
        (None, "a\rb"),
        (None, "a\0.pdf"),
        (None, "dir/\x7f"),
        ('attachment; filename="a\tb"', None),
        ('attachment; filename="a\x1bb"', "b.pdf"),
        # Readers differ on which of two counts.
        ("attachment; filename=a; filename=b", None),
        ("attachment; filename*=utf-8''a; filename*=utf-8''b", None),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(disposition: str | None, path: str | None) -> None:
    """It would add lines to headers and logs, or mean different files to different readers."""
    others = {} if disposition is None else {"HTTP_CONTENT_DISPOSITION": disposition}

    with pytest.raises(FilenameInvalid) as raised:
        head_of(environ("image/png", **others), BOTH, path)

    assert (raised.value.code, raised.value.status) == ("filename_invalid", 400)


def test_a_form_is_not_named() -> None:
    """Its files have names of their own; a path with a control character is no harm to it."""
    head = head_of(environ(HTTP_CONTENT_DISPOSITION="attachment; filename=x"), BOTH, "a\nb")

    assert head.filename is None


# --- types and lengths -------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["text/plain; name=Übersicht.txt", "text/plain; name=\udcff"])
def test_a_type_is_utf_8_with_surrogates(text: str) -> None:
    """WSGI has it as Latin-1; everywhere else in the gateway text that came as bytes looks like this."""
    assert head_of(environ(in_wsgi(text)), BOTH).content_type == text


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


@pytest.mark.parametrize("accept", [FORMS, FILES, JSON], ids=["form", "bare", "json"])
@pytest.mark.parametrize("encoding", ["gzip", "br", "gzip, identity"])
def test_a_compressed_body_is_refused(encoding: str, accept: Accept) -> None:
    """A form could not be read, and a bare file would reach the service as something that it is not."""
    environ = {"CONTENT_TYPE": "application/pdf", "CONTENT_LENGTH": "3", "HTTP_CONTENT_ENCODING": encoding}

    with pytest.raises(EncodingUnsupported, match=encoding):
        head_of(environ, accept)


def test_identity_is_no_encoding() -> None:
    environ = {"CONTENT_TYPE": "application/pdf", "CONTENT_LENGTH": "3", "HTTP_CONTENT_ENCODING": "Identity"}

    assert head_of(environ, FILES).length == 3
