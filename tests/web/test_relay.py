"""A request along a route, through Flask's test client: the service gets the upload, the client gets its answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, request
from werkzeug.test import TestResponse

from gateway.core.services import Accept, Route, Send, Service, Timeouts
from gateway.errors import GatewayError, ServiceAnswerInvalid
from gateway.testing import (
    Connection,
    RecordingService,
    ScriptedService,
    answer_bytes,
    boundary_of,
    field_part,
    file_part,
    multipart,
    peers,
    refused_port,
    split_multipart,
)
from gateway.web.app import create_app
from gateway.web.extension import UploadGateway, upload_request
from gateway.web.relay import relay
from tests.web.sites import BOUNDARY, FORM, form, new_gateway, post

PARTS = [field_part("a", b"1"), file_part("f", "x.bin", bytes(range(256)) * 20), field_part("a", b"2")]
LARGE = [file_part("f", "x.bin", bytes(range(251)) * 1000)]
"""More than is read whole before it is sent."""
TIMEOUTS = Timeouts(connect=5, stall=5, first_byte=5, total=10)


def route_to(url: str, **options: Any) -> Route:
    service = Service(name="text", urls=(url,), **{"timeouts": TIMEOUTS, **options})
    return Route(name="relay", path="/file", service=service, accept=Accept(bodies=frozenset({"multipart", "raw"})))


@contextmanager
def gateway_to(state: Path, url: str, **options: Any) -> Iterator[Flask]:
    """The gateway's application with one route, at /file; one upload at a time, so that nothing may be left."""
    with new_gateway(state, routes=[route_to(url, **options)]) as gateway:
        yield create_app(gateway)


def send(app: Flask, body: bytes, content_type: str = FORM, **options: Any) -> TestResponse:
    return post(app, body, content_type, path="/file", **options)


def parts_in(service: RecordingService) -> list[tuple[bytes, bytes]]:
    received = service.received[-1]
    assert received.complete
    assert received.body is not None
    return split_multipart(received.body, boundary_of(received.headers.get("content-type")))


@pytest.mark.parametrize("parts", [PARTS, LARGE, []], ids=["small", "live", "empty"])
@pytest.mark.parametrize("deliver", ["live", "whole"])
def test_a_service_gets_the_form(tmp_path: Path, parts: list[tuple[bytes, bytes]], deliver: str) -> None:
    with RecordingService() as service, gateway_to(tmp_path, f"{service.url}/api", deliver=deliver) as app:
        for _ in range(3):
            assert send(app, multipart(parts, BOUNDARY)).status_code == 200
            assert parts_in(service) == parts

        assert service.received[0].target == "/api"
        assert service.connections == 1
        boundaries = {received.headers.get("content-type") for received in service.received}
        assert len(boundaries) == 3, "fresh each time"


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 300_000])
def test_a_service_that_takes_forms_gets_a_bare_file_as_one(tmp_path: Path, size: int) -> None:
    with RecordingService() as service, gateway_to(tmp_path, service.url) as app:
        assert send(app, bytes(size), "image/png").status_code == 200

        assert parts_in(service) == [file_part("file", "file", bytes(size), "image/png")]


@pytest.mark.parametrize("given", ["image/png", "text/plain; name=Übersicht.txt"])
def test_the_type_of_a_bare_file_keeps_its_bytes(tmp_path: Path, given: str) -> None:
    as_wsgi = given.encode().decode("latin-1")
    with RecordingService() as service, gateway_to(tmp_path, service.url) as app:
        send(app, b"x", as_wsgi)
        assert parts_in(service) == [file_part("file", "file", b"x", given)]
    with RecordingService() as service, gateway_to(tmp_path, service.url, send=Send(kind="raw")) as app:
        send(app, b"x", as_wsgi)
        assert dict(service.received[0].headers)[b"Content-Type"] == given.encode()


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 300_000])
@pytest.mark.parametrize("kind", ["form", "raw"])
def test_a_service_that_takes_files_gets_a_file(tmp_path: Path, kind: str, size: int) -> None:
    content = bytes(size)
    body = content if kind == "raw" else form(field_part("a", b"1"), file_part("f", "x", content, "image/png"))
    with RecordingService() as service, gateway_to(tmp_path, service.url, send=Send(kind="raw")) as app:
        assert send(app, body, "image/png" if kind == "raw" else FORM).status_code == 200

        (received,) = service.received
        assert received.body == content
        assert received.headers.get("content-type") == "image/png"
        assert received.headers.get("content-length") == str(size)


def test_a_service_is_told_about_the_request(tmp_path: Path) -> None:
    with RecordingService() as service, gateway_to(tmp_path, service.url, headers={"X-Key": "secret"}) as app:
        answer = send(
            app,
            form(*PARTS),
            headers={"X-Request-Id": "abc-1", "Accept": "text/plain", "Cookie": "a=b", "Authorization": "Bearer t"},
            environ_overrides={"REMOTE_ADDR": "::1"},
        )

        headers = service.received[0].headers
    assert headers.get("x-request-id") == answer.headers["X-Request-Id"] == "abc-1"
    assert headers.get("accept") == "text/plain"
    assert headers.get("accept-encoding") == "identity"
    assert headers.get("forwarded") == 'for="[::1]";host="localhost";proto=http'
    assert headers.get("x-forwarded-for") == "::1"
    assert headers.get("x-key") == "secret"
    assert headers.get("user-agent") is not None
    assert (headers.get("cookie"), headers.get("authorization")) == (None, None)


@pytest.mark.parametrize("given", ["", "a" * 129, "a\x7fb", "ä"])
def test_a_request_id_that_is_none_is_replaced(tmp_path: Path, given: str) -> None:
    with RecordingService() as service, gateway_to(tmp_path, service.url) as app:
        answer = send(app, form(*PARTS), headers={"X-Request-Id": given})

        made = answer.headers["X-Request-Id"]
        assert len(made) == 16
        assert service.received[0].headers.get("x-request-id") == made


def test_an_answer_comes_back_as_it_is(tmp_path: Path) -> None:
    fields = [
        ("X-B", "1"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("Content-Encoding", "gzip"),
        ("Connection", "X-Hop"),
        ("X-Hop", "1"),
        ("Server", "theirs"),
    ]
    raw = answer_bytes(418, b"\x1f\x8b not really gzip", fields).replace(b"I'm a Teapot", b"Short and stout")
    with ScriptedService(peers.answer_garbage(raw)) as service, gateway_to(tmp_path, service.url) as app:
        answer = send(app, form(*PARTS))

    assert answer.status == "418 Short and stout"
    assert answer.data == b"\x1f\x8b not really gzip"
    assert answer.headers.getlist("Set-Cookie") == ["a=1", "b=2"]
    assert {name for name, _ in answer.headers} == {
        "X-B",
        "Set-Cookie",
        "Content-Encoding",
        "Content-Length",
        "X-Request-Id",
        "Server-Timing",
    }


def test_an_answer_that_breaks_off_is_never_whole(tmp_path: Path) -> None:
    script = peers.answer_cut_in_length(b"half of it", declared=20)
    with ScriptedService(script) as service, gateway_to(tmp_path, service.url) as app:
        for _ in range(2):
            with pytest.raises(ServiceAnswerInvalid):
                send(app, form(*PARTS))


def test_an_answer_that_breaks_off_before_it_began_is_a_problem(tmp_path: Path) -> None:
    script = peers.answer_cut_in_length(b"", declared=20)
    with ScriptedService(script) as service, gateway_to(tmp_path, service.url) as app:
        answer = send(app, form(*PARTS))

    assert (answer.status_code, answer.json["code"] if answer.json else None) == (502, "service_answer_invalid")
    assert 'desc="failed"' in answer.headers["Server-Timing"]


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (peers.close_without_answer(), 502, "service_reset"),
        (peers.answer_garbage(), 502, "service_answer_invalid"),
        (peers.redirect(302, "/elsewhere"), 502, "service_redirects"),
        (peers.redirect(307, "http://elsewhere.test/"), 502, "service_redirects"),
        (peers.redirect(308, "/"), 502, "service_redirects"),
    ],
)
@pytest.mark.parametrize("parts", [PARTS, LARGE], ids=["small", "live"])
def test_a_service_that_fails_is_a_problem_document(
    tmp_path: Path, script: Any, status: int, code: str, parts: list[tuple[bytes, bytes]]
) -> None:
    with ScriptedService(script) as service, gateway_to(tmp_path, service.url) as app:
        for _ in range(2):
            answer = send(app, multipart(parts, BOUNDARY))
            assert answer.json is not None
            assert (answer.status_code, answer.json["code"]) == (status, code)


def test_a_service_that_does_not_run_is_a_problem_document(tmp_path: Path) -> None:
    with refused_port() as port, gateway_to(tmp_path, f"http://127.0.0.1:{port}") as app:
        for _ in range(2):
            answer = send(app, form(*PARTS))
            assert answer.json is not None
            assert (answer.status_code, answer.json["code"]) == (502, "service_unreachable")


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("parts", [PARTS, LARGE], ids=["small", "live"])
def test_a_redirect_within_the_origin_gets_the_upload_again(
    tmp_path: Path, status: int, parts: list[tuple[bytes, bytes]]
) -> None:
    """All of it, under yet another boundary."""

    def answer(received: Any) -> bytes:
        return answer_bytes(status, headers=[("Location", "/new")]) if received.target == "/" else answer_bytes(200)

    with RecordingService(answer=answer) as service, gateway_to(tmp_path, service.url) as app:
        assert send(app, multipart(parts, BOUNDARY)).status_code == 200

        first, second = service.received
        assert (first.target, second.target) == ("/", "/new")
        assert parts_in(service) == parts
        assert first.headers.get("content-type") != second.headers.get("content-type")


def test_a_live_upload_whose_beginning_is_gone_cannot_be_redirected(tmp_path: Path) -> None:
    parts = [file_part("f", "x", bytes(12 * 2**20))]
    with ScriptedService(peers.redirect(307, "/new")) as service, gateway_to(tmp_path, service.url) as app:
        answer = send(app, multipart(parts, BOUNDARY))

    assert answer.json is not None
    assert (answer.status_code, answer.json["code"]) == (502, "service_redirects")
    assert "cannot be sent once more" in answer.json["detail"]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (form(*PARTS)[:-4], FORM, 400, "closing_delimiter_missing"),
        (multipart(LARGE, BOUNDARY)[:-20], FORM, 400, "closing_delimiter_missing"),
        (b"x" * 100_000, FORM, 400, "boundary_not_found"),
        (b"x", "multipart/form-data", 400, "boundary_missing"),
        (b"x", "multipart/mixed; boundary=b", 415, "not_multipart"),
    ],
)
def test_a_broken_upload_is_a_problem_document(
    tmp_path: Path, body: bytes, content_type: str, status: int, code: str
) -> None:
    """And no service takes it for a whole one."""
    with RecordingService() as service, gateway_to(tmp_path, service.url) as app:
        for _ in range(2):
            answer = send(app, body, content_type)
            assert answer.json is not None
            assert (answer.status_code, answer.json["code"]) == (status, code)

        assert not any(received.complete for received in service.received)


def test_a_form_without_its_one_file_is_refused(tmp_path: Path) -> None:
    with RecordingService() as service, gateway_to(tmp_path, service.url, send=Send(kind="raw")) as app:
        answer = send(app, form(field_part("a", b"1")))

        assert service.received == []
    assert answer.json is not None
    assert (answer.status_code, answer.json["code"]) == (422, "file_expected")


def test_an_early_answer_reaches_the_client(tmp_path: Path) -> None:
    script = peers.answer_early_and_half_close(answer_bytes(413, b"too large for us"))
    with (
        ScriptedService(script, receive_buffer=32 * 2**10) as service,
        gateway_to(tmp_path, service.url) as app,
    ):
        for _ in range(2):
            answer = send(app, form(file_part("f", "x", bytes(8 * 2**20))))
            assert (answer.status_code, answer.data) == (413, b"too large for us")


# --- in an application of one's own ------------------------------------------------------------


def test_an_application_can_relay_what_its_hooks_have_looked_at(tmp_path: Path) -> None:
    """A hook that reads the form has read the upload: it is sent from there, not asked from the client again."""
    with RecordingService() as service:
        route = route_to(service.url)
        with new_gateway(tmp_path, routes=[route]) as gateway:
            app = Flask("site")
            UploadGateway(gateway).init_app(app)
            looked: list[object] = []

            @app.before_request
            def look() -> None:
                looked.append([request.form.getlist("a"), len(request.files)])

            @app.post("/file")
            def view() -> Response:
                return relay(route, upload_request())

            for parts in (PARTS, LARGE):
                assert send(app, multipart(parts, BOUNDARY)).status_code == 200
                assert parts_in(service) == parts
            assert looked == [[["1", "2"], 1], [[], 1]]


def test_a_view_can_turn_a_failure_into_an_answer_of_its_own(tmp_path: Path) -> None:
    with refused_port() as port:
        route = route_to(f"http://127.0.0.1:{port}")
        with new_gateway(tmp_path, routes=[route]) as gateway:
            app = Flask("site")
            UploadGateway(gateway).init_app(app)

            @app.post("/file")
            def view() -> Response:
                try:
                    return relay(route, upload_request())
                except GatewayError as error:
                    return Response(f"sorry: {error.code}", status=503)

            answer = send(app, form(*PARTS))

    assert (answer.status_code, answer.text) == (503, "sorry: service_unreachable")


def test_a_service_may_answer_while_the_client_still_reads(tmp_path: Path) -> None:
    """Blocks are handed on as they come."""

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        connection.hold()

    with ScriptedService(script) as service, gateway_to(tmp_path, service.url) as app:
        answer = app.test_client().post("/file", data=form(*PARTS), content_type=FORM, buffered=False)
        assert next(iter(answer.response)) == b"first"
        answer.close()
