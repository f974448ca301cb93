"""`forward()`: a file from `request.files` handed to another API, from inside an ordinary Flask view."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from flask import Flask, Response, request
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse

from gateway.errors import ServiceRedirects, ServiceUnreachable
from gateway.testing import (
    RecordingService,
    ScriptedService,
    boundary_of,
    file_part,
    multipart,
    refused_port,
    split_multipart,
)
from gateway.testing.peers import redirect
from gateway.web.forward import forward

# A FileStorage is in memory below about 500 kB and in a file above.
SIZES = [0, 1, 499_999, 500_000, 500_001, 2**20]


@pytest.fixture
def service() -> Iterator[RecordingService]:
    with RecordingService() as running:
        yield running


def application(url: str) -> Flask:
    app = Flask(__name__)

    @app.post("/extract")
    def extract() -> Response:
        file = request.files["file"]
        file.read(3)  # a view may have looked at it
        return forward(file, to=url, fields={"language": "en"})

    @app.post("/twice")
    def twice() -> Response:
        forward(request.files["file"], to=url).close()
        return forward(request.files.values(), to=url)

    return app


def post(app: Flask, path: str, *parts: tuple[bytes, bytes]) -> TestResponse:
    content_type = "multipart/form-data; boundary=test-boundary"
    return app.test_client().post(path, data=multipart(parts, b"test-boundary"), content_type=content_type)


@pytest.mark.parametrize("size", SIZES)
def test_every_byte_arrives_under_the_encoders_boundary(service: RecordingService, size: int) -> None:
    """From its beginning, whatever the view has read of it, with name, filename and type."""
    content = bytes(index * 7 % 251 for index in range(size))

    answer = post(application(service.url), "/extract", file_part("file", "façade.pdf", content, "application/pdf"))

    received = service.wait_for(1)[0]
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["sha256"] == received.sha256
    assert received.body is not None
    (_, language), (headers, sent) = split_multipart(received.body, boundary_of(received.headers.get("content-type")))
    assert language == b"en"
    assert b'name="file"; filename="fa\xc3\xa7ade.pdf"' in headers
    assert b"Content-Type: application/pdf" in headers
    assert sent == content


def test_a_file_can_be_forwarded_again(service: RecordingService) -> None:
    """A second encoder over the same FileStorage would send nothing, or half of it."""
    content = b"x" * 700_000

    post(application(service.url), "/twice", file_part("file", "x.bin", content))

    first, second = service.wait_for(2)
    assert first.length == second.length
    for received in (first, second):
        assert received.body is not None
        assert split_multipart(received.body, boundary_of(received.headers.get("content-type")))[0][1] == content


def test_a_redirect_is_not_followed() -> None:
    """It would turn the POST into a GET, and lose the file."""
    script = redirect(302, "http://127.0.0.1:9/elsewhere")
    with ScriptedService(script) as service, pytest.raises(ServiceRedirects, match="elsewhere"):
        forward(FileStorage(io.BytesIO(b"x"), "x.bin", "file"), to=service.url)


def test_a_service_that_is_not_there_is_named() -> None:
    with refused_port() as port, pytest.raises(ServiceUnreachable, match=str(port)):
        forward(FileStorage(io.BytesIO(b"x"), "x.bin", "file"), to=f"http://127.0.0.1:{port}/")
