"""The client's socket, read by the gateway itself under gunicorn's gthread worker.

Through `wsgi.input` a read blocks until everything asked for is there, copies it twice, and cannot be
interrupted. So gunicorn's documented `pre_request` hook puts a body object of our own in its place. It
hands out what has arrived, into a buffer that is reused, and keeps gunicorn's count of the remaining
body exact: gunicorn goes on to use the connection, and one byte counted wrongly would let the rest of
a body be read as the next request.

Where anything is not as expected (TLS, HTTP/2, another reader), the hook does nothing, and the
gateway works through `wsgi.input`.
"""

from __future__ import annotations

import math
import secrets
import select
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import ParseException
from gunicorn.http.unreader import SocketUnreader
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import ThreadWorker

from gateway.errors import ClientGone, ClientStalled, FramingInvalid, ServiceError
from gateway.spool.spool import TICK_S
from gateway.spool.uploads import Watch
from gateway.web.refusals import answer_to, refusal_of

__all__ = ["STOP_SIGNALS", "ClientBody", "ClientSocket", "Worker", "pre_request"]

STOP_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
"""What tells a worker to end."""

NOTIFY_S = 1.0
"""Between two signs of life; gunicorn kills a worker that gives none for its `timeout`, which is much longer."""
DRAIN_S = 5.0
DRAIN_IDLE_S = 1.0
DRAIN_BYTES = 100 * 2**20
"""How much of a refused body is read and thrown away after the answer: a client that is still sending
when the connection is reset does not get to see it. One that sends nothing any more is not waited for as long."""


def pre_request(worker: Any, request: Any) -> None:
    """gunicorn's hook: called with each parsed request, before its WSGI environment is made."""
    body, unreader = request.body, request.unreader
    if type(body) is not Body or type(unreader) is not SocketUnreader:
        return
    if type(unreader.sock) is socket.socket:
        # Once per connection; the unreader lives as long as it.
        unreader.sock = ClientSocket(unreader.sock)
    if isinstance(unreader.sock, ClientSocket) and isinstance(body.reader, LengthReader | ChunkedReader):
        request.body = ClientBody(request, unreader.sock)


class Worker(ThreadWorker):
    """gunicorn's gthread worker, which ends connections in its one main thread; this one does so in theirs.

    gunicorn half-closes a connection and then waits up to two seconds for the client to close it as well. In that
    time the main thread accepts nobody and hands out no request, so a few clients that stay would stop all others.
    """

    _notified_at = -math.inf

    def notify(self) -> None:
        """gunicorn's: a sign of life for the parent, in each turn of the loop. One a second does, and costs less."""
        now = time.monotonic()
        if now - self._notified_at >= NOTIFY_S:
            self._notified_at = now
            super().notify()

    def handle(self, conn: Any) -> Any:
        """gunicorn's: serve one request; a false result means that the connection is over."""
        result = super().handle(conn)
        if not result:
            _drain(conn.sock)
        return result

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """gunicorn's: say why there is no answer of the application; here as a problem document, if it is the request.

        What it was is logged under the id that the client is told.
        """
        refusal, request_id = refusal_of(exc, self.cfg), secrets.token_hex(8)
        if refusal is None:
            super().handle_error(req, client, addr, exc)
            return
        self.log.warning("request %s from %s cannot be read: %s", request_id, addr[0] if addr else "", exc)
        with suppress(OSError):
            write_nonblock(client, answer_to(refusal, request_id))

    def init_signals(self) -> None:
        super().init_signals()
        # They may have come before there was anybody to hear them (parent.py).
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's signature
        """gunicorn's: begin to take new connections, or do not, for a while or, when the worker stops, for good.

        A worker that stops serves those that are connected already, and then lets go of the address at once. gunicorn
        keeps it until its last upload has ended: others connect, wait all the time, and are cut off then.
        """
        stops = not enabled and not self.alive
        if stops:
            self._accept_waiting()
        super().set_accept_enabled(enabled)
        if stops:
            for listener in self.sockets:
                listener.close()

    def _accept_waiting(self) -> None:
        for listener in self.sockets:
            before = -1
            # It may have been closed, or there are no descriptors left.
            with suppress(OSError):
                while before < self.nr_conns < self.worker_connections:
                    before = self.nr_conns
                    self.accept(listener)


def _drain(sock: socket.socket) -> None:
    """Say that nothing more will come, and read and forget what the client still sends, for a while.

    After this, closing takes no time: whoever looks for more to read finds the end.
    """
    deadline = time.monotonic() + DRAIN_S
    scratch = bytearray(2**18)
    drained = 0
    # It may be gone, or have been drained before.
    with suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        with suppress(TimeoutError):
            while drained < DRAIN_BYTES and (remaining_s := deadline - time.monotonic()) > 0:
                sock.settimeout(min(remaining_s, DRAIN_IDLE_S))
                count = sock.recv_into(scratch)
                if count == 0:
                    return
                drained += count
        sock.shutdown(socket.SHUT_RD)


class _WatchRaised(Exception):
    """The wait for the client is over for a reason that is not the client's."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class ClientSocket:
    """The client's connection. Reads wait no longer than `stall_s`, and look at a watch meanwhile."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self.stall_s: float | None = None
        """None: as the socket's own timeout says."""
        self.watch: Watch | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def recv(self, size: int) -> bytes:
        if self.stall_s is not None:
            self._wait(self.stall_s)
        return self._sock.recv(size)

    def recv_into(self, view: memoryview) -> int:
        try:
            return self._sock.recv_into(view, 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            if self.stall_s is not None:
                self._wait(self.stall_s)
            return self._sock.recv_into(view)

    def _wait(self, stall_s: float) -> None:
        """Until something can be read. Raises TimeoutError, or _WatchRaised."""
        deadline = time.monotonic() + stall_s
        watched = -1
        if self.watch is not None:
            self._look(self.watch)
            watched = self.watch.fileno()
        if watched >= 0:
            self._poll.register(watched, select.POLLIN)
        try:
            while (remaining_s := deadline - time.monotonic()) > 0:
                ready = dict(self._poll.poll(min(remaining_s, TICK_S) * 1000))
                if self.watch is not None and (watched in ready or not ready):
                    self._look(self.watch)
                if self._sock.fileno() in ready:
                    return
            raise TimeoutError
        finally:
            if watched >= 0:
                self._poll.unregister(watched)

    def _look(self, watch: Watch) -> None:
        try:
            watch.look()
        except Exception as error:
            raise _WatchRaised(error) from error


class ClientBody(Body):
    """`wsgi.input` for one request; also a Source (spool/uploads.py), which is the fast way to read it."""

    failed: bool

    def __init__(self, request: Any, sock: ClientSocket) -> None:
        super().__init__(request.body.reader)
        self._request = request
        self._socket = sock
        self._unreader = request.unreader
        self._stall_s: float | None = None
        # gunicorn would send 100 Continue before the application has had a chance to refuse. Without a body nothing is
        # awaited, and gunicorn's look for the rest of one would send it behind the answer.
        self._continue_expected = request._expected_100_continue and self.unread
        request._expected_100_continue = False

    @property
    def unread(self) -> bool:
        """Whether some of the body may still be to come."""
        if self.buf.tell():
            return True
        return bool(self.reader.length if isinstance(self.reader, LengthReader) else self.reader.parser)

    def limit_stalls(self, stall_s: float) -> None:
        """From now on the client may not send nothing for longer than this, nor take nothing of its answer."""
        self._stall_s = stall_s
        # Python's own timeout would be one for the whole answer, however large.
        seconds, fraction = divmod(stall_s, 1)
        limit = struct.pack("ll", int(seconds), int(fraction * 1_000_000))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    # --- as a Source ---

    def read_into(self, view: memoryview, watch: Watch | None) -> int:
        """See Source; `limit_stalls` must have been called."""
        with self._reading(watch):
            if self.buf.tell():
                return self._keep_rest(self.buf.getvalue(), view)
            if isinstance(self.reader, LengthReader):
                return self._read_length(view)
            return self._read_chunk(view)

    @contextmanager
    def _reading(self, watch: Watch | None = None) -> Iterator[None]:
        """Limits and errors of one read."""
        if self.failed:
            # gunicorn's reader of chunks would tell the end of the body from now on, which it is not.
            raise ServiceError(
                "A service answered before the upload was in, and the rest of it cannot be read any more."
            )
        self._socket.watch, self._socket.stall_s = watch, self._stall_s
        try:
            if self._continue_expected:
                self._continue_expected = False
                self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            yield
        except _WatchRaised as raised:
            # A chunked body cannot be gone on with: gunicorn's parser has ended with the exception.
            self.failed = isinstance(self.reader, ChunkedReader)
            raise raised.error from None
        except ParseException as error:
            self.failed = True
            raise FramingInvalid(f"{error}.") from error
        except TimeoutError as error:
            self.failed = True
            raise ClientStalled(f"The client sent nothing for {self._stall_s} s.") from error
        except OSError as error:
            self.failed = True
            raise ClientGone("The client closed the connection in the middle of its upload.") from error
        finally:
            self._socket.watch = self._socket.stall_s = None

    def _read_length(self, view: memoryview) -> int:
        remaining = self.reader.length
        if not remaining:
            return 0
        room = view[:remaining]
        held: bytes = self._unreader.take_buffered()
        if held:
            count = min(len(held), len(room))
            room[:count] = held[:count]
            if count < len(held):
                # The rest of the body, or the client's next request.
                self._unreader.unread(held[count:])
        else:
            count = self._socket.recv_into(room)
            if count == 0:
                self.failed = True
        self.reader.length -= count
        return count

    def _read_chunk(self, view: memoryview) -> int:
        reader = self.reader
        if reader.buf.tell():
            return self._keep_rest(reader.read(reader.buf.tell()), view)
        while reader.parser is not None:
            try:
                piece: bytes = next(reader.parser)
            except StopIteration:
                reader.parser = None
                break
            if piece:
                return self._keep_rest(piece, view)
        return 0

    def _keep_rest(self, data: bytes, view: memoryview) -> int:
        count = min(len(data), len(view))
        view[:count] = data[:count]
        self.buf.seek(0)
        self.buf.truncate()
        self.buf.write(data[count:])
        return count

    # --- as wsgi.input: what gunicorn's does, with 100 Continue in time ---

    def _read_reader(self, size: int) -> bytes:
        with self._reading():
            data: bytes = super()._read_reader(size)
            return data

    # --- refusing it ---

    def refuse(self) -> None:
        """Nobody will read the rest: the answer says so (`Connection: close`), and the connection is not used again."""
        self._continue_expected = False
        self.failed = True
        self._request.force_close()

    def drain(self) -> None:
        """After the answer is out: read and forget what the client still sends, for a while."""
        _drain(self._socket._sock)
