"""A listener ends whatever it began, in bounded time, and says what went wrong meanwhile."""

from __future__ import annotations

import socket
import threading

import pytest

from gateway.testing import PeerFailed, free_port, listening, refused_port
from gateway.testing.listening import HOST, Listener


class Handler(Listener):
    """Waits for a word and then does what the word says."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def _handle(self, connection: socket.socket, number: int) -> None:
        word = connection.recv(100)
        if word == b"fail":
            raise ValueError("failed on purpose")
        if word == b"lost":
            raise ConnectionResetError
        if word == b"stuck":
            self.release.wait(30)
        connection.sendall(b"done")


def say(listener: Listener, word: bytes) -> bytes:
    with socket.create_connection((HOST, listener.port), timeout=5) as client:
        client.sendall(word)
        return client.recv(100)


def test_a_handler_that_fails_fails_the_test() -> None:
    listener = Handler()

    def use() -> None:
        with listener:
            assert say(listener, b"fail") == b""

    with pytest.raises(PeerFailed, match="failed on purpose"):
        use()


def test_a_connection_that_is_lost_is_ordinary() -> None:
    with Handler() as listener:
        assert say(listener, b"lost") == b""
        assert say(listener, b"go on") == b"done"

    assert listener.failures == ()
    assert listener.connections == 2


def test_an_error_of_the_test_is_not_hidden_by_what_it_caused() -> None:
    listener = Handler()

    def use() -> None:
        with listener:
            say(listener, b"fail")
            raise LookupError("the test's own")

    with pytest.raises(LookupError):
        use()


def test_a_handler_that_does_not_end_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_END_LIMIT_S", 0.1)
    listener = Handler()

    def use() -> None:
        with listener, socket.create_connection((HOST, listener.port)) as client:
            client.sendall(b"stuck")
            listener.wait_until(lambda listener: listener.connections == 1)

    with pytest.raises(PeerFailed, match="Handler connection 0"):
        use()
    listener.release.set()


def test_nobody_answers_on_a_refused_port() -> None:
    with refused_port() as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port))


def test_a_refused_port_is_taken() -> None:
    with refused_port() as port, socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((HOST, port))


def test_a_free_port_can_be_listened_on() -> None:
    with socket.socket() as own:
        own.bind((HOST, free_port()))
        own.listen()
