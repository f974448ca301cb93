"""A tap changes nothing, and shows what passed."""

from __future__ import annotations

import http.client
import threading

import pytest

from gateway.testing import (
    Connection,
    ConnectionEnded,
    RawClient,
    RecordingService,
    ScriptedService,
    Tap,
    peers,
    refused_port,
)
from gateway.testing.listening import HOST


def test_what_passes_is_unchanged_and_shown() -> None:
    body = bytes(range(256)) * 40_000

    with RecordingService() as service, Tap(HOST, service.port, keep=1000) as tap:
        client = http.client.HTTPConnection(HOST, tap.port)
        for _ in range(2):
            client.request("POST", "/a", body)
            answer = client.getresponse().read()
        client.close()

    assert [received.body == body for received in service.received] == [True, True]
    (passage,) = tap.passages
    assert passage.sent.startswith(b"POST /a HTTP/1.1\r\n")
    assert len(passage.sent) == 1000
    assert passage.sent_length == sum(len(received.head) + received.length for received in service.received)
    assert passage.answered.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer in passage.answered


def test_the_end_of_one_direction_is_passed_on() -> None:
    def script(connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n%d" % connection.read_to_end())

    with ScriptedService(script) as service, Tap(HOST, service.port) as tap, RawClient(HOST, tap.port) as client:
        client.send(b"abc")
        client.half_close()

        assert client.read_response().body == b"3"


def test_a_reset_by_the_client_is_passed_on() -> None:
    resets: list[bool] = []

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_to_end()
        resets.append(connection._wire.was_reset)

    with ScriptedService(script) as service, Tap(HOST, service.port) as tap:
        with RawClient(HOST, tap.port) as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
            service.wait_until(lambda service: bool(service.opened) and service.opened[0].head is not None)
            client.abort()
        service.wait_until(lambda service: service.opened[0].done)

    assert resets == [True]


def test_a_reset_by_the_target_is_passed_on() -> None:
    service = ScriptedService(peers.reset_in_body(after=3))
    tap = Tap(HOST, service.port)

    with service, tap, RawClient(HOST, tap.port) as client, pytest.raises(ConnectionEnded):
        client.post("/", b"abc")


def test_a_target_that_is_not_there_is_felt() -> None:
    with refused_port() as port, Tap(HOST, port) as tap, RawClient(HOST, tap.port) as client:
        assert client.is_closed_by_server()


def test_nothing_is_left_when_the_tap_ends() -> None:
    """Also not in the middle of an exchange that would last for ever."""
    before = set(threading.enumerate())

    with ScriptedService(peers.stall()) as service, Tap(HOST, service.port) as tap, RawClient(HOST, tap.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
        client.half_close()
        service.wait_until(lambda service: bool(service.opened) and service.opened[0].head is not None)

    assert set(threading.enumerate()) <= before
