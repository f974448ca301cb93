"""The Flask extension: gives an application the gateway's requests, and cleans up behind them.

`UploadGateway(gateway).init_app(app)` is all that an application of your own needs for `request.upload`,
for strict and exact `request.files`, and for `gateway.send` in its views.
"""

from __future__ import annotations

from typing import cast

from flask import Flask, Response, request

from gateway.errors import GatewayError
from gateway.gateway import Gateway
from gateway.web.problems import problem_response
from gateway.web.requests import UploadRequest
from gateway.web.worker import ClientBody

__all__ = ["UploadGateway", "upload_request"]


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
        app.after_request(_finish)


def _problem(error: GatewayError) -> Response:
    return problem_response(error, upload_request().id)


def _finish(response: Response) -> Response:
    """What every request needs at its end, whoever has handled it.

    The spool lives until the answer is out: `request.close()` would come before a streamed answer is even begun.
    """
    current = upload_request()
    response.headers.setdefault("X-Request-Id", current.id)
    upload = current.opened_upload
    if upload is not None:
        response.call_on_close(upload.release)
    body = current.environ["wsgi.input"]
    if isinstance(body, ClientBody):
        if body.unread or body.failed:
            body.refuse()
            response.call_on_close(body.drain)
    elif current.content_length and not (upload is not None and upload.complete):
        # Other servers do not tell whether the body was read; they read this header, or close by themselves.
        response.headers["Connection"] = "close"
    return response
