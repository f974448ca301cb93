"""Memory and CPU time of a process and everything that it started, as the kernel counts them in /proc."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

__all__ = ["Watch", "cpu_seconds", "process_tree"]

SAMPLE_S = 0.05
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def process_tree(root: int) -> tuple[int, ...]:
    """`root`, its descendants, and whatever else runs in its session (a child whose parent ended)."""
    parents: dict[int, int] = {}
    found = {root}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            parents[int(entry.name)] = int(fields[1])
            if int(fields[3]) == root:
                found.add(int(entry.name))
    grown = True
    while grown:
        more = {process for process, parent in parents.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return tuple(sorted(found & parents.keys()))


def cpu_seconds(processes: Iterable[int]) -> float:
    """User and system time of these processes and of their children that have ended and were waited for."""
    ticks = 0
    for process in processes:
        if fields := _stat(process):
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICKS_PER_S


def _stat(process: int) -> list[str] | None:
    """The fields of /proc/<id>/stat from the third on; None when the process is gone."""
    try:
        line = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return line.rpartition(")")[2].split()


def _resident_bytes(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
    except OSError:
        return 0


def _high_water_bytes(process: int) -> int:
    """The most resident memory that the process had since its mark was reset."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _reset_high_water(process: int) -> None:
    """Where the kernel does not allow it the mark stays that of the whole life: an upper bound."""
    try:
        Path(f"/proc/{process}/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


class Watch:
    """Peak memory and CPU time of a process tree while the `with` block runs.

    Memory is the sum over the processes of what is resident; pages that they share count for each.
    Two ways to the peak, of which the larger counts: samples of the sum, which see processes that
    end early, and the kernel's high-water marks, which miss no moment.
    """

    def __init__(self, root: int | None) -> None:
        self.peak_bytes = 0
        """Valid after the block, like `cpu_s`; both are 0 without a process."""
        self.cpu_s = 0.0
        self._root = root
        self._ended = threading.Event()
        self._sampler = threading.Thread(target=self._sample, name="memory sampler", daemon=True)
        self._cpu_before = 0.0

    def __enter__(self) -> Watch:
        if self._root is not None:
            processes = process_tree(self._root)
            for process in processes:
                _reset_high_water(process)
            self._cpu_before = cpu_seconds(processes)
            self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._root is not None:
            processes = process_tree(self._root)
            self.cpu_s = cpu_seconds(processes) - self._cpu_before
            self._ended.set()
            self._sampler.join()
            self.peak_bytes = max(self.peak_bytes, sum(_high_water_bytes(process) for process in processes))

    def _sample(self) -> None:
        # Listing all processes costs milliseconds: new ones are looked for only now and then.
        processes: tuple[int, ...] = ()
        count = 0
        while self._root is not None and not self._ended.wait(SAMPLE_S):
            if count % 10 == 0:
                processes = process_tree(self._root)
            count += 1
            self.peak_bytes = max(self.peak_bytes, sum(_resident_bytes(process) for process in processes))
