"""What a workload is: what is done with one peer, and which figures come out of it.

A workload starts peers through the stands that it is given, uploads, and turns samples into figures.
It knows nothing of rounds, of other peers, or of how figures are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar, Protocol

from benchmarks.stands import Stand

__all__ = ["Extent", "Figure", "Figures", "Stands", "Workload"]

Figures = Mapping[str, float | None]
"""By name; None where a figure has no meaning, as memory without a process."""

Stands = Callable[[], AbstractContextManager[Stand]]
"""Starts the peer that is being measured; every call starts it anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One column of a workload's table."""

    name: str
    title: str
    """With its unit."""
    digits: int
    """Shown behind the decimal point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is to be measured."""

    size: int
    """Content of the large upload, in bytes."""
    seconds: float
    """How long each kind of small uploads is sent."""


class Workload(Protocol):
    """One kind of work. Made from an extent."""

    title: ClassVar[str]
    figures: ClassVar[tuple[Figure, ...]]
    """The columns; the first one is the figure that peers are compared by, where more is better."""
    peers: ClassVar[tuple[str, ...]]
    """The names of the peers that it is meant for; empty: all."""
    compared: ClassVar[bool]
    """Whether a ratio between peers says something."""

    def __init__(self, extent: Extent) -> None: ...

    def describe(self) -> str:
        """One sentence for the report: what is done."""

    def measure(self, stands: Stands) -> Figures:
        """Does it once with one peer; BenchmarkError if the peer does not do its work."""
