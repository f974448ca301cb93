"""gunicorn as the gateway uses it: gthread workers that read the client's socket through our body object."""

from __future__ import annotations

import ctypes
import logging
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from gateway.errors import GatewayError
from gateway.gateway import Gateway, setup_of
from gateway.settings.schema import Settings
from gateway.settings.values import shown
from gateway.telemetry.logs import OPERATOR_LOGGER, configure_logs
from gateway.web.app import create_app
from gateway.web.parent import Parent
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
    """Serves a configuration until SIGTERM or SIGINT; uploads under way may end within `gateway.stop`.

    SIGHUP has `read` called, which gives the configuration as it is by then, or raises ConfigError (see parent.py).
    """

    def __init__(self, settings: Settings, *, cores: int, read: Callable[[], Settings]) -> None:
        self.settings = settings
        self.read = read
        self._cores = cores
        self._operator = logging.getLogger(OPERATOR_LOGGER)
        self._gateway: Gateway | None = None  # a worker's own, as is the next
        self._worker: Worker | None = None
        super().__init__()

    def run(self) -> None:
        Parent(self).run()

    def load_config(self) -> None:
        section = self.settings.gateway
        configure_logs(section.log.format, uploads=section.log.uploads, descriptor=sys.stderr.fileno())
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
            "when_ready": lambda arbiter: self._announce(arbiter.LISTENERS),
            "worker_exit": self._close,
            "post_fork": self._enter_worker,
            "post_worker_init": _tune_allocator,
            "proc_name": "gateway",
            "logger_class": _Log,
            "errorlog": None,
            "loglevel": "warning",
            "forwarded_allow_ips": "",
            "control_socket_disable": True,
        }
        assert self.cfg is not None  # gunicorn makes it before it calls this
        for name, value in options.items():
            self.cfg.set(name, value)

    # --- in the parent ---

    def adopt(self, settings: Settings) -> None:
        """Let workers that start from now on serve these settings."""
        self.settings = settings
        # Not gunicorn's `reload`, which ends the process when something is wrong.
        self.load_default_config()
        self.load_config()

    def confirm(self, listeners: Sequence[object]) -> None:
        """Say that the configuration was replaced."""
        self._operator.info("reloaded: uploads go by the new configuration; those under way end by the old one")
        self._announce(listeners)

    def refuse(self, problems: str) -> None:
        """Say why the configuration is not replaced."""
        for problem in problems.splitlines():
            self._operator.error("%s", problem)
        self._operator.error("not reloaded: the running configuration stays")

    def _announce(self, listeners: Sequence[object]) -> None:
        """One line for each route, once clients can connect."""
        address = ", ".join(str(listener) for listener in listeners)
        for route in self.settings.build_routes():
            urls = ", ".join(shown(url) for url in route.service.urls)
            self._operator.info("%s%s -> %s at %s", address, route.path or "", route.service.name, urls)

    # --- in a worker ---

    def _enter_worker(self, arbiter: Any, worker: Any) -> None:
        """Called first of all."""
        arbiter.close_replaced()
        self._worker = worker

    def load(self) -> Flask:
        """Called once the worker hears signals."""
        try:
            self._gateway = Gateway(setup_of(self.settings, cores=self._cores))
        except GatewayError as error:
            # Of the state directory. A traceback would tell nobody more.
            self._operator.error("%s", error.detail)
            raise SystemExit(Parent.APP_LOAD_ERROR) from error
        return create_app(self._gateway, stopping=self._is_stopping)

    def _is_stopping(self) -> bool:
        return self._worker is not None and not self._worker.alive

    def _close(self, _arbiter: Any, _worker: Any) -> None:
        """Called at its end."""
        if self._gateway is not None:
            self._gateway.close()


class _Log(Logger):
    """gunicorn's own messages, in the form of all others."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.propagate = True


def _tune_allocator(worker: Any) -> None:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        worker.log.debug("this C library has no mallopt")
        return
    for option, value in _MALLOPT.items():
        mallopt(option, value)
