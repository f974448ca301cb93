"""The gateway, as a user starts it: its own command, no configuration file."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass

from benchmarks.peers.base import WORKERS, Site, library_versions

__all__ = ["GatewayProcess"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayProcess:
    """`gateway serve` with one service."""

    name: str = "gateway"
    title: str = "gateway"

    def missing(self) -> str | None:
        if importlib.util.find_spec("gateway.cli.serve") is None:
            return "this checkout's gateway has no `serve` command"
        return None

    def versions(self) -> str:
        libraries = {"upload-gateway": None, **library_versions(["upload-gateway", "gunicorn", "flask", "requests"])}
        return ", ".join(f"{name} {version or 'from this checkout'}" for name, version in libraries.items())

    def command(self, site: Site) -> list[str]:
        bind = f"127.0.0.1:{site.port}"
        command = [sys.executable, "-m", "gateway", "serve", "--bind", bind, "--workers", str(WORKERS)]
        return [*command, "--to", f"text={site.service_url}"]
