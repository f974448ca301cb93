"""Forms to a real file server: what lies on its disk, and what it says about it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.clients import (
    Answer,
    FormClient,
    form_by_aiohttp,
    form_by_curl,
    form_by_curl_in_chunks,
    form_by_httpx,
    form_by_requests,
    form_by_toolbelt,
    form_by_toolbelt_in_chunks,
)
from tests.interop.files import PARTS, Part
from tests.interop.services import ThirdParty, copyparty, gateway_for

ACT = Part(name="act", text="bput")
FILES = tuple(part for part in PARTS if part.file)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThirdParty]:
    with copyparty(tmp_path_factory.mktemp("server")) as service:
        yield service


@pytest.fixture(scope="module")
def gateway(server: ThirdParty) -> Iterator[str]:
    """Where those post to that know copyparty."""
    with gateway_for("copyparty", server.port) as running:
        yield f"{running.url}/inbox"


@pytest.fixture(scope="module")
def adding_gateway(server: ThirdParty) -> Iterator[str]:
    """Where those post to that do not."""
    with gateway_for("copyparty, 2", server.port) as running:
        yield f"{running.url}/inbox"


def address(server: ThirdParty) -> str:
    """Where one posts to that asks the server itself."""
    return f"{server.url}/inbox/?j"


def told(answer: Answer, url: str) -> tuple[int, dict[str, object]]:
    """The answer, with paths for addresses, and without the speed that copyparty measured.

    Addresses in it are those at which the client asked: also at the gateway, by X-Forwarded-Host.
    """
    status, content = answer
    base = url.removesuffix("/inbox").encode()
    assert b'"url": "' + base + b"/inbox/" in content
    document: dict[str, object] = json.loads(content.replace(base, b""))
    document.pop("mbps")
    return status, document


@pytest.mark.parametrize("client", [form_by_requests, form_by_toolbelt, form_by_httpx, form_by_aiohttp, form_by_curl])
def test_files_of_a_form(server: ThirdParty, gateway: str, client: FormClient, directory: Path) -> None:
    """Their names, also such as are not ASCII, their bytes, and the answer with names, hashes and addresses."""
    direct = told(client(address(server), [ACT, *FILES], directory), server.url)
    stored_directly = server.take_all()

    through, stored = told(client(gateway, [ACT, *FILES], directory), gateway), server.take_all()

    assert stored == stored_directly
    assert sorted(stored.values()) == sorted(part.content(directory) for part in FILES)
    assert through == direct
    assert through[0] == 201
    if client is not form_by_aiohttp:  # which writes such names percent-encoded
        assert "inbox/Übersicht 日本.txt" in stored


def test_a_form_that_lacks_what_the_server_wants(server: ThirdParty, adding_gateway: str, directory: Path) -> None:
    """The gateway adds the field, so that the server sees the form of a client that knows it."""
    direct = told(form_by_curl(address(server), [ACT, *FILES], directory), server.url)
    stored_directly = server.take_all()

    for parts in (FILES, (*FILES, ACT), (ACT, *FILES)):
        through = told(form_by_curl(adding_gateway, parts, directory), adding_gateway)

        assert through == direct
        assert server.take_all() == stored_directly


@pytest.mark.parametrize("client", [form_by_toolbelt_in_chunks, form_by_curl_in_chunks])
def test_chunks_do_not_get_into_the_files(
    server: ThirdParty, gateway: str, client: FormClient, directory: Path
) -> None:
    """This server takes the framing of a chunked form for content. The gateway sends it a length."""
    client(address(server), [ACT, *FILES], directory)
    # If this fails, copyparty has learnt it: then such clients belong to those above.
    assert sorted(server.take_all().values()) != sorted(part.content(directory) for part in FILES)

    status, _ = client(gateway, [ACT, *FILES], directory)

    assert status == 201
    assert sorted(server.take_all().values()) == sorted(part.content(directory) for part in FILES)
