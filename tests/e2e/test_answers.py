"""What the client gets is what the service answered: status, reason, fields, and a body that nobody has decoded."""

from __future__ import annotations

import gzip
import json

import pytest

from gateway.testing.messages import Headers, parse_headers
from tests.e2e.sending import Front, Service, assert_same, chunks, noise, send, single_file, unchunked

HOP_BY_HOP = [
    b"Connection: X-Hop",
    b"X-Hop: 1",
    b"Keep-Alive: timeout=5",
    b"Proxy-Authenticate: Basic",
    b"Proxy-Connection: keep-alive",
    b"Trailer: X-Sum",
    b"Upgrade: h2c",
    b"TE: trailers",
    b"Server: secret/1.0",
    b"Date: Thu, 01 Jan 1970 00:00:00 GMT",
]
OURS = {b"connection", b"date", b"server", b"server-timing", b"transfer-encoding", b"x-request-id"}
"""What the gateway's own server and the gateway write on their connection to the client."""


def wire(status: bytes, *lines: bytes, body: bytes = b"", length: bool = True) -> bytes:
    """An answer, byte for byte."""
    counted = [b"Content-Length: %d" % len(body)] if length else []
    return b"\r\n".join([b"HTTP/1.1 " + status, *lines, *counted, b"", body])


def chunked_wire(body: bytes, *lines: bytes, size: int = 7, trailers: bytes = b"") -> bytes:
    """An answer in chunks."""
    start = wire(b"200 OK", b"Transfer-Encoding: chunked", *lines, length=False)
    return start + chunks(body, size, trailers=trailers)


ANSWERS: dict[str, bytes] = {
    "plain": wire(b"200 OK", b"Content-Type: text/plain; charset=utf-8", body=b"done"),
    "bare": wire(b"200 OK", body=b"no type"),
    "empty": wire(b"200 OK"),
    "a reason of its own": wire(b"201 Made It So", body=b"x"),
    "a reason in Latin-1": wire(b"200 Gr\xfcn", body=b"x"),
    "no reason": wire(b"200 ", body=b"x"),
    "a status that nobody knows": wire(b"299 Odd", body=b"x"),
    "a status that nobody knows, without reason": wire(b"599 ", body=b"x"),
    "repeated fields": wire(
        b"200 OK",
        b"Set-Cookie: b=2; Path=/",
        b"Set-Cookie: a=1; Expires=Thu, 01 Jan 2032 00:00:00 GMT",
        b"Vary: Accept",
        b"Vary: Cookie",
        b"Set-Cookie: b=3",
        body=b"x",
    ),
    "odd spelling": wire(b"200 OK", b"x-lower: a", b"X-UPPER:b", b"X-Blanks:   c  d   ", b"X-Empty:", body=b"x"),
    "bytes that are not ASCII": wire(b"200 OK", b"X-Name: Gr\xf6\xdfe", b"X-UTF-8: \xe2\x82\xac", body=b"x"),
    "places as they are": wire(
        b"201 Created", b"Location: /a b/\xc3\xa9?x={1}|[2]", b"Content-Location: ../\xe9 %zz", body=b"x"
    ),
    "hop-by-hop": wire(b"200 OK", *HOP_BY_HOP, b"X-Kept: 1", body=b"x"),
    "no content": wire(b"204 No Content", b"X-Kept: 1", length=False),
    "reset content": wire(b"205 Reset Content", b"X-Kept: 1"),
    "not modified": wire(b"304 Not Modified", b'ETag: "1"', b"X-Kept: 1", length=False),
    "not modified, with the length of what was not": wire(
        b"304 Not Modified", b"Content-Type: text/plain", b"Content-Length: 5", b"Content-Location: /\xe9", length=False
    ),
    "an error": wire(b"500 Oops", b"Content-Type: application/json", body=b'{"error": 1}'),
    "unauthorized": wire(
        b"401 Unauthorized", b"WWW-Authenticate: Basic", b'WWW-Authenticate: Bearer realm="x"', body=b"no"
    ),
    "busy": wire(b"503 Busy", b"Retry-After: 7", body=b"later"),
    "conflict, empty": wire(b"409 Conflict"),
    "large": wire(b"200 OK", body=noise(3_000_001)),
    "chunks": chunked_wire(b"in several pieces" * 20),
    "chunks, empty": chunked_wire(b""),
    "chunks, large": chunked_wire(noise(1_000_001), size=100_000),
    "chunks with trailers": chunked_wire(b"checked", trailers=b"X-Sum: 1\r\n"),
    "gzip": wire(b"200 OK", b"Content-Encoding: gzip", body=gzip.compress(b"packed" * 100)),
    "gzip, in chunks": chunked_wire(gzip.compress(b"packed" * 100), b"Content-Encoding: gzip"),
    "gzip that is none": wire(b"200 OK", b"Content-Encoding: gzip", body=b"not at all"),
    "deflate, br and unknown": wire(b"200 OK", b"Content-Encoding: deflate, br, x-unknown", body=b"bytes"),
}


def end_to_end(fields: Headers) -> dict[bytes, list[bytes]]:
    """The fields of an answer that are meant for the client; repeated ones in their order."""
    dropped = {line.partition(b":")[0].lower() for line in HOP_BY_HOP} | OURS
    kept: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        if name.lower() not in dropped:
            kept.setdefault(name.lower(), []).append(value)
    return kept


@pytest.mark.parametrize("size", [10, 70_000])
@pytest.mark.parametrize("name", ANSWERS)
def test_answers(any_front: Front, service: Service, name: str, size: int) -> None:
    """The client gets the service's answer as it is, and the connection is good for the next upload."""
    sent = ANSWERS[name]
    service.respond = lambda _: sent
    upload = single_file(noise(size))
    with any_front.client() as client:
        answer = send(client, "/live", upload)

        start, _, body = sent.partition(b"\r\n\r\n")
        line, *fields = start.split(b"\r\n")
        status, _, reason = line.removeprefix(b"HTTP/1.1 ").partition(b" ")
        if b"Transfer-Encoding: chunked" in fields:
            body = unchunked(body)
        assert (answer.status, answer.reason) == (int(status), reason.decode("latin-1"))
        assert (answer.complete, answer.closed) == (True, False)
        assert_same(answer.body, body)
        assert end_to_end(answer.headers) == end_to_end(parse_headers(fields))
        assert len(answer.headers.all("date")) == len(answer.headers.all("server")) == 1
        service.respond = lambda _: ANSWERS["plain"]
        assert send(client, "/live", upload).body == b"done"


def test_no_content_has_no_length(any_front: Front, service: Service) -> None:
    """Services that send `Content-Length: 0` with 204 are many; nobody may pass it on (RFC 9110 section 8.6)."""
    service.respond = lambda _: wire(b"204 No Content", b"X-Kept: 1")
    with any_front.client() as client:
        answer = send(client, "/live", single_file(b"x"))

        assert (answer.status, answer.headers.get("content-length"), answer.headers.get("x-kept")) == (204, None, "1")
        assert send(client, "/live", single_file(b"x")).status == 204


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
def test_an_answer_that_ends_with_its_connection(any_front: Front, service: Service, version: bytes) -> None:
    """It has an end for the client all the same, and the client's connection goes on."""
    body = noise(200_000)
    service.respond = lambda _: version + b" 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n" + body
    with any_front.client() as client:
        for _ in range(2):
            answer = send(client, "/live", single_file(b"x"))

            assert (answer.status, answer.complete, answer.closed) == (200, True, False)
            assert_same(answer.body, body)


def test_folded_fields(any_front: Front, service: Service) -> None:
    """They are obsolete, and no client need read them: what is passed on is one line (RFC 9112 section 5.2)."""
    service.respond = lambda _: wire(b"200 OK", b"X-Folded: a", b"  b", b"X-Kept: 1", body=b"x")
    with any_front.client() as client:
        answer = send(client, "/live", single_file(b"x"))

    assert (answer.status, (answer.headers.get("x-folded") or "").split()) == (200, ["a", "b"])
    assert answer.headers.get("x-kept") == "1"


@pytest.mark.parametrize(
    "answer",
    [
        wire(b"200 OK", b"X-Control: a\x01b", body=b"x"),
        wire(b"200 OK", b"X Blank: a", body=b"x"),
        wire(b"200 OK", b"X-Before-Colon : a", body=b"x"),
        wire(b"200 OK", b"X-Bare: a\rb", body=b"x"),
        wire(b"200 OK", b"no colon", body=b"x"),
        wire(b"200 OK", b": no name", body=b"x"),
        wire(b"200 Odd\x00reason", body=b"x"),
        wire(b"200 OK", b"Content-Length: 3", body=b"x"),
        wire(b"200 OK", b"Content-Length: 1", body=b"x"),
        chunked_wire(b"longer than that", b"Content-Length: 1"),
        wire(b"200 OK", b"Content-Length: x", length=False),
        wire(b"200 OK", b"Content-Length: -1", length=False),
        wire(b"200 OK", b"Content-Length: +1", body=b"x", length=False),
        wire(b"200 OK", b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n", length=False),
        wire(b"200 OK", *[b"X-%d: 1" % number for number in range(200)], body=b"x"),
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/3 200 OK\r\n\r\n",
        b"nothing of HTTP\r\n\r\n",
    ],
    ids=lambda answer: repr(answer[9:40]),
)
def test_answers_that_are_none(any_front: Front, service: Service, answer: bytes) -> None:
    """What would be read in different ways is the service's fault, and is told at once and in the usual form."""
    service.respond = lambda _: answer
    with any_front.client() as client:
        told = send(client, "/live", single_file(b"x"))

        assert (told.status, told.headers.get("content-type")) == (502, "application/problem+json"), told
        assert json.loads(told.body)["code"] == "service_answer_invalid"
        service.respond = lambda _: ANSWERS["plain"]
        assert send(client, "/live", single_file(b"x")).body == b"done"
