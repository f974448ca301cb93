"""What a terminal shows while an upload is on its way: what is sent, how fast, how long still; then the waiting.

The upload knows nothing of it: a thread of rich looks at its figures some times a second.
"""

from __future__ import annotations

import math
import time
from collections import deque
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.constrain import Constrain
from rich.filesize import decimal
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    FileSizeColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column

from gateway.cli.sending.uploads import Outgoing

__all__ = ["Display", "Rate"]

REFRESH_PER_S = 8
MARGIN = 4
"""Columns left free at the right: the terminal writes `^C` there, and a line that it wraps could not be taken back."""
WINDOW_S = 10.0
LONGEST_S = 100 * 3600
UNKNOWN = "-:--:--"
"""In the place of a time that nobody would believe."""


class Rate:
    """Bytes per second over the last seconds, those included in which nothing moved. Times come as arguments."""

    def __init__(self, began_at: float) -> None:
        self._seen = deque([(began_at, 0)])

    def at(self, now: float, count: int) -> float:
        """The rate, if `count` bytes have moved until `now`."""
        self._seen.append((now, count))
        while len(self._seen) > 2 and now - self._seen[1][0] >= WINDOW_S:
            self._seen.popleft()
        since, before = self._seen[0]
        return (count - before) / (now - since) if now > since else 0.0


class Display:
    """Shows nothing unless `enabled`. Between `with` and its end; `stop` before anything else is printed."""

    def __init__(self, console: Console, outgoing: Outgoing, *, host: str, enabled: bool) -> None:
        self._outgoing = outgoing
        self._connecting = _waiting(console, f"Connecting to {host}")
        self._waiting = _waiting(console, "Sent; waiting for the answer")
        self._sending: _Moving | None = None
        self._receiving: _Moving | None = None
        self._received = 0
        self._live = Live(
            console=console,
            get_renderable=lambda: Constrain(self._render(), console.width - MARGIN),
            refresh_per_second=REFRESH_PER_S,
            transient=True,
        )
        self._enabled = enabled

    def __enter__(self) -> Self:
        if self._enabled:
            self._live.start(refresh=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    def receive(self, name: str, total: int | None) -> None:
        """The answer is coming in and being saved; tell each block with `advance`."""
        self._receiving = _Moving(self._live.console, f"Saving {name}", total, time.monotonic())

    def advance(self, count: int) -> None:
        """So many bytes of the answer more."""
        self._received += count

    def stop(self) -> None:
        """What was shown is gone; may be called more than once."""
        if self._live.is_started:
            self._live.stop()

    def _render(self) -> RenderableType:
        outgoing = self._outgoing
        if self._receiving is not None:
            return self._receiving.at(time.monotonic(), self._received)
        if outgoing.completed_at is not None:
            return _begun(self._waiting)
        if outgoing.begun_at is None:
            return _begun(self._connecting)
        if self._sending is None:
            self._sending = _Moving(self._live.console, "", outgoing.body.length, outgoing.begun_at)
        return self._sending.at(time.monotonic(), outgoing.sent, outgoing.current)


class _Moving:
    """Bytes that move: a bar, how much of how much, how fast and how long still."""

    def __init__(self, console: Console, name: str, total: int | None, began_at: float) -> None:
        self._total = total
        self._rate = Rate(began_at)
        amount = FileSizeColumn if total is None else DownloadColumn
        columns: list[ProgressColumn] = [
            _label(console.width // 3),
            BarColumn(bar_width=None),
            amount(table_column=Column(no_wrap=True)),
            _figure("rate", "progress.data.speed"),
        ]
        if total is not None:
            columns.append(_figure("left", "progress.remaining"))
        self._progress = Progress(*columns, console=console, expand=True)
        self._task = self._progress.add_task(name, total=total, rate="", left="")

    def at(self, now: float, count: int, name: str | None = None) -> Progress:
        rate = self._rate.at(now, count)
        left = UNKNOWN
        if self._total is not None and self._total - count < rate * LONGEST_S:
            left = str(timedelta(seconds=math.ceil((self._total - count) / rate)))
        self._progress.update(
            self._task, completed=count, description=name, rate=f"{decimal(round(rate))}/s", left=left
        )
        return self._progress


def _begun(progress: Progress) -> Progress:
    """Its clock runs from the first time on."""
    for task in progress.tasks:
        if not task.started:
            progress.start_task(task.id)
    return progress


def _waiting(console: Console, description: str) -> Progress:
    progress = Progress(SpinnerColumn(), _label(), TimeElapsedColumn(), console=console)
    progress.add_task(description, start=False, total=None)
    return progress


def _label(width: int | None = None) -> TextColumn:
    """A long name leaves room for the rest."""
    column = Column(no_wrap=True, overflow="ellipsis", max_width=width)
    return TextColumn("{task.description}", markup=False, table_column=column)


def _figure(field: str, style: str) -> TextColumn:
    return TextColumn(f"{{task.fields[{field}]}}", style=style, markup=False, table_column=Column(no_wrap=True))
