"""A relay for TCP that lets one see what passes: in front of a gateway, or of a service.

It changes nothing and understands nothing. An end is passed on as an end and a reset as a reset.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass

from gateway.testing.listening import Listener
from gateway.testing.wire import BUFFER_SIZE, reset_on_close

__all__ = ["Passage", "Tap"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What has passed on one connection so far."""

    connection: int
    """Number of the connection, from 0."""
    sent: bytes
    """The first bytes that went to the target, as many as are kept."""
    answered: bytes
    """The first bytes that came back from it."""
    sent_length: int
    """How many bytes went to the target in all."""
    answered_length: int
    """How many bytes came back in all."""


class _Direction:
    """One way of one connection; recorded by one thread, read by others under the tap's lock."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self.length = 0


class Tap(Listener):
    """Relays every connection to the target, and keeps the first `keep` bytes of each direction."""

    def __init__(self, target_host: str, target_port: int, *, keep: int = 2**20, port: int = 0) -> None:
        super().__init__(port=port)
        self._target = (target_host, target_port)
        self._keep = keep
        self._passages: dict[int, tuple[_Direction, _Direction]] = {}

    def __repr__(self) -> str:
        with self._changed:
            return f"<Tap on port {self.port} to {self._target}: {self._count} connections>"

    @property
    def passages(self) -> list[Passage]:
        """What has passed so far, one for each connection; a copy."""
        with self._changed:
            return [
                Passage(
                    connection=number,
                    sent=bytes(there.kept),
                    answered=bytes(back.kept),
                    sent_length=there.length,
                    answered_length=back.length,
                )
                for number, (there, back) in sorted(self._passages.items())
            ]

    def _handle(self, connection: socket.socket, number: int) -> None:
        there, back = _Direction(), _Direction()
        with self._changed:
            self._passages[number] = there, back
        try:
            target = socket.create_connection(self._target, timeout=5)
        except OSError:
            # The client learns what it would have learnt without the tap: nobody answers here.
            reset_on_close(connection)
            return
        target.settimeout(None)
        target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._adopt(target)
        name = f"Tap connection {number} back"
        answers = threading.Thread(target=self._relay, args=(target, connection, back), name=name, daemon=True)
        answers.start()
        self._relay(connection, target, there)
        answers.join()
        self._close(target)

    def _relay(self, source: socket.socket, destination: socket.socket, direction: _Direction) -> None:
        """Passes on what comes from `source` until it ends, its end included."""
        buffer = memoryview(bytearray(BUFFER_SIZE))
        while True:
            try:
                count = source.recv_into(buffer)
            except OSError:
                # The reset goes out when the socket is closed; until then the other thread must stop reading it.
                reset_on_close(destination)
                _shut_down(destination, socket.SHUT_RD)
                return
            with self._changed:
                direction.kept += buffer[: min(count, self._keep - len(direction.kept))]
                direction.length += count
                self._changed.notify_all()
            if count == 0:
                _shut_down(destination, socket.SHUT_WR)
                return
            try:
                destination.sendall(buffer[:count])
            except OSError:
                # Nobody takes it any more. What came the other way may still be on its way.
                _shut_down(source, socket.SHUT_RD)
                return


def _shut_down(connection: socket.socket, how: int) -> None:
    with suppress(OSError):
        connection.shutdown(how)
