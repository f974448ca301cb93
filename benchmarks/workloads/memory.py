"""Does memory grow with the upload? The peak for a small and for a very large one, each in a fresh process."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.workloads.base import Extent, Figure, Figures, Stands

__all__ = ["Memory"]

SMALL_BYTES = 10 * 2**20
LARGE_BYTES = 2 * 2**30


class Memory:
    """Peak resident memory for 10 MiB and for 2 GiB, whatever the extent of the run."""

    title: ClassVar[str] = "Memory: a 2 GiB upload as a 10 MiB one"
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure(name="small_mb", title="peak for 10 MiB, MB", digits=1),
        Figure(name="large_mb", title="peak for 2 GiB, MB", digits=1),
        Figure(name="growth_mb", title="difference, MB", digits=1),
    )
    peers: ClassVar[tuple[str, ...]] = ("gateway",)
    compared: ClassVar[bool] = False

    def __init__(self, extent: Extent) -> None:
        pass

    def describe(self) -> str:
        return "One upload of each size, each through a freshly started peer."

    def measure(self, stands: Stands) -> Figures:
        peaks: list[float | None] = []
        for size in (SMALL_BYTES, LARGE_BYTES):
            with stands() as stand:
                peak = stand.upload(size=size).peak_bytes
            peaks.append(None if peak is None else peak / 1e6)
        small, large = peaks
        growth = None if small is None or large is None else large - small
        return {"small_mb": small, "large_mb": large, "growth_mb": growth}
