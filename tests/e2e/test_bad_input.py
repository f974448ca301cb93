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
from gateway.testing import Connection, RawClient, peers, refused_port
from gateway.testing.gateways import RunningGateway, running_gateway
from gateway.testing.listening import HOST
from gateway.testing.messages import RequestHead
from gateway.testing.processes import python_environment
from tests.e2e.faults import Fault, Keeper, assert_told, form_of, post
from tests.e2e.faulty_services import FAILURES, routes_to, services_at, take
from tests.e2e.faulty_uploads import BODIES, FORM, HEADS, LIMITS, NARROW, NARROWNESS, PDF, ROUTES, SERVICES
from tests.e2e.honesty import Play, at_rest, eventually, opened
from tests.e2e.tls import SecurePlay, make_certificate

Server = Literal["gateway", "gunicorn"]

NOT_FROM_OUTSIDE = {
    "unexpected_failure": "is a bug; tests/web/test_problems.py makes one",
    "config_invalid": "is told by the commands, before anything is served: below",
    "file_changed": "is told by `gateway send`, about files of its own: tests/cli/test_send_files.py",
    "file_unreadable": "is told by `gateway send`, about files of its own: tests/cli/test_send_files.py",
    "file_unwritable": "is told by `gateway send`, about files of its own: tests/cli/test_send_files.py",
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
                # For `gateway serve` they are the uploads at once; a plain server needs one for the refusal as well.
                threads = 1 if (server, room) == ("gateway", "narrow") else 16
                running = running_gateway(config=text, server=server, threads=threads)
                started[server, room] = stack.enter_context(running)
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


# --- the table -----------------------------------------------------------------------------------


# What is wrong with a head is found in the same way under any server.
CLIENTS = [
    *(pytest.param("gateway", fault, id=fault.id) for fault in (*HEADS, *BODIES, *NARROW)),
    *(pytest.param("gunicorn", fault, id=f"{fault.id}, plain WSGI") for fault in (*BODIES, *NARROW)),
]


@pytest.mark.parametrize(("server", "fault"), CLIENTS)
def test_what_a_client_sends(
    gateway_of: Callable[[Server, str], RunningGateway], keeper: Keeper, server: Server, fault: Fault
) -> None:
    """It is told so, its service has nothing whole, and the next upload goes through."""
    gateway, sent = gateway_of(server, fault.gateway), fault.sent

    with fault.meanwhile(gateway, keeper) if fault.meanwhile else nullcontext():
        if not fault.needs_body:
            expecting = sent.head.removesuffix(b"\r\n") + b"Expect: 100-continue\r\n\r\n"
            for head in (sent.head, expecting) if sent.body else (sent.head,):
                tell(gateway, server, fault, keeper, head, b"")
        tell(gateway, server, fault, keeper, sent.head, sent.body)

    at_rest(gateway)
    pieces = keeper.assert_nothing_whole()
    assert not pieces or sent.lead is not None
    assert pieces or sent.lead is None or server == "gunicorn", "not put to the test: nothing was under way"
    assert_serves(gateway, "/form")
    assert [each.complete for each in keeper.received] == [True]
    keeper.forget()


@pytest.mark.parametrize("fault", FAILURES, ids=lambda fault: fault.id)
def test_what_a_service_does(failing_gateway: RunningGateway, play: Play, fault: Fault) -> None:
    """The client is told so, also in the middle of its upload; the service has what it took, and no more."""

    def has_taken_it(connection: Connection) -> bool:
        return connection.head is not None and connection.taken == due(fault, connection.head)

    number = play.play(fault.script or take)
    with opened(failing_gateway) as client:
        client.send(fault.sent.head + fault.sent.body)
        answer = client.read_response()
        assert_told(answer, fault)
        assert answer.closed == (not fault.stays)
        assert_goes_on(client, closed=answer.closed)

    at_rest(failing_gateway)
    if fault.taken is not None:
        play.wait_for(number, has_taken_it)
    assert sum(each.head is not None for each in play.opened[number:]) == (fault.taken is not None)
    play.play(take)
    assert_serves(failing_gateway, "/played")


def due(fault: Fault, head: RequestHead) -> int | None:
    """Bytes of the body that the service of that row takes of a request."""
    length = int(head.headers.get("Content-Length") or 0)
    assert fault.taken is None or fault.taken == "all" or fault.taken < length
    return length if fault.taken == "all" else fault.taken


def test_an_answer_that_is_cut_off_when_some_of_it_is_out(failing_gateway: RunningGateway, play: Play) -> None:
    """There is no room for a problem document any more: what is left is to break off as well."""
    for script in (peers.answer_cut_in_length(), peers.answer_cut_in_chunks()):
        play.play(script)
        with opened(failing_gateway) as client:
            client.send(post("/played", FORM).head + FORM)
            answer = client.read_response()
            assert (answer.status, answer.body, answer.complete) == (200, b"half of it", False)


def tell(gateway: RunningGateway, server: Server, fault: Fault, keeper: Keeper, head: bytes, body: bytes) -> None:
    """Send it, and look at the answer and at the connection."""
    lead = fault.sent.lead or 0
    said = len(gateway.log())
    with opened(gateway) as client:
        client.send(head + body[:lead])
        if lead and server == "gateway":
            keeper.wait_for_length(1)
        client.send(body[lead:])
        if fault.then == "vanishes":
            client.close()
        elif fault.then == "resets":
            client.abort()
        if fault.then in ("vanishes", "resets"):
            if server == "gateway":  # others have a log of their own
                eventually(lambda: f"error={fault.code}" in gateway.log()[said:])
            return
        if fault.then == "half-closes":
            client.half_close()
        answer = client.read_response()
        assert_told(answer, fault)
        if server == "gunicorn":
            return  # it closes when it likes, whatever it has said of that
        if not fault.needs_body:
            assert answer.interim == (), "told to go on, and then refused"
            assert answer.closed == (not fault.stays)
        assert not (answer.closed and fault.stays)
        assert_goes_on(client, closed=answer.closed or fault.then == "half-closes")


def assert_goes_on(client: RawClient, *, closed: bool) -> None:
    """The connection is closed, or it can be used."""
    if closed:
        assert client.is_closed_by_server()
    else:
        client.send(b"GET /-/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert client.read_response(method="GET").status == 200


def assert_serves(gateway: RunningGateway, path: str) -> None:
    """An upload with nothing wrong goes through, and leaves its place to the next one."""
    sent = post(path, FORM)
    with opened(gateway) as client:
        client.send(sent.head + sent.body)
        assert client.read_response().status == 200
    at_rest(gateway)


# --- its completeness --------------------------------------------------------------------------------


def test_the_table_has_the_whole_catalogue() -> None:
    """A new error without a row fails here; so does one that is said not to need a row, and has one."""
    classes = [each for each in vars(errors).values() if inspect.isclass(each) and each.__module__ == errors.__name__]
    catalogue = {each.code for each in classes if issubclass(each, errors.GatewayError) and not each.__subclasses__()}
    told = {fault.code for fault in (*HEADS, *BODIES, *NARROW, *FAILURES)}

    assert told.isdisjoint(NOT_FROM_OUTSIDE)
    assert told | NOT_FROM_OUTSIDE.keys() == catalogue


def test_the_example_in_the_documentation(gateway_of: Callable[[Server, str], RunningGateway], keeper: Keeper) -> None:
    """docs/errors.md shows what is really said."""
    text = Path(__file__).parents[2].joinpath("docs/errors.md").read_text("utf-8")
    example = json.loads(text.partition("```json")[2].partition("```")[0])
    sent = post("/form", form_of(PDF, b'Content-Disposition: form-data; filename="a.pdf"\r\n\r\n'))

    with opened(gateway_of("gateway", "roomy")) as client:
        client.send(sent.head + sent.body)
        answer = client.read_response()

    keeper.assert_nothing_whole()
    assert list(json.loads(answer.body)) == list(example)
    assert json.loads(answer.body) | {"request_id": ""} == example | {"request_id": ""}


# --- the configuration -------------------------------------------------------------------------------


MISTAKES = """\
gateway: {limits: {bdoy: 1GiB}}
services:
  text:
    url: ftp://127.0.0.1/
routes:
  relay: {paht: /file, to: txet}
"""
TOLD = """\
gateway.yaml:1: gateway.limits.bdoy: unknown key; did you mean `body`?
gateway.yaml:4: services.text.url: expected a URL with http:// or https:// and a host, such as \
http://127.0.0.1:8811/extract, found 'ftp://127.0.0.1/'
gateway.yaml:6: routes.relay.paht: unknown key; did you mean `path`?
gateway.yaml:6: routes.relay.to: expected the name of a service (text), found 'txet'
"""


@pytest.mark.parametrize("command", [["check"], ["serve", "--config"]], ids=lambda command: command[0])
def test_a_mistake_in_the_configuration(tmp_path: Path, command: list[str]) -> None:
    """File, line, path and what was expected, for all of them at once; a wrong key names the nearest right one."""
    tmp_path.joinpath("gateway.yaml").write_text(MISTAKES)

    ended = subprocess.run(
        [sys.executable, "-m", "gateway", *command, "gateway.yaml"],
        cwd=tmp_path,
        env=python_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
    )

    assert ended.returncode in (1, 2)
    assert "Traceback" not in ended.stderr
    lines = (ended.stdout + ended.stderr).splitlines()
    assert [line for line in lines if line.startswith("gateway.yaml:")] == TOLD.splitlines()
