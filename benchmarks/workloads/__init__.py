"""The table of workloads, in the order in which they run. A new workload is a module and a row here."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.workloads.base import Extent, Figure, Stands, Workload
from benchmarks.workloads.large_upload import LargeUpload
from benchmarks.workloads.memory import Memory
from benchmarks.workloads.small_uploads import SmallUploads

__all__ = ["WORKLOADS", "Extent", "Figure", "Stands", "Workload"]

WORKLOADS: Mapping[str, type[Workload]] = {"w1": LargeUpload, "memory": Memory, "w3": SmallUploads}
