"""A script decides about every byte, and its waiting ends with the service at the latest."""

from __future__ import annotations

import threading

import pytest

from gateway.testing import (
    Connection,
    ConnectionEnded,
    MessageInvalid,
    PeerFailed,
    RawClient,
    ScriptedService,
    answer_bytes,
)
from gateway.testing.listening import HOST


def test_a_script_reads_and_sends_what_it_likes() -> None:
    seen: list[object] = []

    def script(connection: Connection) -> None:
        head = connection.read_head()
        seen.extend([head.target, connection.read_body(2), connection.read_body(), connection.read_exactly(3)])
        connection.send(answer_bytes(200, b"one"))
        connection.shutdown_write()
        seen.append(connection.read_to_end())

    with ScriptedService(script) as service, RawClient(HOST, service.port) as client:
        client.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcdxyz")
        assert client.read_response().body == b"one"
        client.send(b"more")
        client.half_close()
        assert client.is_closed_by_server()
        service.wait_until(lambda service: service.opened[0].done)

    assert seen == ["/a", b"ab", b"cd", b"xyz", 4]
    (connection,) = service.opened
    assert connection.taken == 11
    assert connection.head is not None
    assert connection.head.headers.get("host") == "a"


def test_a_script_waits_for_the_test() -> None:
    go = threading.Event()

    def script(connection: Connection) -> None:
        connection.wait(go)
        connection.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    with ScriptedService(script) as service, RawClient(HOST, service.port) as client:
        service.wait_until(lambda service: service.connections == 1)
        go.set()
        assert client.read_response().status == 204


@pytest.mark.parametrize("wait", ["wait", "hold", "pause", "read"])
def test_waiting_ends_with_the_service(wait: str) -> None:
    never = threading.Event()

    def script(connection: Connection) -> None:
        connection.read_head()
        match wait:
            case "wait":
                connection.wait(never)
            case "hold":
                connection.hold()
            case "pause":
                connection.pause(60)
            case _:
                connection.read_to_end()

    with ScriptedService(script) as service, RawClient(HOST, service.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        service.wait_until(lambda service: bool(service.opened) and service.opened[0].head is not None)

    assert service.opened[0].done


def test_a_reset_reaches_the_client() -> None:
    def script(connection: Connection) -> None:
        connection.read_head()
        connection.reset()

    with ScriptedService(script) as service, RawClient(HOST, service.port) as client, pytest.raises(ConnectionEnded):
        client.post("/")


def test_a_script_that_is_wrong_fails_the_test() -> None:
    service = ScriptedService(lambda connection: connection.read_body() and None)

    def use() -> None:
        with service, RawClient(HOST, service.port) as client:
            assert client.is_closed_by_server()

    with pytest.raises(PeerFailed) as failed:
        use()
    assert isinstance(failed.value.__cause__, MessageInvalid)
