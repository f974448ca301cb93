"""Whatever comes in wrong, the client is told what it was and what to change, and nothing whole reaches a service.

One table on real sockets. Its rows are in faulty_uploads.py and faulty_services.py, what they mean in faults.py. Each
is the proof of one thing that can go wrong, in one place of the gateway; that it holds at every byte and for every way
of delivery is shown by test_truncation.py and test_service_failures.py.
"""

from __future__ import annotations

import inspect
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Literal

import pytest

from gateway import errors
from gateway.testing import RawClient, answer_bytes, peers, refused_port
from gateway.testing.gateways import RunningGateway, running_gateway
from gateway.testing.listening import HOST
from gateway.testing.processes import python_environment
from tests.e2e.faults import END, Fault, Keeper, assert_told, behind_a_file, post
from tests.e2e.faulty_services import FAILURES, routes_to, services_at
from tests.e2e.faulty_uploads import BODIES, FORM, HEADS, LIMITS, NARROW, NARROWNESS, ROUTES, SERVICES
from tests.e2e.honesty import Play, at_rest, eventually, opened
from tests.e2e.tls import SecurePlay, make_certificate

Server = Literal["gateway", "gunicorn"]

NOT_FROM_OUTSIDE = {
    "unexpected_failure": "is a bug; tests/web/test_problems.py makes one",
    "config_invalid": "is told by the commands, before anything is served: below",
    "file_changed": "is told by `gateway send`, about files of its own: tests/cli/sending",
    "file_unreadable": "is told by `gateway send`, about files of its own: tests/cli/sending",
    "file_unwritable": "is told by `gateway send`, about files of its own: tests/cli/sending",
}
"""Codes that no client and no service can bring about."""


# --- gateways and services -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keeper() -> Iterator[Keeper]:
    """The service behind the uploads: it does everything right."""
    with Keeper() as service:
        yield service


@pytest.fixture(scope="module")
def gateway_of(keeper: Keeper) -> Iterator[Callable[[Server, str], RunningGateway]]:
    """The gateways that take the uploads, by their server and their room; each is started when it is asked for."""
    services = {name: {"url": f"{keeper.url}/{name}", **more} for name, more in SERVICES.items()}
    sections: dict[str, Mapping[str, object]] = {"roomy": {"limits": LIMITS}, "narrow": NARROWNESS}
    started: dict[tuple[Server, str], RunningGateway] = {}
    with ExitStack() as stack:

        def start(server: Server, room: str) -> RunningGateway:
            if (server, room) not in started:
                text = json.dumps({"gateway": sections[room], "services": services, "routes": ROUTES})
                started[server, room] = stack.enter_context(
                    running_gateway(config=text, server=server, threads=None if room == "narrow" else 16)
                )
            return started[server, room]

        yield start


@pytest.fixture(scope="module")
def play() -> Iterator[Play]:
    """The service that goes wrong."""
    with Play(receive_buffer=32 * 2**10) as service:
        yield service


@pytest.fixture(scope="module")
def failing_gateway(play: Play, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """The gateway in front of services that go wrong."""
    with ExitStack() as stack:
        strange = stack.enter_context(SecurePlay(*make_certificate(tmp_path_factory.mktemp("tls"))))
        port = stack.enter_context(refused_port())
        services = services_at(
            played=play.url,
            strange=strange.url,
            refused=f"http://{HOST}:{port}/",
            deaf=f"http://{HOST}:{deaf_port(stack)}/",
        )
        text = json.dumps({"services": services, "routes": routes_to(services)})
        yield stack.enter_context(running_gateway(config=text))


def deaf_port(stack: ExitStack) -> int:
    """A port where nobody accepts any more: connections neither stand nor fail."""
    listener = stack.enter_context(socket.socket())
    listener.bind((HOST, 0))
    listener.listen(0)
    for _ in range(2):
        waiting = stack.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(listener.getsockname())
    port: int = listener.getsockname()[1]
    return port
