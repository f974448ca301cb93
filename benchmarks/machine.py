"""What this machine is, and how busy all of it was."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Machine", "busy_seconds", "describe", "first_line"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the figures of a run depend on."""

    processor: str
    cores: int
    """Those that this process may run on."""
    memory_bytes: int
    kernel: str
    python: str
    compiler: str


def describe(compiler: str) -> Machine:
    return Machine(
        processor=_proc_field("cpuinfo", "model name") or platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=int((_proc_field("meminfo", "MemTotal") or "0").split()[0]) * 1024,
        kernel=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        compiler=first_line([compiler, "--version"]),
    )


def busy_seconds() -> float:
    """CPU time that all processes of the machine and its interrupts have used since it was started."""
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, *_ = (
        int(field) for field in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + interrupts + soft_interrupts) / os.sysconf("SC_CLK_TCK")


def first_line(command: list[str]) -> str:
    """The first line that a command says, on either channel; empty when it cannot be run."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout.strip().splitlines() or [""])[0]


def _proc_field(name: str, field: str) -> str | None:
    for line in Path("/proc", name).read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == field:
            return value.strip()
    return None
