"""Spool files vanish with their process, and all workers together stay within the quota."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.errors import SpoolFailed, SpoolFull
from gateway.spool.files import GRAIN, GRAINS_MIN, Quota, SpoolFile, SpoolFiles, clear_leftovers
from tests.spool.sources import spool_files

# Another worker: reserves what it is told, or makes a file, and holds it until its input ends or it is killed.
WORKER = """
import os, sys
from pathlib import Path
from gateway.errors import SpoolFull
from gateway.spool.files import Quota, SpoolFiles

directory, limit = Path(sys.argv[1]), int(sys.argv[2])
quota, files = Quota(directory, limit), []
if "named" in sys.argv:
    os.O_TMPFILE = os.O_DIRECTORY | os.O_CREAT  # what no file system can do
print("ready", flush=True)
for line in sys.stdin:
    command, _, size = line.strip().partition(" ")
    try:
        if command == "reserve":
            quota.reserve(int(size))
        elif command == "release":
            quota.release(int(size))
        elif command == "file":
            files.append(SpoolFiles(directory, quota).create())
            files[-1].append(memoryview(bytes(int(size))))
        print("done", flush=True)
    except SpoolFull:
        print("full", flush=True)
quota.close()
"""


class Worker:
    """Another process with the same spool directory."""

    def __init__(self, directory: Path, limit: int, *options: str) -> None:
        command = [sys.executable, "-c", WORKER, str(directory), str(limit), *options]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._answer() == "ready"

    def ask(self, command: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._answer()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=10)

    def end(self) -> None:
        self._process.communicate(timeout=10)
        assert self._process.returncode == 0

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def worker(directory: Path, limit: int, *options: str) -> Iterator[Worker]:
    other = Worker(directory, limit, *options)
    try:
        yield other
    finally:
        other.kill()


@pytest.fixture
def quota(tmp_path: Path) -> Iterator[Quota]:
    quota = Quota(tmp_path, 10 * GRAIN)
    yield quota
    quota.close()


@pytest.fixture
def no_unnamed_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file system is one of those that have no O_TMPFILE."""
    original = os.open

    def refuse(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "not supported")
        return original(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)


def contents(file: SpoolFile) -> bytes:
    view = memoryview(bytearray(file.size))
    position = 0
    while position < file.size:
        position += file.read_into(view[position:], position)
    return bytes(view)


def parts_in(directory: Path) -> list[Path]:
    return list(directory.glob("*.part"))


# --- files -----------------------------------------------------------------------------------


def test_a_file_holds_what_was_written(tmp_path: Path, quota: Quota) -> None:
    file = SpoolFiles(tmp_path, quota).create()
    file.append(memoryview(b"abc"))
    file.append(memoryview(b""))
    file.append(memoryview(b"defg"))

    assert file.size == 7
    assert contents(file) == b"abcdefg"
    view = memoryview(bytearray(3))
    assert file.read_into(view, 2) == 3
    assert bytes(view) == b"cde"
    file.close()


def test_an_unnamed_file_leaves_nothing_in_the_directory(tmp_path: Path, quota: Quota) -> None:
    before = sorted(tmp_path.iterdir())

    file = SpoolFiles(tmp_path, quota).create()

    assert sorted(tmp_path.iterdir()) == before
    file.close()


@pytest.mark.usefixtures("no_unnamed_files")
def test_without_unnamed_files_there_are_named_locked_ones(tmp_path: Path, quota: Quota) -> None:
    file = SpoolFiles(tmp_path, quota).create()
    file.append(memoryview(b"abc"))

    (path,) = parts_in(tmp_path)
    assert contents(file) == b"abc"
    assert clear_leftovers(tmp_path) == []
    file.close()
    assert not path.exists()


def test_a_system_that_does_not_know_unnamed_files_has_named_ones(
    tmp_path: Path, quota: Quota, monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS has no O_TMPFILE at all."""
    monkeypatch.delattr(os, "O_TMPFILE")

    file = SpoolFiles(tmp_path, quota).create()

    assert len(parts_in(tmp_path)) == 1
    file.close()


def test_a_directory_that_is_gone_is_a_failed_spool(tmp_path: Path, quota: Quota) -> None:
    with pytest.raises(SpoolFailed, match=r"No file could be made in .*gone"):
        SpoolFiles(tmp_path / "gone", quota).create()


def test_a_file_written_in_small_steps_is_whole(tmp_path: Path, quota: Quota, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may write less than it was given."""
    original = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: original(descriptor, data[:8], offset))

    file = SpoolFiles(tmp_path, quota).create()
    file.append(memoryview(b"abcdefghij" * 10))

    assert contents(file) == b"abcdefghij" * 10
    file.close()


@pytest.mark.parametrize(
    ("number", "error", "message"),
    [
        (errno.ENOSPC, SpoolFull, "Writing failed after 3 bytes of this upload: No space left on device."),
        (errno.EDQUOT, SpoolFull, "Writing failed after 3 bytes of this upload: Disk quota exceeded."),
        (errno.EIO, SpoolFailed, "Writing failed after 3 bytes of this upload: Input/output error."),
    ],
)
def test_a_disk_that_takes_no_more_is_told(
    tmp_path: Path, quota: Quota, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception], message: str
) -> None:
    file = SpoolFiles(tmp_path, quota).create()
    file.append(memoryview(b"abc"))

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fail)
        with pytest.raises(error) as raised:
            file.append(memoryview(b"def"))

    assert str(raised.value) == message
    assert contents(file) == b"abc"
    file.close()


def test_a_file_that_may_not_grow_is_told(tmp_path: Path) -> None:
    """A limit of the system on the size of files, in a process of its own."""
    code = """
import resource, sys
from pathlib import Path
from gateway.errors import SpoolFailed
from gateway.spool.files import Quota, SpoolFiles

quota = Quota(Path(sys.argv[1]), 2**30)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
file = SpoolFiles(Path(sys.argv[1]), quota).create()
try:
    for _ in range(3):
        file.append(memoryview(bytes(600)))
except SpoolFailed as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)

    assert run.stdout == "Writing failed after 1000 bytes of this upload: File too large.\n"


def test_reading_behind_the_end_is_a_failed_spool(tmp_path: Path, quota: Quota) -> None:
    file = SpoolFiles(tmp_path, quota).create()
    file.append(memoryview(b"abc"))

    with pytest.raises(SpoolFailed, match="The spool file ends at 3"):
        file.read_into(memoryview(bytearray(1)), 3)
    file.close()


# --- the quota -------------------------------------------------------------------------------


def test_a_quota_can_be_used_to_its_last_byte(tmp_path: Path) -> None:
    quota = Quota(tmp_path, 100)
    quota.reserve(60)
    quota.reserve(40)

    with pytest.raises(SpoolFull, match="100 of 100 bytes are in use; 1 more were asked for"):
        quota.reserve(1)

    quota.release(1)
    quota.reserve(1)
    quota.close()


def test_a_refused_reservation_reserves_nothing(tmp_path: Path) -> None:
    quota = Quota(tmp_path, 100)
    with pytest.raises(SpoolFull):
        quota.reserve(101)

    quota.reserve(100)
    quota.close()


def test_a_file_takes_its_share_grain_by_grain_and_gives_it_back(tmp_path: Path) -> None:
    grain = 100
    with spool_files(tmp_path, GRAINS_MIN * grain) as files:
        first, others = files.create(), [files.create() for _ in range(GRAINS_MIN)]
        first.append(memoryview(bytes(10)))
        for other in others[:-1]:
            other.append(memoryview(bytes(10)))
        first.append(memoryview(bytes(grain - 10)))

        with pytest.raises(SpoolFull):
            others[-1].append(memoryview(b"x"))

        others.pop(0).close()
        others[-1].append(memoryview(b"x"))
        assert contents(others[-1]) == b"x"
        for file in (first, *others):
            file.close()


def test_a_full_disk_is_seen_before_it_is_full(tmp_path: Path, quota: Quota, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=2, f_frsize=512))
    quota.reserve(1024)

    with pytest.raises(SpoolFull, match="less than 1025 bytes left"):
        quota.reserve(1025)


def test_a_quota_that_cannot_be_asked_is_a_failed_spool(
    tmp_path: Path, quota: Quota, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An OSError would be taken for the service's, below a transport."""

    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "statvfs", fail)
    file = SpoolFiles(tmp_path, quota).create()

    with pytest.raises(SpoolFailed, match="quota"):
        file.append(memoryview(b"x"))
    file.close()


def test_the_quota_holds_over_all_workers(tmp_path: Path) -> None:
    quota = Quota(tmp_path, 100)
    with worker(tmp_path, 100) as other:
        assert other.ask("reserve 70") == "done"
        with pytest.raises(SpoolFull, match="70 of 100"):
            quota.reserve(31)
        quota.reserve(30)
        assert other.ask("reserve 1") == "full"

        quota.release(10)
        assert other.ask("reserve 10") == "done"
        assert other.ask("release 80") == "done"
        quota.reserve(80)
        assert other.ask("reserve 1") == "full"
        other.end()
    quota.close()


def test_what_a_dead_worker_had_reserved_is_free(tmp_path: Path) -> None:
    quota = Quota(tmp_path, 100)
    with worker(tmp_path, 100) as other:
        assert other.ask("reserve 100") == "done"
        with pytest.raises(SpoolFull):
            quota.reserve(1)

        other.kill()

    quota.reserve(100)
    quota.close()


def test_what_a_worker_had_reserved_is_free_when_it_ends(tmp_path: Path) -> None:
    quota = Quota(tmp_path, 100)
    with worker(tmp_path, 100) as other:
        assert other.ask("reserve 100") == "done"
        other.end()

    quota.reserve(100)
    quota.close()
    assert list(tmp_path.glob("*.ledger")) == []


def test_a_worker_that_ends_while_it_is_counted_is_no_failure(
    tmp_path: Path, quota: Quota, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at its lock and the look at its number a ledger may vanish."""
    other = Quota(tmp_path, 10 * GRAIN)
    ledgers = set(tmp_path.glob("*.ledger"))
    assert len(ledgers) == 2
    original = fcntl.flock

    def remove_after_lock(descriptor: int, operation: int) -> None:
        try:
            original(descriptor, operation)
        finally:
            if operation & fcntl.LOCK_NB:
                for ledger in ledgers:
                    ledger.unlink(missing_ok=True)

    monkeypatch.setattr(fcntl, "flock", remove_after_lock)

    quota.reserve(1)

    monkeypatch.undo()
    other.close()


# --- leftovers -------------------------------------------------------------------------------


def test_only_what_is_dead_is_removed(tmp_path: Path) -> None:
    quota = Quota(tmp_path, 2**40)
    with worker(tmp_path, 2**40, "named") as living, worker(tmp_path, 2**40, "named") as dying:
        assert dying.ask("file 10") == "done"
        dead = {*parts_in(tmp_path)}
        assert living.ask("file 10") == "done"
        alive = {*parts_in(tmp_path)} - dead
        ledgers = {*tmp_path.glob("*.ledger")}
        assert (len(dead), len(alive), len(ledgers)) == (1, 1, 3)
        (tmp_path / "notes.txt").write_text("somebody else's")
        assert clear_leftovers(tmp_path) == []

        dying.kill()
        removed = clear_leftovers(tmp_path)

        assert {path for path in removed if path.suffix == ".part"} == dead
        assert len(removed) == 2
        assert {*parts_in(tmp_path)} == alive
        assert {*tmp_path.glob("*.ledger")} == ledgers - {*removed}
        assert (tmp_path / "notes.txt").exists()
        assert (tmp_path / "quota.lock").exists()
        assert living.ask("file 10") == "done"
    quota.close()


def test_a_file_that_vanishes_during_the_clearing_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several workers start, and clear, at the same time."""
    for name in ("a.part", "b.part", "c.ledger"):
        (tmp_path / name).touch()
    original = os.open

    def remove_first(path: Any, *arguments: Any, **options: Any) -> int:
        if Path(path).name == "a.part":
            Path(path).unlink()
        return original(path, *arguments, **options)

    monkeypatch.setattr(os, "open", remove_first)

    removed = {path.name for path in clear_leftovers(tmp_path)}

    assert removed >= {"b.part", "c.ledger"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_unnamed_files")
def test_a_file_cleared_before_it_was_locked_is_made_again(
    tmp_path: Path, quota: Quota, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker starts, and clears, just between the two."""
    original = tempfile.mkstemp
    cleared: list[Path] = []

    def clear_the_first(*arguments: Any, **options: Any) -> tuple[int, str]:
        made = original(*arguments, **options)
        if not cleared:
            cleared.extend(clear_leftovers(tmp_path))
        return made

    monkeypatch.setattr(tempfile, "mkstemp", clear_the_first)

    file = SpoolFiles(tmp_path, quota).create()

    assert len(cleared) == 1
    assert len(parts_in(tmp_path)) == 1
    assert clear_leftovers(tmp_path) == []
    file.close()


@pytest.mark.usefixtures("no_unnamed_files")
def test_no_descriptor_is_left(tmp_path: Path, quota: Quota) -> None:
    files = SpoolFiles(tmp_path, quota)
    before = len(os.listdir("/dev/fd"))

    for _ in range(3):
        file = files.create()
        file.append(memoryview(b"x"))
        file.close()
    clear_leftovers(tmp_path)

    assert len(os.listdir("/dev/fd")) == before
