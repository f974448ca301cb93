"""What the tests with other people's programs share: the files, a service that records, and the gateway before it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.testing import Received, answer_bytes, boundary_of, split_multipart
from gateway.testing.gateways import RunningGateway, running_gateway
from tests.e2e.sending import Service
from tests.interop.clients import SCRIPTS
from tests.interop.files import write_files
from tests.machine import find_program

ROUTES: dict[str, dict[str, object]] = {
    "live": {},
    "whole": {"deliver": "whole"},
    "chunked": {"body": "chunked"},
    "raw": {"send": {"as": "raw"}, "method": "same"},
    "raw-chunked": {"send": {"as": "raw"}, "method": "same", "body": "chunked"},
}
"""One service and one route for each, of that name; all take forms and bare files."""


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that are sent."""
    directory = tmp_path_factory.mktemp("files")
    write_files(directory)
    return directory


@pytest.fixture(scope="session")
def recording() -> Iterator[Service]:
    """The service behind every route, for the whole session; tests take `service`."""
    with Service() as service:
        service.respond = enumerated
        yield service


@pytest.fixture
def service(recording: Service) -> Iterator[Service]:
    """The service behind every route, with nothing received yet. An invalid request to it fails the test."""
    before = len(recording.failures)
    recording.forget()
    yield recording
    recording.forget()
    assert recording.failures[before:] == ()


def enumerated(received: Received) -> bytes:
    """An answer that tells all that came, and in which no boundary occurs."""
    content_type = received.headers.get("content-type") or ""
    parts = [(b"", received.body or b"")]
    if content_type.startswith("multipart/"):
        parts = split_multipart(received.body or b"", boundary_of(content_type))
    told = [
        [headers.decode("latin-1"), len(content), hashlib.sha256(content).hexdigest()] for headers, content in parts
    ]
    return answer_bytes(201, json.dumps(told).encode(), [("Content-Type", "application/json"), ("X-From", "service")])


@pytest.fixture(scope="session")
def configuration(recording: Service) -> str:
    """The text of the configuration of every gateway here."""
    both = {"bodies": ["multipart", "raw"]}
    services = {name: {"url": f"{recording.url}/{name}", **more} for name, more in ROUTES.items()}
    routes = {name: {"path": f"/{name}", "to": name, "accept": both} for name in services}
    # JSON is YAML as well.
    return json.dumps({"services": services, "routes": routes})


@pytest.fixture(scope="session")
def gateway(configuration: str) -> Iterator[RunningGateway]:
    """`gateway serve`, for the whole session."""
    with running_gateway(config=configuration) as running:
        yield running


@pytest.fixture(scope="session")
def gateway_by_gunicorn(configuration: str) -> Iterator[RunningGateway]:
    """The same application under plain gunicorn, which reads the clients' sockets itself."""
    with running_gateway(config=configuration, server="gunicorn") as running:
        yield running


@pytest.fixture(scope="session")
def node_packages() -> None:
    """What Node's clients need, installed beside them from the lock file, once for each state of it."""
    npm = find_program("npm", package="npm")
    lock = SCRIPTS / "package-lock.json"
    stamp = SCRIPTS / "node_modules" / "installed"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    held = os.open(SCRIPTS, os.O_RDONLY)
    try:
        # Tests run in several processes, and one installation is enough.
        fcntl.flock(held, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text() == digest:
            return
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(
            command, cwd=SCRIPTS, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100
        )
        assert done.returncode == 0, done.stdout.decode(errors="replace")
        stamp.write_text(digest)
    finally:
        os.close(held)
