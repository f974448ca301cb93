"""An application with the extension on a real socket: Werkzeug's own server, which any Flask user starts first."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask, request
from flask.typing import ResponseReturnValue
from werkzeug.serving import make_server

from gateway.gateway import Gateway
from gateway.testing import Answer, RawClient, field_part, file_part
from gateway.web.extension import upload_request
from tests.web.sites import FORM, form, new_site

HOST = "127.0.0.1"
TYPE = [("Content-Type", FORM)]


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)


@contextmanager
def serving(app: Flask) -> Iterator[int]:
    """Werkzeug's server in a thread; it and its threads are gone afterwards."""
    before = set(threading.enumerate())
    server = make_server(HOST, 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        for other in set(threading.enumerate()) - before:
            other.join(10)


def digests() -> ResponseReturnValue:
    return {
        "fields": request.form.to_dict(flat=False),
        "files": [hashlib.sha256(file.read()).hexdigest() for file in request.files.values()],
    }


def post(app: Flask, body: bytes, *, chunked: bool = False, fields: list[tuple[str, str]] = TYPE) -> Answer:
    with serving(app) as port, RawClient(HOST, port) as client:
        return client.post("/", body, fields, chunked=chunked)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [0, 65_000, 700_000, 3_000_000])
def test_files_are_exact(gateway: Gateway, size: int, chunked: bool) -> None:
    content = random.Random(size).randbytes(size)

    answer = post(
        new_site(gateway, digests), form(field_part("a", b"1"), file_part("f", "x", content)), chunked=chunked
    )

    assert answer.status == 200
    assert json.loads(answer.body) == {"fields": {"a": ["1"]}, "files": [hashlib.sha256(content).hexdigest()]}


def test_a_client_that_vanishes_leaves_nothing(gateway: Gateway) -> None:
    """Its place is free for the next one; there is only one place."""
    body = form(file_part("f", "x", bytes(300_000)))
    with serving(new_site(gateway, digests)) as port:
        for cut in (0, 10, 100, 200_000):
            with RawClient(HOST, port) as client:
                head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM}\r\nContent-Length: {len(body)}\r\n\r\n"
                client.send(head.encode() + body[:cut])
                client.half_close()
                answer = client.read_response()
                assert (answer.status, json.loads(answer.body)["code"]) == (400, "client_gone")
                # The place is free once the request is over, which the client sees by the end of the connection.
                assert client.is_closed_by_server()

        with RawClient(HOST, port) as client:
            assert client.post("/", body, TYPE).status == 200


def test_a_body_that_nobody_reads_ends_its_connection(gateway: Gateway) -> None:
    """Else the rest of it would be read as the next request."""
    hidden = b"POST /hidden HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"

    with serving(new_site(gateway, lambda: "unread")) as port, RawClient(HOST, port) as client:
        answer = client.post("/", hidden * 10, [("Content-Type", "text/plain")])

        assert (answer.status, answer.body, answer.closed) == (200, b"unread", True)
        assert client.is_closed_by_server()


def test_a_refusal_reaches_a_client_that_still_sends(gateway: Gateway) -> None:
    app = new_site(gateway, digests, MAX_CONTENT_LENGTH=1000)

    answer = post(app, form(file_part("f", "x", bytes(100_000))))

    assert (answer.status, answer.closed) == (413, True)


def test_a_broken_form_is_a_problem_document(gateway: Gateway) -> None:
    answer = post(new_site(gateway, digests), form(field_part("a", b"1"))[:-8])

    assert answer.status == 400
    assert answer.headers.get("content-type") == "application/problem+json"
    assert json.loads(answer.body)["code"] == "closing_delimiter_missing"


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b'{"a": [1]}', "application/json", {"json": {"a": [1]}}),
        (b"a=1&a=2", "application/x-www-form-urlencoded", {"form": {"a": ["1", "2"]}}),
        (b"", "application/x-www-form-urlencoded", {"form": {}}),
    ],
)
def test_other_bodies_are_as_ever(gateway: Gateway, body: bytes, content_type: str, expected: object) -> None:
    def view() -> ResponseReturnValue:
        return {"json": request.get_json()} if request.is_json else {"form": request.form.to_dict(flat=False)}

    answer = post(new_site(gateway, view), body, fields=[("Content-Type", content_type)])

    assert (answer.status, json.loads(answer.body)) == (200, expected)


def test_of_two_uploads_at_once_the_second_is_told(gateway: Gateway) -> None:
    """There is one place; the second does not wait for the first."""
    body = form(file_part("f", "x", bytes(100_000)))
    head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM}\r\nContent-Length: {len(body)}\r\n\r\n"
    app, entered = new_site(gateway, digests), threading.Event()

    @app.before_request
    def enter() -> None:
        _ = upload_request().upload
        entered.set()

    with serving(app) as port, RawClient(HOST, port) as first:
        first.send(head.encode() + body[:50_000])
        assert entered.wait(10)

        with RawClient(HOST, port) as second:
            answer = second.post("/", body, TYPE)
            assert (answer.status, answer.headers.get("retry-after")) == (503, "1")

        first.send(body[50_000:])
        assert first.read_response().status == 200
        with RawClient(HOST, port) as third:
            assert third.post("/", body, TYPE).status == 200
