"""A real document to a real service: the answer through the gateway is the one that the service gives directly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Literal

import httpx
import pytest
import requests

from gateway.testing.extraction import HANDBOOK, Extraction, extraction_service
from gateway.testing.gateways import running_gateway
from tests.interop.clients import curl
from tests.interop.services import configuration_for

PAGES = json.dumps({"pages": {"extract_pages": True}})


@pytest.fixture(scope="module")
def extraction() -> Iterator[Extraction]:
    with extraction_service() as service:
        yield service


@pytest.fixture(scope="module", params=["documented", "to", "gunicorn"])
def gateway(request: pytest.FixtureRequest, extraction: Extraction) -> Iterator[str]:
    """Where forms are posted to: as the documentation has it, without a file, and without the gateway's hooks."""
    if request.param == "documented":
        # Where kreuzberg has no wheel, our own extractor takes its place, at another path.
        config = configuration_for("kreuzberg", extraction.port).replace("/extract\n", f"{extraction.path}\n")
        with running_gateway(config=config) as running:
            yield f"{running.url}/text"
    else:
        plain: Literal["gateway", "gunicorn"] = "gunicorn" if request.param == "gunicorn" else "gateway"
        with running_gateway(to=[f"text={extraction.url}"], server=plain) as running:
            yield f"{running.url}/file"


def by_curl(url: str) -> object:
    status, content = curl("-F", f"files=@{HANDBOOK}", "-F", f"config={PAGES}", url)
    assert status == 200
    return json.loads(content)


def by_requests(url: str) -> object:
    with requests.Session() as session, HANDBOOK.open("rb") as file:
        session.trust_env = False
        files = {"files": (HANDBOOK.name, file, "application/pdf")}
        response = session.post(url, files=files, data={"config": PAGES}, timeout=30)
    response.raise_for_status()
    return response.json()


def by_httpx(url: str) -> object:
    with httpx.Client(trust_env=False, timeout=30) as client, HANDBOOK.open("rb") as file:
        files = {"files": (HANDBOOK.name, file, "application/pdf")}
        return client.post(url, files=files, data={"config": PAGES}).raise_for_status().json()


@pytest.mark.parametrize("client", [by_curl, by_requests, by_httpx])
def test_extraction(gateway: str, extraction: Extraction, client: Callable[[str], object]) -> None:
    """Text, pages and all that the service says about the document."""
    direct = client(extraction.url)

    through = client(gateway)

    assert through == direct
    assert isinstance(direct, list)
    assert len(direct[0]["pages"]) == 3
    assert "What a service receives is, byte for byte" in direct[0]["content"]
