"""W1: one large multipart upload to one service, on a connection of its own."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.workloads.base import Extent, Figure, Figures, Stands

__all__ = ["LargeUpload"]


class LargeUpload:
    """Rate, delay, memory and CPU time of one upload."""

    title: ClassVar[str] = "W1: one large upload to one service"
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure(name="rate", title="MB/s", digits=0),
        Figure(name="first_byte_ms", title="first byte, ms", digits=1),
        Figure(name="peak_mb", title="peak memory, MB", digits=0),
        Figure(name="cpu_s_per_gib", title="CPU s/GiB", digits=2),
    )
    peers: ClassVar[tuple[str, ...]] = ()
    compared: ClassVar[bool] = True

    def __init__(self, extent: Extent) -> None:
        self._size = extent.size

    def describe(self) -> str:
        return f"One multipart upload with {self._size / 2**20:g} MiB of content."

    def measure(self, stands: Stands) -> Figures:
        with stands() as stand:
            sample = stand.upload(size=self._size)
        sending = sample.sending
        return {
            "rate": self._size / 1e6 / (sending.end - sending.first_byte),
            "first_byte_ms": (sample.account.first_byte - sending.first_byte) * 1e3,
            "peak_mb": None if sample.peak_bytes is None else sample.peak_bytes / 1e6,
            "cpu_s_per_gib": None if sample.cpu_s is None else sample.cpu_s / (self._size / 2**30),
        }
