"""Expect: 100-continue: the go-ahead comes when the body is wanted, once, and never before a refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.testing import Tap
from gateway.testing.listening import HOST
from tests.e2e.sending import Front, Service, assert_unchanged, noise, send, single_file
from tests.interop.clients import curl


def test_curl_waits_for_the_go_ahead(own: Front, service: Service, tmp_path: Path) -> None:
    """curl asks before it sends a large body, and would wait a second for the answer."""
    file = tmp_path / "huge.bin"
    file.write_bytes(noise(3 * 2**20))
    with Tap(HOST, own.port) as tap:
        url = f"http://{HOST}:{tap.port}"
        assert curl("-H", "Expect: 100-continue", "-F", f"file=@{file}", f"{url}/live")[0] == 200
        assert curl("-H", "Expect: 100-continue", "-F", f"file=@{file}", f"{url}/nowhere")[0] == 404

        taken, refused = tap.passages
    assert b"\r\nExpect: 100-continue\r\n" in taken.sent
    assert taken.answered.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert len(service.received) == 1
    assert b"\r\nExpect: 100-continue\r\n" in refused.sent
    assert refused.answered.startswith(b"HTTP/1.1 404 ")
    assert refused.sent_length < 10_000


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/live", "/whole", "/chunked"])
@pytest.mark.parametrize("size", [0, 10, 70_000])
def test_the_go_ahead_comes_once(own: Front, service: Service, path: str, size: int, chunked: bool) -> None:
    """When the body is wanted, and not again for the next upload on the connection."""
    upload = single_file(noise(size))
    with own.client() as client:
        for _ in range(2):
            service.forget()
            headers = [("Content-Type", upload.content_type)]
            answer = client.post(path, upload.body, headers, chunked=chunked, expect=True)

            assert (answer.status, answer.interim, answer.closed) == (200, (100,), False)
            assert_unchanged(service, upload)
        assert send(client, path, upload).interim == ()


REFUSED = [
    ("/nowhere", "POST", "multipart/form-data; boundary=b", 404),
    ("/live", "DELETE", "multipart/form-data; boundary=b", 405),
    ("/forms", "POST", "text/plain", 415),
    ("/live", "POST", "multipart/form-data", 400),
    ("/live", "POST", "multipart/mixed; boundary=b", 415),
]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("path", "method", "content_type", "status"), REFUSED)
def test_no_go_ahead_before_a_refusal(
    own: Front, service: Service, path: str, method: str, content_type: str, status: int, chunked: bool
) -> None:
    """The client has sent nothing of the body, and need not; nothing else comes on the connection."""
    with own.client() as client:
        answer = client.post(
            path, b"x" * 100, [("Content-Type", content_type)], method=method, chunked=chunked, expect=True
        )

        assert (answer.status, answer.interim, answer.request_sent) == (status, (), False)
        assert answer.closed
        assert client.is_closed_by_server()


def test_no_go_ahead_for_what_is_too_large(own: Front, service: Service) -> None:
    """A length over the limit is known before the body is."""
    headers = [("Content-Type", "application/pdf"), ("Content-Length", str(2**40))]
    with own.client() as client:
        answer = client.post("/raw", [], headers, expect=True)

        assert (answer.status, answer.interim, answer.closed) == (413, (), True)
        assert client.is_closed_by_server()


def test_no_go_ahead_without_a_body(own: Front, service: Service) -> None:
    """Nothing is awaited, so nothing is answered but the request; least of all behind its answer."""
    with own.client() as client:
        for path, status in (("/raw", 200), ("/live", 400)):
            content_type = "text/plain" if path == "/raw" else "multipart/form-data; boundary=b"
            client.send(
                f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: 0\r\n"
                "Expect: 100-continue\r\n\r\n".encode()
            )
            answer = client.read_response()
            assert (answer.status, answer.interim) == (status, ())
            client.send(b"GET /-/health HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n")
            answer = client.read_response(method="GET")
            assert (answer.status, answer.interim) == (200, ())
        client.send(b"GET /-/health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.read_response(method="GET").interim == ()


def test_a_client_that_does_not_wait(own: Front, service: Service) -> None:
    """The body is there at once: the go-ahead may come, and harms nobody."""
    upload = single_file(noise(70_000))
    with own.client() as client:
        for _ in range(2):
            service.forget()
            answer = client.post(
                "/live", upload.body, [("Content-Type", upload.content_type), ("Expect", "100-continue")]
            )

            assert (answer.status, answer.closed) == (200, False)
            assert_unchanged(service, upload)
