"""A JSON body under way: it is decoded as it arrives, and only what it holds goes into the spool.

Nothing of it may be seen before all of it is in: what a file is called, and what it is, may stand behind its content.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.core.uploads import Limits, Part, UploadHead
from gateway.errors import ClientGone, JSONTooLarge, UploadTooLarge
from gateway.multipart.acceptance import TypeCheck
from gateway.multipart.json_scanner import JSONScanner
from gateway.multipart.sniffing import SNIFFED_BYTES
from gateway.spool.spool import Spool

__all__ = ["JSONBody"]

READ_BYTES = 2**18
"""Read from the client at once, and held besides the spool."""


class JSONBody:
    """Takes one body. `read` reads from the client into a view, as a Source does."""

    def __init__(self, head: UploadHead, spool: Spool, limits: Limits, check: TypeCheck | None) -> None:
        if head.length is not None and head.length > limits.json:
            raise JSONTooLarge(f"Content-Length is {head.length}; at most {limits.json} bytes of JSON are taken.")
        self.received = 0
        """Bytes of the body so far, as they came."""
        self._length = head.length
        self._spool = spool
        self._limits = limits
        self._check = check
        self._scanner = JSONScanner(limits)
        size = READ_BYTES if head.length is None else min(READ_BYTES, head.length)
        self._buffer = memoryview(bytearray(size))
        self._head = bytearray()  # of the part at hand, for the check

    def pull(self, read: Callable[[memoryview], int]) -> tuple[list[Part], bool]:
        """Take what the client has sent by now: the parts that are whole with it, and whether that is all."""
        due = None if self._length is None else self._length - self.received
        room = self._buffer if due is None else self._buffer[:due]
        count = read(room) if due != 0 else 0
        if count == 0 and due:
            raise ClientGone(f"The client closed the connection after {self.received} of {self._length} bytes.")
        self.received += count
        if self.received > self._limits.json:
            raise JSONTooLarge(f"The body is longer than {self._limits.json} bytes.")
        if self.received > self._limits.body:
            raise UploadTooLarge(f"The body is longer than {self._limits.body} bytes.")
        last = count in (0, due)
        parts = []
        for event in self._scanner.feed(bytes(room[:count]), last=last):
            if isinstance(event, Part):
                self._check_type(event)
                parts.append(event)
            else:
                self._store(event)
        if last:
            # The upload may wait long for its delivery.
            self._buffer = memoryview(b"")
        return parts, last

    def _store(self, content: bytes) -> None:
        if self._check is not None:
            self._head += content[: SNIFFED_BYTES - len(self._head)]
        left = memoryview(content)
        while left:
            room = self._spool.slot(self._spool.received).room()
            count = min(len(room), len(left))
            room[:count] = left[:count]
            self._spool.commit(count, 0)
            left = left[count:]

    def _check_type(self, part: Part) -> None:
        if self._check is not None:
            self._check.begin(part)
            self._check.take(self._head, part.content_start, part.content.stop, ended=True)
            self._head.clear()
