"""What the tests of `gateway send` share: running it, and looking at what a service got of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.testing import Received, RecordingService, boundary_of, split_multipart
from gateway.testing.processes import python_environment

__all__ = ["command", "parts_of", "received_of", "run", "send"]


def send(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> Result:
    """The command in this process; what it prints is no terminal."""
    result = CliRunner().invoke(main, ["send", *map(str, arguments)], env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def command(*arguments: str | Path) -> list[str]:
    """The words of the command as a process of its own."""
    return [sys.executable, "-m", "gateway", "send", *map(str, arguments)]


def run(*arguments: str | Path, stdin: bytes | int = b"") -> subprocess.CompletedProcess[bytes]:
    """The command as a process of its own, without a terminal; `stdin` comes through a pipe, or is a descriptor."""
    piped = isinstance(stdin, bytes)
    with subprocess.Popen(
        command(*arguments),
        stdin=subprocess.PIPE if piped else stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=python_environment(),
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(stdin if piped else None, timeout=60)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def received_of(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> Received:
    """The one request that a service gets of the command, which must be content."""
    with RecordingService() as service:
        result = send(*arguments, "--to", f"{service.url}/in", environment=environment)
        assert (result.exit_code, result.stderr) == (0, "")
        (received,) = service.received
    return received


def parts_of(received: Received) -> list[tuple[bytes, bytes]]:
    """Header lines and content of each part, taken apart with no code of the gateway."""
    assert received.body is not None
    return split_multipart(received.body, boundary_of(received.headers.get("content-type")))
