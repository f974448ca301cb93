"""A file or a pipe as the content of a part: looked at before anything is connected, read once, never changed unseen.

Errors while it is read are GatewayErrors: an OSError below the transport would be taken for the service's.
"""

from __future__ import annotations

import errno
import hashlib
import os
import select
import stat
from dataclasses import dataclass

from gateway.errors import FileChanged, FileError, FileUnreadable
from gateway.spool.uploads import Watch

__all__ = ["STANDARD_INPUT", "Input", "open_input", "read_text"]

STANDARD_INPUT = "-"
"""The path that stands for it."""
BLOCK_BYTES = 2**18
TICK_MS = 250
TEXT_MAX = 16 * 2**20
"""Bytes of a field, which is in memory as a whole."""


@dataclass(frozen=True, slots=True)
class _State:
    """What tells one file from another one, and from itself after a change."""

    device: int
    inode: int
    size: int
    modified_ns: int


def open_input(path: str, *, hashes: bool) -> Input:
    """Whether it can be read is seen now. A file is closed again, so that there may be any number; a pipe stays open.

    Raises OSError, also for a directory.
    """
    try:
        descriptor = os.dup(0) if path == STANDARD_INPUT else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _input_of(path, descriptor, hashes=hashes)
        except BaseException:
            os.close(descriptor)
            raise
    except OSError as error:
        error.filename = _name_of(path)
        raise


def _input_of(path: str, descriptor: int, *, hashes: bool) -> Input:
    found = os.fstat(descriptor)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "a directory cannot be sent; name its files")
    # What the system makes up while it is read (/proc) says that it is an empty file.
    if not stat.S_ISREG(found.st_mode) or (found.st_size == 0 and os.pread(descriptor, 1, 0)):
        return Input(path, descriptor, None, hashes=hashes)
    if path == STANDARD_INPUT:
        # Redirected from a file, of which some may have been read by others.
        return Input(path, descriptor, _state(found), start=os.lseek(descriptor, 0, os.SEEK_CUR), hashes=hashes)
    os.close(descriptor)
    return Input(path, None, _state(found), hashes=hashes)


def read_text(path: str) -> bytes:
    """All of a file or pipe that is to be a field. Raises OSError, and ValueError if it is too long for one."""
    source = open_input(path, hashes=False)
    try:
        content = bytearray()
        while block := source.read():
            content += block
            if len(content) > TEXT_MAX:
                expected = f"expected at most {TEXT_MAX:,} bytes for a field"
                raise ValueError(f"{source.name}: {expected}; send it as a file, with @")
    except FileError as error:
        raise ValueError(error.detail.removesuffix(".")) from error
    finally:
        source.close()
    return bytes(content)


def _state(found: os.stat_result) -> _State:
    return _State(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _name_of(path: str) -> str:
    return "standard input" if path == STANDARD_INPUT else path


class Input:
    """The bytes of one file or pipe, for one thread. MultipartEncoder takes it as it is: by `len` and `read`."""

    def __init__(
        self, path: str, descriptor: int | None, state: _State | None, *, start: int = 0, hashes: bool
    ) -> None:
        self.path = path
        self.name = _name_of(path)
        """For messages."""
        self.size = None if state is None else max(0, state.size - start)
        """Bytes in all; None for a pipe, whose end shows when it comes."""
        self.watch: Watch | None = None
        """Looked at while a pipe is waited for."""
        self.taken = 0
        """Bytes read so far."""
        self.has_ended = False
        """Whether all of it has been read, and was what it should be."""
        self._descriptor = descriptor
        self._state = state
        self._hash = hashlib.sha256() if hashes else None
        self._begun = False

    @property
    def len(self) -> int:
        """What MultipartEncoder computes with: first the size, then whether there may be more.

        Only a read shows the end: that of a pipe, and of a file whether it is still as long as it was.
        """
        if not self._begun:
            return self.size or 0
        return 0 if self.has_ended else 1

    @property
    def sha256(self) -> str | None:
        """Of all of it, in hexadecimal; None if it was not read to its end, or not to be hashed."""
        return self._hash.hexdigest() if self._hash is not None and self.has_ended else None

    def begin(self) -> None:
        """From now on `len` is about what is left."""
        self._begun = True

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, and empty at the end; less than that says nothing about the end."""
        if self.has_ended:
            return b""
        limit = BLOCK_BYTES if size < 0 else min(size, BLOCK_BYTES)
        if self.size is not None:
            limit = min(limit, self.size - self.taken)
        try:
            descriptor = self._open()
        except OSError as error:
            raise FileUnreadable(f"{self.name}: {error.strerror}.") from error
        block = self._read(descriptor, limit) if limit else b""
        if self._hash is not None:
            self._hash.update(block)
        self.taken += len(block)
        if self.size is None:
            self.has_ended = not block
        elif self.taken == self.size or not block:
            # Before the last block goes out: a request that must not be completed is not.
            self._compare(os.fstat(descriptor))
            if self.taken != self.size:
                raise FileChanged(f"{self.name}: it has {self.size} bytes, and ended after {self.taken}.")
            self.has_ended = True
        if self.has_ended:
            self.close()
        return block

    def close(self) -> None:
        """Let go of the file or pipe."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            self._compare(os.fstat(self._descriptor))
        return self._descriptor

    def _read(self, descriptor: int, limit: int) -> bytes:
        if self.size is None and self.watch is not None:
            self._wait(descriptor, self.watch)
        try:
            return os.read(descriptor, limit)
        except OSError as error:
            raise FileUnreadable(f"{self.name}: {error.strerror}, after {self.taken} bytes.") from error

    def _wait(self, descriptor: int, watch: Watch) -> None:
        """Until there is something to read; the service may answer, or close, meanwhile."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if watch.fileno() >= 0:
            poll.register(watch.fileno(), select.POLLIN)
        while True:
            watch.look()
            if any(ready == descriptor for ready, _ in poll.poll(TICK_MS)):
                return

    def _compare(self, found: os.stat_result) -> None:
        """Whether the file is still what it was when it was looked at."""
        if self._state is None or _state(found) == self._state:
            return
        sizes = f"it had {self._state.size} bytes, and has {found.st_size} now"
        raise FileChanged(f"{self.name}: {sizes if found.st_size != self._state.size else 'somebody wrote to it'}.")
