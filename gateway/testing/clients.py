"""A client for tests that decides about every byte, and reads answers strictly.

One RawClient is one connection: it never connects again by itself, never follows, never repeats. While
it sends a request it watches for the answer, and stops sending when one arrives, as good clients do.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from gateway.testing.errors import ConnectionEnded, WaitedInVain
from gateway.testing.messages import AnswerHead, Headers, answer_framing, parse_answer_head
from gateway.testing.wire import BUFFER_SIZE, Body, Wire, reset_on_close

__all__ = ["Answer", "RawClient"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for one request."""

    status: int
    reason: str
    headers: Headers
    """As received and in order."""
    body: bytes
    """Out of its chunks; what there was of it if the answer is not complete."""
    trailers: Headers
    complete: bool
    """Whether the body came to the end that its framing announced."""
    closed: bool
    """The connection is of no further use: the server said so, or the answer lasted until its end."""
    interim: tuple[int, ...]
    """The statuses of the 1xx answers that came first."""
    request_sent: bool
    """Whether the whole request had been handed over before the answer was read."""


class RawClient:
    """A connection to a server; `timeout` limits every single wait, in seconds."""

    def __init__(self, host: str, port: int, *, timeout: float = 10.0, receive_buffer: int | None = None) -> None:
        self._address = (host, port)
        self._timeout = timeout
        self._socket = socket.socket()
        self._socket.settimeout(timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._wire = Wire(self._socket)
        self._method = "GET"
        self._interim: list[int] = []
        self._head: AnswerHead | None = None
        """The head of an answer that came while the request was being sent."""
        self._request_sent = True

    def __enter__(self) -> Self:
        try:
            self._socket.connect(self._address)
        except OSError as error:
            self._socket.close()
            raise ConnectionEnded(f"cannot connect to {self._address}: {error}") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Sends all of it without looking for an answer."""
        try:
            self._socket.sendall(data)
        except TimeoutError as error:
            raise WaitedInVain(f"nothing was taken within {self._timeout} s") from error
        except OSError as error:
            raise ConnectionEnded(f"the server takes no more: {error}") from error

    def post(
        self,
        path: str,
        body: bytes | Iterable[bytes] = b"",
        headers: Iterable[tuple[str, str]] = (),
        *,
        method: str = "POST",
        chunked: bool = False,
        chunk_size: int = 8192,
        expect: bool = False,
    ) -> Answer:
        """Sends a request and reads its answer.

        Host and the length or coding are added where `headers` does not have them, so a test can lie
        about them. A body of blocks that is not chunked needs its Content-Length in `headers`; chunked,
        every block becomes one chunk. With `expect` the body waits for `100 Continue`.
        """
        lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        given = {name.lower() for name, _ in lines}
        if b"host" not in given:
            lines.insert(0, (b"Host", b"%s:%d" % (self._address[0].encode(), self._address[1])))
        if chunked and b"transfer-encoding" not in given:
            lines.append((b"Transfer-Encoding", b"chunked"))
        elif isinstance(body, bytes) and not chunked and b"content-length" not in given:
            lines.append((b"Content-Length", b"%d" % len(body)))
        if expect:
            lines.append((b"Expect", b"100-continue"))
        self._begin(method)
        head = f"{method} {path} HTTP/1.1\r\n".encode("latin-1") + b"".join(b"%s: %s\r\n" % line for line in lines)
        blocks = _chunks(body, chunk_size) if chunked else ([body] if isinstance(body, bytes) else body)
        self._request_sent = self._push(head + b"\r\n") and (not expect or self._may_go_on())
        for block in blocks:
            if not self._request_sent:
                break
            self._request_sent = self._push(block)
        return self._read_answer()

    def read_response(self, *, method: str = "POST") -> Answer:
        """Reads the answer to a request that `send` sent; `method` decides whether it can have a body."""
        self._begin(method)
        return self._read_answer()

    def half_close(self) -> None:
        """Says that nothing more will be sent, and goes on reading."""
        self._socket.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """Cuts the connection with a reset."""
        reset_on_close(self._socket)
        self._socket.close()

    def close(self) -> None:
        """Closes the connection in the ordinary way."""
        self._socket.close()

    def is_closed_by_server(self) -> bool:
        """Waits until the server closes (True) or sends something more (False)."""
        return not self._wire.has_more()

    def _begin(self, method: str) -> None:
        self._method, self._interim, self._head, self._request_sent = method, [], None, True

    def _push(self, data: bytes) -> bool:
        """Sends until all is sent (True), or a final answer or the end of the connection is there (False)."""
        view = memoryview(data)
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | select.POLLOUT)
        while view:
            ready = poll.poll(self._timeout * 1000)
            if not ready:
                raise WaitedInVain(f"nothing was taken within {self._timeout} s")
            if self._wire.has_buffered or ready[0][1] & ~select.POLLOUT:
                if not self._read_interim():
                    return False
            else:
                try:
                    view = view[self._socket.send(view[:BUFFER_SIZE]) :]
                except ConnectionError:
                    return False
        return True

    def _may_go_on(self) -> bool:
        """Waits for `100 Continue`; False if a final answer came instead."""
        while 100 not in self._interim:
            if not self._read_interim():
                return False
        return True

    def _read_interim(self) -> bool:
        """Reads one head; True if it is an interim one. A final one is kept, an end is found again later."""
        if not self._wire.has_more():
            return False
        head = parse_answer_head(self._wire.read_head())
        if 100 <= head.status <= 199:
            self._interim.append(head.status)
            return True
        self._head = head
        return False

    def _read_answer(self) -> Answer:
        while self._head is None:
            if not self._read_interim() and self._head is None:
                raise ConnectionEnded("the server closed the connection without an answer")
        head, framing = self._head, answer_framing(self._head, self._method)
        body, taken, complete = Body(self._wire, framing), bytearray(), True
        try:
            while block := body.read_some():
                taken += block
        except ConnectionEnded:
            complete = False
        return Answer(
            status=head.status,
            reason=head.reason,
            headers=head.headers,
            body=bytes(taken),
            trailers=body.trailers,
            complete=complete,
            closed=not head.persistent or framing.until_close or not complete,
            interim=tuple(self._interim),
            request_sent=self._request_sent,
        )


def _chunks(body: bytes | Iterable[bytes], size: int) -> Iterator[bytes]:
    blocks = [body[start : start + size] for start in range(0, len(body), size)] if isinstance(body, bytes) else body
    for block in blocks:
        if block:
            yield b"%x\r\n%s\r\n" % (len(block), block)
    yield b"0\r\n\r\n"
