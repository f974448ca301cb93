"""No peer at all: shows what client and service can do by themselves."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.peers.base import Site

__all__ = ["Direct"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Direct:
    """The client posts straight to the service."""

    name: str = "direct"
    title: str = "client straight to service"

    def missing(self) -> str | None:
        return None

    def versions(self) -> str:
        return ""

    def command(self, site: Site) -> list[str]:
        return []
