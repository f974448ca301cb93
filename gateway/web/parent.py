"""The parent of the workers. On SIGHUP it has the configuration read again, and nothing is given up for a bad one.

gunicorn's own reload stops what runs before it knows whether the new configuration works, and waits for the last
upload before it hears another signal. Here the old workers go on until the new ones are up:

    SIGHUP      read and check the file, listen on its address, start workers   ─ a problem: all stays as it was
    they serve  tell the workers of before to stop; they end their uploads      ─ one cannot start: it is they who stop

Meanwhile both serve, and no moment is without somebody who listens.
"""

from __future__ import annotations

import math
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gunicorn import util
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.sock import TCP6Socket, TCPSocket

from gateway.errors import ConfigError
from gateway.settings.schema import Settings
from gateway.web.worker import STOP_SIGNALS

if TYPE_CHECKING:
    from gateway.web.server import Server

__all__ = ["Parent"]

START_S = 60.0
"""How long new workers may take until they serve."""
TICK_S = 0.1
"""How often is looked whether they do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A configuration whose workers are coming up, and the way back."""

    settings: Settings
    """Those of before."""
    listeners: list[Any]
    """Those of before; the same if the address is."""
    newest: int
    """The age of the youngest worker of before: gunicorn numbers them, and calls that their age."""
    grace_s: float
    """How long those workers may take to end their uploads."""
    until: float
    """When it is given up, by the monotonic clock."""


class Parent(Arbiter):
    """gunicorn's arbiter with another reload. Serves nothing itself."""

    LISTENERS: list[Any]

    def __init__(self, app: Server) -> None:
        self._change: _Change | None = None
        self._again = False
        """Whether another SIGHUP has come meanwhile."""
        self._stopping = False
        self._retired: dict[int, float] = {}
        """Workers that were told to stop, by process id, and when they are killed, by the monotonic clock."""
        super().__init__(app)

    # --- the signal ---

    def handle_hup(self) -> None:
        """Begin to replace the workers, unless that is going on: then once more when it is done."""
        if self._change is not None:
            self._again = True
            return
        before, listeners = self.app.settings, self.LISTENERS
        try:
            self.app.adopt(self.app.read())
            if not self.systemd and self.app.cfg.address != self.cfg.address:
                self.LISTENERS = _listen(self.app.cfg, self.log)
        except Exception as error:
            # Whatever it is: the gateway does not end because of a file that may have been right.
            problem = self._told(error)
            self.app.adopt(before)
            self.app.refuse(problem)
            return
        self._change = _Change(
            settings=before,
            listeners=listeners,
            newest=self.worker_age,
            grace_s=self.cfg.graceful_timeout,
            until=time.monotonic() + START_S,
        )
        self.setup(self.app)
        self.manage_workers()

    def _told(self, error: Exception) -> str:
        if isinstance(error, ConfigError):
            return error.detail
        if isinstance(error, OSError):
            return f"cannot listen on {self.app.settings.gateway.bind}: {error.strerror}"
        self.log.error("reading the configuration failed", exc_info=error)
        return f"this is a bug in the gateway: {error!r}"

    # --- what gunicorn calls once a second, and after each signal ---

    def wait_for_signals(self, timeout: float = 1.0) -> list[int]:
        signals: list[int] = super().wait_for_signals(timeout=TICK_S if self._change else timeout)
        return signals

    def manage_workers(self) -> None:
        """As many as configured; those that were told to stop, or soon will be, do not count."""
        if self._change is not None:
            self._follow(self._change)
        if self._change is None and self._again:
            self._again = False
            self.handle_hup()
        self._retired = {pid: until for pid, until in self._retired.items() if pid in self.WORKERS}
        current = self._current()
        for _ in range(self.num_workers - len(current)):
            self.spawn_worker()
        self._retire(current[: max(0, len(current) - self.num_workers)])

    def murder_workers(self) -> None:
        super().murder_workers()
        now = time.monotonic()
        for pid in [pid for pid, until in self._retired.items() if now >= until]:
            self.log.warning("Worker (pid:%s) has not ended its uploads in time, and is killed.", pid)
            self._retired[pid] = math.inf
            self.kill_worker(pid, signal.SIGKILL)

    def reap_workers(self) -> None:
        """gunicorn halts when a worker cannot start. There is no need to if others serve, or if all are to stop."""
        before = set(self.WORKERS)
        try:
            super().reap_workers()
        except HaltServer:
            needed = not self._stopping and before - set(self.WORKERS) - set(self._retired)
            if needed and self._change is None:
                raise
            if needed and self._change is not None:
                self._abandon(self._change, "the new workers cannot start: see above")
            # Others may have ended as well, and have not been looked at.
            self.reap_workers()

    def spawn_worker(self) -> int:
        """A signal that came before the worker has handlers would go into a queue that nobody reads: it has to wait.

        The worker lets it in, when it has them.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            pid: int = super().spawn_worker()
            return pid
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def stop(self, graceful: bool = True) -> None:  # noqa: FBT001, FBT002 - gunicorn's signature
        self._stopping = True
        self.close_replaced()
        super().stop(graceful)

    def close_replaced(self) -> None:
        """Close the listeners of before the change, where this process does not need them: at its end, or in a worker.

        As long as anybody has them, clients can connect, and wait for an answer in vain.
        """
        if self._change is not None and self._change.listeners is not self.LISTENERS:
            _close(self._change.listeners)

    # --- the change ---

    def _current(self) -> list[int]:
        """The workers that shall stay, the oldest first."""
        newest = -1 if self._change is None else self._change.newest
        workers = sorted(self.WORKERS.items(), key=lambda item: item[1].age)
        return [pid for pid, worker in workers if worker.age > newest and pid not in self._retired]

    def _follow(self, change: _Change) -> None:
        """End the change if its workers serve, or will not."""
        serving = [pid for pid in self._current() if _serves(self.WORKERS[pid])]
        if len(serving) >= self.num_workers:
            self._change = None
            self._retire([pid for pid, worker in self.WORKERS.items() if worker.age <= change.newest], change.grace_s)
            if change.listeners is not self.LISTENERS:
                _close(change.listeners)
            self.app.confirm(self.LISTENERS)
        elif time.monotonic() > change.until:
            self._abandon(change, f"the new workers have not started within {START_S:g} s")

    def _abandon(self, change: _Change, why: str) -> None:
        """Go back to the workers of before, which have never stopped serving."""
        self._retire(self._current())
        self._change = None
        if change.listeners is not self.LISTENERS:
            _close(self.LISTENERS)
            self.LISTENERS = change.listeners
        self.app.adopt(change.settings)
        self.setup(self.app)
        self.app.refuse(why)

    def _retire(self, pids: list[int], grace_s: float | None = None) -> None:
        """Tell workers to stop. Whoever has not by the end of its time is killed."""
        until = time.monotonic() + (self.cfg.graceful_timeout if grace_s is None else grace_s)
        for pid in pids:
            if pid not in self._retired:
                self._retired[pid] = until
                self.kill_worker(pid, signal.SIGTERM)


def _serves(worker: Any) -> bool:
    """Whether the worker has entered its loop, where it stamps its file with the monotonic clock. A new file has the
    time of day, which is larger by decades."""
    return bool(worker.tmp.last_update() <= time.monotonic())


def _listen(config: Any, log: Any) -> list[Any]:
    """Sockets on the addresses; raises OSError. gunicorn's own function would end the process."""
    listeners: list[Any] = []
    try:
        for address in config.address:
            kind = TCP6Socket if util.is_ipv6(address[0]) else TCPSocket
            listeners.append(kind(address, config, log))
    except OSError:
        _close(listeners)
        raise
    return listeners


def _close(listeners: list[Any]) -> None:
    for listener in listeners:
        listener.close()
