"""gunicorn as the gateway uses it: gthread workers that read the client's socket through our body object."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import click
from flask import Flask
from gunicorn.app.base import BaseApplication

from gateway.gateway import Gateway, setup_of
from gateway.settings.schema import Settings
from gateway.settings.values import shown
from gateway.web.app import create_app
from gateway.web.worker import Worker, pre_request

__all__ = ["Server"]

# mallopt(3): blocks of a megabyte come and go; without this, glibc returns each to the system and
# faults it in again.
_MALLOPT = {
    -1: 256 * 2**20,  # M_TRIM_THRESHOLD
    -2: 16 * 2**20,  # M_TOP_PAD
    -3: 32 * 2**20,  # M_MMAP_THRESHOLD
    -8: 2,  # M_ARENA_MAX
}


class Server(BaseApplication):
    """Serves a configuration until SIGTERM or SIGINT; uploads under way may end within `gateway.stop`."""

    def __init__(self, settings: Settings, *, cores: int) -> None:
        self._settings = settings
        self._cores = cores
        self._gateway: Gateway | None = None  # a worker's own
        super().__init__()

    def load_config(self) -> None:
        section = self._settings.gateway
        options = {
            "bind": section.bind,
            "workers": section.count_workers(self._cores),
            "threads": section.threads_per_worker(self._cores),
            "worker_class": f"{Worker.__module__}.{Worker.__qualname__}",
            "worker_connections": 1000 + section.threads_per_worker(self._cores),
            "graceful_timeout": math.ceil(section.stop),
            # A heartbeat of the worker's main thread, which does nothing but wait: it does not limit requests.
            "timeout": 60,
            "keepalive": 15,
            "pre_request": pre_request,
            "when_ready": self._announce,
            "worker_exit": self._close,
            "post_worker_init": _tune_allocator,
            "proc_name": "gateway",
            "loglevel": "warning",
            "forwarded_allow_ips": "",
            "control_socket_disable": True,
        }
        assert self.cfg is not None  # gunicorn makes it before it calls this
        for name, value in options.items():
            self.cfg.set(name, value)

    def _announce(self, arbiter: Any) -> None:
        """One line for each route, once clients can connect."""
        address = ", ".join(str(listener) for listener in arbiter.LISTENERS)
        for route in self._settings.build_routes():
            click.echo(f"{address}{route.path or ''} -> {route.service.name} at {shown(route.service.url)}", err=True)

    def load(self) -> Flask:
        """Called in each worker."""
        self._gateway = Gateway(setup_of(self._settings, cores=self._cores))
        return create_app(self._gateway)

    def _close(self, _arbiter: Any, _worker: Any) -> None:
        """Called in a worker at its end."""
        if self._gateway is not None:
            self._gateway.close()


def _tune_allocator(worker: Any) -> None:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        worker.log.debug("this C library has no mallopt")
        return
    for option, value in _MALLOPT.items():
        mallopt(option, value)
