"""The client's socket under gunicorn's own parser: no byte too many, none too few, and no wait without a limit."""

from __future__ import annotations

import io
import random
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.parser import RequestParser
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import ClientGone, ClientStalled, FramingInvalid, GatewayError
from gateway.spool.uploads import Watch
from gateway.web import worker as module
from gateway.web.worker import ClientBody, ClientSocket, pre_request

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LIMIT_S = 10.0


class Connection:
    """A client at one end of a pair of sockets, gunicorn's parser and the hook at the other."""

    def __init__(self) -> None:
        self.client, self.server = socket.socketpair()
        self.client.settimeout(LIMIT_S)
        self.parser = RequestParser(Config(), self.server, ("127.0.0.1", 1))

    def next_request(self) -> Any:
        request = next(self.parser)
        pre_request(None, request)
        return request

    def next_body(self, stall_s: float = LIMIT_S) -> ClientBody:
        body = self.next_request().body
        assert isinstance(body, ClientBody)
        body.limit_stalls(stall_s)
        return body

    def post(self, body: bytes, *, length: int | None = -1, rest: bytes = b"", fields: bytes = b"") -> None:
        """Send a request, and what else comes behind it; of a known length, or (None) in the chunks of `body`."""
        framing = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % max(length, len(body))
        self.client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n%s\r\n%s\r\n%s%s" % (framing, fields, body, rest))

    def answered(self) -> bytes:
        """What the client has been sent by now."""
        self.client.setblocking(False)
        try:
            return self.client.recv(65536)
        except BlockingIOError:
            return b""
        finally:
            self.client.settimeout(LIMIT_S)

    def reset(self) -> None:
        """The client vanishes with an answer unread: what is sent to it now fails."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.client.close()

    def close(self) -> None:
        self.client.close()
        self.server.close()


@pytest.fixture
def connection() -> Iterator[Connection]:
    connection = Connection()
    yield connection
    connection.close()


@contextmanager
def opened() -> Iterator[Connection]:
    connection = Connection()
    try:
        yield connection
    finally:
        connection.close()


def read_some(body: ClientBody, size: int = 65536, watch: Watch | None = None) -> bytes:
    view = memoryview(bytearray(size))
    count = body.read_into(view, watch)
    return bytes(view[:count])


def read_all(body: ClientBody, size: int = 65536) -> bytes:
    taken = bytearray()
    while block := read_some(body, size):
        taken += block
    return bytes(taken)


def in_chunks(body: bytes, size: int = 10, trailer: bytes = b"") -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + trailer + b"\r\n"


class Watcher:
    """A watch over one end of a pair of sockets; raises once the other end has said something."""

    def __init__(self) -> None:
        self.service, self._ours = socket.socketpair()
        self.looks = 0

    def fileno(self) -> int:
        return self._ours.fileno()

    def look(self) -> None:
        self.looks += 1
        if select.select([self._ours], [], [], 0)[0]:
            raise BrokenPipeError("answered")

    def close(self) -> None:
        self.service.close()
        self._ours.close()


@pytest.fixture
def watch() -> Iterator[Watcher]:
    watch = Watcher()
    yield watch
    watch.close()


# --- exact -------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    bodies=st.lists(st.integers(0, 300), min_size=1, max_size=4),
    chunk=st.none() | st.integers(1, 100),
    size=st.integers(1, 400),
    steps=st.lists(st.integers(1, 500), max_size=10),
    through_wsgi=st.booleans(),
)
def test_requests_in_a_row_are_taken_apart_exactly(
    bodies: list[int], chunk: int | None, size: int, steps: list[int], through_wsgi: bool
) -> None:
    """However they arrive: one body's last byte is never the next one's first."""
    contents = [random.Random(number).randbytes(length) for number, length in enumerate(bodies)]
    wire = b"".join(
        b"POST / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n%s"
        % (
            (b"Content-Length: %d" % len(content), content)
            if chunk is None
            else (b"Transfer-Encoding: chunked", in_chunks(content, chunk))
        )
        for content in contents
    )
    with opened() as connection:
        position = 0
        for step in steps:
            connection.client.sendall(wire[position : position + step])
            position += step
        connection.client.sendall(wire[position:])

        for content in contents:
            body = connection.next_body()
            if through_wsgi:
                assert body.read() == content
            else:
                assert read_all(body, size) == content
                assert not body.unread
            assert not body.failed


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_what_has_arrived_is_handed_out_without_waiting_for_more(connection: Connection, chunked: bool) -> None:
    connection.post(b"14\r\nfirst" if chunked else b"first", length=None if chunked else 20)
    body = connection.next_body()

    assert read_some(body) == b"first"
    connection.client.sendall(b" second")
    assert read_some(body) == b" second"
    connection.client.sendall(b" the end\r\n0\r\n\r\n" if chunked else b" the end")
    assert read_all(body) == b" the end"


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_both_ways_of_reading_can_be_mixed(connection: Connection, chunked: bool) -> None:
    """A hook may have read a line through `wsgi.input` before the upload was asked for."""
    content = b"a line\nanother\n" + random.Random(1).randbytes(500)
    connection.post(in_chunks(content, 100) if chunked else content, length=None if chunked else -1, rest=b"GET /")
    body = connection.next_body()

    got = body.readline() + body.read(3) + read_some(body, 5) + read_some(body, 7) + body.read(50)

    assert got + read_all(body) == content
    assert not body.unread


def test_nothing_is_read_of_a_body_that_is_empty(connection: Connection) -> None:
    connection.post(b"", rest=b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
    body = connection.next_body()

    assert not body.unread
    assert read_all(body) == b""
    assert connection.next_request().path == "/next"


def test_a_request_hidden_in_a_body_stays_in_it(connection: Connection) -> None:
    hidden = b"POST /hidden HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    connection.post(hidden * 3, rest=b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")

    body = connection.next_body()
    assert read_all(body, 7) == hidden * 3
    assert connection.next_request().path == "/next"


def test_trailers_are_no_part_of_a_body(connection: Connection) -> None:
    connection.post(
        in_chunks(b"abc", trailer=b"X-Sum: 1\r\n"), length=None, rest=b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
    )

    body = connection.next_body()
    assert read_all(body) == b"abc"
    assert connection.next_request().path == "/next"


@pytest.mark.parametrize("read", [0, 3])
def test_what_nobody_reads_is_gunicorns_to_discard(connection: Connection, read: int) -> None:
    connection.post(b"x" * 100, rest=b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
    body = connection.next_body()
    if read:
        read_some(body, read)
    assert body.unread

    assert connection.next_request().path == "/next"


# --- 100 Continue ------------------------------------------------------------------------------


@pytest.mark.parametrize("read", ["source", "wsgi.input"])
def test_the_client_is_asked_to_go_on_at_the_first_read_and_once(connection: Connection, read: str) -> None:
    connection.client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n")
    request = connection.next_request()
    body = request.body
    assert isinstance(body, ClientBody)
    body.limit_stalls(LIMIT_S)
    assert connection.answered() == b""
    assert request._expected_100_continue is False, "gunicorn would send it, too"

    def go_on() -> None:
        assert connection.client.recv(100) == CONTINUE
        connection.client.sendall(b"abcdef")

    client = threading.Thread(target=go_on)
    client.start()
    got = read_some(body, 3) if read == "source" else body.read(3)
    client.join(LIMIT_S)

    got += read_some(body) if read == "source" else body.read()
    assert got == b"abcdef"
    assert connection.answered() == b""


def test_a_refusal_comes_without_asking_to_go_on(connection: Connection) -> None:
    """Else the client would send all of it for nothing."""
    connection.client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n")
    body = connection.next_body()

    body.refuse()
    connection.client.shutdown(socket.SHUT_WR)
    body.drain()

    assert connection.answered() == b""
    with pytest.raises(StopIteration):
        next(connection.parser)
    assert connection.answered() == b""


def test_a_client_that_is_gone_when_it_is_asked_to_go_on_is_told_as_that(connection: Connection) -> None:
    """An OSError here would be taken for the service's."""
    connection.client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n")
    body = connection.next_body()
    connection.client.close()

    with pytest.raises(ClientGone):
        read_some(body)
    assert body.failed


# --- clients that fail -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "length"),
    [(b"", 10), (b"abc", 10), (b"", None), (b"5", None), (b"5\r\nab", None), (b"2\r\nab\r\n", None), (b"0\r\n", None)],
)
def test_a_client_that_closes_early_is_never_at_its_end(
    connection: Connection, sent: bytes, length: int | None
) -> None:
    """With a length the count shows it (spool/uploads.py); in chunks only an error can."""
    connection.post(sent, length=length)
    body = connection.next_body()
    connection.client.close()

    if length is None:
        with pytest.raises(GatewayError) as raised:
            read_all(body)
        assert type(raised.value) in (ClientGone, FramingInvalid)
    else:
        assert read_all(body) == sent
        assert body.unread
    assert body.failed


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_connection_that_breaks_is_the_clients(chunked: bool) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listening.getsockname())
    server, _ = listening.accept()
    parser = RequestParser(Config(), server, ("127.0.0.1", 1))
    framing = b"Transfer-Encoding: chunked\r\n\r\n14\r\nabc" if chunked else b"Content-Length: 20\r\n\r\nabc"
    client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n" + framing)
    request = next(parser)
    pre_request(None, request)
    body = request.body
    body.limit_stalls(LIMIT_S)
    assert read_some(body) == b"abc"

    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()

    with pytest.raises(ClientGone) as raised:
        read_some(body)
    assert not isinstance(raised.value, OSError)
    assert body.failed
    server.close()
    listening.close()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_client_that_stops_is_told_in_time(connection: Connection, chunked: bool) -> None:
    connection.post(b"14\r\nabc" if chunked else b"abc", length=None if chunked else 20)
    body = connection.next_body(stall_s=0.1)
    assert read_some(body) == b"abc"

    with pytest.raises(ClientStalled, match=r"sent nothing for 0\.1 s"):
        read_some(body)

    assert body.failed
    with pytest.raises(StopIteration):
        next(connection.parser)


@pytest.mark.parametrize(
    "framing",
    [b"x\r\nabc", b"-1\r\nabc", b"3\r\nabcd\r\n", b"3\r\nab\r\n0\r\n\r\n", b"3;=\r\nabc", b"0\r\nbroken\r\n\r\n"],
)
def test_broken_chunks_are_the_clients_fault(connection: Connection, framing: bytes) -> None:
    connection.post(framing, length=None)
    body = connection.next_body()
    connection.client.shutdown(socket.SHUT_WR)

    with pytest.raises(FramingInvalid) as raised:
        read_all(body)

    assert raised.value.status == 400
    assert body.failed


@pytest.mark.parametrize("framing", [b"x\r\nabc", b"3\r\nabcd\r\n", b"5\r\nab"])
def test_after_broken_chunks_there_is_no_end(connection: Connection, framing: bytes) -> None:
    """Asked again, gunicorn's parser would say that the body is over."""
    connection.post(framing, length=None)
    body = connection.next_body()
    connection.client.shutdown(socket.SHUT_WR)
    with pytest.raises(GatewayError):
        read_all(body)

    for _ in range(3):
        with pytest.raises(GatewayError):
            read_some(body)


# --- watches -----------------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_watch_ends_the_wait_for_the_client(connection: Connection, watch: Watcher, chunked: bool) -> None:
    connection.post(b"a\r\nabc" if chunked else b"abc", length=None if chunked else 10)
    body = connection.next_body()
    assert read_some(body, watch=watch) == b"abc"
    answer = threading.Timer(0.05, watch.service.sendall, [b"HTTP/1.1 413 Too Large\r\n\r\n"])
    answer.start()

    with pytest.raises(BrokenPipeError, match="answered"):
        read_some(body, watch=watch)

    answer.join()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_an_upload_whose_wait_was_ended_is_not_at_its_end(
    connection: Connection, watch: Watcher, chunked: bool
) -> None:
    """Another delivery may want the rest: it gets that, or an error; never a part for the whole."""
    connection.post(b"3\r\nabc" if chunked else b"abc", length=None if chunked else 10)
    body = connection.next_body()
    assert read_some(body) == b"abc"
    watch.service.sendall(b"x")
    with pytest.raises(BrokenPipeError):
        read_some(body, watch=watch)

    connection.client.sendall(b"\r\n7\r\ndefghij\r\n0\r\n\r\n" if chunked else b"defghij")
    try:
        rest = read_all(body)
    except GatewayError:
        assert chunked
        assert body.failed
    else:
        assert rest == b"defghij"


def test_what_is_there_is_read_without_a_look(connection: Connection, watch: Watcher) -> None:
    connection.post(b"abcdef")
    watch.service.sendall(b"x")
    body = connection.next_body()

    assert read_some(body, watch=watch) == b"abcdef"


def test_a_watch_without_a_socket_is_looked_at_now_and_then(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limits of an attempt are checked there."""
    monkeypatch.setattr(module, "TICK_S", 0.01)

    class Impatient:
        looks = 0

        def fileno(self) -> int:
            return -1

        def look(self) -> None:
            self.looks += 1
            if self.looks == 5:
                raise BrokenPipeError("over")

    connection.post(b"", length=10)
    body, watch = connection.next_body(), Impatient()

    with pytest.raises(BrokenPipeError, match="over"):
        read_some(body, watch=watch)
    assert watch.looks == 5


# --- refusing ----------------------------------------------------------------------------------


def test_a_refused_connection_is_not_used_again(connection: Connection) -> None:
    connection.post(b"x" * 10, rest=b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n")
    request = connection.next_request()

    request.body.refuse()

    assert request.should_close()
    assert request.body.failed, "else gunicorn would read the rest of it"
    with pytest.raises(StopIteration):
        next(connection.parser)


def test_after_the_answer_the_rest_is_read_and_forgotten(connection: Connection) -> None:
    """A reset would take the answer from the client while it still sends."""
    connection.post(b"x" * 10, length=1_000_000)
    body = connection.next_body()
    body.refuse()
    connection.server.sendall(b"the answer")

    def send_the_rest() -> None:
        connection.client.sendall(bytes(999_990))
        connection.client.shutdown(socket.SHUT_WR)

    sending = threading.Thread(target=send_the_rest)
    sending.start()
    body.drain()
    sending.join(LIMIT_S)

    assert connection.client.recv(100) == b"the answer"
    assert connection.client.recv(100) == b"", "and nothing more will come"


def test_a_client_that_never_stops_is_drained_for_a_while_only(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DRAIN_S", 0.1)
    connection.post(b"x" * 10, length=1_000_000)
    body = connection.next_body()
    body.refuse()

    body.drain()


def test_only_so_much_is_drained(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DRAIN_BYTES", 1000)
    connection.post(b"", length=1_000_000)
    body = connection.next_body()
    body.refuse()
    connection.client.sendall(bytes(5000))

    body.drain()


def test_a_client_that_is_gone_needs_no_draining(connection: Connection) -> None:
    connection.post(b"x" * 10, length=1_000_000)
    body = connection.next_body()
    connection.reset()

    body.refuse()
    body.drain()
    connection.server.close()
    body.drain()


# --- where the hook keeps out ------------------------------------------------------------------


def test_a_connection_keeps_its_wrapper(connection: Connection) -> None:
    connection.post(b"abc", rest=b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\ndef")
    first = connection.next_body()
    wrapper = connection.parser.unreader.sock
    assert isinstance(wrapper, ClientSocket)
    assert read_all(first) == b"abc"

    second = connection.next_body()

    assert connection.parser.unreader.sock is wrapper
    assert read_all(second) == b"def"
    assert wrapper.fileno() == connection.server.fileno()


class OtherSocket(socket.socket):
    """As TLS has one."""


@pytest.mark.parametrize("other", ["socket", "body", "reader", "unreader"])
def test_what_is_not_gunicorns_usual_is_left_alone(connection: Connection, other: str) -> None:
    connection.post(b"abc")
    request = next(connection.parser)
    if other == "socket":
        request.unreader.sock = OtherSocket(fileno=connection.server.detach())
        connection.server = request.unreader.sock
    elif other == "body":
        request.body = type("OtherBody", (Body,), {})(request.body.reader)
    elif other == "reader":
        request.body = Body(SimpleNamespace(read=io.BytesIO(b"abc").read))
    else:
        request.unreader = SimpleNamespace(sock=request.unreader.sock)
    before = request.body

    pre_request(None, request)

    assert request.body is before
    assert request.body.read() == b"abc"


def test_the_readers_are_gunicorns_own(connection: Connection) -> None:
    connection.post(b"abc")
    assert isinstance(connection.next_request().body.reader, LengthReader)
    connection.post(in_chunks(b"abc"), length=None)
    assert isinstance(connection.next_request().body.reader, ChunkedReader)
