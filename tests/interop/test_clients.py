"""Real clients: what a service gets through the gateway is what it would get from the client itself.

Every client sends the same upload twice, once to the recording service and once to the gateway in front of it.
Only the boundary may differ, and the headers that are about the connection or say where the upload came from.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from werkzeug.test import EnvironBuilder

from gateway.gateway import Gateway, setup_of
from gateway.settings.load import load
from gateway.testing import Received, boundary_of, split_multipart
from gateway.testing.gateways import RunningGateway
from gateway.testing.listening import HOST
from gateway.web.app import create_app
from tests.e2e.sending import Service, assert_same
from tests.interop.clients import (
    FILE_CLIENTS,
    FORM_CLIENTS,
    Answer,
    FileClient,
    FormClient,
    form_by_curl,
    form_by_fetch,
    form_by_requests,
)
from tests.interop.files import HUGE_BYTES, bare_file, form_of

WAYS = [
    ("gateway", "/live"),
    ("gateway", "/whole"),
    ("gateway", "/chunked"),
    ("gateway_by_gunicorn", "/live"),
]
"""Which gateway, and the form of delivery."""

HUGE_CLIENTS: list[FormClient] = [form_by_curl, form_by_requests, form_by_fetch]


def spoken(client: Callable[..., Answer]) -> str:
    """The client's name as a test's id."""
    return client.__name__.partition("_by_")[2].replace("_", "-")


@pytest.fixture(autouse=True)
def node_is_ready(request: pytest.FixtureRequest) -> None:
    """Node's clients have packages of their own."""
    client = request.getfixturevalue("client") if "client" in request.fixturenames else None
    if client is not None and ("fetch" in client.__name__ or "axios" in client.__name__):
        request.getfixturevalue("node_packages")


def comparable(received: Received) -> tuple[bytes, dict[str, str]]:
    """The body with a boundary of ours, and the headers that the client chooses for the service to see."""
    body, content_type = received.body, received.headers.get("content-type") or ""
    assert body is not None
    names = ("accept", "accept-encoding", "accept-language")
    headers = {name: ", ".join(received.headers.all(name)) for name in names}
    headers["accept-encoding"] = headers["accept-encoding"] or "identity"
    if not content_type.startswith("multipart/"):
        return body, {**headers, "content-type": content_type}
    # The length of the boundary is kept, so that of the body is, too.
    return body.replace(boundary_of(content_type), b"boundary"), headers


def assert_equal(direct: Received, through: Received) -> None:
    """The same request, apart from what is the gateway's to say."""
    assert (through.method, through.target) == (direct.method, direct.target)
    (expected, headers), (found, forwarded) = comparable(direct), comparable(through)
    assert_same(found, expected)
    assert forwarded == headers
    if not direct.chunked:
        assert through.headers.get("content-length") == direct.headers.get("content-length")
    assert through.headers.get("x-forwarded-for") == HOST


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way[0]}{way[1]}")
@pytest.mark.parametrize("client", FORM_CLIENTS, ids=spoken)
def test_forms(
    request: pytest.FixtureRequest, service: Service, client: FormClient, way: tuple[str, str], directory: Path
) -> None:
    """Byte for byte, and so is the answer."""
    gateway: RunningGateway = request.getfixturevalue(way[0])
    parts = form_of(huge=False)

    told_directly = client(f"{service.url}{way[1]}", parts, directory)
    told_through = client(f"{gateway.url}{way[1]}", parts, directory)

    direct, through = service.received
    assert_equal(direct, through)
    assert told_through == told_directly
    assert told_directly[0] == 201
    # The client has sent what it was to send: a comparison of two empty forms would say nothing.
    sent = split_multipart(direct.body or b"", boundary_of(direct.headers.get("content-type")))
    assert [content for _, content in sent] == [part.content(directory) for part in parts]
    assert [f'name="{part.name}"'.encode() in headers for part, (headers, _) in zip(parts, sent, strict=True)]


@pytest.mark.parametrize("client", HUGE_CLIENTS, ids=spoken)
def test_a_large_form(gateway: RunningGateway, service: Service, client: FormClient, directory: Path) -> None:
    """20 MiB, which no buffer on the way holds."""
    parts = form_of(huge=True)

    told_directly = client(f"{service.url}/live", parts, directory)
    told_through = client(f"{gateway.url}/live", parts, directory)

    direct, through = service.received
    assert direct.length > HUGE_BYTES
    assert_equal(direct, through)
    assert told_through == told_directly


@pytest.mark.parametrize("path", ["/raw", "/raw-chunked"])
@pytest.mark.parametrize("client", FILE_CLIENTS, ids=spoken)
def test_bare_files(gateway: RunningGateway, service: Service, client: FileClient, path: str, directory: Path) -> None:
    """PUT and POST, with a length and without: the body is the file, and the method is the client's."""
    file = bare_file(directory)

    told_directly = client(f"{service.url}{path}", file, "application/pdf")
    told_through = client(f"{gateway.url}{path}", file, "application/pdf")

    direct, through = service.received
    assert_equal(direct, through)
    assert told_through == told_directly
    assert told_directly[0] == 201
    assert_same(direct.body or b"", file.read_bytes())


@contextmanager
def application(configuration: str, directory: Path) -> Iterator[Gateway]:
    directory.joinpath("gateway.yaml").write_text(configuration, "utf-8")
    settings = load(directory / "gateway.yaml")
    settings = settings.model_copy(update={"gateway": settings.gateway.model_copy(update={"state": str(directory)})})
    gateway = Gateway(setup_of(settings, cores=1))
    try:
        yield gateway
    finally:
        gateway.close()


@pytest.mark.parametrize("path", ["/live", "/whole", "/chunked"])
@pytest.mark.parametrize("file", ["small.txt", "large.bin"])
def test_flasks_own_client(
    service: Service, configuration: str, directory: Path, tmp_path: Path, path: str, file: str
) -> None:
    """The application in a test of somebody's own, without any server."""
    content = io.BytesIO(directory.joinpath(file).read_bytes())
    data = {"title": "Größe", "tag": ["a", "b"], "file": (content, "Übersicht.txt", "text/plain")}
    builder = EnvironBuilder(path, method="POST", data=data)
    environ = builder.get_environ()
    # It writes an empty line before the first delimiter, which is preamble.
    body = environ["wsgi.input"].read().removeprefix(b"\r\n")
    environ["wsgi.input"].seek(0)
    with application(configuration, tmp_path) as gateway:
        response = create_app(gateway).test_client().open(environ)

        assert (response.status_code, len(response.get_json())) == (201, 4)
        response.close()
    builder.close()
    received = service.received[0]
    boundary = boundary_of(received.headers.get("content-type"))
    assert received.body is not None
    assert_same(received.body, body.replace(boundary_of(environ["CONTENT_TYPE"]), boundary))
