"""A process for a test or a demonstration: started, watched, and ended with everything that it started.

It runs in a session of its own, so a Ctrl-C in the terminal reaches only the one who started it, who
then ends it in order. All of its output goes to one file, whose end is shown when something is wrong.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.testing.errors import ProcessFailed
from gateway.testing.listening import HOST

__all__ = ["ChildProcess", "answers", "is_running", "python_environment"]

_POLL_S = 0.05
_KILL_LIMIT_S = 5.0
_TAIL_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A process of this machine, as the kernel tells it."""

    pid: int
    parent: int
    group: int
    is_dead: bool
    """It has ended, and its parent has not asked how."""


class ChildProcess:
    """Runs a command between `with` and its end.

    `end_limit` is how long it may take to end by itself, in seconds. `children_first` is for a command
    that only waits for another one: ended together, the other would be left for nobody to wait for.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        directory: Path,
        name: str,
        environment: Mapping[str, str] | None = None,
        end_limit: float = 10.0,
        children_first: bool = False,
    ) -> None:
        self.name = name
        """Also that of its log, `<name>.log` in `directory`, where the process runs as well."""
        self._arguments = list(arguments)
        self._directory = directory
        self._environment = environment
        self._end_limit = end_limit
        self._children_first = children_first
        self._log = directory / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._may_end = False
        self._was_killed = False

    def __enter__(self) -> Self:
        try:
            with self._log.open("ab") as log, _signals_deferred():
                self._process = subprocess.Popen(
                    self._arguments,
                    cwd=self._directory,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise ProcessFailed(f"{self.name} cannot be started: {error}") from error
        except BaseException:
            # A signal, told when the process was there: `with` ends only what has begun.
            if self._process is not None:
                self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        trouble = self._end()
        # An error that is on its way says more than the trouble that it caused here.
        if error is None and trouble:
            raise ProcessFailed(self._with_log(f"{self.name} {trouble}"))

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._started().poll() is None

    @property
    def pid(self) -> int:
        """Also the number of the process's group and session."""
        return self._started().pid

    def children(self) -> list[int]:
        """The processes that it started itself and that are running."""
        return [seen.pid for seen in _processes() if seen.parent == self.pid and not seen.is_dead]

    def log(self) -> str:
        """What it has printed."""
        return self._log.read_text("utf-8", errors="replace")

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the process alone; from now on it may end."""
        self._may_end = True
        self._was_killed |= number == signal.SIGKILL
        self._started().send_signal(number)

    def wait(self, timeout: float = 10.0) -> int:
        """Waits until it has ended, and returns its exit code: negative, if a signal ended it."""
        try:
            return self._started().wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise ProcessFailed(self._with_log(f"{self.name} did not end within {timeout} s")) from error

    def wait_until(self, is_ready: Callable[[], bool], timeout: float = 20.0) -> None:
        """Asks again and again; ends early, with the end of the log, if the process does."""
        deadline = time.monotonic() + timeout
        while not is_ready():
            # Instead of sleeping: a process that fails is noticed at once.
            with suppress(subprocess.TimeoutExpired):
                code = self._started().wait(_POLL_S)
                self._may_end = True
                raise ProcessFailed(self._with_log(f"{self.name} ended with exit code {code} instead of starting"))
            if time.monotonic() > deadline:
                raise ProcessFailed(self._with_log(f"{self.name} was not ready within {timeout} s"))

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ProcessFailed(f"{self.name} is not running: use it in a with statement")
        return self._process

    def _end(self) -> str | None:
        """Ends the process and its group; returns what was not in order."""
        process = self._started()
        trouble = None
        if process.poll() is not None:
            trouble = None if self._may_end else f"ended by itself with exit code {process.returncode}"
        else:
            if not self._children_first or not self._ends_with_children():
                process.terminate()
            if not self._ends(self._end_limit):
                trouble = f"did not end within {self._end_limit} s of SIGTERM and was killed"
        left = self._group()
        if left:
            if not self._was_killed:  # else it had no chance to end its children
                trouble = trouble or f"left {len(left)} processes behind, which were killed: {left}"
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait(_KILL_LIMIT_S)
        deadline = time.monotonic() + _KILL_LIMIT_S
        while left := self._group():
            if time.monotonic() > deadline:
                return f"left processes behind that cannot be killed: {left}"
            time.sleep(_POLL_S / 10)
        return trouble

    def _ends(self, limit: float) -> bool:
        try:
            self._started().wait(limit)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _ends_with_children(self) -> bool:
        """Ends the children, also those that it is just starting, and waits for it to notice."""
        deadline = time.monotonic() + self._end_limit
        while not self._ends(_POLL_S):
            for pid in self.children():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            if time.monotonic() > deadline:
                return False
        return True

    def _group(self) -> list[int]:
        """What runs in the process's group. The dead do not count: who reaps them is not our business."""
        return [seen.pid for seen in _processes() if seen.group == self.pid and not seen.is_dead]

    def _with_log(self, message: str) -> str:
        tail = self.log().rstrip().splitlines()[-_TAIL_LINES:]
        return "\n".join([f"{message}; the end of its log:", *(f"  {line}" for line in tail or ["(nothing)"])])


def answers(port: int, path: str) -> bool:
    """Whether a GET of that path on that loopback port is answered with 200."""
    connection = HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def is_running(pid: int) -> bool:
    """Whether there is such a process; one that is dead and not yet reaped does not count."""
    return any(seen.pid == pid and not seen.is_dead for seen in _processes())


def python_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment, such that another Python imports the same `gateway` as this one."""
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **(more or {})}


@contextmanager
def _signals_deferred() -> Iterator[None]:
    """Lets the handlers of signals that end this process wait: a process must not be started and then forgotten."""
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers run in the main thread only
        return
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    # Default and ignored ones stay: a process that is started inherits what is ignored.
    handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def _processes() -> list[_Seen]:
    if sys.platform == "linux":
        return [seen for entry in Path("/proc").iterdir() if entry.name.isdigit() and (seen := _from_proc(entry))]
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,pgid=,stat="], capture_output=True, text=True, check=True)
    rows = [line.split() for line in listed.stdout.splitlines()]
    return [
        _Seen(pid=int(pid), parent=int(parent), group=int(group), is_dead=state.startswith("Z"))
        for pid, parent, group, state in rows
    ]


def _from_proc(entry: Path) -> _Seen | None:
    try:
        text = (entry / "stat").read_text("utf-8", errors="replace")
    except OSError:
        return None  # it has ended meanwhile
    # The second field is the command's name in brackets, which may itself hold blanks and brackets.
    state, parent, group = text.rpartition(")")[2].split()[:3]
    return _Seen(pid=int(entry.name), parent=int(parent), group=int(group), is_dead=state in "ZX")
