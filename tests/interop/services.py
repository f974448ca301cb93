"""Other people's services, unmodified, each a process on a port of its own; and the gateway as docs/services.md has it.

What they store lies in a directory that a test can look into. Their homes are temporary, so that neither
settings of whoever runs the tests nor leftovers of an earlier run make them other services.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.testing import free_port
from gateway.testing.gateways import RunningGateway, running_gateway
from gateway.testing.listening import HOST
from gateway.testing.processes import ChildProcess, answers, python_environment

__all__ = [
    "PASSWORD",
    "ROOT",
    "USER",
    "ThirdParty",
    "configuration_for",
    "copyparty",
    "documented",
    "gateway_for",
    "httpbin",
    "moto",
    "private_environment",
    "pypiserver",
    "wsgidav",
]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "services.md"

USER, PASSWORD = "uploader", "a secret: with a colon"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThirdParty:
    """A service that is running."""

    port: int
    stored: Path
    """Where it keeps what it got."""
    process: ChildProcess

    @property
    def url(self) -> str:
        """Without a path and without a slash at the end."""
        return f"http://{HOST}:{self.port}"

    def contents(self) -> dict[str, bytes]:
        """All the files that it has stored, by their paths."""
        files = (path for path in sorted(self.stored.rglob("*")) if path.is_file())
        return {str(path.relative_to(self.stored)): path.read_bytes() for path in files}

    def take_all(self) -> dict[str, bytes]:
        """The same, and removes them: the next upload finds the service as the first one did."""
        found = self.contents()
        for name in found:
            (self.stored / name).unlink()
        return found


def private_environment(home: Path) -> dict[str, str]:
    """An environment in which no program finds anybody's settings, or a proxy."""
    kept = {name: value for name, value in python_environment().items() if not name.lower().endswith("_proxy")}
    gone = ("TWINE_", "AWS_", "MOTO_", "PYPISERVER_", "GUNICORN_", "PRTY_")
    kept = {name: value for name, value in kept.items() if not name.startswith(gone)}
    return {**kept, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "PYTHONWARNINGS": "ignore"}


@contextmanager
def _running(
    name: str, arguments: Sequence[str], *, port: int, directory: Path, ready: str = "/"
) -> Iterator[ThirdParty]:
    """Starts Python with the arguments, waits until a GET of `ready` is answered with 200, and ends it."""
    with ChildProcess(
        [sys.executable, *arguments],
        directory=directory,
        name=name,
        environment=private_environment(directory),
    ) as process:
        process.wait_until(lambda: answers(port, ready), timeout=30)
        yield ThirdParty(port=port, stored=directory / "stored", process=process)


def _prepared(directory: Path) -> tuple[int, Path]:
    stored = directory / "stored"
    stored.mkdir()
    return free_port(), stored


@contextmanager
def pypiserver(directory: Path) -> Iterator[ThirdParty]:
    """A package index of one's own: takes uploads at /, from USER with PASSWORD only."""
    port, stored = _prepared(directory)
    digest = base64.b64encode(hashlib.sha1(PASSWORD.encode(), usedforsecurity=False).digest()).decode()
    directory.joinpath("passwords").write_text(f"{USER}:{{SHA}}{digest}\n")
    options = ["--interface", HOST, "--port", str(port), "--passwords", "passwords", "--authenticate", "update"]
    arguments = ["-m", "pypiserver", "run", *options, "--disable-fallback", "--server", "wsgiref", str(stored)]
    with _running("pypiserver", arguments, port=port, directory=directory) as service:
        yield service


@contextmanager
def copyparty(directory: Path) -> Iterator[ThirdParty]:
    """A file server whose forms have the field `act`: everybody may write and read everywhere."""
    port, stored = _prepared(directory)
    arguments = ["-m", "copyparty", "-i", HOST, "-p", str(port), "-v", f"{stored}::rw", "--no-crt"]
    with _running("copyparty", arguments, port=port, directory=directory) as service:
        yield service


@contextmanager
def wsgidav(directory: Path) -> Iterator[ThirdParty]:
    """A WebDAV server: the path of a PUT says where the file goes."""
    port, stored = _prepared(directory)
    options = ["--no-config", "--host", HOST, "--port", str(port), "--root", str(stored), "--auth", "anonymous"]
    arguments = ["-m", "wsgidav.server.server_cli", *options]
    with _running("wsgidav", arguments, port=port, directory=directory) as service:
        yield service


@contextmanager
def moto(directory: Path) -> Iterator[ThirdParty]:
    """An imitation of S3, which keeps its objects in memory."""
    port, _ = _prepared(directory)
    arguments = ["-m", "moto.server", "-H", HOST, "-p", str(port)]
    with _running("moto", arguments, port=port, directory=directory, ready="/moto-api/") as service:
        yield service


@contextmanager
def httpbin(directory: Path) -> Iterator[ThirdParty]:
    """Tells what it understood of a request, as JSON."""
    port, _ = _prepared(directory)
    arguments = ["-m", "gunicorn", "--bind", f"{HOST}:{port}", "--threads", "4", "--no-control-socket", "httpbin:app"]
    with _running("httpbin", arguments, port=port, directory=directory, ready="/get") as service:
        yield service


# --- the gateway as the documentation has it -------------------------------------------------------------------------


def documented() -> dict[str, str]:
    """The configurations of docs/services.md, each by the heading above it."""
    sections = re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    found = {}
    for heading, text in sections:
        for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)):
            found[heading if number == 0 else f"{heading}, {number + 1}"] = block
    return found


def configuration_for(heading: str, port: int) -> str:
    """The configuration under that heading, with the port of the service that is running."""
    text, count = re.subn(r"(?<=//127\.0\.0\.1:)\d+", str(port), documented()[heading])
    assert count == 1, f"expected one address in the configuration of {heading}, found {count}"
    return text


@contextmanager
def gateway_for(heading: str, port: int) -> Iterator[RunningGateway]:
    """A gateway with the configuration under that heading, in front of the service on that port."""
    with running_gateway(config=configuration_for(heading, port)) as running:
        yield running
