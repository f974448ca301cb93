"""A real document to a real service: the answer through the gateway is the one that the service gives directly."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator

import httpx
import pytest
import requests

from gateway.testing.extraction import HANDBOOK, Extraction, extraction_service
from gateway.testing.gateways import RunningGateway, running_gateway

PAGES = json.dumps({"pages": {"extract_pages": True}})


@pytest.fixture(scope="module")
def extraction() -> Iterator[Extraction]:
    with extraction_service() as service:
        yield service


@pytest.fixture(scope="module", params=["gateway", "gunicorn"])
def gateway(request: pytest.FixtureRequest, extraction: Extraction) -> Iterator[RunningGateway]:
    with running_gateway(to=[f"text={extraction.url}"], server=request.param) as running:
        yield running


def by_curl(url: str) -> object:
    command = ["curl", "--disable", "--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "30"]
    arguments = ["-F", f"files=@{HANDBOOK}", "-F", f"config={PAGES}", url]
    return json.loads(subprocess.run([*command, *arguments], check=True, capture_output=True).stdout)


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
def test_extraction(gateway: RunningGateway, extraction: Extraction, client: Callable[[str], object]) -> None:
    """Text, pages and all that the service says about the document."""
    direct = client(extraction.url)

    through = client(f"{gateway.url}/file")

    assert through == direct
    assert isinstance(direct, list)
    assert len(direct[0]["pages"]) == 3
    assert "What a service receives is, byte for byte" in direct[0]["content"]
