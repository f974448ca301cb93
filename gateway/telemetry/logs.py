"""The log of `gateway serve`: every line whole, as text or as JSON, wherever in the process it comes from.

Through the standard library's logging, so that an application of your own sends the gateway's records where it likes.
A record of an upload is a message that is no string: handlers that do not know it get its line of text.
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from typing import Literal

from gateway.telemetry.records import ACCESS_LOGGER, UploadRecord, json_line, readable, rfc3339

__all__ = ["OPERATOR_LOGGER", "JSONFormatter", "LineHandler", "LogFormat", "TextFormatter", "configure_logs"]

LogFormat = Literal["text", "json"]

OPERATOR_LOGGER = "gateway.serve"
"""For whoever has started the gateway and looks on: in text its messages stand alone, without time and level."""


def configure_logs(log_format: LogFormat, *, uploads: bool, descriptor: int) -> None:
    """Send everything that this process logs to one descriptor; a second time, instead of what was set before.

    `uploads` says whether there is a line for each of them.
    """
    handler = LineHandler(descriptor)
    handler.setFormatter(JSONFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(OPERATOR_LOGGER).setLevel(logging.INFO)
    logging.getLogger(ACCESS_LOGGER).setLevel(logging.INFO if uploads else logging.CRITICAL)


class LineHandler(logging.Handler):
    """Writes each record with one call, so that what several processes write to one place is not mixed up."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
        except Exception:
            self.handleError(record)
            return
        # Nobody is left to be told when the log itself cannot be written, and uploads go on without.
        with suppress(OSError):
            while line:
                line = line[os.write(self._descriptor, line) :]


class TextFormatter(logging.Formatter):
    """For people. Only a new record begins at the beginning of a line: what follows in it is indented."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, UploadRecord):
            return str(record.msg)
        message = _printable("\n".join(filter(None, [record.getMessage(), *_traces(self, record)])))
        if record.name == OPERATOR_LOGGER:
            return message
        return f"{rfc3339(record.created)} {record.levelname} [{record.process}] {record.name}: {message}"


class JSONFormatter(logging.Formatter):
    """One object in one line for each record."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, UploadRecord):
            return json_line(record.msg)
        members = {
            "time": rfc3339(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": readable(record.getMessage()),
        }
        traces = _traces(self, record)
        if traces:
            members["traceback"] = readable("\n".join(traces))
        return json.dumps(members, separators=(",", ":"))


def _traces(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    traces = [formatter.formatException(record.exc_info)] if record.exc_info else []
    if record.stack_info:
        traces.append(formatter.formatStack(record.stack_info))
    return traces


def _printable(text: str) -> str:
    """Without control characters; lines after the first are indented."""
    return "\n    ".join(
        "".join(
            character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
            for character in line
        )
        for line in text.split("\n")
        if line
    )
