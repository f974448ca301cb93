"""haproxy as an HTTP proxy that keeps the service's connections alive; buffers and splicing as they come."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template

from benchmarks.machine import first_line
from benchmarks.peers.base import WORKERS, Site, find_program

__all__ = ["Haproxy"]

CONFIGURATION = Template("""\
global
    maxconn 4096
    nbthread $workers
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend client
    bind 127.0.0.1:$port
    default_backend service
backend service
    http-reuse always
    server service 127.0.0.1:$service_port
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Haproxy:
    """One process with as many threads as the others have workers."""

    name: str = "haproxy"
    title: str = "haproxy"

    def missing(self) -> str | None:
        return None if find_program("haproxy") else "haproxy is not installed"

    def versions(self) -> str:
        words = first_line([find_program("haproxy") or "haproxy", "-v"]).split()
        return f"haproxy {words[2]}" if len(words) > 2 else "haproxy"

    def command(self, site: Site) -> list[str]:
        configuration = site.directory / "haproxy.cfg"
        text = CONFIGURATION.substitute(workers=WORKERS, port=site.port, service_port=site.service_port)
        configuration.write_text(text, encoding="utf-8")
        return [find_program("haproxy") or "haproxy", "-db", "-f", str(configuration)]
