"""The spool: one append-only run of bytes, with one writer and any number of readers.

It knows nothing of parts and delimiters. The writer says with each commit up to where readers may
see; what lies behind that is received, but not yet released.

Where the bytes are:
- All in slots, while the upload is small. It then costs no file.
- `keep=False`: in a ring of slots. A slot is used again once every reader has passed it, so the
  writer waits for the slowest reader (and with it the client: back-pressure).
- `keep=True`: in slots and, from `memory` bytes on, in a file too. A slot is used again once the
  file has it; a reader that falls behind reads the file and slows nobody.
"""

from __future__ import annotations

import threading

from gateway.errors import GatewayError, SpoolFailed
from gateway.spool.files import SpoolFile, SpoolFiles
from gateway.spool.slots import SLOT_BYTES, Slot, SlotPool

__all__ = ["Reader", "Spool"]

RING_SLOTS = 8
"""Slots of an upload that is not kept: how far the fastest reader may be ahead of the slowest."""
TICK_S = 0.25
"""How often a waiting reader looks at its service."""
PATIENCE_S = 900.0
"""Longest wait of a writer for its readers: each of them has limits of its own, which end it sooner."""


class Spool:
    """The bytes of one upload. `slot`, `commit`, `finish` are the writer's; `reader` and the rest are thread-safe."""

    def __init__(
        self, *, keep: bool, pool: SlotPool, files: SpoolFiles, memory: int = SLOT_BYTES, expected: int | None = None
    ) -> None:
        self.keep = keep
        self._pool = pool
        self._files = files
        self._memory = memory
        self._expected = expected
        self._changed = threading.Condition()  # guards everything below; files are written outside of it
        self._slots: list[Slot] = []
        self._file: SpoolFile | None = None
        self._readers: list[Reader] = []
        self._error: GatewayError | None = None
        self._closed = False
        self.received = 0
        """Bytes written so far."""
        self.visible = 0
        """Bytes released to readers."""
        self.complete = False
        """Whether all bytes are in and released."""

    def __repr__(self) -> str:
        over = "closed" if self._closed else repr(self._error)
        state = over if self._over else "complete" if self.complete else "open"
        place = f"{len(self._slots)} slots" + (f", a file of {self._file.size}" if self._file else "")
        return f"<Spool {state}: {self.visible} of {self.received} visible, {place}, {len(self._readers)} readers>"

    # --- the writer ---

    def slot(self, undecided: int) -> Slot:
        """A slot with room. Bytes from offset `undecided` on lie in it in one piece with what comes next."""
        current = self._slots[-1] if self._slots else None
        if current is None:
            fits = self._expected is not None and self._expected <= self._pool.slot_bytes
            slot = Slot(max(self._expected or 0, 1), 0) if fits else self._pool.take()
            slot.place(0, b"")
        else:
            due = None if self._expected is None else self._expected - self.received
            if current.free >= current.size // 16 or (due is not None and 0 < due <= current.free):
                return current
            tail = bytes(current.between(undecided, self.received))
            slot = self._next_slot(undecided)
            slot.place(self.received, tail)
        with self._changed:
            self._slots.append(slot)
        return slot

    def _next_slot(self, undecided: int) -> Slot:
        if self.keep:
            if self.received < self._memory:
                return self._pool.take()
            self._store()
        with self._changed:
            while self.keep and len(self._slots) >= RING_SLOTS and self._slots[0].pins:
                # Its reader has stopped. The file has these bytes; the memory stays the reader's until it goes on.
                del self._slots[0]
            ring_is_full = len(self._slots) == RING_SLOTS
            if ring_is_full:
                self._changed.wait_for(lambda: self._over or self._oldest_is_done(undecided), PATIENCE_S)
            self.raise_if_over()
            if self._oldest_is_done(undecided):
                return self._slots.pop(0)
            if ring_is_full:
                raise SpoolFailed(f"No reader went on within {PATIENCE_S:.0f} s.")
            return self._pool.take()

    def _oldest_is_done(self, undecided: int) -> bool:
        """Whether the oldest slot can be written on again, once what is `undecided` was copied out of the newest."""
        oldest, following = self._slots[0], self._slots[1].start if len(self._slots) > 1 else undecided
        passed = oldest.stored if self.keep else all(reader.position >= following for reader in self._readers)
        return passed and oldest.pins == 0

    def _store(self) -> None:
        """Bring what is in slots only into the file."""
        if self._file is None:
            file = self._files.create()
            with self._changed:
                self._file = file
        for slot in self._slots:
            if not slot.stored and slot.end > self._file.size:
                self._file.append(slot.between(self._file.size, slot.end))
            slot.stored = True

    def commit(self, count: int, visible: int) -> None:
        """`count` bytes were written into the last slot; readers may see up to offset `visible`."""
        with self._changed:
            self._slots[-1].end += count
            self.received += count
            self.visible = max(visible, self.visible)
            self._changed.notify_all()

    def finish(self) -> None:
        """No more bytes will come: release everything."""
        if self._file is not None:
            self._store()
        with self._changed:
            self.raise_if_over()
            self.visible = self.received
            self.complete = True
            if self._file is not None:
                self._give_back_slots()
            self._changed.notify_all()

    # --- both sides ---

    def abort(self, error: GatewayError) -> None:
        """Nothing more will come, and what is there must not be used: every reader raises `error` from now on."""
        with self._changed:
            if not self.complete and self._error is None:
                self._error = error
                self._changed.notify_all()

    def close(self) -> None:
        """Give back memory and file. Readers that still run raise."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._give_back_slots()
            file, self._file = self._file, None
            self._readers.clear()
            self._changed.notify_all()
        if file is not None:
            file.close()

    def _give_back_slots(self) -> None:
        for slot in self._slots:
            if slot.pins == 0:
                self._pool.give(slot)
        self._slots.clear()

    @property
    def _over(self) -> bool:
        return self._error is not None or self._closed

    def raise_if_over(self) -> None:
        """Raise what ended the upload, if anything did."""
        if self._error is not None:
            # The same object raised in several threads would collect their tracebacks.
            raise type(self._error)(self._error.detail, offset=self._error.offset)
        if self._closed:
            raise SpoolFailed("The upload was closed while it was being read.")

    # --- readers ---

    def has(self, offset: int) -> bool:
        """Whether the byte at `offset` can still be read, or is still to come."""
        with self._changed:
            return self._file is not None or not self._slots or self._slots[0].start <= offset

    def reader(self, start: int, stop: int | None = None) -> Reader:
        """A reader of the bytes from `start` to `stop` (None: to the end). The spool keeps them for it from now on."""
        reader = Reader(self, start, stop)
        with self._changed:
            self._readers.append(reader)
        return reader


class Reader:
    """Reads a span of a spool once, block by block. Belongs to one thread."""

    def __init__(self, spool: Spool, start: int, stop: int | None) -> None:
        self._spool = spool
        self._stop = stop
        self._pinned: Slot | None = None
        self._buffer: Slot | None = None
        self._taken = 0
        self.position = start
        """Offset of the next byte; what lies before was handed out and is done with."""

    def read(self, size: int = SLOT_BYTES, *, wait: bool = True) -> memoryview | None:
        """The next block of at most `size` bytes; an empty one at the end. Valid until the next call.

        None if nothing is there yet: at once with `wait=False`, else after a tick.
        """
        spool = self._spool
        with spool._changed:
            self._let_go()
            if wait and not (spool._over or self._ready()):
                spool._changed.wait(TICK_S)
            spool.raise_if_over()
            if not self._ready():
                return None
            count = min(spool.visible if self._stop is None else min(self._stop, spool.visible), self.position + size)
            count -= self.position
            slot = self._find() if count > 0 else None
            if slot is not None:
                slot.pins += 1
                self._pinned = slot
                self._taken = min(count, slot.end - self.position)
                return slot.between(self.position, self.position + self._taken)
            file = spool._file
        if count <= 0:
            return _NOTHING
        if file is None:
            raise SpoolFailed(f"The byte at {self.position} is gone: this upload is not kept.")
        if self._buffer is None:
            self._buffer = spool._pool.take()
        view = self._buffer.view[: min(count, file.size - self.position)]
        self._taken = file.read_into(view, self.position)
        return view[: self._taken]

    def _ready(self) -> bool:
        """Whether there is something to hand out, the end included."""
        spool = self._spool
        limit = spool.visible if self._stop is None else min(self._stop, spool.visible)
        return self.position < limit or spool.complete or (self._stop is not None and self.position >= self._stop)

    def close(self) -> None:
        """The spool need not keep anything for this reader any more."""
        with self._spool._changed:
            self._let_go()
            if self in self._spool._readers:
                self._spool._readers.remove(self)
        if self._buffer is not None:
            self._spool._pool.give(self._buffer)
            self._buffer = None

    def _let_go(self) -> None:
        """The block handed out last is done with."""
        self.position += self._taken
        self._taken = 0
        if self._pinned is not None:
            self._pinned.pins -= 1
            self._pinned = None
            self._spool._changed.notify_all()

    def _find(self) -> Slot | None:
        """The newest slot with the next byte: there, what follows lies in one piece with it."""
        for slot in reversed(self._spool._slots):
            if slot.start <= self.position < slot.end:
                return slot
        return None


_NOTHING = memoryview(b"")
