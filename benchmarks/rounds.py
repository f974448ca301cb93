"""Measures every peer once a round, in an order that changes from round to round.

What disturbs the machine for a while so falls on different peers, and each peer is compared with what
the others did in the same minute. A peer that fails is not measured again: its row says what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.native import BenchmarkError, Programs
from benchmarks.peers import Peer
from benchmarks.stands import Sample, open_stand
from benchmarks.workloads import Workload
from benchmarks.workloads.base import Figures

__all__ = ["Measurement", "rotate", "run_rounds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One workload, done once with one peer."""

    workload: str
    peer: str
    round: int
    """From 0."""
    figures: Figures
    """Empty when the peer failed."""
    foreign: float
    """Part of the machine's CPU time that others used meanwhile, 0 to 1; the most of all uploads."""
    load_before: float
    failure: str | None = None


def rotate(peers: Sequence[Peer], number: int) -> list[Peer]:
    """The same order, begun with another peer in every round."""
    start = number % len(peers) if peers else 0
    return [*peers[start:], *peers[:start]]


def run_rounds(
    name: str,
    workload: Workload,
    peers: Sequence[Peer],
    rounds: int,
    *,
    programs: Programs,
    directory: Path,
    tell: Callable[[str], None],
) -> list[Measurement]:
    """Blocks until all is measured; `tell` gets a line before each measurement."""
    measurements: list[Measurement] = []
    failed: set[str] = set()
    for number in range(rounds):
        for peer in rotate(peers, number):
            if peer.name in failed:
                continue
            tell(f"{name}, round {number + 1} of {rounds}: {peer.title}")
            samples: list[Sample] = []
            stands = partial(open_stand, peer, programs, directory, observe=samples.append)
            figures: Figures = {}
            failure = None
            try:
                figures = workload.measure(stands)
            except BenchmarkError as error:
                failure = str(error)
                failed.add(peer.name)
                tell(f"{peer.title} failed: {failure}")
            measurements.append(
                Measurement(
                    workload=name,
                    peer=peer.name,
                    round=number,
                    figures=figures,
                    foreign=max((sample.foreign for sample in samples), default=0.0),
                    load_before=samples[0].load_before if samples else 0.0,
                    failure=failure,
                )
            )
    return measurements
