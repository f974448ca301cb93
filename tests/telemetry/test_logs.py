"""The log of the process: whole lines, in one form, from wherever they come."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gateway.telemetry.logs import OPERATOR_LOGGER, JSONFormatter, LineHandler, LogFormat, TextFormatter, configure_logs
from gateway.telemetry.records import ACCESS_LOGGER, UploadRecord

RECORD = UploadRecord(
    ended_at=1_790_000_000.0,
    duration_s=0.001,
    id="4f1c",
    route=None,
    peer=None,
    method="POST",
    path="/x",
    protocol="HTTP/1.1",
    status=404,
)
LOGGERS = ("", ACCESS_LOGGER, OPERATOR_LOGGER)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    os.set_blocking(ends[0], False)
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture(autouse=True)
def usual_logging() -> Iterator[None]:
    """What a test sets is undone: the loggers are those of the whole process."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(list(each.handlers), each.level) for each in loggers]
    yield
    for each, (handlers, level) in zip(loggers, before, strict=True):
        each.handlers = handlers
        each.setLevel(level)


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """What is written, call by call."""
    calls: list[bytes] = []
    write = os.write

    def counting(descriptor: int, data: bytes) -> int:
        calls.append(bytes(data))
        return write(descriptor, data)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", counting)
        yield calls


def record(message: object, *arguments: object, name: str = "some.where", error: bool = False) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.WARNING, "file.py", 1, message, arguments, None)
    made.created = 1_790_000_000.0415
    made.process = 4321
    if error:
        try:
            raise ValueError("it broke\nin two lines")
        except ValueError:
            made.exc_info = sys.exc_info()
    return made


def test_text() -> None:
    """When, how bad, who, what."""
    assert TextFormatter().format(record("request %s failed", "4f1c")) == (
        "2026-09-21T14:13:20.041Z WARNING [4321] some.where: request 4f1c failed"
    )


def test_what_the_operator_waits_for_stands_alone() -> None:
    """Announcements and `file:line:` of problems are for the one who has just typed the command."""
    line = TextFormatter().format(record("gateway.yaml:3: routes: expected a mapping", name=OPERATOR_LOGGER))

    assert line == "gateway.yaml:3: routes: expected a mapping"


@pytest.mark.parametrize("message", ["a\nb", "a\r\nb", "a\n\n\nb\n", "a\u2028b", "a\x1b[31mb", "a\x85b", "\nb"])
def test_a_message_cannot_pass_for_two(message: str) -> None:
    """Only a record begins at the beginning of a line; nothing that moves a cursor is left."""
    first, *others = TextFormatter().format(record(message)).splitlines()

    assert first.startswith("2026-")
    assert all(line.startswith("    ") for line in others)
    assert all(line.isprintable() for line in (first, *others))


def test_a_traceback_is_indented() -> None:
    """It stays readable, and belongs to its record."""
    lines = TextFormatter().format(record("request failed", error=True)).splitlines()

    assert lines[0].endswith("some.where: request failed")
    assert lines[1] == "    Traceback (most recent call last):"
    assert lines[-2:] == ["    ValueError: it broke", "    in two lines"]


def test_json() -> None:
    """One object in one line, with the traceback as one member."""
    line = JSONFormatter().format(record("caf\udce9 %s", "\n", error=True))

    members: dict[str, Any] = json.loads(line)
    traceback = members.pop("traceback")
    assert line.isprintable()
    assert members == {
        "time": "2026-09-21T14:13:20.041Z",
        "level": "warning",
        "logger": "some.where",
        "pid": 4321,
        "message": "caf\ufffd \n",
    }
    assert traceback.startswith("Traceback (most recent call last):\n")
    assert traceback.endswith("ValueError: it broke\nin two lines")


def test_a_record_of_an_upload_is_its_own_line() -> None:
    """Nothing is put in front of it; and a formatter that has never heard of it writes the line of text."""
    logged = record(RECORD, name=ACCESS_LOGGER)

    assert TextFormatter().format(logged) == str(RECORD)
    assert json.loads(JSONFormatter().format(logged))["path"] == "/x"
    assert logging.Formatter("%(name)s %(message)s").format(logged) == f"gateway.access {RECORD}"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_line_is_one_call(log_format: LogFormat, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """What several processes write to one place is not mixed up."""
    configure_logs(log_format, uploads=True, descriptor=pipe[1])

    with counted(monkeypatch) as calls:
        logging.getLogger(ACCESS_LOGGER).info(RECORD)
        logging.getLogger("another").warning("one\ntwo")

    assert len(calls) == 2
    assert all(call.endswith(b"\n") for call in calls)
    assert os.read(pipe[0], 65536) == b"".join(calls)


def test_lines_of_many_threads_stay_whole(pipe: tuple[int, int]) -> None:
    """Into a pipe, which is what a supervisor reads."""
    configure_logs("json", uploads=True, descriptor=pipe[1])
    threads = [threading.Thread(target=logging.getLogger(ACCESS_LOGGER).info, args=(RECORD,)) for _ in range(20)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    lines = os.read(pipe[0], 65536).splitlines()
    assert len(lines) == 20
    assert all(json.loads(line)["id"] == "4f1c" for line in lines)


@pytest.mark.parametrize(
    ("uploads", "name", "level", "is_written"),
    [
        (True, ACCESS_LOGGER, logging.INFO, True),
        (False, ACCESS_LOGGER, logging.INFO, False),
        (False, OPERATOR_LOGGER, logging.INFO, True),
        (False, "urllib3", logging.WARNING, True),
        (True, "urllib3", logging.INFO, False),
    ],
)
def test_which_records_are_written(
    uploads: bool, name: str, level: int, is_written: bool, pipe: tuple[int, int]
) -> None:
    """Uploads if they are asked for, what the operator is told in any case, warnings of whoever has one."""
    configure_logs("text", uploads=uploads, descriptor=pipe[1])
    logger = logging.getLogger(name)

    assert logger.isEnabledFor(level) is is_written
    logger.log(level, "here")

    if is_written:
        assert os.read(pipe[0], 65536).endswith(b"here\n")
    else:
        with pytest.raises(BlockingIOError):
            os.read(pipe[0], 65536)


def test_configuring_again_takes_the_place(pipe: tuple[int, int]) -> None:
    """After a reload no line comes twice, and the new form is in force."""
    configure_logs("text", uploads=False, descriptor=pipe[1])
    configure_logs("json", uploads=True, descriptor=pipe[1])

    logging.getLogger(ACCESS_LOGGER).info(RECORD)

    (line,) = os.read(pipe[0], 65536).splitlines()
    assert json.loads(line)["status"] == 404


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    """Whoever reads the log has gone; uploads go on."""
    reading, writing = os.pipe()
    os.close(reading)
    handler = LineHandler(writing)
    handler.setFormatter(TextFormatter())

    handler.handle(record("unheard"))

    os.close(writing)
    handler.handle(record("unheard, too"))
