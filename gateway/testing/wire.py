"""One end of a connection: bytes read through one reused buffer, bodies taken out of their framing.

A connection that the peer resets counts as one that ended, and `was_reset` says so. A Wire belongs to
one thread. Views are good until the next call on the same Wire.
"""

from __future__ import annotations

import socket
import struct

from gateway.testing.errors import ConnectionEnded, MessageInvalid, WaitedInVain
from gateway.testing.messages import Framing, Headers, parse_chunk_size, parse_headers

__all__ = ["BUFFER_SIZE", "Body", "Wire", "reset_on_close"]

BUFFER_SIZE = 64 * 2**10
"""Also the longest head that is read, in bytes."""

_ENDLESS = 2**62


def reset_on_close(connection: socket.socket) -> None:
    """Lets the peer see a reset (RST) instead of an end (FIN) when the socket is closed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Wire:
    """Reads a socket; a timeout set on the socket becomes WaitedInVain."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray(BUFFER_SIZE)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._stop = 0
        self.was_reset = False
        """The connection ended with a reset, not with an orderly end."""

    @property
    def has_buffered(self) -> bool:
        """Whether there is something to read that the socket no longer shows."""
        return self._start < self._stop

    def has_more(self) -> bool:
        """Waits until there is a byte to read; False where the connection ended."""
        return self.has_buffered or self._fill()

    def read_some(self, limit: int) -> memoryview:
        """What has arrived, at most `limit` bytes, at least one; empty where the connection ended."""
        if not self.has_more():
            return self._view[:0]
        start = self._start
        self._start = min(self._stop, start + limit)
        return self._view[start : self._start]

    def read_exactly(self, size: int) -> bytes:
        """Waits for `size` bytes."""
        taken = bytearray()
        while len(taken) < size:
            block = self.read_some(size - len(taken))
            if not block:
                raise ConnectionEnded(f"expected {size} bytes, got {len(taken)} before the end", heard=bytes(taken))
            taken += block
        return bytes(taken)

    def read_head(self) -> bytes:
        """Everything up to the first empty line, which is included."""
        return self._read_through(b"\r\n\r\n")

    def read_line(self) -> bytes:
        """One line, without its end."""
        line = self._read_through(b"\r\n")[:-2]
        if b"\n" in line or b"\r" in line:
            raise MessageInvalid(f"expected a line that ends with CR LF, found {line!r}")
        return line

    def _read_through(self, mark: bytes) -> bytes:
        searched = self._start
        while (found := self._buffer.find(mark, searched, self._stop)) < 0:
            size = self._stop - self._start
            if size == len(self._buffer):
                raise MessageInvalid(f"expected {mark!r} within {size} bytes")
            if not self._fill():
                raise ConnectionEnded(f"expected {mark!r}", heard=bytes(self._view[self._start : self._stop]))
            # The mark can begin in what was there and end in what came.
            searched = self._start + max(0, size - len(mark) + 1)
        start, self._start = self._start, found + len(mark)
        return bytes(self._view[start : self._start])

    def _fill(self) -> bool:
        """Reads once into the free end of the buffer, after making room there if there is none."""
        if self._start == self._stop:
            self._start = self._stop = 0
        elif self._stop == len(self._buffer):
            kept = bytes(self._view[self._start : self._stop])
            self._view[: len(kept)] = kept
            self._start, self._stop = 0, len(kept)
        try:
            count = self._connection.recv_into(self._view[self._stop :])
        except ConnectionError:
            self.was_reset = True
            return False
        except TimeoutError as error:
            raise WaitedInVain(f"nothing came within {self._connection.gettimeout()} s") from error
        self._stop += count
        return count > 0


class Body:
    """The body of one message, out of its framing."""

    def __init__(self, wire: Wire, framing: Framing) -> None:
        self._wire = wire
        self._framing = framing
        self._left = _ENDLESS if framing.until_close else framing.length or 0
        """Bytes that are left: of the body, or of the current chunk."""
        self._in_chunks = False
        """The first chunk has begun."""
        self._done = framing.length == 0
        self.trailers = Headers()
        """What followed the last chunk; known once the body has been read to its end."""

    def read_some(self, limit: int = _ENDLESS) -> memoryview:
        """The next bytes, at most `limit`; empty at the end. A body that is cut off raises ConnectionEnded."""
        if self._framing.chunked and self._left == 0 and not self._done:
            self._next_chunk()
        if self._done:
            return memoryview(b"")
        block = self._wire.read_some(min(limit, self._left))
        if not block and (self._wire.was_reset or not self._framing.until_close):
            missing = "" if self._framing.until_close else f", {self._left} bytes early"
            raise ConnectionEnded(f"the connection ended in the middle of a body{missing}")
        self._left -= len(block)
        self._done = not block or (self._left == 0 and not self._framing.chunked)
        return block

    def read(self, size: int | None = None) -> bytes:
        """The next `size` bytes, or all that is left; fewer only at the end of the body."""
        taken = bytearray()
        while size is None or len(taken) < size:
            block = self.read_some(_ENDLESS if size is None else size - len(taken))
            if not block:
                break
            taken += block
        return bytes(taken)

    def _next_chunk(self) -> None:
        if self._in_chunks and (line := self._wire.read_line()):
            raise MessageInvalid(f"expected the end of a chunk, found {line[:80]!r}")
        self._in_chunks = True
        self._left = parse_chunk_size(self._wire.read_line())
        if self._left == 0:
            lines = []
            while line := self._wire.read_line():
                lines.append(line)
            self.trailers = parse_headers(lines)
            self._done = True
