"""Medians and ratios of one run, as a Markdown page and as JSON. Never compares different runs.

A ratio is made round by round, between two peers that were measured within the same minutes, and its
median is shown: what disturbs a whole round then disturbs both sides of it.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from benchmarks.machine import Machine
from benchmarks.peers import Peer
from benchmarks.rounds import Measurement
from benchmarks.workloads import Figure, Workload

__all__ = ["SENDERS", "Run", "as_json", "as_markdown"]

SENDERS = {"memory": "from memory", "sendfile": "with sendfile"}
"""How the client can send large uploads, in words."""
NOISY = 0.1
"""From this part of the machine's CPU time on, the report warns of foreign load."""
CLEARLY_FASTER = 1.5
"""How many times as fast as any peer client and service must be by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All that one call of the command has measured, and where."""

    started: str
    """Date and time with zone, ISO 8601."""
    command: str
    revision: str
    """Of the checkout; empty if it is none."""
    machine: Machine
    rounds: int
    sender: str
    """How the client sends large uploads."""
    workloads: Mapping[str, Workload]
    peers: Sequence[Peer]
    """Those that were measured, in the order of the tables."""
    absent: Mapping[str, str]
    """Title of each peer that was asked for and cannot run here, and why."""
    measurements: Sequence[Measurement]


def as_json(run: Run) -> dict[str, object]:
    return {
        "started": run.started,
        "command": run.command,
        "revision": run.revision,
        "machine": asdict(run.machine),
        "rounds": run.rounds,
        "sender": run.sender,
        "workloads": {name: workload.describe() for name, workload in run.workloads.items()},
        "peers": {peer.name: {"title": peer.title, "versions": peer.versions()} for peer in run.peers},
        "absent": dict(run.absent),
        "measurements": [asdict(measurement) for measurement in run.measurements],
    }


def as_markdown(run: Run) -> str:
    lines = _machine_lines(run)
    for name, workload in run.workloads.items():
        measured = [measurement for measurement in run.measurements if measurement.workload == name]
        lines += ["", f"### {workload.title}", "", workload.describe(), ""]
        lines += _table(run, workload, measured)
        lines += _notes(run, workload, measured)
    return "\n".join(lines) + "\n"


def _machine_lines(run: Run) -> list[str]:
    machine = run.machine
    lines = [
        f"- Run: {run.started}, `{run.command}`" + (f", revision {run.revision}" if run.revision else ""),
        f"- Machine: {machine.processor}, {machine.cores} cores, {machine.memory_bytes / 2**30:.0f} GiB memory, "
        f"{machine.kernel}, {machine.python}, {machine.compiler}",
        f"- {run.rounds} rounds; the client sends large uploads {SENDERS[run.sender]}",
    ]
    lines += [f"- {peer.title}: {peer.versions()}" for peer in run.peers if peer.versions()]
    lines += [f"- {title}: not measured, {reason}" for title, reason in run.absent.items()]
    return lines


def _table(run: Run, workload: Workload, measured: Sequence[Measurement]) -> list[str]:
    key = workload.figures[0]
    compared = workload.compared and any(m.peer == "gateway" and not m.failure for m in measured)
    titles = ["peer", *(figure.title for figure in workload.figures)]
    titles[1] += " (lowest-highest)"
    titles += ["gateway / peer"] if compared else []
    titles.append("foreign CPU")
    rows = [titles, ["---", *["---:"] * (len(titles) - 1)]]
    for peer in run.peers:
        own = [m for m in measured if m.peer == peer.name]
        if not own:
            continue
        failure = next((m.failure for m in own if m.failure), None)
        if failure is not None:
            # A table row is one line: the first line of the message is enough, the JSON has it all.
            words = failure.splitlines()[0].replace("|", "\\|")
            rows.append([peer.title, f"failed: {words}", *[""] * (len(titles) - 2)])
            continue
        cells = [_cell(figure, own) for figure in workload.figures]
        cells[0] += _span(key, own)
        if compared:
            ratio = _ratio(key, [m for m in measured if m.peer == "gateway"], own)
            cells.append("" if peer.name == "gateway" or ratio is None else f"{ratio:.2f}")
        cells.append(f"{statistics.median(m.foreign for m in own):.0%}")
        rows.append([peer.title, *cells])
    return ["| " + " | ".join(row) + " |" for row in rows]


def _values(figure: Figure, measured: Sequence[Measurement]) -> list[float]:
    return [value for m in measured if (value := m.figures.get(figure.name)) is not None]


def _cell(figure: Figure, measured: Sequence[Measurement]) -> str:
    values = _values(figure, measured)
    return f"{statistics.median(values):.{figure.digits}f}" if values else "-"


def _span(figure: Figure, measured: Sequence[Measurement]) -> str:
    values = _values(figure, measured)
    return f" ({min(values):.{figure.digits}f}-{max(values):.{figure.digits}f})" if len(values) > 1 else ""


def _ratio(figure: Figure, above: Sequence[Measurement], below: Sequence[Measurement]) -> float | None:
    """The median over the rounds that both have; None without such a round."""
    divisors = {m.round: value for m in below if (value := m.figures.get(figure.name))}
    ratios = [
        value / divisors[m.round]
        for m in above
        if m.round in divisors and (value := m.figures.get(figure.name)) is not None
    ]
    return statistics.median(ratios) if ratios else None


def _notes(run: Run, workload: Workload, measured: Sequence[Measurement]) -> list[str]:
    """What the reader must know to trust the table, or not to."""
    notes = []
    key = workload.figures[0]
    rates = {
        peer.name: statistics.median(values)
        for peer in run.peers
        if (values := _values(key, [m for m in measured if m.peer == peer.name and not m.failure]))
    }
    direct = rates.pop("direct", None)
    if workload.compared and direct is not None and rates:
        fastest = max(rates, key=lambda name: rates[name])
        times = direct / rates[fastest]
        verdict = "clearly faster" if times >= CLEARLY_FASTER else "NOT clearly faster: the figures are too low"
        notes.append(f"Client and service by themselves are {times:.1f} x the fastest peer ({fastest}): {verdict}.")
    noisy = sorted({m.peer for m in measured if m.foreign >= NOISY})
    if noisy:
        names = ", ".join(noisy)
        notes.append(f"Other processes used {NOISY:.0%} or more of the CPUs in a round of: {names}.")
    return [line for note in notes for line in ("", note)]
