"""A preview is what the service really gets: compared with what it did get, byte for byte."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.testing import RecordingService, boundary_of, field_part, file_part, multipart
from gateway.testing.gateways import RunningGateway, running_gateway
from tests.e2e.honesty import assert_problem, noise, opened

SERVICES: dict[str, dict[str, Any]] = {
    "copied": {},
    "added": {"send": {"add": {"lang": "en", "options": {"json": {"brief": True}}}}},
    "shaped": {"send": {"rename": {"file": "document"}, "drop": ["language"], "filename": "ascii"}},
    "raw": {"send": {"as": "raw", "only": ["file"]}},
    "json": {"send": {"as": "json"}, "forward": {"query": "all"}},
    "chunked": {"body": "chunked", "method": "PUT"},
}
SECRET = "correct-horse-battery"
BOUNDARY = b"boundary-of-the-client"
FORM = multipart(
    [field_part("language", b"en"), file_part("file", "Übersicht.bin", noise(90_000)), field_part("last", b"")],
    BOUNDARY,
)
HEADERS = [("Content-Type", f"multipart/form-data; boundary={BOUNDARY.decode()}"), ("Accept", "application/json")]


@pytest.fixture(scope="module")
def service() -> Iterator[RecordingService]:
    with RecordingService() as service:
        yield service


@pytest.fixture(scope="module")
def gateway(service: RecordingService) -> Iterator[RunningGateway]:
    services = {name: {"url": f"{service.url}/{name}", **more} for name, more in SERVICES.items()}
    services["secret"] = {
        "url": f"{service.url}/secret",
        "headers": {"Authorization": "Bearer ${KEY}"},
        "query": {"token": "${KEY}"},
        "send": {"add": {"password": "${KEY}"}},
    }
    routes = {name: {"path": f"/{name}", "to": name, "accept": {"bodies": ["multipart", "raw"]}} for name in services}
    configuration = json.dumps({"services": services, "routes": routes})
    with running_gateway(config=configuration, environment={"KEY": SECRET}) as running:
        yield running


def head_lines(head: bytes) -> list[str]:
    """Without what differs from one request to the next by its nature."""
    lines = re.sub(rb"boundary=\w+", b"boundary=B", head).decode("latin-1").split("\r\n")
    return [line for line in lines if not line.startswith("X-Request-Id: ")]


def previewed(gateway: RunningGateway, route: str) -> dict[str, Any]:
    with opened(gateway) as client:
        answer = client.post(f"/-/preview/{route}?mode=a%20b", FORM, HEADERS)
    assert answer.status == 200, answer
    document = json.loads(answer.body)
    (request,) = document["requests"]
    found: dict[str, Any] = request
    return found


@pytest.mark.parametrize("route", SERVICES)
def test_a_preview_is_the_request_that_would_be_sent(
    gateway: RunningGateway, service: RecordingService, route: str
) -> None:
    shown = previewed(gateway, route)
    assert service.received == []
    with opened(gateway) as client:
        client.post(f"/{route}?mode=a%20b", FORM, HEADERS)
    (received,) = service.received
    service.forget()

    assert head_lines(shown["head"].encode("latin-1")) == head_lines(received.head)
    assert shown["chunked"] is received.chunked
    assert received.body is not None
    assert shown["body"]["size"] == len(received.body)
    if "boundary=" in shown["head"]:
        # The same body, but for the boundary that each has made for itself.
        theirs, ours = (
            boundary_of(received.headers.get("content-type") or ""),
            re.search("boundary=(\\w+)", shown["head"]),
        )
        assert ours is not None
        expected = received.body.replace(theirs, ours[1].encode())
        assert shown["body"]["sha256"] == hashlib.sha256(expected).hexdigest()
    else:
        assert shown["body"]["sha256"] == received.sha256


def test_a_preview_shows_no_secret(gateway: RunningGateway) -> None:
    shown = previewed(gateway, "secret")

    text = json.dumps(shown)
    assert SECRET not in text
    assert "Authorization: Bearer ${KEY}\r\n" in shown["head"]
    assert "(hidden)" in [line["text"] for line in shown["body"]["lines"]]


def test_a_preview_for_people_is_text(gateway: RunningGateway) -> None:
    with opened(gateway) as client:
        answer = client.post("/-/preview/copied", FORM, HEADERS[:1])

    assert answer.headers.get("content-type") == "text/plain; charset=utf-8"
    lines = answer.body.decode().splitlines()
    assert lines[0] == "route copied, service copied: live, while the upload still arrives"
    assert 'Content-Disposition: form-data; name="file"; filename="Übersicht.bin"␍␊' in answer.body.decode()
    assert lines[-1].startswith("body 90,")


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "code"),
    [
        ("/-/preview/nobody", FORM, HEADERS, 404, "route_unknown"),
        ("/-/preview/copied", FORM[:-10], HEADERS, 400, "closing_delimiter_missing"),
        ("/-/preview/copied", FORM, [*HEADERS, ("Host", "evil.test")], 403, "local_only"),
        ("/-/preview/copied", FORM, [*HEADERS, ("Via", "1.1 proxy")], 403, "local_only"),
        ("/-/preview/copied", FORM, [*HEADERS, ("Origin", "http://evil.test")], 403, "local_only"),
    ],
)
def test_a_preview_is_refused_as_an_upload_would_be_and_to_others(
    gateway: RunningGateway, path: str, body: bytes, headers: list[tuple[str, str]], status: int, code: str
) -> None:
    with opened(gateway) as client:
        assert_problem(client.post(path, body, headers), status, code)


# --- the command -------------------------------------------------------------------------------


def command(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", "preview", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_shows_what_would_be_sent(tmp_path: Path, service: RecordingService) -> None:
    content = noise(3_000_000)
    tmp_path.joinpath("report.bin").write_bytes(content)

    shown = command("report.bin", "-F", "lang=en", "--to", f"text={service.url}/x?y=1", "--json", directory=tmp_path)

    document = json.loads(shown.stdout)
    (request,) = document["requests"]
    assert (shown.returncode, document["live"], service.received) == (0, True, [])
    assert request["head"].startswith("POST /x?y=1 HTTP/1.1\r\n")
    digest = hashlib.sha256(content).hexdigest()
    assert any(line["text"].endswith(f"all 3,000,000 have sha256 {digest}") for line in request["body"]["lines"])


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["--to", "a=http://x/"], 2, "expected a FILE or -F"),
        (["-F", "a", "--to", "a=http://x/"], 2, "expected NAME=TEXT"),
        (["absent.bin", "--to", "a=http://x/"], 2, "does not exist"),
        (["-F", "a=b", "--config", "absent.yaml"], 1, "there is no such file"),
        (["-F", "a=b", "--config", "two.yaml"], 2, "expected --route with the name of a route (one, two)"),
        (["-F", "a=b", "--config", "two.yaml", "--route", "three"], 2, "found 'three'"),
        (["-F", "a=b", "--config", "two.yaml", "--route", "two"], 1, "code: file_expected"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path: Path, arguments: list[str], status: int, told: str) -> None:
    document = {
        "services": {"form": {"url": "http://text.test/"}, "file": {"url": "http://text.test/", "send": {"as": "raw"}}},
        "routes": {"one": {"path": "/one", "to": "form"}, "two": {"path": "/two", "to": "file"}},
    }
    tmp_path.joinpath("two.yaml").write_text(json.dumps(document))

    done = command(*arguments, directory=tmp_path)

    assert (done.returncode, done.stdout) == (status, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr
