"""A client that is a list, and small spools: what the tests of uploads and bodies are made of."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.core.services import Accept
from gateway.core.uploads import Limits, UploadHead
from gateway.multipart.scanner import undecided_max
from gateway.spool.files import Quota, SpoolFiles
from gateway.spool.slots import Slot, SlotPool
from gateway.spool.spool import Spool
from gateway.spool.uploads import Upload, Watch

SMALL_LIMITS = Limits(part_headers=160, padding=8, preamble=200, epilogue=100)
"""So that slots of a few bytes have a reserve of a few bytes."""


class ScriptedSource:
    """Gives one block after the other, in pieces where the view is smaller; an exception in the list is raised."""

    def __init__(self, script: Iterable[bytes | Exception]) -> None:
        self._script = iter(script)
        self._rest = b""
        self.reads = 0
        """How often it was asked."""
        self.ended = False
        """Whether it has been asked for more than it has."""

    def read_into(self, view: memoryview, watch: Watch | None) -> int:
        assert len(view) > 0
        self.reads += 1
        if watch is not None:
            watch.look()
        while not self._rest:
            following = next(self._script, None)
            if following is None:
                self.ended = True
                return 0
            if isinstance(following, Exception):
                raise following
            self._rest = following
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class CountingPool(SlotPool):
    """A pool that knows what is out, and what came back."""

    def __init__(self, *, reserve: int, slot_bytes: int) -> None:
        super().__init__(reserve=reserve, slot_bytes=slot_bytes)
        self.out: list[Slot] = []
        """Taken and not given back."""
        self.out_most = 0
        """The most slots that were out at once."""

    def take(self) -> Slot:
        slot = super().take()
        assert not any(slot is other for other in self.out), "handed out twice"
        self.out.append(slot)
        self.out_most = max(self.out_most, len(self.out))
        return slot

    def give(self, slot: Slot) -> None:
        assert slot.pins == 0, "somebody reads it"
        self.out = [other for other in self.out if other is not slot]
        super().give(slot)


@contextmanager
def spool_files(directory: Path, limit: int = 2**40) -> Iterator[SpoolFiles]:
    quota = Quota(directory, limit)
    try:
        yield SpoolFiles(directory, quota)
    finally:
        quota.close()


def cut(body: bytes, *places: int) -> list[bytes]:
    """The body in pieces, cut at these offsets; no empty ones."""
    ends = sorted({0, len(body), *(place for place in places if 0 < place < len(body))})
    return [body[start:stop] for start, stop in itertools.pairwise(ends)]


def cut_every(body: bytes, size: int) -> list[bytes]:
    return cut(body, *range(size, len(body), size))


def new_upload(
    files: SpoolFiles,
    script: Iterable[bytes | Exception],
    *,
    boundary: bytes | None = None,
    length: int | None = None,
    keep: bool = True,
    slot_bytes: int = 64,
    memory: int = 64,
    limits: Limits = SMALL_LIMITS,
    content_type: str | None = None,
    filename: str | None = None,
    is_json: bool = False,
    accept: Accept = Accept(),
    pool: SlotPool | None = None,
) -> Upload:
    """An upload whose client sends what the script says. With `length` None it is a chunked one."""
    head = UploadHead(boundary=boundary, is_json=is_json, length=length, content_type=content_type, filename=filename)
    pool = pool or SlotPool(reserve=undecided_max(boundary or b"", limits), slot_bytes=slot_bytes)
    spool = Spool(keep=keep, pool=pool, files=files, memory=memory, expected=length)
    ticks = itertools.count(100)
    return Upload(head, ScriptedSource(script), spool, limits, accept, clock=lambda: float(next(ticks)))


def content_of(upload: Upload, start: int = 0, stop: int | None = None) -> bytes:
    """The bytes of a span, pulled from the client where they are not there yet."""
    return b"".join(bytes(block) for block in upload.blocks(start, stop))
