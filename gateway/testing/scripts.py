"""A service whose every byte is decided by a function: for what no sane service would do.

Ready-made scripts are in `gateway.testing.peers`. A script ends by returning; a connection that ends
under it is no failure, anything else that it raises fails the test when the service ends.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from gateway.testing.errors import MessageInvalid, WaitedInVain
from gateway.testing.listening import Listener
from gateway.testing.messages import RequestHead, parse_request_head, request_framing
from gateway.testing.wire import BUFFER_SIZE, Body, Wire, reset_on_close

__all__ = ["Connection", "Script", "ScriptedService"]


class Connection:
    """What a script sees of one connection. Its methods belong to the script's own thread."""

    def __init__(self, service: ScriptedService, connection: socket.socket, number: int) -> None:
        self._service = service
        self._socket = connection
        self._wire = Wire(connection)
        self._body: Body | None = None
        self.number = number
        """From 0, in the order of acceptance."""
        self.head: RequestHead | None = None
        """The request whose head was read last."""
        self.taken = 0
        """Bytes read behind heads: of bodies, and of anything else that was sent."""
        self.done = False
        """The script has returned, and the connection is closed."""

    def read_head(self) -> RequestHead:
        """The next request's head."""
        head = parse_request_head(self._wire.read_head())
        self._body = Body(self._wire, request_framing(head))
        with self._service.changed:
            self.head = head
            self._service.changed.notify_all()
        return head

    def read_body(self, size: int | None = None) -> bytes:
        """The next `size` bytes of the request's body, out of its chunks; all that is left without a size."""
        if self._body is None:
            raise MessageInvalid("read_head() comes before read_body()")
        return self._took(self._body.read(size))

    def read_exactly(self, size: int) -> bytes:
        """The next bytes on the wire, whatever they are."""
        return self._took(self._wire.read_exactly(size))

    def read_to_end(self) -> int:
        """Reads and drops whatever comes until the client closes; returns how many bytes that was."""
        dropped = 0
        while block := bytes(self._wire.read_some(BUFFER_SIZE)):
            dropped += len(block)
            self._took(block)
        return dropped

    def send(self, data: bytes) -> None:
        """Sends all of it, as long as that takes."""
        self._socket.sendall(data)

    def shutdown_write(self) -> None:
        """Says that nothing more will be sent, and goes on listening."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Closes now; with unread bytes on the way the client sees a reset."""
        self._socket.close()

    def reset(self) -> None:
        """Cuts the connection with a reset."""
        reset_on_close(self._socket)
        self._socket.close()

    def wait(self, event: threading.Event, timeout: float = 30.0) -> None:
        """Waits for a test's signal; the end of the service sets the event as well."""
        self._service.watch(event)
        if not event.wait(timeout):
            raise WaitedInVain(f"no signal within {timeout} s")

    def pause(self, seconds: float) -> None:
        """Lets time pass, until the service ends at the latest."""
        self._service.ended.wait(seconds)

    def hold(self) -> None:
        """Does nothing, and reads nothing, until the service ends."""
        self._service.ended.wait()

    def _took(self, block: bytes) -> bytes:
        with self._service.changed:
            self.taken += len(block)
            self._service.changed.notify_all()
        return block


Script = Callable[[Connection], None]


class ScriptedService(Listener):
    """Plays `script` on every connection, each in a thread of its own; afterwards the connection is closed."""

    def __init__(self, script: Script, *, port: int = 0, receive_buffer: int | None = None) -> None:
        super().__init__(port=port, receive_buffer=receive_buffer)
        self._script = script
        self._opened: list[Connection] = []
        self._watched: set[threading.Event] = set()
        self.changed = self._changed
        """Notified whenever a connection got further."""

    def __repr__(self) -> str:
        with self._changed:
            taken = ", ".join(f"{connection.taken} bytes taken" for connection in self._opened)
            return f"<ScriptedService on port {self.port}: {taken or 'no connection'}>"

    @property
    def opened(self) -> list[Connection]:
        """The connections so far; a copy."""
        with self._changed:
            return list(self._opened)

    def watch(self, event: threading.Event) -> None:
        """Sets the event when the service ends, so that nobody waits for it any longer."""
        with self._changed:
            self._watched.add(event)
        if self.ended.is_set():
            event.set()

    def _end(self) -> list[str]:
        self.ended.set()
        with self._changed:
            for event in self._watched:
                event.set()
        return super()._end()

    def _handle(self, connection: socket.socket, number: int) -> None:
        opened = Connection(self, connection, number)
        with self._changed:
            self._opened.append(opened)
            self._changed.notify_all()
        try:
            self._script(opened)
        finally:
            with self._changed:
                connection.close()
                opened.done = True
                self._changed.notify_all()
