"""PUT to a real WebDAV server: the path says where the file goes, through the gateway as well."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.testing import RawClient, Tap
from gateway.testing.gateways import RunningGateway
from gateway.testing.listening import HOST
from tests.e2e.sending import noise
from tests.interop.clients import Answer, FileClient, curl, file_by_curl, file_by_requests, file_by_wget_with_put
from tests.interop.files import bare_file
from tests.interop.services import ThirdParty, gateway_for, wsgidav

CLIENTS: list[FileClient] = [file_by_curl, file_by_requests, file_by_wget_with_put]

PATHS = [
    # What follows the root of the server, and where the file lies.
    ("report.pdf", "report.pdf"),
    ("sub/dir/report.pdf", "sub/dir/report.pdf"),
    ("sub/dir/na%C3%AFve%20name.bin", "sub/dir/naïve name.bin"),
    ("sub/dir/%E6%97%A5%E6%9C%AC+a&b=c;d%25e%23f%3Fg", "sub/dir/日本+a&b=c;d%e#f?g"),
    ("sub/...", "sub/..."),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThirdParty]:
    with wsgidav(tmp_path_factory.mktemp("server")) as service:
        (service.stored / "sub" / "dir").mkdir(parents=True)
        yield service


@pytest.fixture(scope="module")
def tap(server: ThirdParty) -> Iterator[Tap]:
    """Counts what the gateway sends to the server."""
    with Tap(HOST, server.port, keep=0) as tap:
        yield tap


@pytest.fixture(scope="module")
def gateway(tap: Tap) -> Iterator[RunningGateway]:
    with gateway_for("WebDAV", tap.port) as running:
        yield running


def told(answer: Answer) -> Answer:
    """The answer, without the time at the foot of the server's pages."""
    status, content = answer
    return status, re.sub(rb"<hr/>.*", b"", content, flags=re.DOTALL)


@pytest.mark.parametrize(("path", "place"), PATHS)
@pytest.mark.parametrize("client", CLIENTS)
def test_put(
    server: ThirdParty, gateway: RunningGateway, client: FileClient, path: str, place: str, directory: Path
) -> None:
    """Under the same path, with the same bytes: created, then replaced."""
    file = bare_file(directory)
    urls = f"{server.url}/{path}", f"{gateway.url}/dav/{path}"
    answers, stored = [], []

    for url in urls:
        answers.append([told(client(url, file, "application/pdf")) for _ in range(2)])
        stored.append(server.take_all())

    assert stored[1] == stored[0] == {place: file.read_bytes()}
    assert answers[1] == answers[0]
    assert [status for status, _ in answers[1]] == [201, 204]


def test_other_bytes_replace_a_file(server: ThirdParty, gateway: RunningGateway, tmp_path: Path) -> None:
    """A shorter file takes the place of a longer one, and an empty one its place."""
    file = tmp_path / "file"
    for content in (noise(100_000), noise(70_000, seed=2), b""):
        file.write_bytes(content)

        assert curl("-T", file, f"{gateway.url}/dav/sub/file")[0] in {201, 204}

        assert server.contents() == {"sub/file": content}
    server.take_all()


@pytest.mark.parametrize("path", ["absent/report.pdf", "report.pdf/below.pdf", "sub/dir"])
def test_what_the_server_refuses(server: ThirdParty, gateway: RunningGateway, path: str, directory: Path) -> None:
    """No such directory, or no file: the server's own words."""
    file = bare_file(directory)
    before = server.contents()

    direct = told(file_by_requests(f"{server.url}/{path}", file, "application/pdf"))
    through = told(file_by_requests(f"{gateway.url}/dav/{path}", file, "application/pdf"))

    assert through == direct
    assert through[0] in {405, 409}
    assert server.contents() == before


@pytest.mark.parametrize(
    "path",
    [
        "/dav/../escaped",
        "/dav/sub/../../escaped",
        "/dav/sub/%2e%2e/escaped",
        "/dav/%2E%2E%2Fescaped",
        "/dav/sub/..%2f..%2fescaped",
        "/dav/sub/..%5Cescaped",
        "/dav/./escaped",
        "/dav/sub/dir/..",
    ],
)
def test_no_path_leads_up(server: ThirdParty, tap: Tap, gateway: RunningGateway, path: str) -> None:
    """Sent as it stands here, which few clients do: refused by the gateway, and the server never hears of it."""
    before = [passage.sent_length for passage in tap.passages]

    with RawClient(HOST, gateway.port) as client:
        answer = client.post(path, b"escaped", [("Content-Type", "application/pdf")], method="PUT")

    assert (answer.status, answer.headers.get("content-type")) == (400, "application/problem+json")
    assert [passage.sent_length for passage in tap.passages] == before
    assert server.contents() == {}
    assert not (server.stored.parent / "escaped").exists()
