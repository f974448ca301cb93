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
from gateway.web.problems import Problem, problem_response
from gateway.web.requests import UploadRequest
from gateway.web.worker import ClientBody

__all__ = ["UploadGateway", "upload_request"]

_WITH_BODY = ("PATCH", "POST", "PUT")


def upload_request() -> UploadRequest:
    """The request being handled, as what it is in an application with this extension."""
    return cast(UploadRequest, request)


class UploadGateway:
    """Connects one gateway with one Flask application."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def init_app(self, app: Flask) -> None:
        app.extensions["gateway"] = self._gateway
        app.request_class = UploadRequest
        app.register_error_handler(GatewayError, _problem)
        # Else Flask makes a streamed answer of it, and those keep the upload for longer.
        app.register_error_handler(Problem, lambda error: error.get_response())
        app.after_request(_finish)


def _problem(error: GatewayError) -> Response:
    return problem_response(error, upload_request().id)


def _finish(response: Response) -> Response:
    """What every request needs at its end, whoever has handled it."""
    current = upload_request()
    response.headers.setdefault("X-Request-Id", current.id)
    upload = current.opened_upload
    if response.is_streamed:
        current.outlast(response)
    body, content_length = current.environ["wsgi.input"], current.environ.get("CONTENT_LENGTH")
    chunked = "HTTP_TRANSFER_ENCODING" in current.environ
    # Without framing there is no body (RFC 9112 section 6.3), but a client that sends one all the same must not see
    # it taken for its next requests.
    unframed = not chunked and not content_length and current.method in _WITH_BODY
    is_empty = not (content_length or "").strip("0")  # it may be no number at all: not every server checks it
    if isinstance(body, ClientBody):
        if body.unread or body.failed or unframed:
            body.refuse()
            response.call_on_close(body.drain)
    elif unframed or ((chunked or not is_empty) and not (upload is not None and upload.complete)):
        # Other servers do not tell whether the body was read; they read this header, or close by themselves.
        response.headers["Connection"] = "close"
        is_server = "SERVER_SOFTWARE" in current.environ  # and not Flask's test client, where the test would fail
        if is_server and (unframed or (chunked and "gunicorn.socket" not in current.environ)):
            # Or do neither, and would go on to read chunks, or what is no body, as requests.
            response.call_on_close(_hang_up)
    return response


def _hang_up() -> None:
    """Make a WSGI server close the connection, in the only way that all of them know: its client seems to be gone."""
    raise BrokenPipeError(errno.EPIPE, "the gateway does not go on with this connection")
