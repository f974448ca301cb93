"""The command: `python -m benchmarks`."""

from __future__ import annotations

import datetime
import fcntl
import json
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from benchmarks.machine import describe, first_line
from benchmarks.native import BenchmarkError, build, find_compiler
from benchmarks.peers import PEERS, Peer
from benchmarks.report import SENDERS, Run, as_json, as_markdown
from benchmarks.rounds import Measurement, run_rounds
from benchmarks.workloads import WORKLOADS, Extent, Workload

OUT = Path(__file__).parent / "out"
UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
GIT = ["git", "-C", str(Path(__file__).parent)]


def to_bytes(text: str) -> int:
    """A number of bytes, written as `256MiB`."""
    match = re.fullmatch(r"([0-9]+)(|KiB|MiB|GiB)", text)
    if match is None or int(match[1]) == 0:
        raise click.BadParameter(f"{text!r} is not a size like 10MiB")
    return int(match[1]) * UNITS[match[2]]


@click.command()
@click.option("--quick", is_flag=True, help="Under three minutes: 3 rounds, 256 MiB, 1 s of small uploads.")
@click.option("--size", type=to_bytes, metavar="SIZE", help="Content of the large upload; 1GiB unless said.")
@click.option("--rounds", type=click.IntRange(min=1), help="How often each peer is measured; 5 unless said.")
@click.option(
    "--peers", multiple=True, type=click.Choice([peer.name for peer in PEERS]), help="Repeatable; all unless said."
)
@click.option(
    "--sender",
    type=click.Choice(list(SENDERS)),
    default="memory",
    show_default=True,
    help="How the client sends large uploads; the peers receive them in larger or smaller pieces of memory.",
)
@click.option(
    "--workload", "names", multiple=True, type=click.Choice(list(WORKLOADS)), help="Repeatable; all unless said."
)
def main(
    quick: bool,
    size: int | None,
    rounds: int | None,
    peers: tuple[str, ...],
    sender: str,
    names: tuple[str, ...],
) -> None:
    """Measure the gateway against its peers, interleaved, on this machine.

    The tables go to standard output, everything measured to a JSON file in benchmarks/out.
    """
    signal.signal(signal.SIGTERM, _end_orderly)
    started = datetime.datetime.now().astimezone()
    extent = Extent(size=size or (256 * 2**20 if quick else 2**30), seconds=1.0 if quick else 3.0)
    rounds = rounds or (3 if quick else 5)
    workloads = {name: made(extent) for name, made in WORKLOADS.items() if not names or name in names}
    asked = [peer for peer in PEERS if not peers or peer.name in peers]
    absent = {peer.title: reason for peer in asked if (reason := peer.missing())}
    present = [peer for peer in asked if peer.title not in absent]
    for title, reason in absent.items():
        click.echo(f"{title}: {reason}", err=True)
    try:
        measurements = _measure_all(workloads, present, rounds, sendfile=sender == "sendfile")
    except BenchmarkError as error:
        raise click.ClickException(str(error)) from error
    run = Run(
        started=started.isoformat(timespec="seconds"),
        command=" ".join(["python -m benchmarks", *sys.argv[1:]]),
        revision=_revision(),
        machine=describe(find_compiler() or ""),
        rounds=rounds,
        sender=sender,
        workloads=workloads,
        peers=present,
        absent=absent,
        measurements=measurements,
    )
    stem = f"run-{started:%Y%m%d-%H%M%S}"
    page = as_markdown(run)
    (OUT / f"{stem}.json").write_text(json.dumps(as_json(run), indent=1) + "\n", encoding="utf-8")
    (OUT / f"{stem}.md").write_text(page, encoding="utf-8")
    click.echo(page)
    if any(measurement.failure for measurement in measurements):
        sys.exit(1)


def _measure_all(
    workloads: dict[str, Workload], peers: list[Peer], rounds: int, *, sendfile: bool
) -> list[Measurement]:
    measurements: list[Measurement] = []
    OUT.mkdir(exist_ok=True)
    with _alone(), tempfile.TemporaryDirectory(dir=OUT) as directory:
        programs = build(Path(directory), sendfile=sendfile)
        for name, workload in workloads.items():
            meant = [peer for peer in peers if not workload.peers or peer.name in workload.peers]
            measurements += run_rounds(
                name, workload, meant, rounds, programs=programs, directory=Path(directory), tell=_tell
            )
    return measurements


@contextmanager
def _alone() -> Iterator[None]:
    """Two runs at once would measure each other."""
    with (OUT / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BenchmarkError("another run is under way in this checkout; wait for its end") from None
        yield


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _revision() -> str:
    revision = first_line([*GIT, "rev-parse", "--short", "HEAD"])
    if not re.fullmatch(r"[0-9a-f]+", revision):
        return ""
    return f"{revision} with changes" if first_line([*GIT, "status", "--porcelain"]) else revision


def _end_orderly(number: int, frame: FrameType | None) -> None:
    """Lets every `with` end what it started, as an interrupt from the keyboard does."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
