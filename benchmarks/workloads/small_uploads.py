"""W3: small uploads one after another, by one client and by 64 at once, on kept connections."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from benchmarks.workloads.base import Extent, Figure, Figures, Stands

__all__ = ["SmallUploads", "percentile"]

SIZE_BYTES = 10 * 1024
CONNECTIONS = 64


class SmallUploads:
    """Requests per second, latency, and CPU time of each."""

    title: ClassVar[str] = "W3: 10 KiB uploads"
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure(name="many_rate", title="64 at once: requests/s", digits=0),
        Figure(name="many_p50_ms", title="p50, ms", digits=1),
        Figure(name="many_p99_ms", title="p99, ms", digits=1),
        Figure(name="many_cpu_ms", title="CPU ms each", digits=2),
        Figure(name="one_rate", title="one at a time: requests/s", digits=0),
        Figure(name="one_p50_ms", title="p50, ms", digits=2),
        Figure(name="one_p99_ms", title="p99, ms", digits=2),
        Figure(name="one_cpu_ms", title="CPU ms each", digits=2),
    )
    peers: ClassVar[tuple[str, ...]] = ()
    compared: ClassVar[bool] = True

    def __init__(self, extent: Extent) -> None:
        self._seconds = extent.seconds

    def describe(self) -> str:
        return f"Uploads with 10 KiB of content for {self._seconds:g} s by {CONNECTIONS} clients at once, then by one."

    def measure(self, stands: Stands) -> Figures:
        figures: dict[str, float | None] = {}
        with stands() as stand:
            for name, connections in (("many", CONNECTIONS), ("one", 1)):
                sample = stand.upload(size=SIZE_BYTES, connections=connections, seconds=self._seconds)
                sending = sample.sending
                figures[f"{name}_rate"] = sending.uploads / (sending.end - sending.first_byte)
                figures[f"{name}_p50_ms"] = percentile(sending.latencies_s, 50) * 1e3
                figures[f"{name}_p99_ms"] = percentile(sending.latencies_s, 99) * 1e3
                figures[f"{name}_cpu_ms"] = None if sample.cpu_s is None else sample.cpu_s / sending.uploads * 1e3
        return figures


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of a hundred do not exceed; `values` is not empty."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
