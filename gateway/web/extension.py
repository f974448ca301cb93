"""The Flask extension: gives an application the gateway's requests, and cleans up behind them.

`UploadGateway(gateway).init_app(app)` is all that an application of your own needs for `request.upload`,
for strict and exact `request.files`, and for `gateway.send` in its views.
"""

from __future__ import annotations

import errno
from typing import cast

from flask import Flask, Response, request

from gateway.errors import GatewayError
from gateway.gateway import Gateway
from gateway.web.access import AccessLog, note_answer
from gateway.web.problems import Problem, problem_response
from gateway.web.requests import UploadRequest
from gateway.web.worker import ClientBody

__all__ = ["UploadGateway", "upload_request"]

_WITH_BODY = ("PATCH", "POST", "PUT")


def upload_request() -> UploadRequest:
    """The request being handled, as what it is in an application with this extension."""
    return cast(UploadRequest, request)


class UploadGateway:
    """Connects one gateway with one Flask application.

    `owns_every_request` says that the application does nothing else. Then connections whose body was not read are
    ended on other servers too, whoever has refused it; in an application of your own, only after its uploads.
    """

    def __init__(self, gateway: Gateway, *, owns_every_request: bool = False) -> None:
        self._gateway = gateway
        self._owns_every_request = owns_every_request

    def init_app(self, app: Flask) -> None:
        app.extensions["gateway"] = self._gateway
        app.request_class = UploadRequest
        app.register_error_handler(GatewayError, _problem)
        # Else Flask makes a streamed answer of it, and those keep the upload for longer.
        app.register_error_handler(Problem, lambda error: error.get_response())
        app.after_request(self._finish)
        access = AccessLog(app.wsgi_app, clock=self._gateway.clock, owns_every_request=self._owns_every_request)
        app.wsgi_app = access  # type: ignore[method-assign]  # Flask's documented place for middleware

    def _finish(self, response: Response) -> Response:
        """What every request needs at its end, whoever has handled it."""
        current = upload_request()
        response.headers.setdefault("X-Request-Id", current.id)
        note_answer(current, response)
        if response.is_streamed:
            current.outlast(response)
        body = current.environ["wsgi.input"]
        if isinstance(body, ClientBody):
            if body.unread or body.failed or _is_unframed(current):
                body.refuse()
                response.call_on_close(body.drain)
        elif self._owns_every_request or current.opened_upload is not None:
            _end_unread(current, response)
        return response


def _is_unframed(current: UploadRequest) -> bool:
    """No Content-Length and no chunks: there is no body (RFC 9112 section 6.3).

    But a client that sends one all the same must not see it taken for its next requests.
    """
    framed = current.environ.get("CONTENT_LENGTH") or "HTTP_TRANSFER_ENCODING" in current.environ
    return not framed and current.method in _WITH_BODY


def _end_unread(current: UploadRequest, response: Response) -> None:
    """Have another server end the connection, unless the body was read to its end; it does not tell whether it was."""
    upload, length = current.opened_upload, current.environ.get("CONTENT_LENGTH") or ""
    chunked, unframed = "HTTP_TRANSFER_ENCODING" in current.environ, _is_unframed(current)
    has_body = chunked or length.strip("0") != ""  # it may be no number at all: not every server checks it
    if not unframed and (not has_body or (upload is not None and upload.complete)):
        return
    # Servers read this header, or close by themselves,
    response.headers["Connection"] = "close"
    # or do neither, and would read on: chunks, or what is no body, as requests. Flask's test client is no server.
    if "SERVER_SOFTWARE" in current.environ and (unframed or (chunked and "gunicorn.socket" not in current.environ)):
        response.call_on_close(_hang_up)


def _problem(error: GatewayError) -> Response:
    return problem_response(error, upload_request().id)


def _hang_up() -> None:
    """Make a WSGI server close the connection, in the only way that all of them know: its client seems to be gone."""
    raise BrokenPipeError(errno.EPIPE, "the gateway does not go on with this connection")
