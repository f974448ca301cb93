"""No request hides in a body.

The connections are kept alive, so one byte of a body counted wrongly would let the rest of it be read as the
client's next request. Here bodies hold whole requests, for a route that would take them; they are sent over
every way of reading a body, and after everything that makes the gateway stop reading one.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass

import pytest

from gateway.testing import ConnectionEnded, RawClient, field_part
from tests.e2e.sending import (
    BOUNDARY,
    Front,
    Service,
    Upload,
    assert_unchanged,
    bare,
    chunks,
    form,
    head,
    noise,
    send,
    single_file,
)

HIDDEN = b"POST /raw HTTP/1.1\r\nHost: gateway.example\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhidden"
SMALL_RUN = HIDDEN * 150
LARGE_RUN = HIDDEN * 3000

CONTENTS = {
    "alone": HIDDEN,
    "behind a line end": b"\r\n" + HIDDEN,
    "behind the end of chunks": b"0\r\n\r\n" + HIDDEN,
    "within chunks": b"\r\n0\r\n\r\n" + HIDDEN + b"\r\n7f\r\n",
    "many": SMALL_RUN,
    "very many": LARGE_RUN,
    "behind much": noise(70_000) + HIDDEN,
    "behind a slot": noise(2**20) + HIDDEN,
    "in front of much": HIDDEN + noise(300_000),
}
FRAMINGS = {"length": None, "chunks": 1000, "one chunk": 2**24, "tiny chunks": 13}


def assert_over(client: RawClient) -> None:
    """The client hears nothing more: no second answer is on its way."""
    with suppress(OSError):
        # The server may have closed already.
        client.half_close()
    assert client.is_closed_by_server()


def assert_nothing_hidden(service: Service) -> None:
    """Nothing that came is one of the hidden requests."""
    assert [received.head for received in service.received if received.target == "/raw"] == []


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", CONTENTS)
def test_in_contents(any_front: Front, service: Service, name: str, framing: str) -> None:
    """Two uploads on one connection arrive, both full of requests, and there are two answers."""
    chunk_size = FRAMINGS[framing]
    if chunk_size is not None and len(CONTENTS[name]) // chunk_size > 5000:
        chunk_size = 777
    for path in ("/live", "/whole", "/chunked"):
        with any_front.client() as client:
            for upload in (single_file(CONTENTS[name]), bare(CONTENTS[name])):
                service.forget()

                answer = send(client, path, upload, chunk_size=chunk_size)

                assert (answer.status, answer.closed) == (200, False)
                if upload.boundary is not None:
                    assert_unchanged(service, upload)
                assert len(service.received) == 1
            assert_over(client)
    assert_nothing_hidden(service)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_in_an_epilogue(any_front: Front, service: Service, framing: str) -> None:
    """What follows the closing delimiter is still the body."""
    plain = form([field_part("a", b"b")])
    upload = Upload(
        content_type=plain.content_type,
        body=plain.body + HIDDEN * 100,
        boundary=plain.boundary,
        delimiters=plain.delimiters,
    )
    for path in ("/live", "/whole", "/chunked"):
        with any_front.client() as client:
            for _ in range(2):
                service.forget()

                assert send(client, path, upload, chunk_size=FRAMINGS[framing]).status == 200
                assert_unchanged(service, upload)
            assert_over(client)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_in_trailers_and_extensions(front: Front, service: Service, framing: str) -> None:
    """What surrounds the chunks is read as what it is."""
    upload = single_file(b"x" * 3000)
    wire = chunks(upload.body, FRAMINGS[framing] or 100, trailers=b"X-Trailer: POST /raw HTTP/1.1\r\n")
    with front.client() as client:
        client.send(head("/live", upload, chunked=True) + wire + head("/live", upload) + upload.body)

        assert [client.read_response().status for _ in range(2)] == [200, 200]
        assert_over(client)
    assert [received.target for received in service.received] == ["/live"] * 2


@pytest.mark.parametrize("framing", FRAMINGS)
def test_pipelined_requests(any_front: Front, service: Service, framing: str) -> None:
    """Requests that do stand one behind the other are all taken, in order, wherever they are cut."""
    uploads = [single_file(noise(size)) for size in (0, 1, 70_000, 8192, 300_000, 10)]
    chunk_size = FRAMINGS[framing]
    wire = b"".join(
        head(path, upload, chunked=chunk_size is not None)
        + (upload.body if chunk_size is None else chunks(upload.body, max(chunk_size, len(upload.body) // 1000)))
        for upload in uploads
        for path in ("/live", "/whole", "/chunked")
    )
    with any_front.client() as client:
        client.send(wire)

        for upload in uploads:
            for _ in range(3):
                answer = client.read_response()
                assert (answer.status, json.loads(answer.body)["length"]) == (200, len(upload.body))
        assert_over(client)
    assert [received.target for received in service.received] == ["/live", "/whole", "/chunked"] * len(uploads)


# --- after a refusal -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Something that makes the gateway stop reading a body, or never begin."""

    status: int
    code: str
    method: str = "POST"
    path: str = "/live"
    content_type: str = f"multipart/form-data; boundary={BOUNDARY.decode()}"
    start: bytes = b""
    """What precedes the hidden requests in the body."""
    length: int | None = None
    """A Content-Length that is not that of the body."""


OPENED = b"--" + BOUNDARY + b"\r\n"
FIELD = b'Content-Disposition: form-data; name="a"\r\n\r\n'
FILE = b'Content-Disposition: form-data; name="f"; filename="f"\r\n\r\n'

REFUSALS = {
    "no such route": Refusal(status=404, code="route_unknown", path="/nowhere"),
    "no such place of ours": Refusal(status=404, code="route_unknown", path="/-/nowhere"),
    "not this method": Refusal(status=405, code="method_not_allowed", method="DELETE"),
    "not this method either": Refusal(status=405, code="method_not_allowed", method="GET"),
    "not a form": Refusal(status=415, code="not_multipart", path="/forms", content_type="text/plain"),
    "another multipart": Refusal(status=415, code="not_multipart", content_type="multipart/mixed; boundary=b"),
    "not a bare file": Refusal(status=415, code="body_unsupported", path="/files"),
    "no boundary": Refusal(status=400, code="boundary_missing", content_type="multipart/form-data"),
    "two boundaries": Refusal(
        status=400, code="boundary_repeated", content_type="multipart/form-data; boundary=a; boundary=b"
    ),
    "a long boundary": Refusal(
        status=400, code="boundary_too_long", content_type="multipart/form-data; boundary=" + "b" * 71
    ),
    "a boundary that is none": Refusal(
        status=400, code="boundary_invalid", content_type="multipart/form-data; boundary=a*b"
    ),
    "another boundary": Refusal(
        status=400, code="boundary_not_found", content_type="multipart/form-data; boundary=other"
    ),
    "no part headers": Refusal(status=400, code="part_header_invalid", start=OPENED),
    "a part header that is none": Refusal(status=400, code="part_header_invalid", start=OPENED + b"none\r\n\r\n"),
    "no disposition": Refusal(status=400, code="disposition_missing", start=OPENED + b"X-Other: 1\r\n\r\n"),
    "no name": Refusal(status=400, code="part_name_missing", start=OPENED + b"Content-Disposition: form-data\r\n\r\n"),
    "an unfinished form": Refusal(status=400, code="closing_delimiter_missing", start=OPENED + FILE),
    "a long epilogue": Refusal(
        status=413, code="epilogue_too_large", start=OPENED + FIELD + b"\r\n--" + BOUNDARY + b"--\r\n" + b"." * 70_000
    ),
    "a long field": Refusal(status=413, code="field_too_large", start=OPENED + FIELD + b"." * (2**20 + 1)),
    "too large, as declared": Refusal(status=413, code="upload_too_large", length=2**40, start=OPENED + FILE),
    "nobody there": Refusal(status=502, code="service_unreachable", path="/absent", content_type="text/plain"),
}


@pytest.mark.parametrize("framing", [None, 1000, 2**24])
@pytest.mark.parametrize("run", [HIDDEN, SMALL_RUN, LARGE_RUN], ids=["one", "many", "very many"])
@pytest.mark.parametrize("name", REFUSALS)
def test_after_a_refusal(any_front: Front, service: Service, name: str, run: bytes, framing: int | None) -> None:
    """One answer, and it is the refusal; what the body holds is never taken for a request."""
    refusal = REFUSALS[name]
    body = refusal.start + run
    lines = [
        f"{refusal.method} {refusal.path} HTTP/1.1",
        "Host: gateway.example",
        f"Content-Type: {refusal.content_type}",
    ]
    if framing is None or refusal.length:
        lines.append(f"Content-Length: {refusal.length or len(body)}")
        wire = body
    else:
        lines.append("Transfer-Encoding: chunked")
        wire = chunks(body, framing)
    with any_front.client() as client:
        with suppress(ConnectionEnded):
            client.send("\r\n".join([*lines, "", ""]).encode() + wire)
        answer = client.read_response()

        assert (answer.status, json.loads(answer.body)["code"]) == (refusal.status, refusal.code)
        assert_over(client)
    assert_nothing_hidden(service)


@pytest.mark.parametrize("path", ["/live", "/nowhere"])
def test_without_framing(any_front: Front, service: Service, path: str) -> None:
    """What follows a POST that does not say how long its body is: by the standard a request, by the client a body."""
    with any_front.client() as client:
        client.send(
            f"POST {path} HTTP/1.1\r\nHost: gateway.example\r\nContent-Type: text/plain\r\n\r\n".encode() + HIDDEN
        )

        assert client.read_response().status == (411 if path == "/live" else 404)
        assert_over(client)
    assert_nothing_hidden(service)


AMBIGUOUS = {
    "both, and the length is right": [b"Content-Length: %d", b"Transfer-Encoding: chunked"],
    "both, in the other order": [b"Transfer-Encoding: chunked", b"Content-Length: %d"],
    "two lengths": [b"Content-Length: 5", b"Content-Length: %d"],
    "a list of lengths": [b"Content-Length: 5, %d"],
    "a sign": [b"Content-Length: +5"],
    "a hexadecimal length": [b"Content-Length: 0x5"],
    "an empty length": [b"Content-Length: "],
    "digits of another script": [b"Content-Length: \xef\xbc\x95"],
    "an unknown coding": [b"Transfer-Encoding: xchunked"],
    "a coding in front": [b"Transfer-Encoding: gzip, chunked"],
    "a coding behind": [b"Transfer-Encoding: chunked, gzip"],
    "chunked twice": [b"Transfer-Encoding: chunked, chunked"],
    "no chunks": [b"Transfer-Encoding: identity"],
    "a control character": [b"Transfer-Encoding: \x0bchunked"],
    "a blank before the colon": [b"Transfer-Encoding : chunked"],
    "a folded header": [b"Transfer-Encoding:", b" chunked"],
    "a bare line feed": [b"X-Some: a\nTransfer-Encoding: chunked"],
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_framing_that_can_be_read_in_two_ways(front: Front, service: Service, name: str) -> None:
    """It is refused, and nothing that follows is read."""
    body = b"0\r\n\r\n" + HIDDEN
    framing = [line % len(body) if b"%d" in line else line for line in AMBIGUOUS[name]]
    start = [b"POST /live HTTP/1.1", b"Host: gateway.example", b"Content-Type: text/plain", *framing, b"", body]
    with front.client() as client:
        client.send(b"\r\n".join(start))

        assert 400 <= client.read_response().status <= 501
        assert_over(client)
    assert service.received == []


@pytest.mark.parametrize("framing", [None, 1000, 2**24])
@pytest.mark.parametrize("run", [SMALL_RUN, LARGE_RUN], ids=["many", "very many"])
def test_after_an_early_answer(any_front: Front, service: Service, run: bytes, framing: int | None) -> None:
    """The service has answered before it had the body; the rest of that is not for anybody."""
    with any_front.client() as client:
        answer = send(client, "/hasty", single_file(b"." * 70_000 + run), chunk_size=framing)

        assert answer.status == 413
        assert_over(client)
    assert_nothing_hidden(service)
