"""A service may answer before it has the upload: its answer reaches the client at once.

At once means here: the client has the whole answer before it has sent the whole upload. The connection to
the service, which is in the middle of a body, is never used again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from gateway.testing import Connection, Script, answer_bytes, peers
from gateway.testing.gateways import RunningGateway, running_gateway
from tests.e2e.honesty import Play, Upload, as_chunks, configuration, form, noise, opened, raw
from tests.e2e.tls import SecurePlay, make_certificate, trust

SERVICES: dict[str, dict[str, object]] = {
    "length": {},
    "chunked": {"body": "chunked"},
    "bare": {"send": {"as": "raw"}},
    "whole": {"deliver": "whole"},
}

LARGE = raw(32 * 2**20)
"""More than all the buffers on the way take."""

REFUSALS = {
    "401 with a challenge": answer_bytes(401, b"who are you?", [("WWW-Authenticate", 'Basic realm="x"')]),
    "413 and close": answer_bytes(413, b"too large", [("Connection", "close")]),
    "200, of all things": answer_bytes(200, b"seen enough"),
    "an answer in chunks": answer_bytes(403, b"", [("Transfer-Encoding", "chunked")], with_length=False)
    + b"3\r\nno,\r\n7\r\n really\r\n0\r\n\r\n",
    "a large answer": answer_bytes(400, noise(2**20)),
    "an answer without a body": answer_bytes(204),
}
"""Whole answers on the wire."""


@pytest.fixture(scope="module")
def service() -> Iterator[Play]:
    with Play(receive_buffer=32 * 2**10) as service:
        yield service


@pytest.fixture(scope="module")
def secure_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecurePlay]:
    with SecurePlay(*make_certificate(tmp_path_factory.mktemp("tls"))) as service:
        yield service


@pytest.fixture(scope="module")
def gateway(
    service: Play, secure_service: SecurePlay, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    services = {name: {"url": f"{service.url}/{name}", **more} for name, more in SERVICES.items()}
    services["secure"] = {"url": f"{secure_service.url}/secure"}
    services["secure-chunked"] = {"url": f"{secure_service.url}/secure", "body": "chunked"}
    trusting = trust(secure_service.certificate, tmp_path_factory.mktemp("trust"))
    with running_gateway(config=configuration(services), environment=trusting) as running:
        yield running


@pytest.fixture(scope="module")
def plain_gateway(service: Play) -> Iterator[RunningGateway]:
    """The same under a server that knows nothing of it."""
    services = {name: {"url": f"{service.url}/{name}", **more} for name, more in SERVICES.items()}
    with running_gateway(config=configuration(services), server="gunicorn") as running:
        yield running


def take_one(connection: Connection) -> None:
    """What a good service does, without keeping the connection for whatever the next test plays."""
    connection.read_head()
    connection.read_body()
    connection.send(answer_bytes(200, b"taken", [("Connection", "close")]))


UPLOADS: dict[str, Upload] = {
    "length": form(),
    "chunked": as_chunks(form()),
    "bare": raw(),
    "secure": form(),
    "secure-chunked": as_chunks(form()),
}
"""One for each route that delivers live."""

BEHAVIOURS: dict[str, Callable[..., Script]] = {
    "closes": peers.answer_early_and_close,
    "half-closes": peers.answer_early_and_half_close,
    "stops reading": peers.answer_early_and_stop,
    "reads on": peers.answer_early_and_read_on,
}


@pytest.fixture
def services(service: Play, secure_service: SecurePlay) -> Callable[[str], Play]:
    """The service behind a path."""
    return lambda path: secure_service if path.startswith("secure") else service


def expected(answer: bytes) -> tuple[int, bytes]:
    """Status and body of an answer on the wire."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"chunked" in head:
        body = b"no, really"
    return int(head.split()[1]), body


def assert_next_goes_through(gateway: RunningGateway, service: Play, path: str, *, after: int) -> None:
    """The next upload is taken, on a connection with a number larger than `after`."""
    service.play(take_one)
    upload = UPLOADS[path]
    with opened(gateway) as client:
        client.send(upload.head(f"/{path}") + upload.wire)
        answer = client.read_response()
        assert answer.status == 200
    served = [connection.number for connection in service.opened if connection.head and connection.taken]
    assert max(served) > after


# TLS has no half-closed connections.
PATHS_AND_BEHAVIOURS = [
    (path, behaviour)
    for path in UPLOADS
    for behaviour in BEHAVIOURS
    if not (path.startswith("secure") and behaviour == "half-closes")
]


@pytest.mark.parametrize(("path", "behaviour"), PATHS_AND_BEHAVIOURS)
def test_the_answer_comes_while_the_client_has_half_of_the_upload(
    gateway: RunningGateway, services: Callable[[str], Play], path: str, behaviour: str
) -> None:
    """The client sends nothing more, so nothing but the service can wake the gateway."""
    service, upload = services(path), UPLOADS[path]
    for name, answer_on_wire in REFUSALS.items():
        if behaviour == "closes" and name == "a large answer":
            continue  # the reset that follows an unread body takes away what is still on its way
        for after in (0, 10_000):
            number = service.play(BEHAVIOURS[behaviour](answer_on_wire, after=after))

            with opened(gateway) as client:
                client.send(upload.head(f"/{path}") + upload.wire[: len(upload.wire) // 2])
                answer = client.read_response()
                assert answer.complete
                assert (answer.status, answer.body) == expected(answer_on_wire)
                assert answer.closed
                client.half_close()
                assert client.is_closed_by_server()

            assert_next_goes_through(gateway, service, path, after=number)


@pytest.mark.parametrize("path", UPLOADS)
def test_the_answer_comes_when_all_that_there_is_was_sent(
    gateway: RunningGateway, services: Callable[[str], Play], path: str
) -> None:
    """The service has taken everything, the client has nothing more, and for a while nothing at all happens."""
    service, upload, idle = services(path), UPLOADS[path], threading.Event()

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body(len(upload.body) // 2 - 1000)
        connection.wait(idle)
        connection.send(REFUSALS["413 and close"])

    number = service.play(script)
    with opened(gateway) as client:
        client.send(upload.head(f"/{path}") + upload.wire[: len(upload.wire) // 2 + 100])
        service.wait_for(number, lambda connection: connection.taken == len(upload.body) // 2 - 1000)
        idle.set()
        assert client.read_response().status == 413

    assert_next_goes_through(gateway, service, path, after=number)


@pytest.mark.parametrize(("path", "behaviour"), PATHS_AND_BEHAVIOURS)
def test_the_answer_comes_while_the_client_is_sending(
    gateway: RunningGateway, services: Callable[[str], Play], path: str, behaviour: str
) -> None:
    """The upload is larger than all buffers on the way, so the client is not done when it sees the answer."""
    service, chunked = services(path), path.endswith("chunked")
    number = service.connections
    # How the end of the connection meets what is being sent is a matter of luck.
    for _ in range(12 if behaviour == "closes" else 1):
        number = service.play(BEHAVIOURS[behaviour](after=100_000))

        with opened(gateway) as client:
            answer = client.post(f"/{path}", LARGE.body, chunked=chunked, chunk_size=2**18)
            assert (answer.status, answer.body, answer.complete) == (413, b"too large", True)
            assert not answer.request_sent

    assert_next_goes_through(gateway, service, path, after=number)


@pytest.mark.parametrize("path", ["length", "chunked", "bare"])
def test_a_client_that_does_not_look_has_the_answer_in_the_end(
    gateway: RunningGateway, service: Play, path: str
) -> None:
    """It sends everything first, as simple clients do, and then reads: no reset has taken the answer away."""
    number = service.play(peers.answer_early_and_close(after=100_000))
    upload = as_chunks(LARGE, 2**18) if path == "chunked" else LARGE

    with opened(gateway) as client:
        client.send(upload.head(f"/{path}") + upload.wire)
        answer = client.read_response()
        assert (answer.status, answer.body, answer.complete) == (413, b"too large", True)

    assert_next_goes_through(gateway, service, path, after=number)


@pytest.mark.parametrize(("path", "behaviour"), [pair for pair in PATHS_AND_BEHAVIOURS if "secure" not in pair[0]])
def test_the_answer_comes_through_plain_wsgi(
    plain_gateway: RunningGateway, service: Play, path: str, behaviour: str
) -> None:
    """Under another server as well, as long as the client is sending."""
    number = service.play(BEHAVIOURS[behaviour](after=100_000))

    with opened(plain_gateway) as client:
        answer = client.post(f"/{path}", LARGE.body, chunked=path.endswith("chunked"), chunk_size=2**18)
        assert (answer.status, answer.body, answer.complete) == (413, b"too large", True)
        assert not answer.request_sent

    assert_next_goes_through(plain_gateway, service, path, after=number)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_the_answer_comes_while_a_whole_upload_is_sent_on(
    gateway: RunningGateway, service: Play, behaviour: str
) -> None:
    """Here the client is done long before."""
    number = service.play(BEHAVIOURS[behaviour](after=100_000))

    with opened(gateway) as client:
        client.send(LARGE.head("/whole") + LARGE.wire)
        answer = client.read_response()
        assert (answer.status, answer.body, answer.complete) == (413, b"too large", True)
        # Nothing of the client's own request is missing: its connection is as good as before.
        assert not answer.closed
        service.play(take_one)
        client.send(UPLOADS["length"].head("/whole") + UPLOADS["length"].wire)
        assert client.read_response().status == 200

    assert_next_goes_through(gateway, service, "length", after=number)


@pytest.mark.parametrize("behaviour", ["closes", "holds"])
@pytest.mark.parametrize("path", ["length", "chunked", "bare"])
def test_an_answer_before_a_byte_of_the_request_was_read(
    gateway: RunningGateway, service: Play, path: str, behaviour: str
) -> None:
    def script(connection: Connection) -> None:
        connection.send(REFUSALS["401 with a challenge"])
        if behaviour == "holds":
            connection.hold()

    number = service.play(script)
    upload = UPLOADS[path]

    with opened(gateway) as client:
        client.send(upload.head(f"/{path}") + upload.wire[: len(upload.wire) // 2])
        answer = client.read_response()
        assert (answer.status, answer.body) == expected(REFUSALS["401 with a challenge"])
        assert answer.headers.get("www-authenticate") == 'Basic realm="x"'

    assert_next_goes_through(gateway, service, path, after=number)


@pytest.mark.parametrize("behaviour", ["reads on", "stops reading"])
def test_a_connection_in_the_middle_of_a_body_is_not_used_again(
    gateway: RunningGateway, service: Play, behaviour: str
) -> None:
    """It was used before, so it is one that would be pooled; and the service keeps it open."""
    upload = UPLOADS["length"]

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body()
        connection.send(answer_bytes(200))
        BEHAVIOURS[behaviour](answer_bytes(401), after=100)(connection)

    number = service.play(script)
    for part_of_it, status in ((1, 200), (2, 401)):
        with opened(gateway) as client:
            client.send(upload.head("/length") + upload.wire[: len(upload.wire) // part_of_it])
            assert client.read_response().status == status
    assert service.connections == number + 1

    assert_next_goes_through(gateway, service, "length", after=number)


@pytest.mark.parametrize("path", ["length", "chunked", "bare", "secure"])
def test_an_answer_that_comes_in_pieces_while_the_client_waits(
    gateway: RunningGateway, services: Callable[[str], Play], path: str
) -> None:
    """Also where its first bytes could still become an interim answer."""
    service, upload = services(path), UPLOADS[path]
    answer_on_wire = REFUSALS["401 with a challenge"]

    for first in (1, 9, 10, len(answer_on_wire) - 1):
        more = threading.Event()

        def script(connection: Connection, first: int = first, more: threading.Event = more) -> None:
            connection.read_head()
            connection.send(answer_on_wire[:first])
            connection.wait(more)
            connection.send(answer_on_wire[first:])
            connection.hold()

        number = service.play(script)
        with opened(gateway) as client:
            client.send(upload.head(f"/{path}") + upload.wire[:40_000])
            service.wait_for(number, lambda connection: connection.head is not None)
            more.set()
            answer = client.read_response()
            assert (answer.status, answer.body) == expected(answer_on_wire)
        assert_next_goes_through(gateway, service, path, after=number)


def test_an_answer_is_handed_on_while_it_comes(gateway: RunningGateway, service: Play) -> None:
    """The client has the beginning before the service has sent the end."""
    seen = threading.Event()

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.send(answer_bytes(413, b"begun, ", [("Content-Length", "12")], with_length=False))
        connection.wait(seen)
        connection.send(b"ended")
        connection.hold()

    number = service.play(script)
    upload = UPLOADS["length"]
    with opened(gateway) as client:
        client.send(upload.head("/length") + upload.wire[: len(upload.wire) // 2])
        assert client.hear(b"begun, ").startswith(b"HTTP/1.1 413 ")
        seen.set()
        assert client.hear(b"ended") == b"ended"

    assert_next_goes_through(gateway, service, "length", after=number)


@pytest.mark.parametrize("path", UPLOADS)
@pytest.mark.parametrize("statuses", [(100,), (102,), (103,), (100, 102, 103, 103)], ids=str)
def test_interim_answers_are_no_answers(
    gateway: RunningGateway, services: Callable[[str], Play], path: str, statuses: tuple[int, ...]
) -> None:
    """Neither while the body is on its way, nor behind it. The connection stays as good as it was."""
    service, upload, paused = services(path), UPLOADS[path], threading.Event()

    def script(connection: Connection) -> None:
        for _ in range(2):
            interim = b"".join(answer_bytes(status, headers=[("Link", "</a>")]) for status in statuses)
            connection.read_head()
            connection.read_body(1000)
            # In two pieces, the client pausing: the gateway sees half of an answer, and has to go on.
            connection.send(interim[:20])
            connection.wait(paused)
            connection.send(interim[20:])
            connection.read_body()
            connection.send(interim + answer_bytes(200, b"done"))

    number = service.play(script)
    for _ in range(2):
        with opened(gateway) as client:
            client.send(upload.head(f"/{path}") + upload.wire[: len(upload.wire) // 2])
            service.wait_for(number, lambda connection: connection.taken >= 1000)
            paused.set()
            client.send(upload.wire[len(upload.wire) // 2 :])
            answer = client.read_response()
            assert (answer.status, answer.body, answer.complete) == (200, b"done", True)
    assert service.connections == number + 1
    service.wait_for(number, lambda connection: connection.done)
    service.play(take_one)
