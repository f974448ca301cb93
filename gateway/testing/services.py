"""A well-behaved HTTP/1.1 service on raw sockets, which keeps what came, as it came.

It reads strictly: an invalid request is answered with 400, and fails the test when the service ends.
Services that behave badly are in `gateway.testing.peers`.
"""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from gateway.testing.errors import ConnectionEnded, MessageInvalid
from gateway.testing.listening import Listener
from gateway.testing.messages import (
    CONTINUE,
    Headers,
    RequestHead,
    answer_bytes,
    parse_request_head,
    request_framing,
)
from gateway.testing.wire import Body, Wire

__all__ = ["Received", "RecordingService", "describe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request, whole or not."""

    method: str
    """Empty where the connection ended before the head was whole; `target` and `headers` then, too."""
    target: str
    headers: Headers
    head: bytes
    """The request line and the headers as received, with the empty line."""
    body: bytes | None
    """The whole body, out of its chunks; None if it was not to be kept, or did not come whole."""
    length: int
    """Bytes of the body that came."""
    sha256: str
    """Hash of the bytes of the body that came, in hexadecimal."""
    complete: bool
    """Whether the request came to its end. Nothing else may be taken for an upload."""
    chunked: bool
    trailers: Headers
    connection: int
    """Number of the connection, from 0."""
    heard: bytes
    """What was kept of a request that is not complete: of its body, or of its head if that was cut."""
    first_byte_at: float
    """When the head began to arrive, by `time.monotonic`."""
    body_at: float | None
    """When the body began to arrive; None if nothing of it came."""
    ended_at: float
    """When the request was complete, or its connection ended."""


@dataclass(slots=True)
class _Running:
    """A request while it arrives."""

    connection: int
    first_byte_at: float
    head: RequestHead | None = None
    chunked: bool = False
    body_at: float | None = None
    length: int = 0
    kept: bytearray = field(default_factory=bytearray)
    hashed: hashlib._Hash = field(default_factory=hashlib.sha256)


def describe(received: Received) -> bytes:
    """The usual answer: 200 with the hash and the length of the body that came, as JSON."""
    content_type = received.headers.get("content-type")
    answer = {"sha256": received.sha256, "length": received.length, "content_type": content_type}
    return answer_bytes(200, json.dumps(answer).encode(), [("Content-Type", "application/json")])


class RecordingService(Listener):
    """Takes any request, records it, and answers; connections are kept alive, also with pipelining.

    `answer` makes the bytes of the answer from what was received; it runs in the connection's thread
    and may wait; with `Connection: close` in it the connection is closed. With `keep_bodies=False` a
    body of any size costs no memory.
    """

    def __init__(
        self,
        *,
        keep_bodies: bool = True,
        answer: Callable[[Received], bytes] = describe,
        port: int = 0,
        receive_buffer: int | None = None,
    ) -> None:
        super().__init__(port=port, receive_buffer=receive_buffer)
        self._keep_bodies = keep_bodies
        self._answer = answer
        self._received: list[Received] = []
        self._running: list[_Running] = []
        self._first_byte_at: float | None = None

    def __repr__(self) -> str:
        with self._changed:
            running = ", ".join(
                f"{request.length} bytes on connection {request.connection}" for request in self._running
            )
            return (
                f"<RecordingService on port {self.port}: {self._count} connections, {len(self._received)} requests, "
                f"running: {running or 'none'}>"
            )

    @property
    def received(self) -> list[Received]:
        """The requests so far in the order in which they ended; a copy."""
        with self._changed:
            return list(self._received)

    @property
    def first_byte_at(self) -> float | None:
        """When the latest request began to arrive, by `time.monotonic`; None before the first."""
        with self._changed:
            return self._first_byte_at

    @property
    def heard_length(self) -> int:
        """How many bytes of the body of the unfinished request have come; 0 if none is running."""
        with self._changed:
            return self._running[-1].length if self._running else 0

    def heard_so_far(self) -> bytes:
        """The body so far of the unfinished request, the latest if there are several; empty if none is running."""
        with self._changed:
            return bytes(self._running[-1].kept) if self._running else b""

    def wait_for(self, wanted: int | Callable[[Self], bool], timeout: float = 10.0) -> list[Received]:
        """Waits for that many requests, or until the predicate is true of this service; returns `received`."""
        if isinstance(wanted, int):
            count = wanted
            self.wait_until(lambda service: len(service._received) >= count, timeout)
        else:
            self.wait_until(wanted, timeout)
        return self.received

    def forget(self) -> None:
        """Empties `received`, so that thousands of uploads need not be kept."""
        with self._changed:
            self._received.clear()

    def _handle(self, connection: socket.socket, number: int) -> None:
        wire = Wire(connection)
        while wire.has_more():
            running = _Running(connection=number, first_byte_at=time.monotonic())
            with self._changed:
                self._running.append(running)
                self._first_byte_at = running.first_byte_at
                self._changed.notify_all()
            try:
                head, trailers = self._read(connection, wire, running)
            except MessageInvalid as error:
                self._record(running)
                connection.sendall(answer_bytes(400, error.detail.encode(), [("Connection", "close")]))
                raise
            except ConnectionEnded as error:
                self._record(running, cut_head=error.heard)
                return
            except OSError:
                self._record(running)
                return
            answer = self._answer(self._record(running, trailers=trailers))
            connection.sendall(answer)
            if not head.persistent or _says_close(answer):
                return

    def _read(self, connection: socket.socket, wire: Wire, running: _Running) -> tuple[RequestHead, Headers]:
        """Reads one request to its end, and lets others see how far it is."""
        head = parse_request_head(wire.read_head())
        running.head = head
        framing = request_framing(head)
        running.chunked = framing.chunked
        if head.headers.has_token("expect", "100-continue"):
            connection.sendall(CONTINUE)
        body = Body(wire, framing)
        while block := body.read_some():
            running.hashed.update(block)
            with self._changed:
                if running.body_at is None:
                    running.body_at = time.monotonic()
                if self._keep_bodies:
                    running.kept += block
                running.length += len(block)
                self._changed.notify_all()
        return head, body.trailers

    def _record(self, running: _Running, *, trailers: Headers | None = None, cut_head: bytes = b"") -> Received:
        """Notes how a request ended; `trailers` are known only of one that is complete."""
        head, complete = running.head, trailers is not None
        kept = bytes(running.kept)
        received = Received(
            method=head.method if head else "",
            target=head.target if head else "",
            headers=head.headers if head else Headers(),
            head=head.raw if head else cut_head,
            body=kept if complete and self._keep_bodies else None,
            length=running.length,
            sha256=running.hashed.hexdigest(),
            complete=complete,
            chunked=running.chunked,
            trailers=trailers or Headers(),
            connection=running.connection,
            heard=b"" if complete else (kept if head else cut_head),
            first_byte_at=running.first_byte_at,
            body_at=running.body_at,
            ended_at=time.monotonic(),
        )
        with self._changed:
            self._running.remove(running)
            self._received.append(received)
            self._changed.notify_all()
        return received


def _says_close(answer: bytes) -> bool:
    head = answer.partition(b"\r\n\r\n")[0]
    return any(line.lower().replace(b" ", b"") == b"connection:close" for line in head.split(b"\r\n"))
