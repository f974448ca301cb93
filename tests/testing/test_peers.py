"""Every ready-made fault looks to a client as its name says, and ends with the service."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from gateway.testing import (
    ConnectionEnded,
    MessageInvalid,
    RawClient,
    ScriptedService,
    WaitedInVain,
    answer_bytes,
    peers,
)
from gateway.testing.listening import HOST

LARGE = bytes(20 * 2**20)
"""More than the kernel takes for a reader that does not read."""

SMALL_BUFFER = 32 * 2**10


@pytest.mark.parametrize("after", [0, 100_000])
@pytest.mark.parametrize(
    "script",
    [peers.answer_early_and_close, peers.answer_early_and_half_close, peers.answer_early_and_stop],
    ids=lambda script: script.__name__,
)
def test_an_early_answer_comes_before_the_body_is_out(script: Callable[..., peers.Script], after: int) -> None:
    service = ScriptedService(script(after=after), receive_buffer=SMALL_BUFFER)

    with service, RawClient(HOST, service.port) as client:
        answer = client.post("/", LARGE)

    assert (answer.status, answer.body, answer.closed, answer.request_sent) == (413, b"too large", True, False)
    assert service.opened[0].taken >= after


def test_an_early_answer_may_be_followed_by_reading_on() -> None:
    with ScriptedService(peers.answer_early_and_read_on(after=5)) as service, RawClient(HOST, service.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n" + bytes(50))
        assert client.read_response().status == 413
        client.send(bytes(50))
        service.wait_until(lambda service: service.opened[0].taken == 100)


def test_a_stalled_service_takes_nothing() -> None:
    service = ScriptedService(peers.stall(after=10), receive_buffer=SMALL_BUFFER)

    with service, RawClient(HOST, service.port, timeout=0.2) as client, pytest.raises(WaitedInVain):
        client.post("/", LARGE)

    assert service.opened[0].taken == 10


def test_a_silent_service_takes_everything() -> None:
    service = ScriptedService(peers.never_answer())

    with service, RawClient(HOST, service.port, timeout=0.2) as client, pytest.raises(WaitedInVain):
        client.post("/", bytes(100_000))

    assert service.opened[0].taken == 100_000


@pytest.mark.parametrize(
    "script",
    [peers.close_without_answer(), peers.close_without_answer(after=10), peers.reset_in_body(after=10)],
    ids=["close", "close in the body", "reset in the body"],
)
def test_a_service_may_end_without_a_word(script: peers.Script) -> None:
    service = ScriptedService(script)

    with service, RawClient(HOST, service.port) as client, pytest.raises(ConnectionEnded):
        client.post("/", bytes(100_000))


def test_interim_answers_come_before_the_final_one() -> None:
    script = peers.answer_after_interim((100, 102, 103), after=3)

    with ScriptedService(script) as service, RawClient(HOST, service.port) as client:
        answer = client.post("/", [b"abc", b"def"], [("Content-Length", "6")])

    assert (answer.interim, answer.status, answer.body) == ((100, 102, 103), 200, b"done")
    assert answer.request_sent


@pytest.mark.parametrize(
    "script", [peers.answer_cut_in_length(), peers.answer_cut_in_chunks()], ids=["length", "chunked"]
)
def test_an_answer_that_is_cut_off_is_not_complete(script: peers.Script) -> None:
    with ScriptedService(script) as service, RawClient(HOST, service.port) as client:
        answer = client.post("/", b"abc")

    assert (answer.body, answer.complete, answer.closed) == (b"half of it", False, True)


def test_garbage_is_refused() -> None:
    service = ScriptedService(peers.answer_garbage())

    with service, RawClient(HOST, service.port) as client, pytest.raises(MessageInvalid):
        client.post("/", b"abc")


def test_a_dribbled_answer_is_whole_in_the_end() -> None:
    script = peers.answer_dribbled(answer_bytes(200, b"abc"), interval=0.002)

    with ScriptedService(script) as service, RawClient(HOST, service.port) as client:
        began = time.monotonic()
        answer = client.post("/", b"abc")

    assert (answer.body, answer.complete) == (b"abc", True)
    assert time.monotonic() - began > 0.002 * len(answer_bytes(200, b"abc"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_names_its_location(status: int) -> None:
    with ScriptedService(peers.redirect(status, "/there")) as service, RawClient(HOST, service.port) as client:
        for _ in range(2):
            answer = client.post("/", b"abc")
            assert (answer.status, answer.headers.get("location")) == (status, "/there")
