"""The access log: one record for each request, when its answer is out or has broken off.

WSGI middleware round the whole application: only there it is seen how an answer ended. A server takes it block by
block; it comes to the end, or the blocks raise (a service has broken off), or the server closes it before its end
(the client has gone).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from flask import Response

from gateway.errors import GatewayError, ServiceError
from gateway.telemetry.records import ACCESS_LOGGER, UploadRecord
from gateway.telemetry.timings import server_timing
from gateway.web.problems import ProblemResponse
from gateway.web.requests import UploadRequest

if TYPE_CHECKING:
    # Typing names that do not exist at run time.
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["AccessLog", "note_answer"]

Broken = Literal["client", "service", "gateway"]
"""Who broke off an answer."""

RESERVED = "/-/"
"""What the gateway keeps for itself; not logged, since it is asked every few seconds."""

BEGAN_AT = "gateway.began_at"
"""Key of the WSGI environment: when the request began, by the gateway's clock."""
ANSWER = "gateway.answer"
"""The same, for what watches over the answer, while it is under way."""

_LOGGER = logging.getLogger(ACCESS_LOGGER)


def note_answer(request: UploadRequest, response: Response) -> None:
    """Called with every answer before it goes out: tells the client where the time went, and the log what it is."""
    timing = server_timing(_received_s(request), request.deliveries)
    if timing:
        # A service's own field stays, in a line of its own.
        response.headers.add("Server-Timing", timing)
    answer = request.environ.get(ANSWER)
    if answer is not None:
        # Not the proxy that `request` may be: that is of no use when the answer has ended.
        answer.request = request.environ["werkzeug.request"]
        if isinstance(response, ProblemResponse):
            answer.error = response.problem


class AccessLog:
    """Middleware; the records go to the logger `gateway.access`, if that is enabled for INFO when a request comes.

    `owns_every_request` says that the application does nothing else. Then every request is logged that is not under
    `/-/`; in an application of your own, those that have had their uploads read by the gateway.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        clock: Callable[[], float],
        owns_every_request: bool,
        time_of_day: Callable[[], float] = time.time,
    ) -> None:
        self._app = app
        self._clock = clock
        self._owns_every_request = owns_every_request
        self._time_of_day = time_of_day

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[BEGAN_AT] = self._clock()
        reserved = self._owns_every_request and environ.get("PATH_INFO", "").startswith(RESERVED)
        if reserved or not _LOGGER.isEnabledFor(logging.INFO):
            return self._app(environ, start_response)
        answer = environ[ANSWER] = _Answer(environ, start_response, self._write)
        try:
            answer.blocks = self._app(environ, answer.start)
        except BaseException:
            answer.end("gateway")
            raise
        return answer

    def _write(self, answer: _Answer) -> None:
        environ, request = answer.environ, answer.request
        upload = None if request is None else request.opened_upload
        if upload is None and not self._owns_every_request:
            return
        record = UploadRecord(
            ended_at=self._time_of_day(),
            duration_s=self._clock() - environ[BEGAN_AT],
            id=None if request is None else request.id,
            route=None if request is None else _route_of(request),
            peer=environ.get("REMOTE_ADDR") or None,
            method=environ.get("REQUEST_METHOD", ""),
            path=_path_of(environ),
            protocol=environ.get("SERVER_PROTOCOL", ""),
            status=answer.status,
            error=answer.error,
            declared=_length_of(environ),
            kind=None if upload is None else upload.head.kind,
            received=0 if upload is None else upload.received,
            received_s=None if request is None else _received_s(request),
            parts=0 if upload is None else len(upload.parts),
            files=() if upload is None else tuple(part.filename for part in upload.parts if part.filename is not None),
            deliveries=() if request is None else tuple(request.deliveries),
            answered=answer.size,
            broken=answer.broken,
        )
        _LOGGER.info(record)


class _Answer:
    """The blocks of an answer as a server takes them; tells once how that ended."""

    blocks: Iterable[bytes]

    def __init__(
        self, environ: WSGIEnvironment, start_response: StartResponse, write: Callable[[_Answer], None]
    ) -> None:
        self.environ = environ
        self.request: UploadRequest | None = None
        """None if the application failed before it had an answer."""
        self.error: str | None = None
        """The code of what went wrong."""
        self.status: int | None = None
        self.size = 0
        self.broken: Broken | None = None
        self._start_response = start_response
        self._write: Callable[[_Answer], None] | None = write
        self._iterator: Iterator[bytes] | None = None
        self._whole = False

    def start(
        self,
        status: str,
        headers: list[tuple[str, str]],
        error: tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None = None,
        /,
    ) -> Callable[[bytes], object]:
        """`start_response` for the application."""
        self.status = int(status[:3])
        return self._start_response(status, headers, error) if error else self._start_response(status, headers)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._iterator is None:
            self._iterator = iter(self.blocks)
        try:
            block = next(self._iterator)
        except StopIteration:
            self._whole = True
            raise
        except BaseException as error:
            self.broken = "service" if isinstance(error, ServiceError) else "gateway"
            if isinstance(error, GatewayError):
                self.error = error.code
            raise
        self.size += len(block)
        return block

    def close(self) -> None:
        """Called by the server, whatever has happened."""
        try:
            self.end(None if self._whole else self.broken or "client")
        finally:
            close = getattr(self.blocks, "close", None)
            if close is not None:
                # May last: what a refused client still sends is read and forgotten here.
                close()

    def end(self, broken: Broken | None) -> None:
        """The answer is over; only the first time counts."""
        write, self._write = self._write, None
        if write is not None:
            self.broken = broken
            write(self)
            # They know each other, and would stay until somebody looks for circles.
            self.environ.pop(ANSWER, None)
            self.request = None


def _received_s(request: UploadRequest) -> float | None:
    """How long it took until the upload was in; None if it is not, or nobody knows when it began."""
    upload, began_at = request.opened_upload, request.environ.get(BEGAN_AT)
    if upload is None or upload.completed_at is None or began_at is None:
        return None
    return max(0.0, upload.completed_at - float(began_at))


def _route_of(request: UploadRequest) -> str | None:
    """The route's name; in an application of your own, the endpoint's."""
    endpoint = request.endpoint
    return None if endpoint is None else endpoint.removeprefix("route:")


def _path_of(environ: WSGIEnvironment) -> str:
    # WSGI gives bytes as Latin-1 (PEP 3333).
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return str(path).encode("latin-1", "replace").decode("utf-8", "replace")


def _length_of(environ: WSGIEnvironment) -> int | None:
    length = str(environ.get("CONTENT_LENGTH") or "")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else None
