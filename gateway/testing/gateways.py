"""The real gateway as a process of its own, for tests that believe only what comes over a socket."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from gateway.testing.listening import HOST, free_port
from gateway.testing.processes import ChildProcess, answers, python_environment

__all__ = ["RunningGateway", "relay_configuration", "running_gateway"]


class RunningGateway:
    """A gateway that is listening."""

    def __init__(self, process: ChildProcess, port: int, directory: Path) -> None:
        self._process = process
        self.port = port
        self.url = f"http://{HOST}:{port}"
        """Without a path and without a slash at the end."""
        self.directory = directory
        """Where it runs, and keeps its state unless told otherwise; gone when it has ended."""

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.is_alive

    @property
    def pid(self) -> int:
        """The parent process, which serves nothing itself."""
        return self._process.pid

    def worker_pids(self) -> list[int]:
        """The processes that serve."""
        return self._process.children()

    def log(self) -> str:
        """What it has printed."""
        return self._process.log()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the parent process; from now on the gateway may end."""
        self._process.signal(number)

    def wait(self, timeout: float = 10.0) -> int:
        """Waits until it has ended, and returns its exit code."""
        return self._process.wait(timeout)


def relay_configuration(
    name: str,
    url: str,
    *,
    path: str = "/file",
    service: Mapping[str, object] | None = None,
    gateway: Mapping[str, object] | None = None,
) -> str:
    """The text of a configuration: one route, which takes forms and raw bodies, to one service."""
    document = {
        "gateway": dict(gateway or {}),
        "services": {name: {"url": url, **(service or {})}},
        "routes": {"relay": {"path": path, "to": name, "accept": {"bodies": ["multipart", "raw"]}}},
    }
    # JSON is YAML as well.
    return json.dumps(document, indent=2)


@contextmanager
def running_gateway(
    *,
    to: Sequence[str] = (),
    config: str | Path | None = None,
    server: Literal["gateway", "gunicorn"] = "gateway",
    port: int | None = None,
    workers: int = 1,
    threads: int = 16,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    end_limit: float = 15.0,
) -> Iterator[RunningGateway]:
    """Starts a gateway, waits until it answers, and ends it with SIGTERM.

    Either `to`, as after `--to`, or `config`: the text of a configuration, or the path of a file. Not
    ending within `end_limit` seconds, or ending by itself, is an error that shows the end of the log.
    `server="gunicorn"` runs the same application without the gateway's hooks, as any WSGI server would.
    """
    port = free_port() if port is None else port
    with TemporaryDirectory(prefix="gateway-") as name:
        directory = Path(name)
        if server == "gunicorn" and to:
            service, _, url = to[0].partition("=")
            config = relay_configuration(service, url)
        if isinstance(config, str):
            directory.joinpath("gateway.yaml").write_text(config, "utf-8")
            config = directory / "gateway.yaml"
        command = [sys.executable, "-m"]
        sizes = ["--bind", f"{HOST}:{port}", "--workers", str(workers), "--threads", str(threads)]
        if server == "gunicorn":
            application = f"gateway.web.app:create_app({str(config)!r})"
            command += ["gunicorn", *sizes, "--worker-class", "gthread", "--no-control-socket", application]
        else:
            configuration = ["--config", str(config)] if config else [word for each in to for word in ("--to", each)]
            command += ["gateway", "serve", *sizes, *configuration]
        with ChildProcess(
            [*command, *arguments],
            directory=directory,
            name="gateway",
            environment=python_environment({"GUNICORN_CMD_ARGS": "", **(environment or {})}),
            end_limit=end_limit,
        ) as process:
            process.wait_until(lambda: len(process.children()) == workers and answers(port, "/-/health"))
            yield RunningGateway(process, port, directory)
