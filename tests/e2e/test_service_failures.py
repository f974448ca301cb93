"""Whatever a service does wrong, the client is told what it was, and is never given half an answer for a whole one.

Each failure has the code and the status of gateway/errors.py; the gateway itself goes on as if nothing had
happened. That every kind of failure is told is shown by test_bad_input.py, services that cannot be reached among them;
here it is shown for every way of delivery and every place where an answer can break off.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from gateway.testing import (
    Connection,
    Received,
    Script,
    answer_bytes,
    boundary_of,
    file_part,
    peers,
)
from gateway.testing.gateways import RunningGateway, running_gateway
from gateway.testing.services import describe
from tests.e2e.honesty import (
    BOUNDARY,
    Play,
    Upload,
    Witness,
    as_chunks,
    assert_problem,
    configuration,
    form,
    opened,
    raw,
)
from tests.e2e.tls import SecurePlay, make_certificate, trust

WAYS: dict[str, dict[str, object]] = {
    "length": {},
    "chunked": {"body": "chunked"},
    "bare": {"send": {"as": "raw"}},
    "bare-chunked": {"send": {"as": "raw"}, "body": "chunked"},
    "whole": {"deliver": "whole"},
}
IMPATIENT: dict[str, dict[str, object]] = {
    "first-byte": {"timeout": {"first_byte": "300ms"}},
    "stall": {"timeout": {"stall": "300ms"}},
    "total": {"timeout": {"total": "500ms"}},
}
UPLOADS: dict[str, Upload] = {
    "length": form(),
    "chunked": as_chunks(form()),
    "bare": raw(),
    "bare-chunked": as_chunks(raw()),
    "whole": form(),
}
LARGE = raw(24 * 2**20)
"""More than all the buffers on the way take, and than is kept of a live upload."""


@pytest.fixture(scope="module")
def service() -> Iterator[Play]:
    with Play(receive_buffer=32 * 2**10) as service:
        yield service


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Witness]:
    """Another origin, to which nobody has allowed to send anything."""
    with Witness() as service:
        yield service


@pytest.fixture(scope="module")
def mover(elsewhere: Witness) -> Iterator[Witness]:
    """A service that has moved. It takes uploads at /new, and answers others with the status that their path names."""
    places = {
        "here": "/new",
        "absolute": "",
        "elsewhere": f"{elsewhere.url}/new",
        "loop": "/307/loop",
        "nowhere": "http://[",
    }

    def answer(received: Received) -> bytes:
        if received.target == "/new":
            return describe(received)
        status, place = received.target.removeprefix("/").split("/")
        location = places[place] or f"{moved.url}/new"
        return answer_bytes(int(status), b"moved", [("Location", location)])

    with Witness(answer=answer) as moved:
        yield moved


@pytest.fixture(scope="module")
def secure_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecurePlay]:
    with SecurePlay(*make_certificate(tmp_path_factory.mktemp("tls"))) as service:
        yield service


@pytest.fixture(scope="module")
def gateway(
    service: Play,
    secure_service: SecurePlay,
    mover: Witness,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningGateway]:
    services = {name: {"url": f"{service.url}/{name}", **more} for name, more in {**WAYS, **IMPATIENT}.items()}
    for status in (301, 302, 303, 307, 308):
        for place in ("here", "absolute", "elsewhere", "loop", "nowhere"):
            for name, more in WAYS.items():
                services[f"{status}-{place}-{name}"] = {"url": f"{mover.url}/{status}/{place}", **more}
    services["secure"] = {"url": f"{secure_service.url}/"}
    trusting = trust(secure_service.certificate, tmp_path_factory.mktemp("trust"))
    with running_gateway(config=configuration(services), environment=trusting, threads=32) as running:
        yield running


def take_one(connection: Connection) -> None:
    """What a good service does, without keeping the connection for whatever the next test plays."""
    connection.read_head()
    connection.read_body()
    connection.send(answer_bytes(200, b"taken", [("Connection", "close")]))


@pytest.fixture(autouse=True)
def the_next_upload_goes_through(gateway: RunningGateway, service: Play) -> Iterator[None]:
    yield
    service.play(take_one)
    for path, upload in UPLOADS.items():
        with opened(gateway) as client:
            client.send(upload.head(f"/{path}") + upload.wire)
            assert client.read_response().status == 200


# --- no answer -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", WAYS)
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(peers.close_without_answer(after=0), id="closes at once"),
        pytest.param(peers.close_without_answer(after=10_000), id="closes in the body"),
        pytest.param(peers.reset_in_body(after=0), id="resets at once"),
        pytest.param(peers.reset_in_body(after=10_000), id="resets in the body"),
    ],
)
def test_a_service_that_goes_away_in_the_middle(
    gateway: RunningGateway, service: Play, path: str, script: Script
) -> None:
    """The client has not sent the rest when it is told, unless the service waits for that."""
    upload = UPLOADS[path]
    sent = len(upload.wire) if path == "whole" else len(upload.wire) // 2
    service.play(script)

    with opened(gateway) as client:
        client.send(upload.head(f"/{path}") + upload.wire[:sent])
        assert_problem(client.read_response(), 502, "service_reset")

    with opened(gateway) as client:
        answer = client.post(f"/{path}", LARGE.body, chunked=path.endswith("chunked"), chunk_size=2**18)
        assert_problem(answer, 502, "service_reset")


def test_a_secure_service_that_goes_away_in_the_middle(gateway: RunningGateway, secure_service: SecurePlay) -> None:
    """That is no failure of TLS."""
    for script in (peers.close_without_answer(after=10_000), peers.reset_in_body(after=10_000)):
        for _ in range(5):
            secure_service.play(script)
            with opened(gateway) as client:
                assert_problem(client.post("/secure", LARGE.body), 502, "service_reset")


@pytest.mark.parametrize("path", [*WAYS, "secure"])
def test_a_service_that_goes_away_behind_the_body(
    gateway: RunningGateway, service: Play, secure_service: SecurePlay, path: str
) -> None:
    upload = UPLOADS.get(path, form())

    def reset_at_the_end(connection: Connection) -> None:
        connection.read_head()
        connection.read_body()
        connection.reset()

    for script in (peers.close_without_answer(), reset_at_the_end):
        (secure_service if path == "secure" else service).play(script)
        with opened(gateway) as client:
            client.send(upload.head(f"/{path}") + upload.wire)
            assert_problem(client.read_response(), 502, "service_reset")


def test_a_slow_client_is_not_the_fault_of_the_service(gateway: RunningGateway, service: Play) -> None:
    """The limits of the service do not run while there is nothing for it to do."""
    upload = form()
    for path in IMPATIENT:
        number = service.play(take_one)
        with opened(gateway) as client:
            client.send(upload.head(f"/{path}") + upload.wire[:40_000])
            service.wait_for(number, lambda connection: connection.head is not None)
            threading.Event().wait(0.7)  # longer than any of these limits
            client.send(upload.wire[40_000:])
            assert client.read_response().status == 200


# --- a bad answer ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "garbage",
    [
        b"220 mail.example ESMTP ready\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 many things\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"<html>hello</html>",
        b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 100_000 + b"\r\n\r\n",
        b"\0" * 100_000,
    ],
    ids=lambda garbage: repr(garbage[:30]),
)
def test_an_answer_that_is_not_http(gateway: RunningGateway, service: Play, garbage: bytes) -> None:
    upload = form()
    service.play(peers.answer_garbage(garbage))

    with opened(gateway) as client:
        client.send(upload.head("/length") + upload.wire)
        assert_problem(client.read_response(), 502, "service_answer_invalid")


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
CUT_IN_THE_HEAD = [b"HT", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\n", HEAD, HEAD + b"Content-Length: 1", HEAD + b"X"]
CUT_IN_THE_BODY = [
    HEAD + b"Content-Length: 10\r\n\r\n",
    HEAD + b"Content-Length: 10\r\n\r\n123456789",
    HEAD + b"Content-Length: 1000000\r\n\r\n" + bytes(999_999),
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n123",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\nzz\r\n",
]


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("cut", CUT_IN_THE_BODY, ids=lambda cut: repr(cut[40:80]))
def test_an_answer_that_is_cut_off_in_its_body_is_not_given_for_whole(
    gateway: RunningGateway, service: Play, cut: bytes, version: str
) -> None:
    upload = form()
    service.play(peers.answer_garbage(cut))

    with opened(gateway) as client:
        client.send(upload.head("/length", version=version) + upload.wire)
        answer = client.read_response()
        assert not answer.complete or answer.status == 502, answer


@pytest.mark.parametrize("cut", CUT_IN_THE_HEAD, ids=lambda cut: repr(cut[-20:]))
def test_an_answer_that_is_cut_off_in_its_head(gateway: RunningGateway, service: Play, cut: bytes) -> None:
    upload = form()
    service.play(peers.answer_garbage(cut))

    with opened(gateway) as client:
        client.send(upload.head("/length") + upload.wire)
        assert_problem(client.read_response(), 502, "service_answer_invalid", "service_reset")


CONTRADICTIONS = [
    HEAD + b"Content-Length: 5\r\nContent-Length: 3\r\n\r\n12345",
    HEAD + b"Content-Length: 5, 3\r\n\r\n12345",
    HEAD + b"Content-Length: five\r\n\r\n12345",
    HEAD + b"Content-Length: -5\r\n\r\n12345",
    HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n",
    HEAD + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: gzip\r\n\r\n12345",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n12345\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\n12345\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n1234567\r\n0\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n12345",
]


@pytest.mark.parametrize("contradiction", CONTRADICTIONS, ids=lambda answer: repr(answer[40:]))
def test_an_answer_whose_end_is_not_clear(gateway: RunningGateway, service: Play, contradiction: bytes) -> None:
    """Either it is refused, or the client gets a message that is right in itself, and its next one is its own."""
    upload = form()
    service.play(peers.answer_garbage(contradiction))

    with opened(gateway) as client:
        client.send(upload.head("/length") + upload.wire)
        answer = client.read_response()
        if answer.status == 502:
            assert_problem(answer, 502, "service_answer_invalid")
        elif answer.complete:
            assert answer.body == b"12345"
        if not answer.closed:
            client.send(b"GET /-/health HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.read_response(method="GET").body == b'{"status":"ok"}\n'


def test_an_answer_that_takes_too_long(gateway: RunningGateway, service: Play) -> None:
    """Byte by byte: each is in time, the answer is not."""
    upload = form()
    service.play(peers.answer_dribbled(answer_bytes(200, bytes(1000)), interval=0.02))

    with opened(gateway) as client:
        client.send(upload.head("/total") + upload.wire)
        answer = client.read_response()
        assert not answer.complete or answer.status == 504, answer


def test_the_head_of_an_answer_that_takes_too_long(gateway: RunningGateway, service: Play) -> None:
    upload = form()
    service.play(peers.answer_dribbled(answer_bytes(200, headers=[("X", "x" * 1000)]), interval=0.02))

    for path, code in [("total", "service_total_timeout"), ("first-byte", "service_first_byte_timeout")]:
        with opened(gateway) as client:
            client.send(upload.head(f"/{path}") + upload.wire)
            assert_problem(client.read_response(), 504, code)


# --- redirects -------------------------------------------------------------------------------------


def problem_of(gateway: RunningGateway, path: str, upload: Upload) -> dict[str, object]:
    with opened(gateway) as client:
        client.send(upload.head(f"/{path}") + upload.wire)
        return assert_problem(client.read_response(), 502, "service_redirects")


def content_of(received: Received) -> bytes | None:
    """The body, as if it had the client's boundary."""
    content_type = received.headers.get("content-type") or ""
    if received.body is None or "boundary=" not in content_type:
        return received.body
    return received.body.replace(b"--" + boundary_of(content_type), b"--" + BOUNDARY)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_would_lose_the_upload_is_not_followed(
    gateway: RunningGateway, mover: Witness, status: int, way: str
) -> None:
    """The client is told the URL to configure."""
    mover.forget()

    problem = problem_of(gateway, f"{status}-here-{way}", UPLOADS[way])

    assert "/new" in str(problem["detail"])
    assert [received.target for received in mover.received] == [f"/{status}/here"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("place", ["here", "absolute"])
def test_a_redirect_within_the_origin_gets_the_same_upload(
    gateway: RunningGateway, mover: Witness, status: int, place: str, way: str
) -> None:
    for upload in (UPLOADS[way], raw(1000) if way.startswith("bare") else form([file_part("file", "a.pdf", b"small")])):
        mover.forget()

        with opened(gateway) as client:
            client.send(upload.head(f"/{status}-{place}-{way}") + upload.wire)
            assert client.read_response().status == 200

        first, second = mover.received
        assert (first.target, second.target) == (f"/{status}/{place}", "/new")
        assert content_of(first) == content_of(second) == upload.body


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_of_a_large_upload(gateway: RunningGateway, mover: Witness, status: int) -> None:
    """One that was kept is sent again. Of one that was sent live the beginning is gone, and the client is told."""
    mover.forget()
    with opened(gateway) as client:
        client.send(LARGE.head(f"/{status}-here-whole") + LARGE.wire)
        assert client.read_response().status == 200
    first, second = mover.received
    assert first.body is not None
    assert second.body is not None
    assert LARGE.body in second.body

    for way in ("length", "chunked", "bare"):
        mover.forget()
        problem = problem_of(gateway, f"{status}-here-{way}", LARGE)
        assert "/new" in str(problem["detail"])
        assert [received.target for received in mover.received] == [f"/{status}/here"]
    mover.forget()


@pytest.mark.parametrize(
    ("way", "upload"),
    [
        pytest.param("length", form(), id="a form"),
        pytest.param("chunked", as_chunks(form()), id="a chunked form"),
        pytest.param("length", raw(), id="a raw body, as a form"),
        pytest.param("chunked", as_chunks(raw()), id="a chunked raw body, as a form"),
        pytest.param("bare", raw(), id="a raw body"),
        pytest.param("bare-chunked", as_chunks(raw()), id="a chunked raw body"),
    ],
)
def test_a_redirect_that_comes_early(gateway: RunningGateway, service: Play, way: str, upload: Upload) -> None:
    """The client sends on for the new place, which gets all of it.

    Of a chunked upload the rest cannot be read any more if its client was pausing; then the client is told.
    """
    bodies = []

    def script(connection: Connection) -> None:
        if connection.read_head().target == "/new":
            bodies.append(connection.read_body())
            connection.send(answer_bytes(200, b"taken", [("Connection", "close")]))
        else:
            connection.read_body(10_000)
            connection.send(answer_bytes(307, headers=[("Location", "/new")]))
            connection.read_to_end()

    # Also at the end of a chunk, between two, and inside of a delimiter.
    for sent in (40_000, *(mark for mark in upload.landmarks if 12_000 < mark < 45_000)):
        number = service.play(script)
        with opened(gateway) as client:
            client.send(upload.head(f"/{way}") + upload.wire[:sent])
            service.wait_for(number, lambda connection: connection.taken >= 10_000)
            client.send(upload.wire[sent:])
            answer = client.read_response()
        if upload.chunked and answer.status == 502:
            assert "/new" in str(assert_problem(answer, 502, "service_redirects")["detail"])
            assert not bodies
            continue
        assert answer.body == b"taken"
        body = bodies.pop()
        if upload.content_type.startswith("multipart/"):
            boundary = body[2 : body.index(b"\r\n")]
            assert body.replace(boundary, BOUNDARY) == upload.body.replace(boundary, BOUNDARY)
        else:
            assert upload.body in body


@pytest.mark.parametrize("place", ["elsewhere", "nowhere"])
@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_redirect_to_another_origin_is_not_followed(
    gateway: RunningGateway, mover: Witness, elsewhere: Witness, status: int, place: str
) -> None:
    for way in WAYS:
        mover.forget()
        problem = problem_of(gateway, f"{status}-{place}-{way}", UPLOADS[way])
        named = f"{elsewhere.url}/new" if place == "elsewhere" else "http://["
        assert named in str(problem["detail"])
        assert len(mover.received) == 1
    assert elsewhere.connections == 0


def test_redirects_in_a_circle_have_an_end(gateway: RunningGateway, mover: Witness) -> None:
    mover.forget()

    problem = problem_of(gateway, "307-loop-length", UPLOADS["length"])

    assert "/307/loop" in str(problem["detail"])
    assert 1 < len(mover.received) < 10


# --- connections that are used again ---------------------------------------------------------------


@pytest.mark.parametrize("ends", ["closes", "resets", "says so"])
@pytest.mark.parametrize("way", WAYS)
def test_a_pooled_connection_that_the_service_has_given_up(
    gateway: RunningGateway, service: Play, way: str, ends: str
) -> None:
    """The upload goes out on a new one; the client notices nothing."""
    upload, answered = UPLOADS[way], threading.Event()

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body()
        connection.send(answer_bytes(200, b"taken"))
        if ends == "resets":
            connection.reset()
        elif ends == "says so":
            # As some proxies do when a connection was idle for long. It is the answer to nothing.
            connection.wait(answered)
            connection.send(answer_bytes(408, headers=[("Connection", "close")]))

    for number in range(service.play(script), service.connections + 3):
        with opened(gateway) as client:
            client.send(upload.head(f"/{way}") + upload.wire)
            assert client.read_response().status == 200
        answered.set()
        service.wait_for(number, lambda connection: connection.done)


@pytest.mark.parametrize("way", WAYS)
def test_a_connection_is_used_again(gateway: RunningGateway, service: Play, way: str) -> None:
    """Which is what the tests above are about."""
    upload = UPLOADS[way]

    def script(connection: Connection) -> None:
        for _ in range(3):
            connection.read_head()
            connection.read_body()
            connection.send(answer_bytes(200, b"taken"))

    number = service.play(script)
    for _ in range(3):
        with opened(gateway) as client:
            client.send(upload.head(f"/{way}") + upload.wire)
            assert client.read_response().status == 200
    assert service.connections == number + 1
    service.wait_for(number, lambda connection: connection.done)
