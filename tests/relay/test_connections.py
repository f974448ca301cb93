"""Connections to services: used again only when nothing is left on them, and never waited on for too long."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from gateway.errors import (
    ClientGone,
    GatewayError,
    ServiceAnswerInvalid,
    ServiceError,
    ServiceFirstByteTimeout,
    ServiceReset,
    ServiceStalled,
    ServiceTotalTimeout,
    UnexpectedFailure,
)
from gateway.relay.bodies import Block
from gateway.spool.uploads import Watch
from gateway.testing import Connection, Received, RecordingService, Script, ScriptedService, answer_bytes, peers
from tests.relay.sending import (
    LARGE,
    LIMITS,
    SMALL_BUFFER,
    body_from,
    body_of,
    large_body,
    read,
    send,
    transport,
)

DONE = answer_bytes(200, b"done")


def served(*parts: bytes) -> Script:
    """Takes one request after the other; each is answered with these bytes."""

    def script(connection: Connection) -> None:
        while True:
            connection.read_head()
            connection.read_body()
            for part in parts:
                connection.send(part)

    return script


# --- used again, or not ------------------------------------------------------------------------


@pytest.mark.parametrize("length", [-1, None], ids=["length", "chunked"])
@pytest.mark.parametrize(
    "answer",
    [
        DONE,
        answer_bytes(200),
        answer_bytes(204),
        answer_bytes(404, b"no"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    ],
    ids=["length", "empty", "no content", "error", "chunks"],
)
def test_a_connection_is_used_again(answer: bytes, length: int | None) -> None:
    with ScriptedService(served(answer)) as service, transport() as sender:
        for number in range(3):
            read(send(sender, service.url, body_of(b"body %d" % number, length=length)))

        assert service.connections == 1


def test_an_empty_body_leaves_nothing_on_the_connection() -> None:
    with RecordingService() as service, transport() as sender:
        for size in (0, 3, 0):
            read(send(sender, service.url, body_of(bytes(size))))

        assert [(received.length, received.chunked) for received in service.received] == [
            (0, False),
            (3, False),
            (0, False),
        ]
        assert service.connections == 1


@pytest.mark.parametrize(
    "answer",
    [answer_bytes(200, b"done", [("Connection", "close")]), b"HTTP/1.0 200 OK\r\n\r\ndone"],
    ids=["close", "HTTP/1.0"],
)
def test_a_connection_that_the_service_ends_is_not_used_again(answer: bytes) -> None:
    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body()
        connection.send(answer)

    with ScriptedService(script) as service, transport() as sender:
        for _ in range(2):
            assert read(send(sender, service.url, body_of(b"abc"))) == b"done"

        assert service.connections == 2


def test_an_answer_that_nobody_reads_closes_its_connection() -> None:
    """What is left of it would be read as the next answer."""
    ended = threading.Event()

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body()
        connection.send(answer_bytes(200, bytes(1000)))
        connection.read_to_end()
        ended.set()

    with ScriptedService(script) as service, transport() as sender:
        answer = send(sender, service.url, body_of(b"abc"))
        answer.close()
        assert ended.wait(10)
        answer.close()

        send(sender, service.url, body_of(b"abc")).close()
        assert service.connections == 2


# --- answers that come early -------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("after", [0, 100_000])
@pytest.mark.parametrize(
    "early",
    [
        peers.answer_early_and_close,
        peers.answer_early_and_half_close,
        peers.answer_early_and_stop,
        peers.answer_early_and_read_on,
    ],
    ids=lambda early: str(early.__name__),
)
def test_an_early_answer_is_the_answer(early: Callable[..., Script], after: int, chunked: bool) -> None:
    """However the service behaves afterwards; and the connection is never used again."""
    service = ScriptedService(early(after=after), receive_buffer=SMALL_BUFFER)
    with service, transport() as sender:
        for number in (1, 2):
            answer = send(sender, service.url, large_body(chunked=chunked), upload_is_in=False)

            assert (answer.status, answer.early) == (413, True)
            assert read(answer) == b"too large"
            assert service.connections == number


def test_an_early_answer_ends_a_body_that_waits_for_its_client() -> None:
    """Nobody sends then, so nobody would notice: the waiting looks."""
    waiting = threading.Event()
    pulled: list[str] = []

    def waits(watch: Watch | None) -> Iterator[Block]:
        assert watch is not None
        yield b"the first half"
        waiting.set()
        poll = select.poll()
        poll.register(watch.fileno(), select.POLLIN)
        while poll.poll(10_000):
            watch.look()
            pulled.append("looked")
        pytest.fail("the answer did not come")

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body(14)
        connection.wait(waiting)
        connection.send(answer_bytes(100) + answer_bytes(413, b"too large"))
        connection.hold()

    with ScriptedService(script) as service, transport() as sender:
        answer = send(sender, service.url, body_from(waits, 1000), upload_is_in=False)

        assert (answer.status, answer.early, read(answer)) == (413, True, b"too large")


def test_a_whole_request_is_not_early() -> None:
    with RecordingService() as service, transport() as sender:
        answer = send(sender, service.url, body_of(b"abc"))

        assert not answer.early
        read(answer)


def test_after_half_a_body_the_next_request_is_a_new_one() -> None:
    """Sent on the same connection, it would be read as the rest of the body, and could hide anything."""

    def early(connection: Connection) -> None:
        connection.read_head()
        connection.send(answer_bytes(401, b"who are you?"))
        connection.read_body()

    service = ScriptedService(early, receive_buffer=SMALL_BUFFER)
    with service, transport() as sender:
        assert read(send(sender, service.url, large_body())) == b"who are you?"
        service.wait_until(lambda service: service.opened[0].done)

        assert service.opened[0].taken < LARGE
        read(send(sender, service.url, body_of(b"x")))
        assert service.connections == 2


# --- interim answers ---------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 5_000_000])
@pytest.mark.parametrize("statuses", [[100], [102], [103, 103], [100, 102, 103]], ids=str)
def test_interim_answers_are_no_answers(statuses: Sequence[int], after: int) -> None:
    service = ScriptedService(peers.answer_after_interim(statuses, after=after), receive_buffer=SMALL_BUFFER)
    with service, transport() as sender:
        answer = send(sender, service.url, large_body())

        assert (answer.status, answer.early, read(answer)) == (200, False, b"done")
        assert service.opened[0].taken == LARGE


@pytest.mark.parametrize("status", [100, 102, 103])
def test_an_interim_answer_does_not_shift_the_next(status: int) -> None:
    """Taken for the final one, it would leave the real answer to the next upload."""
    interim = answer_bytes(status, headers=[("Link", "</style.css>")])
    with ScriptedService(served(interim, DONE)) as service, transport() as sender:
        for _ in range(3):
            assert read(send(sender, service.url, body_of(b"abc"))) == b"done"

        assert service.connections == 1


def test_interim_answers_may_come_in_pieces() -> None:
    """Bytes that may still become an interim answer do not stop the body."""
    pieces = [b"HTT", b"P/1.1 10", b"2 Processing\r", b"\nX: y\r\n\r", b"\nHTTP/1.1 103 Early Hints\r\n\r\nHT"]

    def script(connection: Connection) -> None:
        connection.read_head()
        for number, piece in enumerate(pieces):
            connection.send(piece)
            connection.read_body(2_000_000)
            assert connection.taken == (number + 1) * 2_000_000
        connection.read_body()
        connection.send(DONE[2:])
        connection.read_to_end()

    with ScriptedService(script, receive_buffer=SMALL_BUFFER) as service, transport() as sender:
        answer = send(sender, service.url, large_body())

        assert (answer.early, read(answer)) == (False, b"done")


def test_an_interim_answer_without_an_end_is_no_answer() -> None:
    """Waiting for its end would keep whatever comes."""

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 103 Early Hints\r\n" + b"Link: </style.css>\r\n" * 10_000)
        connection.read_to_end()

    with ScriptedService(script, receive_buffer=SMALL_BUFFER) as service, transport() as sender:
        with pytest.raises(ServiceAnswerInvalid):
            send(sender, service.url, large_body())

        service.wait_until(lambda service: service.opened[0].done)
        assert service.opened[0].taken < LARGE


# --- limits ------------------------------------------------------------------------------------


def test_a_service_that_takes_nothing_has_stalled() -> None:
    limits = replace(LIMITS, stall=0.2)
    with ScriptedService(peers.stall(after=10), receive_buffer=SMALL_BUFFER) as service, transport() as sender:
        with pytest.raises(ServiceStalled, match=r"took no byte for 0\.2 s, after [1-9][0-9]+ bytes"):
            send(sender, service.url, large_body(), timeouts=limits, upload_is_in=False)

        service.ended.set()


def test_a_slow_service_has_not_stalled() -> None:
    """The limit is for taking nothing, not for a whole send."""
    step = 2_000_000

    def script(connection: Connection) -> None:
        connection.read_head()
        while connection.read_body(step):
            connection.pause(0.06)
        connection.send(DONE)
        connection.read_to_end()

    limits = replace(LIMITS, stall=0.5)
    began = time.monotonic()
    with ScriptedService(script, receive_buffer=SMALL_BUFFER) as service, transport() as sender:
        # One block of everything: the system takes it in steps.
        answer = send(sender, service.url, body_of(bytes(LARGE)), timeouts=limits, upload_is_in=False)

        assert read(answer) == b"done"
    assert time.monotonic() - began > 0.5


def test_a_service_that_never_answers_is_told() -> None:
    limits = replace(LIMITS, first_byte=0.2)
    with ScriptedService(peers.never_answer()) as service, transport() as sender:
        with pytest.raises(ServiceFirstByteTimeout, match=r"text did not answer within 0\.2 s"):
            send(sender, service.url, body_of(b"abc"), timeouts=limits)

        service.wait_until(lambda service: service.opened[0].done)


def test_interim_answers_do_not_stretch_the_time_for_the_first_byte() -> None:
    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body()
        while not service.ended.is_set():
            connection.send(answer_bytes(102))
            connection.pause(0.03)

    service = ScriptedService(script)
    limits = replace(LIMITS, first_byte=0.3)
    with service, transport() as sender, pytest.raises(ServiceFirstByteTimeout):
        send(sender, service.url, body_of(b"abc"), timeouts=limits)


def dribble_body(connection: Connection) -> None:
    connection.read_head()
    connection.read_body()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        connection.send(b".")
        connection.pause(0.03)


def test_a_dribbled_header_cannot_stretch_the_total() -> None:
    limits = replace(LIMITS, total=0.3)
    script = peers.answer_dribbled(interval=0.03)
    with ScriptedService(script) as service, transport() as sender, pytest.raises(ServiceTotalTimeout):
        send(sender, service.url, body_of(b"abc"), timeouts=limits)


def test_a_dribbled_body_cannot_stretch_the_total() -> None:
    limits = replace(LIMITS, total=0.3)
    with ScriptedService(dribble_body) as service, transport() as sender:
        answer = send(sender, service.url, body_of(b"abc"), timeouts=limits)

        with pytest.raises(ServiceTotalTimeout, match="while reading the answer"):
            read(answer)


def test_a_dribbled_early_answer_cannot_stretch_the_total() -> None:
    """The upload will never be in: the time counts all the same."""

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            connection.send(b".")
            connection.pause(0.03)

    limits = replace(LIMITS, total=0.3)
    with ScriptedService(script, receive_buffer=SMALL_BUFFER) as service, transport() as sender:
        answer = send(sender, service.url, large_body(), timeouts=limits, upload_is_in=False)

        with pytest.raises(ServiceTotalTimeout, match="while reading the answer"):
            read(answer)


def test_whoever_reads_the_answer_slowly_takes_its_own_time() -> None:
    limits = replace(LIMITS, total=0.4)
    read_on = threading.Event()

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        connection.wait(read_on)
        # Not at once: the one who reads must have begun to wait, by the limits.
        connection.pause(0.05)
        connection.send(b" last")
        connection.read_to_end()

    with ScriptedService(script) as service, transport() as sender:
        blocks = send(sender, service.url, body_of(b"abc"), timeouts=limits).blocks()
        assert next(blocks) == b"first"
        service.ended.wait(0.6)
        read_on.set()

        assert next(blocks) == b" last"
        assert list(blocks) == []


# --- services that break -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "error", "message"),
    [
        (peers.close_without_answer(), ServiceReset, "closed the connection while waiting for the answer"),
        (peers.close_without_answer(after=1000), ServiceReset, "closed the connection"),
        (peers.reset_in_body(after=1000), ServiceReset, "closed the connection"),
        (peers.answer_garbage(), ServiceAnswerInvalid, "220 mail"),
        (peers.answer_garbage(b"\r\n\r\n"), ServiceError, "text at"),
        (peers.answer_garbage(b"HTTP/1.1 abc def\r\n\r\n"), ServiceAnswerInvalid, "text at"),
        (peers.answer_garbage(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n"), ServiceAnswerInvalid, "text at"),
        (peers.answer_garbage(b"HTTP/1.1 200 " + b"x" * 100_000), ServiceAnswerInvalid, "text at"),
        (peers.answer_garbage(b"HTTP/1.1 200 OK\r\nContent-Le"), ServiceError, "text at"),
    ],
)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_service_that_breaks_is_told(script: Script, error: type[ServiceError], message: str, chunked: bool) -> None:
    with ScriptedService(script, receive_buffer=SMALL_BUFFER) as service, transport() as sender:
        with pytest.raises(error, match=message):
            send(sender, service.url, body_of(bytes(400_000), length=None if chunked else -1))

        assert service.connections == 1, "what may have reached the service is not sent twice"


@pytest.mark.parametrize("script", [peers.answer_cut_in_length(), peers.answer_cut_in_chunks()])
def test_an_answer_that_is_cut_off_is_not_whole(script: Script) -> None:
    with ScriptedService(script) as service, transport() as sender:
        answer = send(sender, service.url, body_of(b"abc"))
        taken = bytearray()

        def take() -> None:
            for block in answer.blocks():
                taken.extend(block)

        with pytest.raises(ServiceAnswerInvalid, match="text broke off in the middle of its answer"):
            take()
        assert taken == b"half of it"


def test_an_answer_of_a_wrong_chunk_is_not_whole() -> None:
    script = peers.answer_garbage(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n")
    with ScriptedService(script) as service, transport() as sender:
        answer = send(sender, service.url, body_of(b"abc"))

        with pytest.raises(ServiceAnswerInvalid):
            read(answer)


# --- bodies that break -------------------------------------------------------------------------


def breaking(error: Exception, sent: int) -> Callable[[Watch | None], Iterator[Block]]:
    def blocks(_: Watch | None) -> Iterator[Block]:
        yield bytes(sent)
        raise error

    return blocks


@pytest.mark.parametrize("length", [1000, None], ids=["length", "chunked"])
@pytest.mark.parametrize("sent", [0, 1, 500, 999, 1000])
def test_a_body_that_breaks_breaks_the_connection(length: int | None, sent: int) -> None:
    """The error comes as it is, at once, and the service sees that the request is not whole."""
    with RecordingService() as service, transport() as sender:
        with pytest.raises(ClientGone, match="gone"):
            send(sender, service.url, body_from(breaking(ClientGone("gone"), sent), length))

        # The head of a small request goes out with the first bytes of its body.
        begun = length is None or sent > 0
        if not begun:
            assert service.connections == 0
        elif length is not None and sent == length:
            # Every byte was there, so the service may take it for whole; nobody hears what it says.
            service.wait_for(1)
        else:
            (received,) = service.wait_for(1)
            assert not received.complete
        read(send(sender, service.url, body_of(b"next")))
        assert service.connections == 1 + begun
        assert service.received[-1].body == b"next"


@pytest.mark.parametrize(
    ("length", "blocks"), [(3, [b"abcd"]), (3, [b"ab"]), (3, [b"abc", b"POST / HTTP/1.1\r\n\r\n"])], ids=str
)
def test_a_body_that_lies_about_its_length_breaks_the_connection(length: int, blocks: list[bytes]) -> None:
    with RecordingService() as service, transport() as sender:
        with pytest.raises(UnexpectedFailure, match="A body of 3 bytes has"):
            send(sender, service.url, body_of(*blocks, length=length))
        read(send(sender, service.url, body_of(b"next")))

        assert service.connections == (1 if blocks == [b"abcd"] else 2)
        assert all(received.length <= length or received.body == b"next" for received in service.received)


@pytest.mark.parametrize("length", [1000, None], ids=["length", "chunked"])
@pytest.mark.parametrize(
    "error",
    [BrokenPipeError(), ConnectionResetError(), ConnectionAbortedError(), TimeoutError(), OSError(5, "x"), EOFError()],
    ids=lambda error: type(error).__name__,
)
def test_no_error_of_a_body_is_blamed_on_the_service(error: Exception, length: int | None) -> None:
    """A body raises nothing but GatewayErrors; should one do so all the same, it is our failure, and told at once."""
    with RecordingService() as service, transport() as sender:
        with pytest.raises(Exception) as raised:  # noqa: PT011 - the type is what is tested
            send(sender, service.url, body_from(breaking(error, 500), length))

        assert not isinstance(raised.value, ServiceError | OSError)
        assert isinstance(raised.value, GatewayError | EOFError)
        (received,) = service.wait_for(1)
        assert not received.complete


def test_deliveries_at_the_same_time_have_connections_of_their_own() -> None:
    together = threading.Barrier(4)

    def answer(received: Received) -> bytes:
        together.wait(10)
        return answer_bytes(200, received.body or b"")

    with RecordingService(answer=answer) as service, transport() as sender:
        results: list[bytes] = []
        threads = [
            threading.Thread(target=lambda n=n: results.append(read(send(sender, service.url, body_of(b"%d" % n)))))
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)

        assert sorted(results) == [b"0", b"1", b"2", b"3"]
        assert service.connections == 4
