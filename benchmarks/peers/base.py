"""What a peer is: a name, a command that serves a port, and the versions that its figures depend on.

A peer does not start itself and measures nothing; `stands` does.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.native import UPLOAD_PATH

__all__ = ["WORKERS", "Peer", "Site", "find_program", "library_versions"]

WORKERS = 2
"""Processes (or threads, where the peer has one process) that every peer gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a peer is to be started."""

    port: int
    """The port on 127.0.0.1 that it must serve."""
    service_port: int
    """The port on 127.0.0.1 of the service that it hands uploads to."""
    directory: Path
    """Its own and empty; the peer's working directory and place for temporary files."""

    @property
    def service_url(self) -> str:
        return f"http://127.0.0.1:{self.service_port}{UPLOAD_PATH}"


class Peer(Protocol):
    """One way to hand an upload on to a service."""

    @property
    def name(self) -> str:
        """For the command line."""

    @property
    def title(self) -> str:
        """For the tables."""

    def missing(self) -> str | None:
        """What is not installed, or None if the peer can be started."""

    def versions(self) -> str:
        """Names and versions of what it is made of."""

    def command(self, site: Site) -> list[str]:
        """Writes what the peer needs into the site's directory and returns the command that runs it.

        An empty command means that there is no process: the client posts straight to the service.
        """


def find_program(name: str) -> str | None:
    """Servers are often installed where only the administrator's search path looks."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which(name, path=path)


def library_versions(names: Iterable[str]) -> dict[str, str | None]:
    """The installed version of each distribution; None where it is not installed."""
    found: dict[str, str | None] = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found
