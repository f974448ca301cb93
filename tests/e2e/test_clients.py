"""Real clients: what a service gets through the gateway is what it would get from the client itself.

Every client sends the same upload twice, once to the recording service and once to the gateway in front of it.
Only the boundary may differ, and the headers that are about the connection or say where the upload came from.
"""

from __future__ import annotations

import http.client
import io
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import requests
import urllib3
from requests_toolbelt import MultipartEncoder
from werkzeug.test import EnvironBuilder

from gateway.gateway import Gateway, setup_of
from gateway.settings.load import load
from gateway.testing import Received, Tap, boundary_of
from gateway.testing.listening import HOST
from gateway.web.app import create_app
from tests.e2e.sending import Front, Service, assert_same, assert_unchanged, bare, form, noise, send, single_file

SMALL = b"The quick brown fox.\r\n"
LARGE = noise(300_000)
HUGE = noise(3 * 2**20)
FIELDS = [("title", 'Größe "x"'), ("tag", "a"), ("tag", "b"), ("empty", "")]
FILES = [
    ("file", ("Übersicht.txt", SMALL, "text/plain")),
    ("file", ('a"b.bin', LARGE, "image/png")),
    ("none", ("e", b"", "a/b")),
]

Client = Callable[[str, Path], bytes]
"""Sends the upload to a URL, and returns the body of the answer, which was 200; files are in the directory."""


def by_requests(url: str, _: Path) -> bytes:
    with requests.Session() as session:
        session.trust_env = False
        response = session.post(url, data=FIELDS, files=FILES, timeout=20)
    response.raise_for_status()
    return response.content


def by_toolbelt(url: str, _: Path) -> bytes:
    encoder = MultipartEncoder([*FIELDS, *FILES])
    with requests.Session() as session:
        session.trust_env = False
        response = session.post(url, data=encoder, headers={"Content-Type": encoder.content_type}, timeout=20)
    response.raise_for_status()
    return response.content


def by_toolbelt_in_chunks(url: str, _: Path) -> bytes:
    encoder = MultipartEncoder([*FIELDS, *FILES])
    blocks = iter(lambda: encoder.read(10_000), b"")
    with requests.Session() as session:
        session.trust_env = False
        response = session.post(url, data=blocks, headers={"Content-Type": encoder.content_type}, timeout=20)
    response.raise_for_status()
    return response.content


def by_httpx(url: str, _: Path) -> bytes:
    data = {"title": FIELDS[0][1], "tag": ["a", "b"], "empty": ""}
    with httpx.Client(trust_env=False, timeout=20) as client:
        return client.post(url, data=data, files=FILES).raise_for_status().content


def by_urllib3(url: str, _: Path) -> bytes:
    with urllib3.PoolManager() as pool:
        response = pool.request("POST", url, fields=[*FIELDS, *FILES], timeout=20, retries=False)
    assert response.status == 200
    return response.data


def by_http_client(url: str, _: Path) -> bytes:
    upload = form([(b'Content-Disposition: form-data; name="f"; filename="f"', LARGE)], b"a-boundary-by-hand")
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=20)
    connection.request("POST", f"/{path}", io.BytesIO(upload.body), {"Content-Type": upload.content_type})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    assert response.status == 200
    return content


def curl(*arguments: str) -> bytes:
    command = [
        "curl",
        "--disable",
        "--silent",
        "--show-error",
        "--fail",
        "--noproxy",
        "*",
        "--max-time",
        "20",
        *arguments,
    ]
    return subprocess.run(command, check=True, capture_output=True).stdout


def by_curl(url: str, directory: Path) -> bytes:
    form_fields = [word for name, value in FIELDS for word in ("--form-string", f"{name}={value}")]
    files = [
        "-F",
        f"file=@{directory / 'small.txt'};filename=Übersicht.txt",
        "-F",
        f'file=@{directory / "large.bin"};filename="a\\"b"',
    ]
    return curl(*form_fields, *files, "-F", 'json={"a": 1};type=application/json', url)


def by_curl_in_chunks(url: str, directory: Path) -> bytes:
    return curl("-H", "Transfer-Encoding: chunked", "-F", f"file=@{directory / 'large.bin'}", url)


def by_curl_from_a_pipe(url: str, directory: Path) -> bytes:
    return curl("-F", f"file=<{directory / 'small.txt'}", "-F", f"file=@{directory / 'huge.bin'}", url)


CLIENTS: list[Client] = [
    by_requests,
    by_toolbelt,
    by_toolbelt_in_chunks,
    by_httpx,
    by_urllib3,
    by_http_client,
    by_curl,
    by_curl_in_chunks,
    by_curl_from_a_pipe,
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that are sent."""
    directory = tmp_path_factory.mktemp("files")
    for name, content in (("small.txt", SMALL), ("large.bin", LARGE), ("huge.bin", HUGE)):
        directory.joinpath(name).write_bytes(content)
    return directory


def comparable(received: Received) -> tuple[bytes, dict[str, str]]:
    """The body with a boundary of ours, and the headers that the client chooses for the service to see."""
    content_type = received.headers.get("content-type") or ""
    boundary = boundary_of(content_type)
    assert received.body is not None
    headers = {name: received.headers.get(name) or "" for name in ("accept", "accept-encoding", "accept-language")}
    headers["accept-encoding"] = headers["accept-encoding"] or "identity"
    # The length of the boundary is kept, so that of the body is, too.
    return received.body.replace(boundary, b"boundary"), headers


@pytest.mark.parametrize("path", ["/live", "/whole", "/chunked"])
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__.removeprefix("by_").replace("_", " "))
def test_as_if_sent_directly(front: Front, service: Service, client: Client, path: str, directory: Path) -> None:
    """Byte for byte, and so is the answer."""
    client(f"{service.url}{path}", directory)
    content = client(f"{front.url}{path}", directory)

    direct, through = service.received
    assert (through.method, through.target) == (direct.method, direct.target)
    (expected, headers), (found, forwarded) = comparable(direct), comparable(through)
    assert_same(found, expected)
    assert forwarded == headers
    assert json.loads(content)["sha256"] == through.sha256
    if not direct.chunked:
        assert through.headers.get("content-length") == direct.headers.get("content-length")
    assert through.headers.get("x-forwarded-for") == HOST


def test_bare_files_by_curl(front: Front, service: Service, directory: Path) -> None:
    """`curl -T` and `--data-binary`: PUT and POST, with and without a length."""
    for arguments in (
        ["-T", str(directory / "huge.bin")],
        ["-T", str(directory / "large.bin"), "-H", "Transfer-Encoding: chunked"],
        ["--data-binary", f"@{directory / 'large.bin'}"],
        ["--data-binary", f"@{directory / 'huge.bin'}", "-H", "Transfer-Encoding: chunked"],
    ):
        for path in ("/raw", "/raw-chunked"):
            service.forget()
            curl("-H", "Content-Type: application/pdf", *arguments, f"{front.url}{path}")

            assert_unchanged(service, bare(HUGE if "huge" in " ".join(arguments) else LARGE))


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
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_flasks_own_client(service: Service, configuration: str, tmp_path: Path, path: str, content: bytes) -> None:
    """The application in a test of somebody's own, without any server."""
    data = {"title": "Größe", "tag": ["a", "b"], "file": (io.BytesIO(content), "Übersicht.txt", "text/plain")}
    builder = EnvironBuilder(path, method="POST", data=data)
    environ = builder.get_environ()
    # It writes an empty line before the first delimiter, which is preamble.
    body = environ["wsgi.input"].read().removeprefix(b"\r\n")
    environ["wsgi.input"].seek(0)
    with application(configuration, tmp_path) as gateway:
        response = create_app(gateway).test_client().open(environ)

        assert (response.status_code, response.get_json()["length"]) == (200, len(body))
        response.close()
    builder.close()
    received = service.received[0]
    boundary = boundary_of(received.headers.get("content-type"))
    assert received.body is not None
    assert_same(received.body, body.replace(boundary_of(environ["CONTENT_TYPE"]), boundary))


# --- Expect: 100-continue ----------------------------------------------------------------------------


def test_curl_waits_for_the_go_ahead(own: Front, service: Service, directory: Path) -> None:
    """curl asks before it sends a large body, and would wait a second for the answer."""
    with Tap(HOST, own.port) as tap:
        url = f"http://{HOST}:{tap.port}"
        curl("-H", "Expect: 100-continue", "-F", f"file=@{directory / 'huge.bin'}", f"{url}/live")
        with pytest.raises(subprocess.CalledProcessError):
            curl("-H", "Expect: 100-continue", "-F", f"file=@{directory / 'huge.bin'}", f"{url}/nowhere")

        taken, refused = tap.passages
    assert b"\r\nExpect: 100-continue\r\n" in taken.sent
    assert taken.answered.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert len(service.received) == 1
    assert b"\r\nExpect: 100-continue\r\n" in refused.sent
    assert refused.answered.startswith(b"HTTP/1.1 404 ")
    assert refused.sent_length < 10_000


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/live", "/whole", "/chunked"])
@pytest.mark.parametrize("size", [0, 10, 70_000])
def test_the_go_ahead_comes_once(own: Front, service: Service, path: str, size: int, chunked: bool) -> None:
    """When the body is wanted, and not again for the next upload on the connection."""
    upload = single_file(noise(size))
    with own.client() as client:
        for _ in range(2):
            service.forget()
            headers = [("Content-Type", upload.content_type)]
            answer = client.post(path, upload.body, headers, chunked=chunked, expect=True)

            assert (answer.status, answer.interim, answer.closed) == (200, (100,), False)
            assert_unchanged(service, upload)
        assert send(client, path, upload).interim == ()


REFUSED = [
    ("/nowhere", "POST", "multipart/form-data; boundary=b", 404),
    ("/live", "DELETE", "multipart/form-data; boundary=b", 405),
    ("/forms", "POST", "text/plain", 415),
    ("/live", "POST", "multipart/form-data", 400),
    ("/live", "POST", "multipart/mixed; boundary=b", 415),
]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("path", "method", "content_type", "status"), REFUSED)
def test_no_go_ahead_before_a_refusal(
    own: Front, service: Service, path: str, method: str, content_type: str, status: int, chunked: bool
) -> None:
    """The client has sent nothing of the body, and need not; nothing else comes on the connection."""
    with own.client() as client:
        answer = client.post(
            path, b"x" * 100, [("Content-Type", content_type)], method=method, chunked=chunked, expect=True
        )

        assert (answer.status, answer.interim, answer.request_sent) == (status, (), False)
        assert answer.closed
        assert client.is_closed_by_server()


def test_no_go_ahead_for_what_is_too_large(own: Front, service: Service) -> None:
    """A length over the limit is known before the body is."""
    headers = [("Content-Type", "application/pdf"), ("Content-Length", str(2**40))]
    with own.client() as client:
        answer = client.post("/raw", [], headers, expect=True)

        assert (answer.status, answer.interim, answer.closed) == (413, (), True)
        assert client.is_closed_by_server()


def test_no_go_ahead_without_a_body(own: Front, service: Service) -> None:
    """Nothing is awaited, so nothing is answered but the request; least of all behind its answer."""
    with own.client() as client:
        for path, status in (("/raw", 200), ("/live", 400)):
            content_type = "text/plain" if path == "/raw" else "multipart/form-data; boundary=b"
            client.send(
                f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: 0\r\n"
                "Expect: 100-continue\r\n\r\n".encode()
            )
            answer = client.read_response()
            assert (answer.status, answer.interim) == (status, ())
            client.send(b"GET /-/health HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n")
            answer = client.read_response(method="GET")
            assert (answer.status, answer.interim) == (200, ())
        client.send(b"GET /-/health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.read_response(method="GET").interim == ()


def test_a_client_that_does_not_wait(own: Front, service: Service) -> None:
    """The body is there at once: the go-ahead may come, and harms nobody."""
    upload = single_file(noise(70_000))
    with own.client() as client:
        for _ in range(2):
            service.forget()
            answer = client.post(
                "/live", upload.body, [("Content-Type", upload.content_type), ("Expect", "100-continue")]
            )

            assert (answer.status, answer.closed) == (200, False)
            assert_unchanged(service, upload)
