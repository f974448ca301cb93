"""Files behind spools, and the quota over them.

A spool file has no name (O_TMPFILE), so that nothing is left of a process that dies. Where the file
system cannot do that, it has a name and a lock, and whoever can take the lock may remove it.

The quota holds over all workers: each has a ledger, a small locked file with the bytes that it has
reserved. A ledger whose lock can be taken belongs to a dead process and counts for nothing.
"""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import SpoolError, SpoolFailed, SpoolFull

__all__ = ["Quota", "SpoolFile", "SpoolFiles", "clear_leftovers"]

GRAIN = 16 * 2**20
"""Bytes reserved at once: an upload asks the quota (two locks and a few small reads) once per grain. A quota that is
small has smaller grains, so that several uploads fit in."""
GRAINS_MIN = 64

_LEDGER = ".ledger"
_PART = ".part"
_NO_UNNAMED_FILES = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL)


def _failure(error: OSError, what: str) -> SpoolError:
    kind = SpoolFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else SpoolFailed
    return kind(f"{what}: {error.strerror}.")


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _create_unnamed(directory: Path) -> int | None:
    """A new file without a name; None where the system or the file system cannot do that."""
    unnamed: int | None = getattr(os, "O_TMPFILE", None)
    if unnamed is None:
        return None
    try:
        return os.open(directory, unnamed | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in _NO_UNNAMED_FILES:
            return None
        raise


def _create_locked(directory: Path, suffix: str) -> tuple[int, Path]:
    """A new file that this process holds the lock of. Somebody may clear it between creation and lock: try again."""
    while True:
        descriptor, name = tempfile.mkstemp(suffix=suffix, dir=directory)
        if _try_lock(descriptor) and os.fstat(descriptor).st_nlink:
            # mkstemp makes a relative path absolute; what is found in `directory` later would not be equal to it.
            return descriptor, directory / Path(name).name
        os.close(descriptor)


def _owned_files(directory: Path, suffix: str) -> Iterator[tuple[Path, int, bool]]:
    """Every file with this suffix, open; and whether its owner is dead, in which case we now hold its lock."""
    for path in directory.glob(f"*{suffix}"):
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            continue
        try:
            yield path, descriptor, _try_lock(descriptor)
        finally:
            os.close(descriptor)


def clear_leftovers(directory: Path) -> list[Path]:
    """Remove what dead processes have left in a spool directory; returns what was removed."""
    removed = []
    for suffix in (_PART, _LEDGER):
        for path, _, dead in _owned_files(directory, suffix):
            if dead:
                path.unlink(missing_ok=True)
                removed.append(path)
    return removed


class Quota:
    """How many bytes the spool files of all workers may have together. One object per process; thread-safe."""

    def __init__(self, directory: Path, limit: int) -> None:
        self.grain = max(1, min(GRAIN, limit // GRAINS_MIN))
        """Bytes that a file reserves at once."""
        self.limit = limit
        """Bytes that all workers may have together; 0: none, so that there are no files."""
        self._directory = directory
        self._reserved = 0
        self._lock = threading.Lock()  # guards _reserved, and the flock below among threads
        self._all_workers = os.open(directory / "quota.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._ledger, self._ledger_path = _create_locked(directory, _LEDGER)

    def reserve(self, size: int) -> None:
        """Count `size` more bytes as used, or raise SpoolFull."""
        with self._alone():
            self._require(size)
            self._write(self._reserved + size)

    def used(self) -> int:
        """Bytes that are reserved, by all workers. Raises SpoolFailed."""
        with self._alone():
            return self._used()

    def require(self, size: int) -> None:
        """Raise SpoolFull if `reserve` would by now; nothing is reserved."""
        with self._alone():
            self._require(size)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Only one thread of one worker at a time."""
        with self._lock:
            try:
                fcntl.flock(self._all_workers, fcntl.LOCK_EX)
                try:
                    yield
                finally:
                    fcntl.flock(self._all_workers, fcntl.LOCK_UN)
            except OSError as error:
                raise _failure(error, f"The quota in {self._directory} could not be asked") from error

    def _used(self) -> int:
        return self._reserved + sum(self._others())

    def _require(self, size: int) -> None:
        used = self._used()
        if used + size > self.limit:
            raise SpoolFull(f"{used} of {self.limit} bytes are in use; {size} more were asked for.")
        space = os.statvfs(self._directory)
        if space.f_bavail * space.f_frsize < size:
            raise SpoolFull(f"The disk has less than {size} bytes left.")

    def release(self, size: int) -> None:
        """Count `size` bytes as free again."""
        with self._lock:
            self._write(self._reserved - size)

    def close(self) -> None:
        """Remove the ledger; the object is of no use afterwards."""
        self._ledger_path.unlink(missing_ok=True)
        os.close(self._ledger)
        os.close(self._all_workers)

    def _write(self, reserved: int) -> None:
        os.pwrite(self._ledger, reserved.to_bytes(8, "little"), 0)
        self._reserved = reserved

    def _others(self) -> Iterator[int]:
        for path, descriptor, dead in _owned_files(self._directory, _LEDGER):
            if not dead and path != self._ledger_path:
                yield int.from_bytes(os.pread(descriptor, 8, 0), "little")


class SpoolFiles:
    """Makes spool files in one directory, within a quota. Thread-safe."""

    def __init__(self, directory: Path, quota: Quota) -> None:
        self._directory = directory
        self._quota = quota

    def require_room(self) -> None:
        """Raise SpoolFull or SpoolFailed if a file could not be made now, or could not be written to."""
        self.create().close()
        if self._quota.limit:
            self._quota.require(self._quota.grain)

    def create(self) -> SpoolFile:
        """A new, empty spool file."""
        try:
            descriptor = _create_unnamed(self._directory)
            if descriptor is not None:
                return SpoolFile(descriptor, None, self._quota)
            return SpoolFile(*_create_locked(self._directory, _PART), self._quota)
        except OSError as error:
            raise _failure(error, f"No file could be made in {self._directory}") from error


class SpoolFile:
    """The file of one upload. Written by one thread from its beginning on, read by many."""

    def __init__(self, descriptor: int, path: Path | None, quota: Quota) -> None:
        self._descriptor = descriptor
        self._path = path
        self._quota = quota
        self._reserved = 0
        self.size = 0
        """Bytes written; what lies before can be read."""

    def append(self, block: memoryview) -> None:
        """Write a block behind what is there."""
        missing = self.size + len(block) - self._reserved
        if missing > 0:
            grains = -(-missing // self._quota.grain) * self._quota.grain
            self._quota.reserve(grains)
            self._reserved += grains
        try:
            while block:
                written = os.pwrite(self._descriptor, block, self.size)
                self.size += written
                block = block[written:]
        except OSError as error:
            raise _failure(error, f"Writing failed after {self.size} bytes of this upload") from error

    def read_into(self, view: memoryview, offset: int) -> int:
        """Fill `view` from `offset` on; returns how many bytes that were, at least one."""
        try:
            count = os.preadv(self._descriptor, [view], offset)
        except OSError as error:
            raise SpoolFailed(f"Reading at {offset} failed: {error.strerror}.") from error
        if count == 0:
            raise SpoolFailed(f"The spool file ends at {offset}, before the upload does.")
        return count

    def close(self) -> None:
        """Give up the file and its share of the quota."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._quota.release(self._reserved)
