"""The client and the service in C: built with the system's compiler, run, and their reports read.

Knows nothing of peers: a client is pointed at a port, a service listens on one.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "CONTENT_BYTES",
    "UPLOAD_PATH",
    "Account",
    "BenchmarkError",
    "Programs",
    "Sending",
    "Service",
    "build",
    "find_compiler",
]

CONTENT_BYTES = 8 * 2**20
"""Size of the known content. Larger uploads repeat it."""

UPLOAD_PATH = "/upload"
"""Where clients post to, and where every peer posts to at the service."""

CLIENT_LIMIT_S = 600
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra")


class BenchmarkError(Exception):
    """What was to be measured did not work; the message says what was expected and what happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What the client saw. Times are those of the machine's monotonic clock, in seconds."""

    first_byte: float
    """Just before the first byte of the first upload."""
    end: float
    """When the last answer was complete."""
    uploads: int
    """Number of uploads, all answered with 200."""
    latencies_s: tuple[float, ...]
    """From the first byte of an upload to its complete answer, one for each upload."""
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the service got since the account was begun."""

    uploads: int
    """Complete ones."""
    body_bytes: int
    """Of all complete ones, without the framing of chunked bodies."""
    incomplete: int
    """Uploads that ended before their length or final chunk."""
    malformed: int
    first_byte: float
    """When the first byte of the first body was there."""
    cpu_s: float
    """CPU time of the service since it was started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service."""

    port: int
    kept: Path
    """The upload that followed `keep()`: header, empty line, decoded body."""

    def begin(self) -> Account:
        """Starts a new account and returns it, empty but for the CPU time so far."""
        return self._ask("/begin")

    def keep(self) -> None:
        """Starts a new account and keeps the next upload."""
        self._ask("/keep")

    def account(self) -> Account:
        return self._ask("/account")

    def _ask(self, path: str) -> Account:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            values = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return Account(
            uploads=values["uploads"],
            body_bytes=values["bytes"],
            incomplete=values["incomplete"],
            malformed=values["malformed"],
            first_byte=values["first_byte"],
            cpu_s=values["cpu_s"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The built programs and the content that they work with."""

    client: Path
    service: Path
    content: Path
    sendfile: bool
    """How large uploads leave the client: with sendfile, or from memory."""

    @contextmanager
    def serve(self, directory: Path) -> Iterator[Service]:
        """Runs a service on a free port; the upload that it keeps lies in `directory`."""
        kept = directory / "kept"
        process = subprocess.Popen([self.service, kept], stdout=subprocess.PIPE, start_new_session=True)
        try:
            assert process.stdout is not None
            yield Service(port=json.loads(process.stdout.readline())["port"], kept=kept)
        finally:
            process.kill()
            process.communicate()

    def send(
        self, port: int, *, size: int, connections: int = 1, uploads: int = 1, seconds: float | None = None
    ) -> Sending:
        """Sends uploads with `size` bytes of content until there were `uploads`, or for `seconds`.

        Blocks until all are answered. BenchmarkError if one of the answers is not a complete 200.
        """
        extent = ["--uploads", str(uploads)] if seconds is None else ["--seconds", str(seconds)]
        command = [str(self.client), "--port", str(port), "--path", UPLOAD_PATH, "--content", str(self.content)]
        command += ["--size", str(size), "--connections", str(connections), *extent]
        command += ["--sendfile"] if self.sendfile else []
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=CLIENT_LIMIT_S, check=False, start_new_session=True
            )
        except subprocess.TimeoutExpired:
            raise BenchmarkError(f"the uploads were not answered within {CLIENT_LIMIT_S} s") from None
        if done.returncode != 0:
            raise BenchmarkError(done.stderr.strip() or f"the client ended with {done.returncode}")
        values = json.loads(done.stdout)
        if values["failed"] or values["answered"] != values["begun"]:
            raise BenchmarkError(_describe_failure(values))
        return Sending(
            first_byte=values["first_byte"],
            end=values["end"],
            uploads=values["answered"],
            latencies_s=tuple(microseconds / 1e6 for microseconds in values["latencies_us"]),
            cpu_s=values["cpu_s"],
        )


def _describe_failure(values: Mapping[str, object]) -> str:
    return (
        f"{values['failed']} of {values['begun']} uploads failed (answers by status: {values['statuses']}); "
        f"the first: {values['first_failure']}"
    )


def find_compiler() -> str | None:
    """The C compiler that `CC` names, or the system's; None if there is none."""
    return shutil.which(os.environ.get("CC") or "cc")


def build(directory: Path, *, sendfile: bool = False) -> Programs:
    """Builds client and service into `directory` and writes the content there."""
    compiler = find_compiler()
    if compiler is None:
        raise BenchmarkError("no C compiler: client and service are built on the spot and need `cc`")
    directory.mkdir(parents=True, exist_ok=True)
    source = Path(__file__).parent / "source"
    for name in ("client", "service"):
        files = ["-o", str(directory / name), str(source / f"{name}.c")]
        done = subprocess.run([compiler, *FLAGS, *files], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchmarkError(f"{name}.c could not be built:\n{done.stderr}")
    content = directory / "content.bin"
    content.write_bytes(random.Random(0).randbytes(CONTENT_BYTES))
    return Programs(client=directory / "client", service=directory / "service", content=content, sendfile=sendfile)
