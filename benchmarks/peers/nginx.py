"""nginx as a reverse proxy, with the service's connections kept alive and everything else as it comes."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass
from string import Template
from typing import Literal

from benchmarks.machine import first_line
from benchmarks.peers.base import WORKERS, Site, find_program

__all__ = ["Nginx"]

CONFIGURATION = Template("""\
daemon off;
$user
worker_processes $workers;
pid $directory/nginx.pid;
error_log $directory/error.log;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path $directory/body;
    proxy_temp_path $directory/proxy;
    fastcgi_temp_path $directory/fastcgi;
    uwsgi_temp_path $directory/uwsgi;
    scgi_temp_path $directory/scgi;
    upstream service {
        server 127.0.0.1:$service_port;
        keepalive 64;
    }
    server {
        listen 127.0.0.1:$port;
        client_max_body_size 0;
        keepalive_requests 1000000;
        location / {
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering $buffering;
        }
    }
}
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nginx:
    """nginx that hands the body on as it arrives, or stores it first (its default)."""

    name: str
    buffering: Literal["on", "off"]

    @property
    def title(self) -> str:
        return f"nginx, request buffering {self.buffering}"

    def missing(self) -> str | None:
        return None if find_program("nginx") else "nginx is not installed"

    def versions(self) -> str:
        return first_line([find_program("nginx") or "nginx", "-v"]).removeprefix("nginx version: ")

    def command(self, site: Site) -> list[str]:
        configuration = site.directory / "nginx.conf"
        # Started by root it would give its workers to another user, who cannot write into our directory.
        user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
        text = CONFIGURATION.substitute(
            user=user,
            workers=WORKERS,
            directory=site.directory,
            service_port=site.service_port,
            port=site.port,
            buffering=self.buffering,
        )
        configuration.write_text(text, encoding="utf-8")
        log = str(site.directory / "error.log")
        return [find_program("nginx") or "nginx", "-p", str(site.directory), "-e", log, "-c", str(configuration)]
