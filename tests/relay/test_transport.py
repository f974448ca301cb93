"""What a service is sent, and what its answers and its failures become."""

from __future__ import annotations

import gzip
import io
import re
import socket
from dataclasses import replace

import pytest
import requests
import responses
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from gateway.core.headers import Fields
from gateway.core.uploads import Limits
from gateway.errors import (
    GatewayError,
    ServiceAnswerInvalid,
    ServiceConnectTimeout,
    ServiceError,
    ServiceFirstByteTimeout,
    ServiceReset,
    ServiceTLSFailure,
    ServiceUnreachable,
)
from gateway.relay.bodies import copied_file, copied_form
from gateway.spool.files import SpoolFiles
from gateway.testing import (
    Connection,
    RecordingService,
    ScriptedService,
    answer_bytes,
    field_part,
    file_part,
    multipart,
    peers,
    refused_port,
    split_multipart,
)
from tests.relay.sending import LARGE, LIMITS, SMALL_BUFFER, body_of, port_that_hangs, read, send, target_at, transport
from tests.spool.sources import cut_every, new_upload

URL = "http://text.test/api?lang=en"


# --- the request, on the wire ------------------------------------------------------------------


def test_a_request_has_these_fields_and_no_others() -> None:
    """None of requests' or urllib3's own: what the service sees is decided here."""
    fields = [("Accept", "*/*"), ("Accept-Encoding", "gzip"), ("X-Request-Id", "id-1")]
    with RecordingService() as service, transport() as sender:
        body = body_of(b"abc", content_type="multipart/form-data; boundary=b")
        read(send(sender, f"{service.url}/text/api?a=%20b", body, fields=fields))

        (received,) = service.received
        port = str(service.port).encode()
    assert (received.method, received.target) == ("POST", "/text/api?a=%20b")
    assert sorted(received.headers) == [
        (b"Accept", b"*/*"),
        (b"Accept-Encoding", b"gzip"),
        (b"Content-Length", b"3"),
        (b"Content-Type", b"multipart/form-data; boundary=b"),
        (b"Host", b"127.0.0.1:" + port),
        (b"User-Agent", b"tests/1"),
        (b"X-Request-Id", b"id-1"),
    ]
    assert received.body == b"abc"


def test_a_repeated_field_stays_repeated() -> None:
    fields = [("X-Tag", "a"), ("X-Other", "1"), ("x-tag", "b")]
    with RecordingService() as service, transport() as sender:
        read(send(sender, service.url, body_of(b"abc"), fields=fields))

        (received,) = service.received
    assert [value for name, value in received.headers if name.lower() == b"x-tag"] == [b"a", b"b"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_the_method_is_the_given_one(method: str) -> None:
    with RecordingService() as service, transport() as sender:
        read(sender.send(replace(target_at(service.url), method=method), body_of(b"abc"), lambda: None))

        assert [received.method for received in service.received] == [method]


def test_a_body_of_unknown_length_goes_out_in_chunks() -> None:
    with RecordingService() as service, transport() as sender:
        read(send(sender, service.url, body_of(b"abc", b"", b"de", length=None)))

        (received,) = service.received
    assert (received.chunked, received.body) == (True, b"abcde")
    assert received.headers.get("transfer-encoding") == "chunked"
    assert received.headers.get("content-length") is None


def test_no_field_wins_over_what_the_body_says_of_itself() -> None:
    """Content-Type and length belong to the very body that is sent."""
    fields = [("USER-AGENT", "mine"), ("content-type", "text/html"), ("Content-length", "7")]
    with RecordingService() as service, transport() as sender:
        read(send(sender, service.url, body_of(b"abc"), fields=fields))

        (received,) = service.received
    assert received.headers.get("user-agent") == "mine"
    assert received.headers.get("content-type") == "text/plain"
    assert received.headers.get("content-length") == "3"


def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, and no password from .netrc."""
    with refused_port() as nobody, RecordingService() as service, transport() as sender:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{nobody}")
        read(send(sender, service.url, body_of(b"abc")))

        assert service.received[0].headers.get("authorization") is None


def test_cookies_are_not_carried_from_client_to_client() -> None:
    with (
        RecordingService(answer=lambda _: answer_bytes(200, headers=[("Set-Cookie", "a=1; Path=/")])) as service,
        transport() as sender,
    ):
        for _ in range(2):
            read(send(sender, service.url, body_of(b"abc")))

        assert [received.headers.get("cookie") for received in service.received] == [None, None]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain; name=Übersicht.txt", "text/plain; name=日本.txt", "text/plain; name=\udcff.txt"],
)
def test_a_type_that_is_not_ascii_goes_on_as_it_came(files: SpoolFiles, content_type: str) -> None:
    """Bytes in, the same bytes out; not a failure of ours because of what a client wrote."""
    raw_type = content_type.encode("utf-8", "surrogateescape")
    headers = b'Content-Disposition: form-data; name="f"; filename="x"\r\nContent-Type: ' + raw_type
    form = multipart([(headers, b"abc")], b"edge")
    upload = new_upload(files, [form], boundary=b"edge", length=len(form), slot_bytes=1000, limits=Limits())
    upload.read_whole()
    with RecordingService() as service, transport() as sender:
        read(send(sender, service.url, copied_file(upload, upload.parts[0])))

        (received,) = service.received
    assert dict(received.headers)[b"Content-Type"] == raw_type
    assert received.body == b"abc"
    upload.release()


def test_an_upload_goes_through_as_it_is(files: SpoolFiles) -> None:
    parts = [field_part("a", b"1"), file_part("f", "x.bin", bytes(range(256)) * 40), field_part("ä", b"")]
    boundary = b"boundary-of-the-client"
    form = multipart(parts, boundary)
    upload = new_upload(files, cut_every(form, 500), boundary=boundary, length=len(form), keep=False, slot_bytes=1000)
    upload.pull_until(lambda: bool(upload.delimiters))
    with RecordingService() as service, transport() as sender:
        body = copied_form(upload, lambda size: bytes(range(size)))
        read(send(sender, service.url, body))

        (received,) = service.received
    assert received.body is not None
    fresh = body.content_type.partition("boundary=")[2]
    assert received.headers.get("content-type") == f"multipart/form-data; boundary={fresh}"
    assert received.headers.get("content-length") == str(len(form))
    assert split_multipart(received.body, fresh.encode()) == parts
    upload.release()


def test_an_upload_that_is_answered_early_is_let_go_of_at_once(files: SpoolFiles) -> None:
    """What the spool keeps for this delivery would be kept as long as the answer is being read."""
    boundary = b"boundary-of-the-client"
    form = multipart([file_part("f", "x.bin", bytes(LARGE))], boundary)
    upload = new_upload(files, cut_every(form, 2**18), boundary=boundary, length=len(form), slot_bytes=2**20)
    upload.read_whole()
    body = copied_form(upload, lambda size: bytes(range(size)))
    script = peers.answer_early_and_stop()
    with ScriptedService(script, receive_buffer=SMALL_BUFFER) as service, transport() as sender:
        answer = send(sender, service.url, body)

        assert answer.early
        assert "0 readers" in repr(upload)
        assert read(answer) == b"too large"
    upload.release()


# --- the answer --------------------------------------------------------------------------------


def test_an_answer_comes_as_it_is() -> None:
    fields = [("X-A", "1"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("Content-Encoding", "gzip"), ("X-Empty", "")]
    packed = gzip.compress(b"text")
    script = peers.answer_garbage(answer_bytes(418, packed, fields))
    with ScriptedService(script) as service, transport() as sender:
        answer = send(sender, service.url, body_of(b"abc"))

        assert (answer.status, answer.reason) == (418, "I'm a Teapot")
        assert [(name.lower(), value) for name, value in answer.fields] == [
            ("x-a", "1"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("content-encoding", "gzip"),
            ("x-empty", ""),
            ("content-length", str(len(packed))),
        ]
        assert answer.field("SET-cookie") == "a=1"
        assert answer.field("location") is None
        assert read(answer) == packed


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n1\r\nd\r\n0\r\nX: y\r\n\r\n", b"abcd"),
    ],
)
def test_an_answer_is_read_to_its_end_however_that_is_said(raw: bytes, body: bytes) -> None:
    with ScriptedService(peers.answer_garbage(raw)) as service, transport() as sender:
        assert read(send(sender, service.url, body_of(b"abc"))) == body


def test_an_answer_is_handed_on_as_it_comes() -> None:
    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        connection.send(b"first")
        connection.hold()

    with ScriptedService(script) as service, transport() as sender:
        answer = send(sender, service.url, body_of(b"abc"))

        assert next(answer.blocks()) == b"first"
        answer.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_answers_here(status: int) -> None:
    """Whether one is followed is decided elsewhere, where a new body can be made."""
    with ScriptedService(peers.redirect(status, "/elsewhere")) as service, transport() as sender:
        answer = send(sender, service.url, body_of(b"abc"))

        assert (answer.status, answer.field("location")) == (status, "/elsewhere")
        read(answer)
        assert service.connections == 1


# --- services that cannot be reached -----------------------------------------------------------


def test_a_service_that_does_not_run_is_unreachable() -> None:
    with refused_port() as port, transport() as sender, pytest.raises(ServiceUnreachable) as failure:
        send(sender, f"http://127.0.0.1:{port}/x", body_of(b"abc"))

    assert re.match(rf"text at 'http://127\.0\.0\.1:{port}/x': .*refused", str(failure.value))


def test_a_name_that_does_not_exist_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with transport() as sender, pytest.raises(ServiceUnreachable, match=r"the name cannot be resolved: .*not known"):
        send(sender, "http://text.test/", body_of(b"abc"))


def test_a_service_that_lets_nobody_in_is_told_in_time() -> None:
    limits = replace(LIMITS, connect=0.3)
    with port_that_hangs() as port, transport() as sender, pytest.raises(ServiceConnectTimeout) as failure:
        send(sender, f"http://127.0.0.1:{port}", body_of(b"abc"), timeouts=limits)

    assert re.search(r"did not accept a connection .* within 0\.3 s", str(failure.value))


def test_a_service_without_tls_is_told() -> None:
    def plain(connection: Connection) -> None:
        connection.read_exactly(1)
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.read_to_end()

    with ScriptedService(plain) as service, transport() as sender, pytest.raises(ServiceTLSFailure) as failure:
        send(sender, service.url.replace("http:", "https:"), body_of(b"abc"))

    assert str(failure.value).startswith(f"text at 'https://127.0.0.1:{service.port}': ")


def test_whether_a_byte_has_left_is_told() -> None:
    """If none has, it may be sent again, whatever it is."""
    with refused_port() as port, transport() as sender, pytest.raises(ServiceUnreachable) as failure:
        send(sender, f"http://127.0.0.1:{port}/x", body_of(b"abc"))
    assert failure.value.unsent

    begun = ScriptedService(peers.close_without_answer(after=0))
    with begun as service, transport() as sender, pytest.raises(ServiceReset) as failure:
        send(sender, service.url, body_of(b"abc"))
    assert not failure.value.unsent


def test_an_answer_can_be_looked_into_and_handed_on_all_the_same() -> None:
    script = peers.answer_garbage(answer_bytes(200, b"x" * 100_000))
    for limit, expected in ((100_000, b"x" * 100_000), (99_999, None)):
        with ScriptedService(script) as service, transport() as sender:
            answer = send(sender, service.url, body_of(b"abc"))

            assert answer.read_ahead(limit) == expected
            assert read(answer) == b"x" * 100_000


# --- requests' own exceptions, and answers that need no socket ----------------------------------


@pytest.fixture
def mocked() -> responses.RequestsMock:
    return responses.RequestsMock(assert_all_requests_are_fired=True)


@pytest.mark.parametrize(
    ("status", "fields", "body"),
    [
        (200, {"Content-Type": "application/json"}, b'{"a": 1}'),
        (404, {}, b""),
        (503, {"Retry-After": "3"}, b"busy"),
        (307, {"Location": "/x"}, b""),
    ],
)
def test_an_answer_is_status_fields_and_body(
    mocked: responses.RequestsMock, status: int, fields: dict[str, str], body: bytes
) -> None:
    with mocked, transport() as sender:
        mocked.post(URL, body, status=status, headers=fields)
        answer = send(sender, URL, body_of(b"abc"))

        assert answer.status == status
        assert fields.items() <= dict(answer.fields).items()
        assert read(answer) == body


@pytest.mark.parametrize(
    "fields",
    [[], [("Accept", "text/html")], [("Accept-Encoding", "identity"), ("Forwarded", "for=1.2.3.4")]],
    ids=["none", "one", "two"],
)
@pytest.mark.parametrize("length", [-1, None], ids=["length", "chunked"])
def test_the_request_is_made_of_what_it_was_given(
    mocked: responses.RequestsMock, fields: Fields, length: int | None
) -> None:
    """Method, URL and exactly these headers: no User-Agent, Accept or Connection that requests would add."""
    with mocked, transport() as sender:
        mocked.post(URL, b"")
        body = body_of(b"abc", length=length, content_type="image/png")
        send(sender, URL, body, fields=fields).close()

        (call,) = mocked.calls
    assert (call.request.method, call.request.url) == ("POST", URL)
    expected = {**dict(fields), "User-Agent": "tests/1", "Content-Type": "image/png"}
    if length is not None:
        expected["Content-Length"] = "3"
    assert dict(call.request.headers) == expected
    assert id(call.request.body) == id(body)


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (requests.ConnectTimeout(), ServiceConnectTimeout),
        (requests.exceptions.SSLError(OSError("wrong version")), ServiceTLSFailure),
        (requests.ConnectionError(ConnectionRefusedError(111, "refused")), ServiceUnreachable),
        (requests.exceptions.InvalidURL("no host"), ServiceUnreachable),
        (requests.exceptions.ProxyError("proxy"), ServiceUnreachable),
        (requests.ConnectionError(ProtocolError("aborted", OSError())), ServiceUnreachable),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_fails_before_anything_is_sent_is_told_by_what_it_is(
    mocked: responses.RequestsMock, raised: Exception, error: type[ServiceError]
) -> None:
    mocked.assert_all_requests_are_fired = False
    with mocked, transport() as sender:
        mocked.post(URL, raised)
        with pytest.raises(error) as failure:
            send(sender, URL, body_of(b"abc"))

    assert type(failure.value) is error
    assert URL in str(failure.value)


def test_a_body_that_breaks_off_is_told(mocked: responses.RequestsMock) -> None:
    """However the layers below call it."""

    class Broken(io.RawIOBase):
        def __init__(self, error: Exception) -> None:
            self._error = error

        def readable(self) -> bool:
            return True

        def readinto(self, _: object) -> int:
            raise self._error

    for error in (ConnectionResetError(), OSError("x"), ReadTimeoutError(None, URL, "x")):
        with responses.RequestsMock() as each, transport() as sender:
            each.post(URL, io.BufferedReader(Broken(error)), auto_calculate_content_length=False)
            answer = send(sender, URL, body_of(b"abc"))
            with pytest.raises(ServiceAnswerInvalid, match="broke off"):
                read(answer)


def test_failures_are_gateway_errors_with_a_cause() -> None:
    """The log has the library's own; nobody else sees it."""
    with ScriptedService(peers.never_answer()) as service, transport() as sender:
        with pytest.raises(GatewayError) as failure:
            send(sender, service.url, body_of(b"abc"), timeouts=replace(LIMITS, first_byte=0.05))
        assert type(failure.value) is ServiceFirstByteTimeout

    with refused_port() as port, transport() as sender:
        with pytest.raises(GatewayError) as failure:
            send(sender, f"http://127.0.0.1:{port}", body_of(b"abc"))
        assert isinstance(failure.value.__cause__, requests.ConnectionError)
