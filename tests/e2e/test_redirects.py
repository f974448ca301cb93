"""An upload that a service sends elsewhere arrives there whole, or not at all."""

from __future__ import annotations

import json
import threading

import pytest

from gateway.testing import Connection, RawClient, Received, ScriptedService, answer_bytes, boundary_of
from gateway.testing.gateways import running_gateway
from gateway.testing.listening import HOST
from gateway.testing.services import describe
from tests.e2e.sending import Front, Service, Upload, assert_same, bare, head, noise, send, single_file

SIZES = [0, 10, 70_000, 3_000_000]


def elsewhere(status: int) -> bytes:
    return answer_bytes(status, headers=[("Location", "/again")])


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("path", ["/live", "/whole", "/chunked", "/raw", "/raw-chunked"])
def test_a_redirect_is_followed(front: Front, service: Service, path: str, status: int) -> None:
    """Within the service's origin the same upload goes out again, to its last byte."""

    def respond(received: Received) -> bytes:
        return describe(received) if received.target == "/again" else elsewhere(status)

    service.respond = respond
    with front.client() as client:
        # What is sent live is kept only as far as it fits into memory anyway.
        for size in [size for size in SIZES if path == "/whole" or size < 2**20]:
            upload = bare(noise(size)) if path.startswith("/raw") else single_file(noise(size))
            for chunk_size in (None, 10_000):
                service.forget()

                assert send(client, path, upload, chunk_size=chunk_size).status == 200

                first, second = service.received
                assert (first.target, second.target) == (path, "/again")
                for received in (first, second):
                    content_type = received.headers.get("content-type")
                    assert received.body is not None
                    body = received.body
                    if upload.boundary is not None:
                        body = body.replace(boundary_of(content_type), upload.boundary)
                    assert_same(body, upload.body)
                if upload.boundary is not None:
                    assert first.headers.get("content-type") != second.headers.get("content-type")


def test_what_is_gone_is_not_sent_again(front: Front, service: Service) -> None:
    """An upload that is not kept cannot be repeated once its beginning has been passed on."""
    service.respond = lambda _: elsewhere(307)
    with front.client() as client:
        answer = send(client, "/live", single_file(noise(20 * 2**20)))

    assert (answer.status, json.loads(answer.body)["code"]) == (502, "service_redirects")
    assert [received.target for received in service.received] == ["/live"]


LIVE: list[tuple[dict[str, object], bool]] = [
    ({}, False),
    ({"body": "chunked"}, False),
    ({"body": "chunked"}, True),
    ({"send": {"as": "raw"}, "body": "chunked"}, True),
]


@pytest.mark.parametrize(("service_options", "chunked"), LIVE)
def test_a_redirect_before_the_upload_is_in(service_options: dict[str, object], chunked: bool) -> None:
    """The client is in the middle of its upload; what it sends afterwards belongs to it as well."""
    upload = bare(noise(200_000))
    bodies: list[bytes] = []
    left = threading.Event()

    def script(connection: Connection) -> None:
        if connection.read_head().target == "/first":
            connection.send(elsewhere(307))
            connection.read_to_end()
            left.set()
            return
        bodies.append(connection.read_body())
        connection.send(answer_bytes(200, b"done"))

    with ScriptedService(script) as service:
        services = {"text": {"url": f"{service.url}/first", **service_options}}
        routes = {"text": {"path": "/file", "to": "text", "accept": {"bodies": ["multipart", "raw"]}}}
        with (
            running_gateway(config=json.dumps({"services": services, "routes": routes})) as running,
            RawClient(HOST, running.port, timeout=20) as client,
        ):
            answer = _send_in_two(client, upload, left, chunked=chunked)

    if answer == 200:
        assert [len(upload.body) <= len(body) and upload.body in body for body in bodies] == [True]
    else:
        assert chunked
        assert bodies == []


def _send_in_two(client: RawClient, upload: Upload, left: threading.Event, *, chunked: bool) -> int:
    middle = len(upload.body) // 2
    halves = [upload.body[:middle], upload.body[middle:]]
    if chunked:
        halves = [b"%x\r\n%s\r\n" % (len(half), half) for half in halves]
        halves[1] += b"0\r\n\r\n"
    client.send(head("/file", upload, chunked=chunked) + halves[0])
    assert left.wait(10)
    client.send(halves[1])
    return client.read_response().status
