"""The recording service keeps exactly what came, however it came, and never takes a part for a whole."""

from __future__ import annotations

import hashlib
import http.client
import json
import threading
import time

import pytest

from gateway.testing import (
    MessageInvalid,
    PeerFailed,
    RawClient,
    Received,
    RecordingService,
    WaitedInVain,
    answer_bytes,
)
from gateway.testing.listening import HOST

SIZES = [0, 1, 2, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073, 3_000_003]


def content(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", SIZES)
def test_a_body_of_any_size_is_recorded_whole(size: int, chunked: bool) -> None:
    body = content(size)

    with RecordingService() as service, RawClient(HOST, service.port) as client:
        answer = client.post("/a?b", body, [("X-Name", "value")], chunked=chunked, chunk_size=10_007)

    (received,) = service.received
    assert (received.method, received.target) == ("POST", "/a?b")
    assert received.complete
    assert received.chunked is chunked
    assert received.body == body
    assert received.length == size
    assert received.sha256 == hashlib.sha256(body).hexdigest()
    assert received.headers.get("x-name") == "value"
    assert json.loads(answer.body) == {"sha256": received.sha256, "length": size, "content_type": None}


def test_the_standard_library_is_served_on_one_connection() -> None:
    with RecordingService() as service:
        client = http.client.HTTPConnection(HOST, service.port)
        for number in range(3):
            client.request("PUT", f"/{number}", content(number), {"Content-Type": "text/plain"})
            assert json.loads(client.getresponse().read())["content_type"] == "text/plain"
        client.request("POST", "/3", iter([b"ab", b"c"]), encode_chunked=True)
        assert client.getresponse().status == 200
        client.close()

        assert [(received.target, received.body) for received in service.received] == [
            ("/0", b""),
            ("/1", content(1)),
            ("/2", content(2)),
            ("/3", b"abc"),
        ]
        assert service.connections == 1


def test_pipelined_requests_are_answered_in_order() -> None:
    requests = b"".join(b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nn=%d" % (n, n) for n in range(5))

    with RecordingService() as service, RawClient(HOST, service.port) as client:
        client.send(requests)
        answers = [json.loads(client.read_response().body) for _ in range(5)]

    hashes = [hashlib.sha256(b"n=%d" % number).hexdigest() for number in range(5)]
    assert [answer["sha256"] for answer in answers] == hashes
    assert [received.target for received in service.received] == ["/0", "/1", "/2", "/3", "/4"]


def test_bytes_that_come_one_by_one_make_the_same_request() -> None:
    request = (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nT: 1\r\n\r\n"
    )

    with RecordingService() as service, RawClient(HOST, service.port) as client:
        for number in range(len(request)):
            client.send(request[number : number + 1])
        client.read_response()

    (received,) = service.received
    assert (received.body, received.trailers) == (b"abcd", ((b"T", b"1"),))


def test_the_body_waits_for_a_hundred_continue() -> None:
    with RecordingService() as service, RawClient(HOST, service.port) as client:
        answer = client.post("/", b"body", expect=True)

    assert (answer.status, answer.interim) == (200, (100,))
    assert service.received[0].body == b"body"


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("abort", [True, False], ids=["reset", "close"])
def test_a_body_that_is_cut_off_is_recorded_as_incomplete(keep: bool, abort: bool) -> None:
    with RecordingService(keep_bodies=keep) as service:
        with RawClient(HOST, service.port) as client:
            client.send(b"POST /cut HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
            service.wait_for(lambda service: service.heard_length == 3)
            if abort:
                client.abort()
        (received,) = service.wait_for(1)

    assert not received.complete
    assert received.body is None
    assert received.heard == (b"abc" if keep else b"")
    assert (received.length, received.sha256) == (3, hashlib.sha256(b"abc").hexdigest())


@pytest.mark.parametrize("tail", [b"3\r\nabc", b"3\r\nabc\r\n", b"3\r\nabc\r\n0\r\n", b"3\r\nabc\r\n0\r\nT: 1\r\n"])
def test_chunks_without_their_end_are_incomplete(tail: bytes) -> None:
    with RecordingService() as service:
        with RawClient(HOST, service.port) as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + tail)
            client.half_close()
        (received,) = service.wait_for(1)

    assert (received.complete, received.heard) == (False, b"abc")


def test_a_head_that_is_cut_off_is_recorded_as_heard() -> None:
    with RecordingService() as service:
        with RawClient(HOST, service.port) as client:
            client.send(b"POST / HT")
        (received,) = service.wait_for(1)

    assert (received.method, received.complete, received.heard) == ("", False, b"POST / HT")


def test_a_connection_that_says_nothing_is_no_request() -> None:
    with RecordingService() as service, RawClient(HOST, service.port):
        service.wait_for(lambda service: service.connections == 1)

    assert service.received == []


def test_the_running_request_can_be_watched() -> None:
    with RecordingService() as service, RawClient(HOST, service.port) as client:
        assert service.first_byte_at is None
        before = time.monotonic()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        service.wait_for(lambda service: service.heard_so_far() == b"abc")
        assert service.received == []
        client.send(b"def")
        (received,) = service.wait_for(1)

    assert service.heard_so_far() == b""
    assert received.body_at is not None
    assert before <= received.first_byte_at <= received.body_at <= received.ended_at
    assert service.first_byte_at == received.first_byte_at


def test_what_does_not_come_is_waited_for_only_so_long() -> None:
    with RecordingService() as service, pytest.raises(WaitedInVain, match="0 connections, 0 requests"):
        service.wait_for(1, timeout=0.01)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
        b"BROKEN\r\n\r\n",
    ],
)
def test_an_invalid_request_is_refused_and_fails_the_test(request_bytes: bytes) -> None:
    service = RecordingService()

    def send() -> None:
        with service, RawClient(HOST, service.port) as client:
            client.send(request_bytes)
            assert client.read_response().status == 400
            assert client.is_closed_by_server()

    with pytest.raises(PeerFailed) as failed:
        send()
    assert isinstance(failed.value.__cause__, MessageInvalid)
    assert [received.complete for received in service.received] == [False]


def test_the_answer_can_be_chosen_and_may_wait() -> None:
    go = threading.Event()

    def answer(received: Received) -> bytes:
        go.wait(10)
        return answer_bytes(418, received.target.encode(), [("Connection", "close")])

    with RecordingService(answer=answer) as service, RawClient(HOST, service.port) as client:
        client.send(b"GET /pot HTTP/1.1\r\nHost: a\r\n\r\n")
        service.wait_for(1)
        go.set()
        got = client.read_response(method="GET")
        assert client.is_closed_by_server()

    assert (got.status, got.body, got.closed) == (418, b"/pot", True)


def test_nothing_is_left_when_the_service_ends() -> None:
    """Also not in the middle of an upload, with its client still there."""
    before = set(threading.enumerate())

    with RecordingService() as service:
        client = RawClient(HOST, service.port)
        client.__enter__()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        service.wait_for(lambda service: service.heard_length == 3)

    assert set(threading.enumerate()) <= before
    assert [received.complete for received in service.received] == [False]
    assert client.is_closed_by_server()
    client.close()
    with pytest.raises(Exception, match="cannot connect"), RawClient(HOST, service.port):
        pass


def test_the_same_port_can_be_used_again() -> None:
    with RecordingService() as service, RawClient(HOST, service.port) as client:
        client.post("/", b"one")
    with RecordingService(port=service.port) as again, RawClient(HOST, service.port) as client:
        client.post("/", b"two")
        with pytest.raises(PeerFailed, match="cannot listen"):
            RecordingService(port=service.port)

    assert [received.body for received in again.received] == [b"two"]


def test_records_can_be_forgotten() -> None:
    with RecordingService() as service, RawClient(HOST, service.port) as client:
        client.post("/", b"one")
        service.forget()
        client.post("/", b"two")

    assert [received.body for received in service.received] == [b"two"]
