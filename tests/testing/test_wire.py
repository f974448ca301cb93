"""However the bytes are cut, the wire gives the same messages, and what is cut off is never whole."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from gateway.testing.errors import ConnectionEnded, MessageInvalid, WaitedInVain
from gateway.testing.messages import Framing
from gateway.testing.wire import BUFFER_SIZE, Body, Wire


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, Wire]]:
    """The sending end, and the reader of the other one."""
    here, there = socket.socketpair()
    there.settimeout(5)
    with here, there:
        yield here, Wire(there)


CHUNKED = Framing(length=None, chunked=True)
TO_THE_END = Framing(length=None)


@pytest.mark.parametrize(
    ("framing", "sent", "body"),
    [
        (Framing(length=0), b"", b""),
        (Framing(length=3), b"abc", b"abc"),
        (CHUNKED, b"0\r\n\r\n", b""),
        (CHUNKED, b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", b"abc"),
        (CHUNKED, b"003\r\nabc\r\n0\r\nName: value\r\n\r\n", b"abc"),
    ],
)
def test_a_body_ends_where_its_framing_says(
    pair: tuple[socket.socket, Wire], framing: Framing, sent: bytes, body: bytes
) -> None:
    sender, wire = pair
    sender.sendall(sent + b"next")

    assert Body(wire, framing).read() == body
    assert wire.read_exactly(4) == b"next"


def test_a_body_can_last_until_the_end(pair: tuple[socket.socket, Wire]) -> None:
    sender, wire = pair
    sender.sendall(b"abc")
    sender.shutdown(socket.SHUT_WR)

    assert Body(wire, TO_THE_END).read() == b"abc"


@pytest.mark.parametrize(
    ("framing", "sent"),
    [
        (Framing(length=3), b"ab"),
        (CHUNKED, b"3\r\nab"),
        (CHUNKED, b"3\r\nabc\r\n"),
        (CHUNKED, b"3\r\nabc\r\n0\r\n"),
    ],
)
def test_a_body_that_is_cut_off_is_not_whole(pair: tuple[socket.socket, Wire], framing: Framing, sent: bytes) -> None:
    sender, wire = pair
    sender.sendall(sent)
    sender.shutdown(socket.SHUT_WR)

    with pytest.raises(ConnectionEnded):
        Body(wire, framing).read()


@pytest.mark.parametrize("sent", [b"x\r\n", b"1\r\nab\r\n", b"1\nab", b"1\r\na\r\n0\r\nno header\r\n\r\n"])
def test_chunks_that_are_none_are_refused(pair: tuple[socket.socket, Wire], sent: bytes) -> None:
    sender, wire = pair
    sender.sendall(sent)
    sender.shutdown(socket.SHUT_WR)

    with pytest.raises((MessageInvalid, ConnectionEnded)) as refused:
        Body(wire, CHUNKED).read()
    assert refused.type is (ConnectionEnded if sent == b"1\nab" else MessageInvalid)


def test_a_body_is_read_in_pieces_and_no_further() -> None:
    here, there = socket.socketpair()
    with here, there:
        here.sendall(b"2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n")
        body = Body(Wire(there), CHUNKED)

        assert [body.read(1), body.read(2), body.read(0), body.read()] == [b"a", b"bc", b"", b"d"]
        assert body.read() == b""


def test_a_mark_is_found_across_reads(pair: tuple[socket.socket, Wire]) -> None:
    sender, wire = pair
    head = b"GET / HTTP/1.1\r\nName: value\r\n\r\n"

    for cut in range(1, len(head)):
        sender.sendall(head[:cut])
        assert wire.has_more()
        sender.sendall(head[cut:] + b"rest")
        assert wire.read_head() == head
        assert wire.read_exactly(4) == b"rest"


def test_what_does_not_fit_is_moved_to_the_front(pair: tuple[socket.socket, Wire]) -> None:
    """A head that begins near the end of the buffer is found all the same."""
    sender, wire = pair
    first = b"x" * (BUFFER_SIZE - 10)
    taken = bytearray()
    sender.setblocking(False)
    rest = memoryview(first + b"A: b\r\n\r\n" * 3)
    while len(taken) < len(first):
        if rest:
            rest = rest[sender.send(rest[: BUFFER_SIZE // 4]) :]
        taken += wire.read_some(len(first) - len(taken))
    sender.setblocking(True)
    sender.sendall(rest)

    assert [wire.read_head() for _ in range(3)] == [b"A: b\r\n\r\n"] * 3


def test_a_head_has_a_limit(pair: tuple[socket.socket, Wire]) -> None:
    sender, wire = pair

    def send() -> None:
        with suppress(OSError):
            sender.sendall(b"x" * BUFFER_SIZE)

    sending = threading.Thread(target=send)
    sending.start()

    with pytest.raises(MessageInvalid, match=f"within {BUFFER_SIZE} bytes"):
        wire.read_head()
    sending.join(5)


def test_waiting_has_the_limit_of_the_socket(pair: tuple[socket.socket, Wire]) -> None:
    _, wire = pair
    wire._connection.settimeout(0.01)

    with pytest.raises(WaitedInVain):
        wire.has_more()


def test_a_reset_is_told_from_an_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        connection, _ = server.accept()
        with connection:
            client.sendall(b"abc")
            wire = Wire(connection)
            assert wire.read_exactly(3) == b"abc"
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()

            with pytest.raises(ConnectionEnded):
                Body(wire, TO_THE_END).read()
            assert wire.was_reset
