"""Flask views that post a file on to a service, as tutorials and answers show them, under gunicorn."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from benchmarks.peers.base import WORKERS, Site, library_versions

__all__ = ["FlaskView"]

THREADS = 64
"""For each worker; enough for every concurrency that is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlaskView:
    """One of the modules in `applications/`, run by gunicorn with threads."""

    name: str
    title: str
    module: str
    """Its name in `applications/`."""
    libraries: tuple[str, ...]
    """The distributions that it is made of."""

    def missing(self) -> str | None:
        absent = [name for name, version in library_versions(self.libraries).items() if version is None]
        return f"not installed: {', '.join(absent)}" if absent else None

    def versions(self) -> str:
        return ", ".join(f"{name} {version}" for name, version in library_versions(self.libraries).items())

    def command(self, site: Site) -> list[str]:
        application = f"benchmarks.peers.applications.{self.module}:create({site.service_url!r})"
        command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{site.port}", "--no-control-socket"]
        command += ["--workers", str(WORKERS), "--worker-class", "gthread", "--threads", str(THREADS)]
        return [*command, application]
