"""An upload under way: bytes from the client go into the spool, and the scanner says what they are.

There are two ways to move it. Usually one service is asked, and the request's thread does all of it:
whoever wants to read what is not there yet pulls it from the client (`blocks`). With several readers
in threads of their own, the request's thread calls `pull` until the upload is in, and the readers wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from typing import Protocol

from gateway.core.services import Accept
from gateway.core.uploads import Limits, Part, UploadHead
from gateway.errors import ClientGone, GatewayError, UnexpectedFailure, UploadTooLarge
from gateway.multipart.acceptance import TypeCheck, names_of, require_parts
from gateway.multipart.scanner import Delimiter, Scanner
from gateway.spool.json_bodies import JSONBody
from gateway.spool.spool import Spool

__all__ = ["Source", "Upload", "Watch"]


class Watch(Protocol):
    """Something that may end the wait for the client: a service can answer before it has everything."""

    def fileno(self) -> int:
        """What to poll beside the client's socket; -1 if there is nothing to poll."""

    def look(self) -> None:
        """Called before each wait, when readable, and at least every TICK_S.

        Raises an OSError if the service has answered or closed: the delivery is over then, the upload is not.
        """


class Source(Protocol):
    """Where the decoded body comes from. Used by one thread."""

    def read_into(self, view: memoryview, watch: Watch | None) -> int:
        """Put what has arrived into `view`, at least one byte; 0 at the end of the body or of the connection.

        Waits no longer than the client may stall (ClientStalled), and looks at `watch` meanwhile. Its own errors are
        GatewayErrors, never an OSError: below a transport that would be the service's.
        """


class Upload:
    """What one client sends: its bytes (the spool) and its parts. Close it by `release`, once per holder."""

    def __init__(
        self,
        head: UploadHead,
        source: Source,
        spool: Spool,
        limits: Limits,
        accept: Accept = Accept(),
        *,
        clock: Callable[[], float],
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self.head = head
        self.spool = spool
        self.parts: list[Part] = []
        """In the order of the upload; a raw body is one part. The last one is open while it arrives, unless the upload
        is JSON: its parts are known when they are whole."""
        self.delimiters: list[Delimiter] = []
        self.completed_at: float | None = None
        """When the last byte was in and found good, by the clock; None before."""
        self._source = source
        self._limits = limits
        self._accept = accept
        self._clock = clock
        self._scanner = Scanner(head.boundary, limits) if head.boundary is not None else None
        self._types = TypeCheck(accept.types) if accept.types else None
        self._json = JSONBody(head, spool, limits, self._types) if head.is_json else None
        self._holders = 1
        self._holders_lock = threading.Lock()  # guards _holders
        self._on_close = on_close
        if head.length is not None and head.length > limits.body:
            raise UploadTooLarge(f"Content-Length is {head.length}; at most {limits.body} bytes are taken.")
        if head.kind == "raw":
            self.parts.append(_raw_part(head))
            require_parts(accept.require, self.parts)
            if self._types is not None:
                self._types.begin(self.parts[0], bare=True)

    def __repr__(self) -> str:
        return f"<Upload of {len(self.parts)} parts: {self.spool!r}>"

    @property
    def complete(self) -> bool:
        """Whether all of it is in, counted against its length, and accepted by the scanner."""
        return self.completed_at is not None

    @property
    def required_seen(self) -> bool:
        """Whether every part that the route requires has begun to arrive."""
        return not self._accept.require or names_of(self.parts).issuperset(self._accept.require)

    @property
    def received(self) -> int:
        """Bytes of the body so far, as the client sent them; of JSON, the spool has only what they decode to."""
        return self.spool.received if self._json is None else self._json.received

    # --- moving it ---

    def pull(self, watch: Watch | None = None) -> None:
        """Take what the client has sent by now, or wait for it. Any failure ends the upload for all readers."""
        # Bytes that came with the failure are lost: going on behind them would leave a hole in the upload.
        self.spool.raise_if_over()
        try:
            self._pull(watch)
        except GatewayError as error:
            self.spool.abort(error)
            raise
        except OSError:
            # From the watch: the service has answered.
            raise
        except BaseException as error:
            self.spool.abort(UnexpectedFailure(f"Reading the upload failed: {error!r}."))
            raise

    def _pull(self, watch: Watch | None) -> None:
        if self._json is not None:
            parts, last = self._json.pull(lambda view: self._source.read_into(view, watch))
            self.parts += parts
            if last:
                self._finish()
            return
        spool, length = self.spool, self.head.length
        due = None if length is None else length - spool.received
        undecided = self._scanner.decided if self._scanner else spool.received
        if due == 0:
            self._take(b"", 0, 0, 0, last=True)
            return
        slot = spool.slot(undecided)
        room = slot.room()
        count = self._source.read_into(room if due is None else room[:due], watch)
        if count == 0 and due is not None:
            raise ClientGone(f"The client closed the connection after {spool.received} of {length} bytes.")
        if spool.received + count > self._limits.body:
            raise UploadTooLarge(f"The body is longer than {self._limits.body} bytes.")
        last = count in (0, due)
        self._take(slot.buffer, slot.index(undecided), slot.index(slot.end) + count, count, last=last)

    def _take(self, buffer: bytes | bytearray, start: int, stop: int, count: int, *, last: bool) -> None:
        """Scan `buffer[start:stop]`, of which the last `count` bytes are new, and release what is decided."""
        received, types = self.spool.received + count, self._types
        if self._scanner is None:
            # The last byte waits until the length is reached: before, the service must not have a whole body.
            visible = received - 1
            if last:
                self.parts[0] = replace(self.parts[0], content_stop=received)
            if types is not None:
                types.take(buffer, self.spool.received - start, received, ended=last)
        else:
            base = self._scanner.decided - start
            _, events = self._scanner.feed(buffer, start, stop, last=last)
            for event in events:
                self._index(event)
            # What follows the closing delimiter may still turn out to be too long, or never come.
            visible = self.delimiters[-1].start if self._scanner.closed else self._scanner.decided
            if types is not None:
                _check_types(types, events, buffer, base, self._scanner.decided)
        if types is not None and types.held_from is not None:
            # No service gets anything of a file that may yet be refused.
            visible = min(visible, types.held_from)
        if count:
            self.spool.commit(count, visible)
        if last:
            self._finish()

    def _finish(self) -> None:
        """All bytes are in and good: release the end, if what the route requires is there."""
        require_parts(self._accept.require, self.parts)
        self.completed_at = self._clock()
        self.spool.finish()

    def _index(self, event: Part | Delimiter) -> None:
        if isinstance(event, Part):
            self.parts.append(event)
            return
        if self.delimiters:
            part = self.parts[-1]
            # Not before its start: the CR LF of the delimiter may be that of the empty line of its headers.
            self.parts[-1] = replace(part, content_stop=max(part.content_start, event.start - 2))
        self.delimiters.append(event)

    def pull_until(self, reached: Callable[[], bool]) -> None:
        """Pull until something is known, or the upload is in."""
        while not (self.complete or reached()):
            self.pull()

    def read_whole(self) -> None:
        """Pull until the upload is in."""
        self.pull_until(lambda: False)

    # --- reading it ---

    def blocks(
        self, start: int, stop: int | None = None, watch: Watch | None = None
    ) -> Generator[memoryview, None, None]:
        """The bytes from `start` to `stop` (None: to the end), pulled from the client where they are not there yet.

        A block is valid until the next one is asked for. It ends early only by raising a GatewayError.
        """
        reader = self.spool.reader(start, stop)
        try:
            while True:
                block = reader.read(wait=False)
                if block is None:
                    self.pull(watch)
                elif block:
                    yield block
                else:
                    return
        finally:
            reader.close()

    # --- its life ---

    def hold(self) -> None:
        """One more needs it."""
        with self._holders_lock:
            self._holders += 1

    def release(self) -> None:
        """One less needs it; with the last one, memory and file are given back."""
        with self._holders_lock:
            self._holders -= 1
            over = self._holders == 0
        if over:
            self.spool.close()
            self._on_close()


def _raw_part(head: UploadHead) -> Part:
    # A file without a filename is no file to most servers, so it gets one.
    filename = head.filename or "file"
    return Part(number=0, name="file", filename=filename, content_type=head.content_type, headers=b"", content_start=0)


def _check_types(
    types: TypeCheck, events: Iterable[Part | Delimiter], buffer: bytes | bytearray, base: int, decided: int
) -> None:
    """Show the check what the scanner has found in `buffer`, which begins at the offset `base` of the upload."""
    for event in events:
        if isinstance(event, Part):
            types.begin(event)
        else:
            types.take(buffer, base, event.start - 2, ended=True)
    types.take(buffer, base, decided, ended=False)
