"""What an operator sees of a running gateway: its log, its health, and where the time went; over real sockets."""

from __future__ import annotations

import itertools
import json
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.testing import Connection, RawClient, RecordingService, ScriptedService, answer_bytes, peers, refused_port
from gateway.testing.clients import Answer
from gateway.testing.gateways import RunningGateway, running_gateway
from gateway.testing.listening import HOST
from tests.e2e.honesty import Upload, as_chunks, eventually, form, form_of, in_parallel, raw

PLACES = 4
IMPATIENCE = {"timeout": {"first_byte": "300ms"}}
FORM = form()
LARGE = raw(300_000)
LARGE_ANSWER = 32 * 2**20


def configuration(services: dict[str, dict[str, object]], **gateway: object) -> str:
    """A route for each service, and one with a JSON reply to the first."""
    accept = {"bodies": ["multipart", "raw"]}
    routes: dict[str, object] = {name: {"path": f"/{name}", "to": name, "accept": accept} for name in services}
    first = next(iter(services))
    routes["json"] = {"path": "/json", "to": first, "accept": accept, "reply": "json"}
    return json.dumps({"gateway": gateway, "services": services, "routes": routes})


def answer_large(connection: Connection) -> None:
    connection.read_head()
    connection.read_body()
    connection.send(answer_bytes(200, bytes(LARGE_ANSWER)))


class Front:
    """A gateway whose log is JSON, and the ids of all requests that it got."""

    def __init__(self, running: RunningGateway, service: RecordingService) -> None:
        self.running = running
        self.service = service
        self.asked: list[str] = []
        self._numbers = itertools.count()

    def client(self, **options: Any) -> RawClient:
        return RawClient(HOST, self.running.port, timeout=20, **options)

    def new_id(self) -> str:
        self.asked.append(f"id-{next(self._numbers)}")
        return self.asked[-1]

    def lines(self) -> list[dict[str, Any]]:
        """What was logged so far about requests; every line of the log is an object."""
        whole = self.running.log().rpartition("\n")[0].splitlines()
        return [line for line in map(json.loads, whole) if line["logger"] == "gateway.access"]

    def line(self, request_id: str) -> dict[str, Any]:
        """The line about a request, once it is there."""
        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            found[:] = [line for line in self.lines() if line["id"] == request_id]
            return bool(found)

        eventually(is_there, self.running.log)
        return found[0]


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    """One gateway with services of all kinds; in the end, every request has exactly one line."""
    timed = answer_bytes(200, b"x", [("Server-Timing", 'own;dur=1;desc="theirs"')])
    scripts = {
        "closes": peers.close_without_answer(),
        "says-nothing": peers.never_answer(),
        "cut": peers.answer_cut_in_length(),
        "talkative": answer_large,
        "refuses-early": peers.answer_early_and_half_close(),
        "timed": peers.answer_garbage(timed),
    }
    with ExitStack() as stack:
        recording = stack.enter_context(RecordingService(keep_bodies=False))
        services: dict[str, dict[str, object]] = {"text": {"url": recording.url}}
        for name, script in scripts.items():
            service = stack.enter_context(ScriptedService(script))
            services[name] = {"url": service.url, **IMPATIENCE}
        services["absent"] = {"url": f"http://{HOST}:{stack.enter_context(refused_port())}/"}
        config = configuration(services, log={"format": "json"}, client={"stall": "500ms"}, limits={"body": "10MiB"})
        running = stack.enter_context(running_gateway(config=config, threads=PLACES))
        front = Front(running, recording)
        yield front
        for request_id in front.asked:
            front.line(request_id)
        assert Counter(line["id"] for line in front.lines()) == Counter(front.asked)


# --- the log -----------------------------------------------------------------------------------


Act = Callable[[RawClient, bytes], Answer | None]


def posts(path: str, upload: Upload = FORM) -> Act:
    def act(client: RawClient, fields: bytes) -> Answer:
        client.send(upload.head(path)[:-2] + fields + b"\r\n" + upload.wire)
        return client.read_response()

    return act


def claims(path: str, length: int) -> Act:
    """Names a length and sends nothing of it."""

    def act(client: RawClient, fields: bytes) -> Answer:
        client.send(FORM.head(path, length=length)[:-2] + fields + b"\r\n")
        return client.read_response()

    return act


def vanishes(path: str) -> Act:
    """Cuts the connection in the middle of the upload."""

    def act(client: RawClient, fields: bytes) -> None:
        client.send(LARGE.head(path)[:-2] + fields + b"\r\n" + LARGE.wire[:100_000])
        client.abort()

    return act


def stops_sending(path: str) -> Act:
    def act(client: RawClient, fields: bytes) -> Answer:
        client.send(LARGE.head(path)[:-2] + fields + b"\r\n" + LARGE.wire[:100_000])
        return client.read_response()

    return act


def stops_listening(path: str) -> Act:
    """Goes away when the answer has begun."""

    def act(client: RawClient, fields: bytes) -> None:
        client.send(FORM.head(path)[:-2] + fields + b"\r\n" + FORM.wire)
        assert client._wire.has_more()
        client.abort()

    return act


def asks(method: str, path: str) -> Act:
    def act(client: RawClient, fields: bytes) -> Answer:
        client.send(f"{method} {path} HTTP/1.1\r\nHost: a\r\n".encode() + fields + b"\r\n")
        return client.read_response(method=method)

    return act


@dataclass(frozen=True, kw_only=True)
class Line:
    """What the line has to say."""

    status: int
    error: str | None = None
    route: str | None = None
    body: str | None = None
    received: int | None = None
    """None: more than nothing, and less than all."""
    outcome: str | None = None
    """Of the only delivery; None if there was none."""
    answer: int | None = None
    """Status of the service's answer."""
    delivery_error: str | None = None
    broken: str | None = None


CASES: dict[str, tuple[Act, Line]] = {
    "a form": (
        posts("/text?token=secret"),
        Line(status=200, route="text", body="multipart", received=len(FORM.body), outcome="ok", answer=200),
    ),
    "a bare file": (
        posts("/text", LARGE),
        Line(status=200, route="text", body="raw", received=len(LARGE.body), outcome="ok", answer=200),
    ),
    "a chunked form": (
        posts("/text", as_chunks(FORM)),
        Line(status=200, route="text", body="multipart", received=len(FORM.body), outcome="ok", answer=200),
    ),
    "a JSON reply": (
        posts("/json"),
        Line(status=200, route="json", body="multipart", received=len(FORM.body), outcome="ok", answer=200),
    ),
    "no route": (posts("/nowhere"), Line(status=404, error="route_unknown")),
    "another method": (asks("GET", "/text"), Line(status=405, error="method_not_allowed")),
    "HEAD": (asks("HEAD", "/text"), Line(status=405, error="method_not_allowed")),
    "too large": (claims("/text", 2**40), Line(status=413, error="upload_too_large", route="text")),
    "without an end": (
        posts("/text", form_of(FORM.body[:-10])),
        Line(
            status=400,
            error="closing_delimiter_missing",
            route="text",
            body="multipart",
            outcome="cancelled",
            delivery_error="closing_delimiter_missing",
        ),
    ),
    "a client that vanishes": (
        vanishes("/text"),
        Line(
            status=400,
            error="client_gone",
            route="text",
            body="raw",
            outcome="cancelled",
            delivery_error="client_gone",
            broken="client",
        ),
    ),
    "a client that stalls": (
        stops_sending("/text"),
        Line(
            status=408,
            error="client_stalled",
            route="text",
            body="raw",
            received=100_000,
            outcome="cancelled",
            delivery_error="client_stalled",
        ),
    ),
    "a client that does not stay for its answer": (
        stops_listening("/talkative"),
        Line(
            status=200,
            route="talkative",
            body="multipart",
            received=len(FORM.body),
            outcome="ok",
            answer=200,
            broken="client",
        ),
    ),
    "a service that is not there": (
        posts("/absent", LARGE),
        Line(
            status=502,
            error="service_unreachable",
            route="absent",
            body="raw",
            outcome="failed",
            delivery_error="service_unreachable",
        ),
    ),
    "a service that closes": (
        posts("/closes"),
        Line(
            status=502,
            error="service_reset",
            route="closes",
            body="multipart",
            received=len(FORM.body),
            outcome="failed",
            delivery_error="service_reset",
        ),
    ),
    "a service that says nothing": (
        posts("/says-nothing"),
        Line(
            status=504,
            error="service_first_byte_timeout",
            route="says-nothing",
            body="multipart",
            received=len(FORM.body),
            outcome="timeout",
            delivery_error="service_first_byte_timeout",
        ),
    ),
    "a service that breaks off": (
        posts("/cut"),
        Line(
            status=200,
            error="service_answer_invalid",
            route="cut",
            body="multipart",
            received=len(FORM.body),
            outcome="ok",
            answer=200,
            broken="service",
        ),
    ),
    "a service that refuses early": (
        posts("/refuses-early", raw(8 * 2**20)),
        Line(status=413, route="refuses-early", body="raw", outcome="rejected", answer=413),
    ),
}


@pytest.mark.parametrize(("act", "expected"), CASES.values(), ids=CASES)
def test_every_request_has_its_line(front: Front, act: Act, expected: Line) -> None:
    """However it ended: one line, with what the client got and what became of the upload."""
    request_id = front.new_id()
    with front.client() as client:
        answer = act(client, f"X-Request-Id: {request_id}\r\n".encode())

    line = front.line(request_id)
    assert (line["status"], line["error"], line["route"]) == (expected.status, expected.error, expected.route)
    assert line["broken"] == expected.broken
    assert (line["peer"], line["protocol"]) == (HOST, "HTTP/1.1")
    assert 0 <= line["ms"] < 20_000
    if answer is not None and answer.complete:
        assert answer.status == expected.status
        assert line["answered"] == len(answer.body)
    assert (line["upload"] or {}).get("body") == expected.body
    if line["upload"] is not None and expected.received is not None:
        assert line["upload"]["received"] == expected.received
    told = [(each["outcome"], each["status"], each["error"]) for each in line["deliveries"]]
    assert told == ([(expected.outcome, expected.answer, expected.delivery_error)] if expected.outcome else [])
    assert "secret" not in front.running.log()


def test_sizes_and_times_fit_together(front: Front) -> None:
    """What was declared, what came, what was sent; and nothing takes longer than the whole."""
    request_id = front.new_id()
    with front.client() as client:
        posts("/text")(client, f"X-Request-Id: {request_id}\r\n".encode())

    line = front.line(request_id)
    (delivery,) = line["deliveries"]
    assert line["declared"] == len(FORM.body)
    assert line["upload"]["parts"] == 4
    assert line["upload"]["filenames"] == ["first.bin", "empty.bin", "last.bin"]
    assert delivery["bytes_sent"] == len(FORM.body)
    assert delivery["attempts"] == 1
    assert 0 < line["upload"]["ms"] <= line["ms"]
    assert 0 < delivery["ms"] <= line["ms"]


def test_all_that_the_gateway_says_is_json(front: Front) -> None:
    """From the announcement to the warning about a request that is none."""
    with front.client() as client:
        client.send(b"no request\r\n\r\n")
        client.read_response()
    eventually(lambda: "cannot be read" in front.running.log())

    lines = [json.loads(line) for line in front.running.log().rpartition("\n")[0].splitlines()]
    assert {"gateway.serve", "gunicorn.error"} <= {line["logger"] for line in lines}
    assert all({"time", "level", "logger"} <= line.keys() for line in lines)


def test_lines_of_several_workers_are_whole() -> None:
    """Whoever writes: a line is an object, and there are as many as uploads."""
    with RecordingService(keep_bodies=False) as service:
        config = configuration({"text": {"url": service.url}}, log={"format": "json"})
        with running_gateway(config=config, workers=3) as running:
            part = b'Content-Disposition: form-data; name="file"; filename="%s"' % (b"n" * 180)
            upload = form([(part, b"content")] * 15)

            def send(_: int) -> None:
                with RawClient(HOST, running.port) as client:
                    client.send(upload.head("/text") + upload.wire)
                    assert client.read_response().status == 200

            in_parallel(range(120), send)

            def lines() -> list[str]:
                return [line for line in running.log().splitlines() if "gateway.access" in line]

            eventually(lambda: len(lines()) == 120, running.log)
            found = [json.loads(line) for line in lines()]
            assert all(len(line["upload"]["filenames"]) == 15 for line in found)


def test_the_text_that_people_read() -> None:
    """Neither a name nor a path can make two lines of one, or drive a terminal."""
    name = '日本 \u202e\u2028 \\" status=200.pdf'.encode()
    upload = form([(b'Content-Disposition: form-data; name="file"; filename="' + name + b'"', b"content")])
    with ExitStack() as stack:
        service = stack.enter_context(RecordingService(keep_bodies=False))
        running = stack.enter_context(running_gateway(config=configuration({"text": {"url": service.url}})))
        with RawClient(HOST, running.port) as client:
            client.send(upload.head("/text") + upload.wire)
            assert client.read_response().status == 200
            forged = "/x%0A2026-01-01T00:00:00.000Z%20200%20POST%20/text%1B%5B31m"
            assert client.post(forged + "?token=secret", FORM.body).status == 404
        eventually(lambda: " 404 " in running.log())

        announced, *lines = running.log().split("\n")[:-1]

    assert announced.endswith(f"/text -> text at {service.url}")
    taken, refused = lines[-2:]
    assert all(line.isprintable() for line in lines)
    assert " 200 POST /text id=" in taken
    assert r'files="日本 \u202e\u2028 \" status=200.pdf" to="text ok 200 ' in taken
    assert r' 404 POST "/x\n2026-01-01T00:00:00.000Z 200 POST /text\x1b[31m" id=' in refused
    assert "secret" not in refused


def test_who_wants_no_lines_has_none() -> None:
    """Warnings and announcements stay."""
    with RecordingService(keep_bodies=False) as service:
        config = configuration({"text": {"url": service.url}}, log={"uploads": False})
        with running_gateway(config=config) as running:
            with RawClient(HOST, running.port) as client:
                client.send(FORM.head("/text") + FORM.wire)
                assert client.read_response().status == 200
            with RawClient(HOST, running.port) as client:
                client.send(b"no request\r\n\r\n")
                client.read_response()
            # With the process everything that it had to say is there.
            running.signal(signal.SIGTERM)
            assert running.wait(20) == 0
            *announced, warning = running.log().splitlines()

    assert [line.partition(" -> ")[2].split()[0] for line in announced] == ["text", "text"]
    assert " WARNING [" in warning
    assert "cannot be read" in warning


# --- health ------------------------------------------------------------------------------------


def ask(front: Front, path: str, method: str = "GET") -> tuple[int, Any]:
    with front.client() as client:
        answer = client.post(path, method=method)
    assert answer.complete
    assert answer.headers.get("cache-control") == "no-store"
    return answer.status, json.loads(answer.body) if answer.body else None


def test_a_saturated_gateway_still_says_how_it_is(front: Front) -> None:
    """Every thread for uploads waits for a client; others are left for those who ask."""
    eventually(lambda: ask(front, "/-/ready")[1]["uploads"]["running"] == 0)
    received = len(front.service.received)
    with ExitStack() as stack:
        clients = [stack.enter_context(front.client()) for _ in range(PLACES)]
        done = threading.Event()

        def dribble(client: RawClient) -> None:
            """Byte by byte, faster than the gateway calls it a stall."""
            for place in range(100_000, len(LARGE.wire)):
                client.send(LARGE.wire[place : place + 1])
                if done.wait(0.1):
                    client.send(LARGE.wire[place + 1 :])
                    return

        for client in clients:
            fields = f"X-Request-Id: {front.new_id()}\r\n".encode()
            client.send(LARGE.head("/text")[:-2] + fields + b"\r\n" + LARGE.wire[:100_000])
        threads = [threading.Thread(target=dribble, args=(client,)) for client in clients]
        try:
            for thread in threads:
                thread.start()
            eventually(lambda: ask(front, "/-/ready")[1]["uploads"]["running"] == PLACES)

            code, members = ask(front, "/-/ready")
            assert (code, members["status"], members["reasons"]) == (503, "not ready", ["saturated"])
            assert members["uploads"] == {"running": PLACES, "limit": PLACES}
            assert ask(front, "/-/ready", "HEAD") == (503, None)
            assert ask(front, "/-/health") == (200, {"status": "ok"})
            assert ask(front, "/-/health", "HEAD") == (200, None)
            with front.client() as late:
                answer = posts("/text")(late, f"X-Request-Id: {front.new_id()}\r\n".encode())
                assert answer is not None
                assert answer.status == 503
            refused = front.line(front.asked[-1])
            assert (refused["error"], refused["route"], refused["upload"]) == ("saturated", "text", None)
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert [client.read_response().status for client in clients] == [200] * PLACES
    eventually(lambda: ask(front, "/-/ready")[0] == 200)
    assert len(front.service.received) == received + PLACES


# --- Server-Timing -----------------------------------------------------------------------------


def timings(answer: Answer | None) -> list[str]:
    """The fields, with numbers as N."""
    assert answer is not None
    return [
        b"".join(b"N" if is_number else bytes(part) for is_number, part in _numbers(value)).decode()
        for name, value in answer.headers
        if name.lower() == b"server-timing"
    ]


def _numbers(value: bytes) -> Iterator[tuple[bool, bytes]]:
    for is_number, part in itertools.groupby(value, key=lambda byte: byte in b"0123456789."):
        yield is_number, bytes(part)


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (posts("/text"), ['upload;dur=N, text;dur=N;desc="ok"']),
        (posts("/json"), ['upload;dur=N, text;dur=N;desc="ok"']),
        (posts("/timed"), ['own;dur=N;desc="theirs"', 'upload;dur=N, timed;dur=N;desc="ok"']),
        (posts("/closes"), ['upload;dur=N, closes;dur=N;desc="failed"']),
        (posts("/says-nothing"), ['upload;dur=N, says-nothing;dur=N;desc="timeout"']),
        (posts("/nowhere"), []),
        (claims("/text", 2**40), []),
    ],
    ids=["relayed", "json", "service-has-its-own", "failed", "timeout", "no-route", "refused"],
)
def test_the_answer_says_where_the_time_went(front: Front, act: Act, expected: list[str]) -> None:
    """On answers of services, on JSON replies and on problem documents; what a service says itself stays."""
    with front.client() as client:
        answer = act(client, f"X-Request-Id: {front.new_id()}\r\n".encode())

    assert timings(answer) == expected
