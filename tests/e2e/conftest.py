"""What the end-to-end tests share: one recording service, and the real gateway in front of it, in three ways.

Each front is one process per session, with a route for every form of delivery: the path /live leads to the
service's /live, and so on. A front is only started when a test asks for it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.testing import ScriptedService, free_port, refused_port
from gateway.testing.gateways import RunningGateway, running_gateway
from gateway.testing.listening import HOST
from gateway.testing.peers import answer_early_and_half_close
from gateway.testing.processes import ChildProcess, answers, python_environment
from gateway.testing.services import describe
from tests.e2e.sending import Front, Service

BODY_LIMIT = 64 * 2**20
SERVICES: dict[str, dict[str, object]] = {
    "live": {},
    "whole": {"deliver": "whole"},
    "chunked": {"body": "chunked"},
    "raw": {"send": {"as": "raw"}},
    "raw-chunked": {"send": {"as": "raw"}, "body": "chunked"},
}
"""One route for each; all take forms and bare files."""


@pytest.fixture(scope="session")
def recording() -> Iterator[Service]:
    """The service behind every route, for the whole session; tests take `service`."""
    with Service() as service:
        yield service


@pytest.fixture(scope="session")
def hasty() -> Iterator[ScriptedService]:
    """A service at /hasty that answers before it has read anything of the body, and reads on."""
    with ScriptedService(answer_early_and_half_close()) as service:
        yield service


@pytest.fixture
def service(recording: Service) -> Iterator[Service]:
    """The service behind every route, with nothing received yet. An invalid request to it fails the test."""
    before = len(recording.failures)
    recording.forget()
    yield recording
    recording.forget()
    recording.respond = describe
    assert recording.failures[before:] == ()


@pytest.fixture(scope="session")
def configuration(recording: Service, hasty: ScriptedService) -> Iterator[str]:
    """The text of the configuration of every front."""
    services = {name: {"url": f"{recording.url}/{name}", **more} for name, more in SERVICES.items()}
    services["hasty"] = {"url": hasty.url}
    both = {"bodies": ["multipart", "raw"]}
    routes = {name: {"path": f"/{name}", "to": name, "accept": both} for name in services}
    # Refusals of every kind: a route for forms only, one for bare files only, and one to a service that is not there.
    routes["forms"] = {"path": "/forms", "to": "live", "accept": {"bodies": ["multipart"]}}
    routes["files"] = {"path": "/files", "to": "raw", "accept": {"bodies": ["raw"]}}
    routes["absent"] = {"path": "/absent", "to": "absent", "accept": both}
    with refused_port() as port:
        services["absent"] = {"url": f"http://{HOST}:{port}/"}
        # JSON is YAML as well.
        yield json.dumps({"gateway": {"limits": {"body": BODY_LIMIT}}, "services": services, "routes": routes})


@pytest.fixture(scope="session")
def own(configuration: str) -> Iterator[Front]:
    """`gateway serve`: our body object reads the clients' sockets."""
    with running_gateway(config=configuration) as running:
        yield Front(kind="own", running=running)


@pytest.fixture(scope="session")
def wsgi(configuration: str) -> Iterator[Front]:
    """The same application under plain gunicorn, without our hook."""
    with running_gateway(config=configuration, server="gunicorn") as running:
        yield Front(kind="wsgi", running=running)


@pytest.fixture(scope="session")
def cheroot(configuration: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """The same application under another WSGI server."""
    with _running_cheroot(configuration, tmp_path_factory.mktemp("cheroot")) as running:
        yield Front(kind="cheroot", running=running)


@pytest.fixture(params=["own", "wsgi"])
def front(request: pytest.FixtureRequest) -> Front:
    """Both ways in which gunicorn reads bodies, one after the other."""
    chosen: Front = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture(params=["own", "wsgi", "cheroot"])
def any_front(request: pytest.FixtureRequest) -> Front:
    """All three."""
    chosen: Front = request.getfixturevalue(request.param)
    return chosen


@contextmanager
def _running_cheroot(configuration: str, directory: Path) -> Iterator[RunningGateway]:
    port = free_port()
    directory.joinpath("gateway.yaml").write_text(configuration, "utf-8")
    directory.joinpath("front.py").write_text(
        "from gateway.web.app import create_app\n\napp = create_app('gateway.yaml')\n", "utf-8"
    )
    command = [sys.executable, "-m", "cheroot", "front:app", "--bind", f"{HOST}:{port}", "--threads", "16"]
    with ChildProcess(command, directory=directory, name="cheroot", environment=python_environment()) as process:
        process.wait_until(lambda: answers(port, "/-/health"))
        yield RunningGateway(process, port, directory)
