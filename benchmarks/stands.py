"""Starts one peer between client and service, makes sure that it hands content on whole, and watches it.

A peer is started afresh for every measurement, so that none inherits memory from the one before or
shares the machine with another one. Everything that is started here is ended here.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import busy_seconds
from benchmarks.native import CONTENT_BYTES, Account, BenchmarkError, Programs, Sending, Service
from benchmarks.peers.base import Peer, Site
from benchmarks.processes import Watch, process_tree
from benchmarks.verification import find_overhead

__all__ = ["Sample", "Stand", "open_stand"]

START_LIMIT_S = 30.0
STOP_LIMIT_S = 15.0
WARM_UP_BYTES = 256 * 1024
WARM_UP_UPLOADS = 64
WARM_UP_CONNECTIONS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one run of the client through a peer cost and gave."""

    sending: Sending
    account: Account
    peak_bytes: int | None
    """Resident memory of the peer's processes together; None without a process."""
    cpu_s: float | None
    """CPU time of the peer's processes; None without a process."""
    foreign: float
    """Part of the machine's CPU time that neither peer nor client, service or benchmark used, 0 to 1."""
    load_before: float
    """The machine's load average over the minute before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A peer that runs, has been verified, and is warm."""

    programs: Programs
    service: Service
    port: int
    process: int | None
    observe: Callable[[Sample], None]
    """Gets every sample."""
    overhead_bytes: int
    """What the peer's requests have beside the content: it must stay the same in every upload."""

    def upload(self, *, size: int, connections: int = 1, uploads: int = 1, seconds: float | None = None) -> Sample:
        """Sends uploads of `size` bytes each and watches; BenchmarkError if one did not arrive whole."""
        before = self.service.begin()
        load = os.getloadavg()[0]
        busy, own, began = busy_seconds(), time.process_time(), time.monotonic()
        with Watch(self.process) as watch:
            sending = self.programs.send(
                self.port, size=size, connections=connections, uploads=uploads, seconds=seconds
            )
        busy, own, took = busy_seconds() - busy, time.process_time() - own, time.monotonic() - began
        account = self.service.account()
        expected = sending.uploads * (size + self.overhead_bytes)
        _check_account(account, uploads=sending.uploads, expected=expected)
        ours = own + watch.cpu_s + sending.cpu_s + account.cpu_s - before.cpu_s
        sample = Sample(
            sending=sending,
            account=account,
            peak_bytes=watch.peak_bytes if self.process is not None else None,
            cpu_s=watch.cpu_s if self.process is not None else None,
            foreign=max(0.0, (busy - ours) / (took * (os.cpu_count() or 1))),
            load_before=load,
        )
        self.observe(sample)
        return sample


@contextmanager
def open_stand(
    peer: Peer, programs: Programs, directory: Path, *, observe: Callable[[Sample], None]
) -> Iterator[Stand]:
    """Starts a service and the peer in a new directory under `directory`, verifies the peer and warms it up."""
    with tempfile.TemporaryDirectory(dir=directory) as name, programs.serve(Path(name)) as service:
        place = Path(name, "peer")
        place.mkdir()
        site = Site(port=_free_port(), service_port=service.port, directory=place)
        with _running(peer.command(site), site) as process:
            port = service.port if process is None else site.port
            # Many at once, so that every worker has served before anything is measured.
            programs.send(port, size=WARM_UP_BYTES, connections=WARM_UP_CONNECTIONS, uploads=WARM_UP_UPLOADS)
            service.keep()
            programs.send(port, size=CONTENT_BYTES)
            request = service.kept.read_bytes()
            overhead = find_overhead(request, programs.content.read_bytes())
            yield Stand(
                programs=programs,
                service=service,
                port=port,
                process=process,
                observe=observe,
                overhead_bytes=overhead,
            )


@contextmanager
def _running(command: list[str], site: Site) -> Iterator[int | None]:
    """The process id of the peer's root process, once its port takes connections."""
    if not command:
        yield None
        return
    log = site.directory / "output.log"
    # Proxies of the environment would take the views' requests to the service somewhere else.
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    environment |= {"TMPDIR": str(site.directory), "PYTHONPATH": str(Path(__file__).parent.parent)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=site.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_open(process, site.port)
        yield process.pid
    except BenchmarkError as error:
        raise BenchmarkError(f"{error}{_last_words(log)}") from None
    finally:
        _end(process)


def _wait_until_open(process: subprocess.Popen[bytes], port: int) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None:
                raise BenchmarkError(f"the peer ended at once with {process.returncode}") from None
            if time.monotonic() > limit:
                raise BenchmarkError(f"the peer takes no connections after {START_LIMIT_S:.0f} s") from None
            time.sleep(0.02)
        else:
            return


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process as its operator would, then whatever of its tree is still there."""
    tree = process_tree(process.pid)
    process.terminate()
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # The root is gone and its number may be another's by now; its session names those that it left.
    for left in set(process_tree(process.pid)) & set(tree) - {process.pid}:
        try:
            os.kill(left, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-15:]
    return "".join(f"\n    {line}" for line in ["", *lines]) if lines else ""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _check_account(account: Account, *, uploads: int, expected: int) -> None:
    if account.incomplete or account.malformed:
        raise BenchmarkError(
            f"the service got {account.incomplete} incomplete and {account.malformed} malformed uploads"
        )
    if account.uploads != uploads or account.body_bytes != expected:
        raise BenchmarkError(
            f"the service should have got {uploads} uploads with {expected} bytes, "
            f"and got {account.uploads} with {account.body_bytes}"
        )
