"""The parent outlives whatever happens while it reads a configuration. Its processes: tests/e2e/test_reload.py."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from gateway.errors import ConfigError
from gateway.settings.load import Flags, from_flags
from gateway.settings.schema import Settings
from gateway.telemetry.logs import OPERATOR_LOGGER
from gateway.telemetry.records import ACCESS_LOGGER
from gateway.web.parent import Parent
from gateway.web.server import Server

SETTINGS = from_flags(["text=http://127.0.0.1:1/"], flags=Flags(workers="1"), cores=1)


@pytest.fixture(autouse=True)
def usual_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a server sets is undone: the loggers are those of the whole process."""
    monkeypatch.delenv("SERVER_SOFTWARE", raising=False)
    loggers = [logging.getLogger(name) for name in ("", ACCESS_LOGGER, OPERATOR_LOGGER, "gunicorn.error")]
    before = [(list(each.handlers), each.level, each.propagate) for each in loggers]
    yield
    for each, (each.handlers, level, each.propagate) in zip(loggers, before, strict=True):
        each.setLevel(level)


def parent_of(read: Callable[[], Settings]) -> Parent:
    """One that has started nothing."""
    return Parent(Server(SETTINGS, cores=1, read=read))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConfigError("a.yaml:3: routes: expected\na.yaml:4: x"), "a.yaml:3: routes: expected\na.yaml:4: x\n"),
        (ZeroDivisionError("of all things"), "this is a bug in the gateway: ZeroDivisionError('of all things')\n"),
    ],
    ids=["mistakes", "bug"],
)
def test_nothing_changes_for_a_configuration_that_cannot_be_read(
    error: Exception, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Foreseen or not, it is told; no worker is started or stopped, and the settings are those of before."""

    def read() -> Settings:
        raise error

    parent = parent_of(read)
    parent.handle_hup()

    assert capfd.readouterr().err.endswith(told + "not reloaded: the running configuration stays\n")
    assert parent.app.settings is SETTINGS
    assert (parent.WORKERS, parent.LISTENERS, parent.num_workers) == ({}, [], 1)


def test_the_traceback_of_a_bug_is_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    """As for every other bug."""

    def read() -> Settings:
        raise ZeroDivisionError

    parent_of(read).handle_hup()

    assert "gunicorn.error: reading the configuration failed\n    Traceback (most recent" in capfd.readouterr().err
