"""The raw client sends exactly what it is told, and believes nothing about answers."""

from __future__ import annotations

import pytest

from gateway.testing import (
    Connection,
    ConnectionEnded,
    MessageInvalid,
    RawClient,
    RecordingService,
    ScriptedService,
    refused_port,
)
from gateway.testing.listening import HOST


def answering(answer: bytes) -> ScriptedService:
    """A service that answers so to the first request, and closes."""

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body()
        connection.send(answer)

    return ScriptedService(script)


def test_headers_go_out_in_order_and_nothing_is_added_that_was_given() -> None:
    with RecordingService() as service, RawClient(HOST, service.port) as client:
        client.post("/", b"abc", [("HOST", "other"), ("a", "1"), ("A", "2"), ("content-length", "3")])

    assert service.received[0].head == b"POST / HTTP/1.1\r\nHOST: other\r\na: 1\r\nA: 2\r\ncontent-length: 3\r\n\r\n"


def test_every_block_becomes_a_chunk() -> None:
    got = bytearray()

    def script(connection: Connection) -> None:
        connection.read_head()
        got.extend(connection.read_exactly(27))
        connection.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    with ScriptedService(script) as service, RawClient(HOST, service.port) as client:
        client.post("/", [b"ab", b"", b"0123456789"], chunked=True)

    assert got == b"2\r\nab\r\na\r\n0123456789\r\n0\r\n\r\n"


def test_one_connection_serves_many_requests() -> None:
    with RecordingService() as service, RawClient(HOST, service.port) as client:
        answers = [client.post("/", b"x" * number) for number in range(50)]

    assert service.connections == 1
    assert not any(answer.closed for answer in answers)


@pytest.mark.parametrize(
    ("answer", "body", "complete", "closed"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", b"ab", True, False),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab", b"ab", True, True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", b"ab", True, True),
        (b"HTTP/1.1 200 OK\r\n\r\nab", b"ab", True, True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", b"ab", True, False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n", b"ab", False, True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", b"ab", False, True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True, False),
        (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", b"", True, False),
    ],
)
def test_answers_are_read_by_their_framing(answer: bytes, body: bytes, complete: bool, closed: bool) -> None:
    with answering(answer) as service, RawClient(HOST, service.port) as client:
        got = client.post("/", b"abc")

    assert (got.body, got.complete, got.closed) == (body, complete, closed)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", ConnectionEnded),
        (b"HTTP/1.1 200 OK\r\n", ConnectionEnded),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", MessageInvalid),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\na", MessageInvalid),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", MessageInvalid),
    ],
)
def test_answers_that_are_none_are_errors(answer: bytes, error: type[Exception]) -> None:
    with answering(answer) as service, RawClient(HOST, service.port) as client, pytest.raises(error):
        client.post("/", b"abc")


def test_an_answer_to_head_has_no_body() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n") as service, RawClient(HOST, service.port) as client:
        answer = client.post("/", method="HEAD")

    assert (answer.body, answer.complete) == (b"", True)


def test_a_refusal_instead_of_a_continue_saves_the_body() -> None:
    taken: list[int] = []

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        taken.append(connection.read_to_end())

    with ScriptedService(script) as service:
        with RawClient(HOST, service.port) as client:
            answer = client.post("/", b"abc", expect=True)
        service.wait_until(lambda service: service.opened[0].done)

    assert (answer.status, answer.interim, answer.request_sent, taken) == (413, (), False, [0])


def test_an_end_can_be_sent_while_the_answer_is_awaited() -> None:
    def script(connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n%d" % connection.read_to_end())

    with ScriptedService(script) as service, RawClient(HOST, service.port) as client:
        client.send(b"abc")
        client.half_close()

        assert client.read_response().body == b"3"


def test_a_server_that_is_not_there_is_named() -> None:
    with refused_port() as port, pytest.raises(ConnectionEnded, match=str(port)), RawClient(HOST, port):
        pass
