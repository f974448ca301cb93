"""Small Flask applications, with and without the gateway in them: one view, which a test brings along."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse

from gateway.core.services import Route
from gateway.core.uploads import Limits
from gateway.gateway import Gateway, Setup
from gateway.testing import multipart
from gateway.web.extension import UploadGateway

BOUNDARY = b"boundary-of-the-client"
FORM = f"multipart/form-data; boundary={BOUNDARY.decode()}"

View = Callable[[], ResponseReturnValue]


@contextmanager
def new_gateway(state: Path, *, routes: list[Route] | None = None, **options: Any) -> Iterator[Gateway]:
    gateway = Gateway(Setup(routes=routes or [], state=state, **{"concurrent": 1, **options}))
    try:
        yield gateway
    finally:
        gateway.close()


def new_site(gateway: Gateway | None, view: View, **config: Any) -> Flask:
    """An application with this view at `/`; a plain one without a gateway."""
    app = Flask("site")
    app.config.update(config)
    if gateway is not None:
        UploadGateway(gateway).init_app(app)
    app.add_url_rule("/", "view", view, methods=["GET", "POST", "PUT"])
    return app


def post(app: Flask, body: bytes, content_type: str | None = FORM, *, path: str = "/", **options: Any) -> TestResponse:
    """The answer, read to its end and closed, as a server does."""
    stream, length = io.BytesIO(body), len(body)
    return app.test_client().post(
        path, input_stream=stream, content_length=length, content_type=content_type, buffered=True, **options
    )


def form(*parts: tuple[bytes, bytes]) -> bytes:
    return multipart(parts, BOUNDARY)


def only_file() -> FileStorage:
    (file,) = request.files.values()
    return file


NARROW = Limits(body=2**20, parts=10, field=1000, part_headers=500)
"""Limits that a test can exceed."""
