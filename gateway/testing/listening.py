"""Listening on a free loopback port with a thread for each connection, and ending all of it.

Whatever a handler waits for ends when the listener ends: its socket is shut down, and `ended` is set.
Every join has a limit; a thread that outlives it is an error, as is a handler that failed on its own.
"""

from __future__ import annotations

import random
import selectors
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from gateway.testing.errors import ConnectionEnded, PeerFailed, WaitedInVain

__all__ = ["HOST", "Listener", "free_port", "is_free", "refused_port"]

HOST = "127.0.0.1"

_END_LIMIT_S = 5.0
_LOW_PORTS = range(20_000, 32_000)
"""Below the ports that systems hand out to outgoing connections, so that none of those takes it meanwhile."""


class Listener(ABC):
    """Accepts connections between `with` and its end; subclasses say what happens on one."""

    def __init__(self, *, port: int = 0, receive_buffer: int | None = None) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer is not None:
            # Connections inherit it; set later it would not shrink the window that was announced.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self._socket.bind((HOST, port))
        except OSError as error:
            self._socket.close()
            raise PeerFailed(f"cannot listen on port {port}: {error.strerror}") from error
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"
        """Without a path and without a slash at the end."""
        self.ended = threading.Event()
        """Set when the listener ends: handlers wait on it instead of sleeping."""
        self._changed = threading.Condition()
        """Guards what is recorded, here and in subclasses; notified whenever that changes."""
        self._count = 0
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._failures: list[Exception] = []
        self._wake, self._woken = socket.socketpair()
        self._acceptor = threading.Thread(target=self._accept, name=f"{type(self).__name__} accept", daemon=True)

    @abstractmethod
    def _handle(self, connection: socket.socket, number: int) -> None:
        """Serves one connection in its own thread; the socket is closed afterwards."""

    @property
    def connections(self) -> int:
        """How many connections have been accepted."""
        with self._changed:
            return self._count

    @property
    def failures(self) -> tuple[Exception, ...]:
        """What went wrong in handlers, apart from connections that ended; raised when the listener ends."""
        with self._changed:
            return tuple(self._failures)

    def wait_until(self, predicate: Callable[[Self], bool], timeout: float = 10.0) -> None:
        """Waits until `predicate` is true of this object; it is asked again whenever something changed."""
        with self._changed:
            if not self._changed.wait_for(lambda: predicate(self), timeout):
                raise WaitedInVain(f"not within {timeout} s: {self!r}")

    def __enter__(self) -> Self:
        self._socket.listen(1024)
        self._acceptor.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        stuck = self._end()
        # An error that is on its way says more than the trouble that it caused here.
        if error is None and stuck:
            raise PeerFailed(f"threads that do not end: {', '.join(stuck)}")
        if error is None and self._failures:
            raise PeerFailed(f"{type(self).__name__}: {self._failures[0]}") from self._failures[0]

    def _end(self) -> list[str]:
        """Ends everything; returns the names of threads that are left."""
        self.ended.set()
        self._wake.close()
        deadline = time.monotonic() + _END_LIMIT_S
        if self._acceptor.ident is not None:
            self._acceptor.join(_END_LIMIT_S)
        self._socket.close()
        self._woken.close()
        with self._changed:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return [thread.name for thread in (self._acceptor, *self._threads) if thread.is_alive()]

    def _adopt(self, connection: socket.socket) -> None:
        """Takes in a socket that a handler opened: it is shut down when the listener ends."""
        with self._changed:
            self._open.add(connection)
            if self.ended.is_set():
                connection.shutdown(socket.SHUT_RDWR)

    def _close(self, connection: socket.socket) -> None:
        with self._changed:
            self._open.discard(connection)
            connection.close()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                selector.select()
                if self.ended.is_set():
                    return
                with suppress(ConnectionError):
                    self._begin(self._socket.accept()[0])

    def _begin(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._changed:
            number = self._count
            self._count += 1
            self._open.add(connection)
            self._changed.notify_all()
        name = f"{type(self).__name__} connection {number}"
        thread = threading.Thread(target=self._run, args=(connection, number), name=name, daemon=True)
        self._threads = [*(thread for thread in self._threads if thread.is_alive()), thread]
        thread.start()

    def _run(self, connection: socket.socket, number: int) -> None:
        failure: Exception | None = None
        try:
            self._handle(connection, number)
        except (ConnectionEnded, OSError):
            # The peer went away, or the end of the listener took the socket: both are ordinary.
            pass
        except Exception as error:
            failure = error
        with self._changed:
            if failure is not None:
                self._failures.append(failure)
            self._close(connection)
            self._changed.notify_all()


@contextmanager
def refused_port() -> Iterator[int]:
    """A loopback port where connections are refused, and that nobody else can take meanwhile."""
    with socket.socket() as held:
        held.bind((HOST, 0))
        yield held.getsockname()[1]


def free_port() -> int:
    """A loopback port that is free now, for a process that is about to be started."""
    # Random, so that processes that ask at the same time rarely get the same one.
    for port in random.sample(_LOW_PORTS, 200):
        if is_free(port):
            return port
    raise PeerFailed("no free port found on the loopback interface")


def is_free(port: int) -> bool:
    """Whether one could listen on that loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
