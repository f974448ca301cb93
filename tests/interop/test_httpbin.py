"""httpbin says what it understood of a request: through the gateway it understands the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.interop.clients import Answer, FormClient, form_by_aiohttp, form_by_curl, form_by_httpx, form_by_requests
from tests.interop.files import PARTS, Part
from tests.interop.services import ThirdParty, gateway_for, httpbin

ADDED = {"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Request-Id"}
"""What the gateway says about the client and the request."""

FORMS = tuple(part for part in PARTS if part.file != "large.bin")
LARGE = tuple(part for part in PARTS if part.file == "large.bin")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThirdParty]:
    with httpbin(tmp_path_factory.mktemp("server")) as service:
        yield service


@pytest.fixture(scope="module")
def gateway(server: ThirdParty) -> Iterator[str]:
    """What takes the place of the service's address."""
    with gateway_for("httpbin", server.port) as running:
        yield f"{running.url}/echo"


def understood(answer: Answer) -> tuple[int, dict[str, Any]]:
    """The answer without the boundary and without what the gateway adds."""
    status, content = answer
    document: dict[str, Any] = json.loads(content)
    headers = {name: value for name, value in document["headers"].items() if name not in ADDED}
    kind, found, _ = headers["Content-Type"].partition("boundary=")
    assert found
    headers["Content-Type"] = kind
    # To have none means to take anything, which few clients want that do not say so: the gateway asks for identity.
    headers.setdefault("Accept-Encoding", "identity")
    # Whether a connection is kept open is between two neighbours.
    headers.pop("Connection", None)
    return status, {**document, "headers": headers}


@pytest.mark.parametrize("parts", [FORMS, LARGE], ids=["several", "large"])
@pytest.mark.parametrize("path", ["/post", "/anything", "/anything/a%20b/%C3%BC?x=1&y=%C3%BC&x=2&z"])
@pytest.mark.parametrize("client", [form_by_requests, form_by_httpx, form_by_aiohttp, form_by_curl])
def test_forms(
    server: ThirdParty, gateway: str, client: FormClient, path: str, parts: Sequence[Part], directory: Path
) -> None:
    """Files, fields, path, query, and every header of the client."""
    direct = understood(client(f"{server.url}{path}", parts, directory))

    through = understood(client(f"{gateway}{path}", parts, directory))

    assert through == direct
    status, document = direct
    assert status == 200
    assert len(document["files"]) + len(document["form"]) >= len(parts) > 0


def test_put(server: ThirdParty, gateway: str) -> None:
    """The method is the client's; so are cookies, credentials and headers of its own."""
    form: dict[str, Any] = {
        "data": {"title": "Größe"},
        "files": {"file": ("Übersicht.txt", b"The quick brown fox.", "text/plain")},
    }
    headers: dict[str, str | bytes] = {
        "Authorization": "Bearer token",
        "Cookie": "a=b; c=d",
        "X-Of-My-Own": "ü".encode(),
    }
    answers = []
    for base in (server.url, gateway):
        with requests.Session() as session:
            session.trust_env = False
            response = session.put(f"{base}/put", **form, headers=headers, timeout=20)
            answers.append(understood((response.status_code, response.content)))

    assert answers[1] == answers[0]
    status, document = answers[0]
    assert (status, document["form"], document["files"]) == (
        200,
        {"title": "Größe"},
        {"file": "The quick brown fox."},
    )
    assert {"Authorization", "Cookie", "X-Of-My-Own"} <= document["headers"].keys()


@pytest.mark.parametrize("status", [201, 204, 400, 401, 404, 418, 429, 500, 503])
def test_statuses(server: ThirdParty, gateway: str, status: int, directory: Path) -> None:
    """What the service says is what the client is told, whatever the gateway thinks of it."""
    direct = form_by_requests(f"{server.url}/status/{status}", FORMS, directory)

    through = form_by_requests(f"{gateway}/status/{status}", FORMS, directory)

    assert through == direct
    assert through[0] == status
