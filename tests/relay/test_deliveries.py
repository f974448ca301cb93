"""One upload to one service: which URL it goes to, how often it is tried, and what is reported of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from urllib3.connection import HTTPConnection

from gateway.core.outcomes import Delivery
from gateway.core.services import Expect, Send, Service
from gateway.core.targets import ClientRequest
from gateway.core.uploads import Limits
from gateway.errors import (
    ClientGone,
    ServiceAnswerInvalid,
    ServiceConnectTimeout,
    ServiceError,
    ServiceFirstByteTimeout,
    ServiceReset,
    ServiceUnreachable,
)
from gateway.relay.deliveries import JUDGED_ANSWER_MAX, Deliveries
from gateway.relay.transport import Transport
from gateway.spool.files import SpoolFiles
from gateway.spool.uploads import Upload
from gateway.testing import Connection, RecordingService, ScriptedService, answer_bytes, peers, refused_port
from tests.relay.sending import LIMITS, port_that_hangs, read
from tests.relay.sending import transport as new_transport
from tests.spool.sources import new_upload

CLIENT = ClientRequest(id="id-1", method="POST", fields=[], peer="192.0.2.7", host="up.test")


@pytest.fixture
def transport() -> Iterator[Transport]:
    with new_transport() as transport:
        yield transport


class Sender:
    """Deliveries of a small raw upload, and what was reported of them."""

    def __init__(self, transport: Transport, files: SpoolFiles) -> None:
        self.now = 1000.0
        self.reported: list[Delivery] = []
        self._deliveries = Deliveries(transport, clock=lambda: self.now, random=bytes)
        self._files = files

    def upload(self, script: list[bytes | Exception]) -> Upload:
        length = sum(len(each) for each in script if isinstance(each, bytes)) + (len(script) - 1)
        return new_upload(self._files, script, length=length, keep=False, slot_bytes=1000, limits=Limits())

    def send(self, *urls: str, script: list[bytes | Exception] | None = None, **options: Any) -> bytes:
        options = {"timeouts": LIMITS, "send": Send(kind="raw"), **options}
        upload = self.upload(script or [b"abcdef"])
        try:
            service = Service(name="text", urls=urls, **options)
            return read(self._deliveries.send(service, upload, CLIENT, self.reported.append))
        finally:
            upload.release()


@pytest.fixture
def sender(transport: Transport, files: SpoolFiles) -> Sender:
    return Sender(transport, files)


# --- tried again -------------------------------------------------------------------------------


def one_request(connection: Connection) -> None:
    """Answers once, says that the connection stays, and closes it."""
    connection.read_head()
    connection.read_body()
    connection.send(answer_bytes(200, b"done"))


def test_a_pooled_connection_that_has_ended_is_replaced(sender: Sender) -> None:
    with ScriptedService(one_request) as service:
        for number in range(1, 4):
            assert sender.send(service.url) == b"done"
            service.wait_until(lambda service: all(connection.done for connection in service.opened))
            assert service.connections == number

        assert [connection.taken for connection in service.opened] == [6, 6, 6]


def test_a_pooled_connection_that_ends_just_now_is_replaced(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between urllib3's look at it and the first byte: nothing has left, so nothing can be sent twice."""
    with ScriptedService(one_request) as service:
        sender.send(service.url)
        service.wait_until(lambda service: service.opened[0].done)
        monkeypatch.setattr(HTTPConnection, "is_connected", True)

        assert sender.send(service.url) == b"done"
        assert [connection.taken for connection in service.opened] == [6, 6]
        assert [delivery.attempts for delivery in sender.reported] == [1, 2]


def test_what_has_begun_is_not_sent_twice(sender: Sender) -> None:
    """The service may have worked on it."""
    with ScriptedService(peers.close_without_answer(after=0)) as service, RecordingService() as other:
        with pytest.raises(ServiceReset):
            sender.send(service.url, other.url)

        assert service.connections == 1
        assert other.received == []


# --- several URLs ------------------------------------------------------------------------------


def test_several_urls_take_turns(sender: Sender) -> None:
    with RecordingService() as first, RecordingService() as second, RecordingService() as third:
        for _ in range(6):
            sender.send(first.url, second.url, third.url)

        assert [len(each.received) for each in (first, second, third)] == [2, 2, 2]


def test_what_cannot_be_reached_is_passed_over(sender: Sender) -> None:
    """Nothing has left, so the next one may have it; for a while it is not asked first again."""
    with refused_port() as nobody, RecordingService() as service:
        urls = (f"http://127.0.0.1:{nobody}", service.url)
        for _ in range(4):
            sender.send(*urls)
        # Twice there, which is a fresh connection in the place of a stale one, and then here.
        assert [delivery.attempts for delivery in sender.reported] == [3, 1, 1, 1]

        sender.now += 60
        sender.send(*urls)

        assert len(service.received) == 5
        assert sender.reported[-1].attempts == 3
        assert {delivery.url for delivery in sender.reported} == {service.url}


def test_a_connection_that_is_not_taken_in_time_is_passed_over(sender: Sender) -> None:
    with port_that_hangs() as port, RecordingService() as service:
        urls = (f"http://127.0.0.1:{port}", service.url)
        sender.send(*urls, timeouts=replace(LIMITS, connect=0.3))

        assert len(service.received) == 1


def test_if_none_can_be_reached_the_last_failure_is_told(sender: Sender) -> None:
    with refused_port() as one, refused_port() as other, pytest.raises(ServiceUnreachable, match=str(other)):
        sender.send(f"http://127.0.0.1:{one}", f"http://127.0.0.1:{other}")

    assert [(each.outcome, each.attempts) for each in sender.reported] == [("failed", 4)]


# --- what is reported --------------------------------------------------------------------------


def test_a_delivery_is_reported_once_with_what_came_of_it(sender: Sender) -> None:
    with RecordingService(answer=lambda _: answer_bytes(413, b"too large")) as service:
        sender.send(f"{service.url}/x")

    (delivery,) = sender.reported
    assert delivery == Delivery(
        service="text", outcome="rejected", url=f"{service.url}/x", status=413, attempts=1, sent=6
    )


@pytest.mark.parametrize(
    ("script", "limits", "error", "outcome", "sent"),
    [
        (peers.close_without_answer(), {}, ServiceReset, "failed", 6),
        (peers.never_answer(), {"first_byte": 0.05}, ServiceFirstByteTimeout, "timeout", 6),
        (peers.answer_garbage(b"nonsense\r\n\r\n"), {}, ServiceAnswerInvalid, "failed", 6),
    ],
    ids=["reset", "silent", "garbage"],
)
def test_a_failed_delivery_is_reported_with_why(
    sender: Sender, script: Any, limits: dict[str, float], error: type[ServiceError], outcome: str, sent: int
) -> None:
    with ScriptedService(script) as service, pytest.raises(error):
        sender.send(service.url, timeouts=replace(LIMITS, **limits))

    (delivery,) = sender.reported
    assert (delivery.outcome, delivery.status, type(delivery.error), delivery.sent) == (outcome, None, error, sent)


def test_a_client_that_goes_is_not_the_services_failure(sender: Sender) -> None:
    with RecordingService() as service, pytest.raises(ClientGone):
        sender.send(service.url, script=[b"abc", ClientGone("gone")])

    assert [(each.outcome, type(each.error)) for each in sender.reported] == [("cancelled", ClientGone)]


def test_a_service_that_lets_nobody_in_is_asked_once(sender: Sender) -> None:
    """Its limit has been waited for already."""
    with port_that_hangs() as port, pytest.raises(ServiceConnectTimeout):
        sender.send(f"http://127.0.0.1:{port}", timeouts=replace(LIMITS, connect=0.2))

    assert [each.attempts for each in sender.reported] == [1]


@pytest.mark.parametrize(
    ("status", "answer", "outcome"),
    [
        (200, b'{"infected": false}', "ok"),
        (200, b'{"infected": true}', "rejected"),
        (200, b"no JSON", "rejected"),
        (200, b"", "rejected"),
        # longer than anybody looks into; and still handed on
        (200, b'{"infected": false}' + b" " * JUDGED_ANSWER_MAX, "rejected"),
        (500, b'{"infected": false}', "failed"),
    ],
)
def test_an_answer_can_be_judged_by_what_it_says(sender: Sender, status: int, answer: bytes, outcome: str) -> None:
    with RecordingService(answer=lambda _: answer_bytes(status, answer)) as service:
        assert sender.send(service.url, expect=Expect(ok_if="infected == `false`")) == answer

    assert [each.outcome for each in sender.reported] == [outcome]


def test_an_answer_that_is_judged_and_cut_off_is_no_answer(sender: Sender) -> None:
    with ScriptedService(peers.answer_cut_in_length()) as service, pytest.raises(ServiceAnswerInvalid):
        sender.send(service.url, expect=Expect(ok_if="a"))

    assert [each.outcome for each in sender.reported] == ["failed"]


def test_the_time_is_that_of_the_delivery(sender: Sender) -> None:
    def answer(_: object) -> bytes:
        sender.now += 2.5
        return answer_bytes(200, b"")

    with RecordingService(answer=answer) as service:
        sender.send(service.url)

    assert [each.duration_s for each in sender.reported] == [2.5]


def test_no_failure_tells_a_secret(sender: Sender) -> None:
    """A credential in the query goes to the service, and nowhere else."""
    with refused_port() as nobody, pytest.raises(ServiceUnreachable) as failure:
        sender.send(f"http://127.0.0.1:{nobody}/x", query={"token": "very-secret"})

    assert "very-secret" not in str(failure.value)
    assert f"http://127.0.0.1:{nobody}/x" in str(failure.value)
