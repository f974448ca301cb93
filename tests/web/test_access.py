"""The access log as middleware: each request once, with how its answer really ended, and nothing where it is off."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from flask import request
from werkzeug.test import EnvironBuilder, run_wsgi_app

from gateway.core.services import Route, Service
from gateway.errors import ServiceAnswerInvalid, SpoolFailed
from gateway.gateway import Gateway
from gateway.telemetry.records import ACCESS_LOGGER, UploadRecord
from gateway.web.access import AccessLog
from gateway.web.app import create_app
from tests.web.sites import form, new_gateway, new_site, post

PARTS = [
    (b'Content-Disposition: form-data; name="language"', b"en"),
    (b'Content-Disposition: form-data; name="file"; filename="report.pdf"', b"%PDF"),
]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[UploadRecord]]:
    """What was logged so far."""
    caplog.set_level(logging.INFO, ACCESS_LOGGER)

    def records() -> list[UploadRecord]:
        found = [each.msg for each in caplog.records if each.name == ACCESS_LOGGER]
        assert all(isinstance(each, UploadRecord) for each in found)
        return found  # type: ignore[return-value]  # just looked at

    return records


class Clock:
    """A second passes whenever somebody looks."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def environ(path: str = "/file", **more: str) -> dict[str, Any]:
    return {**EnvironBuilder(path=path, method="POST").get_environ(), "REMOTE_ADDR": "192.0.2.7", **more}


def logged(app: Any, *, every: bool = True) -> AccessLog:
    return AccessLog(app, clock=Clock(), owns_every_request=every, time_of_day=lambda: 1_790_000_000.0)


def answering(blocks: Iterable[bytes], status: str = "200 OK") -> Any:
    def app(_environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response(status, [("Content-Type", "text/plain")])
        return blocks

    return app


class Blocks:
    """An answer that counts how often it is closed; exceptions among the blocks are raised."""

    def __init__(self, *blocks: bytes | Exception) -> None:
        self.closed = 0
        self._blocks = blocks

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            if isinstance(block, Exception):
                raise block
            yield block

    def close(self) -> None:
        self.closed += 1


def serve(app: Any, environ: dict[str, Any], *, take: int | None = None) -> list[bytes]:
    """What a server does: takes the blocks, or only so many of them because its client has gone, and closes."""
    answer = app(environ, lambda *_: None)
    taken = []
    try:
        iterator = iter(answer)
        while take is None or len(taken) < take:
            try:
                taken.append(next(iterator))
            except StopIteration:
                break
    finally:
        if hasattr(answer, "close"):
            answer.close()
    return taken


# --- how an answer ends ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("blocks", "take", "size", "broken", "error"),
    [
        (Blocks(), None, 0, None, None),
        (Blocks(b"one", b"", b"two"), None, 6, None, None),
        # Its last block is not its end: a server knows that only after it has asked once more.
        (Blocks(b"one", b"two"), 1, 3, "client", None),
        (Blocks(b"one", b"two"), 0, 0, "client", None),
        (Blocks(b"one", ServiceAnswerInvalid("cut")), None, 3, "service", "service_answer_invalid"),
        (Blocks(b"one", SpoolFailed("read error")), None, 3, "gateway", "spool_unusable"),
        (Blocks(b"one", ZeroDivisionError()), None, 3, "gateway", None),
    ],
)
def test_the_log_tells_how_an_answer_ended(
    log: Callable[[], list[UploadRecord]],
    blocks: Blocks,
    take: int | None,
    size: int,
    broken: str | None,
    error: str | None,
) -> None:
    """Whole, or broken off by whom; in each case once, and the application's own answer is closed once."""
    app = logged(answering(blocks, "202 Accepted"))

    try:
        serve(app, environ(), take=take)
    except (ServiceAnswerInvalid, SpoolFailed, ZeroDivisionError):
        # What the application raises goes on to the server, which then breaks off.
        assert broken in ("service", "gateway")

    (record,) = log()
    assert (record.status, record.answered, record.broken, record.error) == (202, size, broken, error)
    assert blocks.closed == 1


def test_closing_twice_is_one_line(log: Callable[[], list[UploadRecord]]) -> None:
    """Some servers do."""
    app = logged(answering(Blocks(b"one")))
    answer = app(environ(), lambda *_: None)

    list(answer)
    answer.close()  # type: ignore[attr-defined]  # an iterable of WSGI may have it
    answer.close()  # type: ignore[attr-defined]

    assert len(log()) == 1


def test_an_application_that_fails_is_logged_too(log: Callable[[], list[UploadRecord]]) -> None:
    """Before it has an answer: the server makes one, and the log has the rest."""

    def app(_environ: Any, _start_response: Any) -> Iterable[bytes]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        serve(logged(app), environ())

    (record,) = log()
    assert (record.status, record.broken, record.id) == (None, "gateway", None)


def test_an_answer_without_close(log: Callable[[], list[UploadRecord]]) -> None:
    """WSGI does not ask for it."""
    assert serve(logged(answering([b"one", b"two"])), environ()) == [b"one", b"two"]

    (record,) = log()
    assert (record.answered, record.broken) == (6, None)


def test_times_are_measured_by_the_clock_that_is_given(log: Callable[[], list[UploadRecord]]) -> None:
    """And the moment by the time of day."""
    serve(logged(answering([b"one"])), environ())

    (record,) = log()
    assert (record.ended_at, record.duration_s) == (1_790_000_000.0, 1.0)


# --- what is in a record -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"PATH_INFO": "/caf\xc3\xa9"}, {"path": "/café"}),
        ({"PATH_INFO": "/caf\xe9"}, {"path": "/caf\ufffd"}),
        ({"SCRIPT_NAME": "/mounted"}, {"path": "/mounted/file"}),
        ({"QUERY_STRING": "token=secret", "RAW_URI": "/file?token=secret"}, {"path": "/file"}),
        ({"REMOTE_ADDR": ""}, {"peer": None}),
        ({"REMOTE_ADDR": "2001:db8::7"}, {"peer": "2001:db8::7"}),
        ({"CONTENT_LENGTH": "12"}, {"declared": 12}),
        ({"CONTENT_LENGTH": ""}, {"declared": None}),
        ({"CONTENT_LENGTH": "-1"}, {"declared": None}),
        ({"CONTENT_LENGTH": "²"}, {"declared": None}),
        ({"CONTENT_LENGTH": "9" * 5000}, {"declared": None}),
        ({"REQUEST_METHOD": "PUT"}, {"method": "PUT"}),
        ({"SERVER_PROTOCOL": "HTTP/1.0"}, {"protocol": "HTTP/1.0"}),
    ],
)
def test_what_the_request_says(
    log: Callable[[], list[UploadRecord]], more: dict[str, str], expected: dict[str, object]
) -> None:
    """As it came, without what may be secret, and nonsense is nothing."""
    serve(logged(answering([])), environ(**more))

    (record,) = log()
    assert {name: getattr(record, name) for name in expected} == expected
    assert "secret" not in str(record)


def test_an_upload_of_the_gateway(log: Callable[[], list[UploadRecord]], tmp_path: Any) -> None:
    """What came of it, and where it was to go."""
    service = Service(name="absent", urls=("http://127.0.0.1:1/",))
    body = form(*PARTS)
    with new_gateway(tmp_path, routes=[Route(name="relay", path="/file", service=service)]) as gateway:
        answer = post(create_app(gateway), body, path="/file", headers={"X-Request-Id": "id-1"})

    (record,) = log()
    assert (record.id, record.route, record.status, record.error) == ("id-1", "relay", 502, "service_unreachable")
    assert (record.kind, record.declared, record.received) == ("multipart", len(body), len(body))
    assert (record.parts, record.files) == (2, ("report.pdf",))
    assert [(each.service, each.outcome, each.status) for each in record.deliveries] == [("absent", "failed", None)]
    assert record.received_s is not None
    assert 0 < record.received_s < record.duration_s
    assert (record.answered, record.broken) == (len(answer.data), None)


@pytest.mark.parametrize(
    ("path", "method", "status", "error"),
    [("/nowhere", "POST", 404, "route_unknown"), ("/file", "GET", 405, "method_not_allowed")],
)
def test_a_refusal_of_the_gateway(
    log: Callable[[], list[UploadRecord]], gateway: Gateway, path: str, method: str, status: int, error: str
) -> None:
    """No route, no upload, and why."""
    with new_gateway(
        gateway.setup.state / "own",
        routes=[Route(name="r", path="/file", service=Service(name="s", urls=("http://a",)))],
    ) as own:
        create_app(own).test_client().open(path, method=method, buffered=True)

    (record,) = log()
    assert (record.status, record.error, record.route, record.kind) == (status, error, None, None)
    assert (record.deliveries, record.files) == ((), ())


@pytest.mark.parametrize("path", ["/-/health", "/-/ready", "/-/nothing"])
def test_what_is_under_the_dash_is_not_logged(
    log: Callable[[], list[UploadRecord]], gateway: Gateway, path: str
) -> None:
    """It is asked every few seconds."""
    create_app(gateway).test_client().get(path)

    assert log() == []


# --- in an application of your own -------------------------------------------------------------


def test_requests_without_uploads_are_somebody_elses(log: Callable[[], list[UploadRecord]], gateway: Gateway) -> None:
    """The application has its own log for them."""
    new_site(gateway, lambda: "hello").test_client().get("/")

    assert log() == []


def test_uploads_are_logged_by_endpoint(log: Callable[[], list[UploadRecord]], gateway: Gateway) -> None:
    """Whatever the view does with them."""
    app = new_site(gateway, lambda: str(len(request.files)))

    assert post(app, form(*PARTS)).data == b"1"

    (record,) = log()
    assert (record.route, record.kind, record.files, record.status) == ("view", "multipart", ("report.pdf",), 200)
    assert record.deliveries == ()


@pytest.mark.parametrize("level", [logging.WARNING, logging.CRITICAL])
def test_a_log_that_nobody_wants_costs_nothing(caplog: pytest.LogCaptureFixture, level: int) -> None:
    """The answer is the application's own object."""
    caplog.set_level(level, ACCESS_LOGGER)
    blocks = Blocks(b"one")

    assert logged(answering(blocks))(environ(), lambda *_: None) is blocks
    assert caplog.records == []


def test_a_request_is_let_go_of_at_once(log: Callable[[], list[UploadRecord]], gateway: Gateway) -> None:
    """Not when somebody looks for circles: it may hold on to megabytes."""
    seen: list[weakref.ref[Any]] = []

    def view() -> str:
        seen.append(weakref.ref(request._get_current_object()))  # type: ignore[attr-defined]  # the proxy's
        return "done"

    app = new_site(gateway, view)
    gc.collect()
    gc.disable()
    try:
        iterator, _, _ = run_wsgi_app(app, EnvironBuilder(method="POST", data=b"").get_environ(), buffered=True)
        assert list(iterator) == [b"done"]
        del iterator
        assert seen[0]() is None
    finally:
        gc.enable()
