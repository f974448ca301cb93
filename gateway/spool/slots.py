"""Slots: the reused blocks of memory that uploads are received into.

A slot has a reserve in front of its data. What the scanner had not decided when the slot before was
full is copied there, so that a delimiter or the headers of a part always lie in one piece.
"""

from __future__ import annotations

import threading

__all__ = ["SLOT_BYTES", "Slot", "SlotPool"]

SLOT_BYTES = 2**20
"""Data bytes of a pooled slot. Hand-overs of 64 KiB cost twice the CPU of 1 MiB; more gains nothing."""


class Slot:
    """A run of the upload's bytes in memory, offsets `start` to `end`; from `base` on they were read into it."""

    __slots__ = ("base", "buffer", "end", "pins", "reserve", "size", "start", "stored", "view")

    def __init__(self, size: int, reserve: int) -> None:
        self.size = size
        self.reserve = reserve
        self.buffer = bytearray(reserve + size)
        self.view = memoryview(self.buffer)
        self.place(0, b"")

    def place(self, base: int, tail: bytes) -> None:
        """Make the slot hold what comes at offset `base`, behind the `tail` that ends there."""
        self.base = self.end = base
        self.start = base - len(tail)
        self.pins = 0
        self.stored = False
        if tail:
            self.buffer[self.reserve - len(tail) : self.reserve] = tail

    def index(self, offset: int) -> int:
        """Where in `buffer` the byte with this offset of the upload lies."""
        return self.reserve + offset - self.base

    @property
    def free(self) -> int:
        """Bytes that can still be read into it."""
        return self.base + self.size - self.end

    def room(self) -> memoryview:
        """The free space, to be read into from its beginning."""
        return self.view[self.index(self.end) :]

    def between(self, start: int, stop: int) -> memoryview:
        """The bytes with these offsets of the upload."""
        return self.view[self.index(start) : self.index(stop)]


class SlotPool:
    """Keeps slots for the next upload: fresh memory costs a page fault every 4 KiB. Used by all threads of a worker."""

    def __init__(self, *, reserve: int, slot_bytes: int = SLOT_BYTES, keep: int = 32) -> None:
        self.reserve = reserve
        self.slot_bytes = slot_bytes
        self._keep = keep
        self._free: list[Slot] = []
        self._lock = threading.Lock()  # guards _free

    def take(self) -> Slot:
        """A slot of `slot_bytes`; its content is undefined."""
        with self._lock:
            if self._free:
                return self._free.pop()
        return Slot(self.slot_bytes, self.reserve)

    def give(self, slot: Slot) -> None:
        """Take a slot back that nobody reads any more; one that was made to measure is let go."""
        with self._lock:
            pooled = slot.size == self.slot_bytes and slot.reserve == self.reserve
            if pooled and len(self._free) < self._keep:
                self._free.append(slot)
