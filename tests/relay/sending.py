"""One body to one service, with limits short enough for a test."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager

from gateway.core.headers import Fields
from gateway.core.services import Timeouts
from gateway.core.targets import Target
from gateway.relay.bodies import Block, Body
from gateway.relay.transport import Answer, Transport
from gateway.spool.uploads import Watch

LARGE = 20 * 2**20
"""More bytes than the kernel takes for a reader that does not read."""
SMALL_BUFFER = 32 * 2**10
"""The receive buffer of a service that shall feel full soon."""
LIMITS = Timeouts(connect=5.0, stall=10.0, first_byte=10.0, total=20.0)
"""Longer than anything here takes: a test that runs into one has failed."""

Blocks = Generator[Block, None, None]


@contextmanager
def transport() -> Iterator[Transport]:
    transport = Transport(connections=8, clock=time.monotonic, user_agent="tests/1")
    try:
        yield transport
    finally:
        transport.close()


def target_at(url: str, timeouts: Timeouts = LIMITS, fields: Fields | None = None) -> Target:
    fields = [("Accept-Encoding", "identity")] if fields is None else fields
    return Target(service="text", url=url, timeouts=timeouts, fields=fields)


def body_of(*blocks: bytes, length: int | None = -1, content_type: str = "text/plain") -> Body:
    """A body of these blocks; of their length, unless another one (or None) is claimed."""

    def running(_: Watch | None) -> Blocks:
        yield from blocks

    return Body(content_type, sum(map(len, blocks)) if length == -1 else length, running)


def large_body(*, chunked: bool = False) -> Body:
    block = bytes(2**18)

    def running(_: Watch | None) -> Blocks:
        yield from itertools.repeat(block, LARGE // len(block))

    return Body("text/plain", None if chunked else LARGE, running)


def body_from(make: Callable[[Watch | None], Iterable[Block]], length: int | None) -> Body:
    def running(watch: Watch | None) -> Blocks:
        yield from make(watch)

    return Body("text/plain", length, running)


def send(
    transport: Transport,
    url: str,
    body: Body,
    *,
    timeouts: Timeouts = LIMITS,
    fields: Fields | None = None,
    upload_is_in: bool = True,
) -> Answer:
    """The answer as soon as its header is in."""
    completed_at = time.monotonic() if upload_is_in else None
    return transport.send(target_at(url, timeouts, fields), body, lambda: completed_at)


def read(answer: Answer) -> bytes:
    """The answer's body, to its end."""
    return b"".join(answer.blocks())


@contextmanager
def port_that_hangs() -> Iterator[int]:
    """A port that lets nobody in: its queue is full, and nobody accepts."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listening.getsockname())
        try:
            yield listening.getsockname()[1]
        finally:
            for each in waiting:
                each.close()
