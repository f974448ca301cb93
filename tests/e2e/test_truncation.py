"""A truncated upload never looks whole to a service, and never silently to its client.

In whatever way the client goes or lies about its length, and wherever in the upload that happens: no
service gets a complete request, a closing delimiter, or a final chunk. The same holds for a body that is
complete and broken. And the next upload goes through.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Literal

import pytest

from gateway.testing import ConnectionEnded, RawClient, file_part
from gateway.testing.gateways import RunningGateway, running_gateway
from tests.e2e.honesty import (
    BOUNDARY,
    Upload,
    Witness,
    as_chunks,
    assert_problem,
    at_rest,
    configuration,
    cuts_of,
    form,
    form_of,
    in_parallel,
    noise,
    opened,
    raw,
    usual_parts,
)

SERVICES: dict[str, dict[str, object]] = {
    "length": {},
    "chunked": {"body": "chunked"},
    "whole": {"deliver": "whole"},
    "bare": {"send": {"as": "raw"}},
    "bare-chunked": {"send": {"as": "raw"}, "body": "chunked"},
}
"""One route for each way in which an upload leaves."""

BODY_LIMIT = 12 * 2**20
LIMITS = {"body": BODY_LIMIT, "parts": 20, "part_headers": 1024, "field": 10_000, "concurrent": 128}


@pytest.fixture(scope="module")
def witness() -> Iterator[Witness]:
    with Witness() as service:
        yield service


@pytest.fixture(scope="module", params=["gateway", "gunicorn"], ids=["own input", "plain WSGI"])
def server(request: pytest.FixtureRequest) -> Literal["gateway", "gunicorn"]:
    """Who reads the client's socket."""
    chosen: Literal["gateway", "gunicorn"] = request.param
    return chosen


@pytest.fixture(scope="module")
def gateway(server: Literal["gateway", "gunicorn"], witness: Witness) -> Iterator[RunningGateway]:
    services = {name: {"url": f"{witness.url}/{name}", **more} for name, more in SERVICES.items()}
    text = configuration(services, {"limits": LIMITS})
    with running_gateway(config=text, server=server, threads=64) as running:
        yield running


@pytest.fixture(autouse=True)
def the_next_upload_goes_through(gateway: RunningGateway, witness: Witness) -> Iterator[None]:
    """After every test, and through every service."""
    yield
    at_rest(gateway)
    witness.testimony()
    for path, upload in [("length", form()), ("chunked", as_chunks(form())), ("bare", raw()), ("whole", form())]:
        with opened(gateway) as client:
            client.send(upload.head(f"/{path}") + upload.wire)
            assert client.read_response().status == 200
    assert [each.complete for each in witness.testimony()] == [True] * 4


# --- how a client goes ---------------------------------------------------------------------------


def vanish(client: RawClient) -> None:
    client.close()


def reset(client: RawClient) -> None:
    client.abort()


def half_close(client: RawClient) -> None:
    """Stays to hear what the gateway makes of it. A chunk that breaks off may be told as one that is wrong."""
    client.half_close()
    assert_problem(client.read_response(), 400, "client_gone", "framing_invalid")


ENDINGS: list[Callable[[RawClient], None]] = [vanish, reset, half_close]


def with_one_file() -> Upload:
    return form([file_part("file", "a.pdf", noise(80_000))])


def small_form() -> Upload:
    return form([file_part("file", "a.pdf", b"a few bytes")])


@pytest.mark.parametrize(
    ("path", "upload"),
    [
        pytest.param("length", form(), id="a form, live with a length"),
        pytest.param("length", raw(), id="a raw body becomes a form, live with a length"),
        pytest.param("chunked", as_chunks(form()), id="a chunked form, live and chunked"),
        pytest.param("chunked", as_chunks(raw()), id="a chunked raw body becomes a form, live and chunked"),
        pytest.param("bare", raw(), id="a raw body, live with a length"),
        pytest.param("bare-chunked", as_chunks(raw()), id="a chunked raw body, live and chunked"),
        pytest.param("length", small_form(), id="a small form"),
        pytest.param("chunked", as_chunks(small_form()), id="a small chunked form"),
    ],
)
def test_an_upload_that_is_cut_off_reaches_no_service_whole(
    gateway: RunningGateway, server: str, witness: Witness, path: str, upload: Upload
) -> None:
    cuts = cuts_of(upload)

    def cut_off(number: int) -> None:
        with opened(gateway) as client:
            client.send(upload.head(f"/{path}") + upload.wire[: cuts[number]])
            ENDINGS[number % len(ENDINGS)](client)

    in_parallel(range(len(cuts)), cut_off)

    at_rest(gateway)
    pieces = witness.assert_nothing_whole()
    # Not for want of a delivery. Small uploads wait for their end, and other servers hand out chunks late.
    if len(upload.body) > 64_000 and not (upload.chunked and server == "gunicorn"):
        assert len(pieces) > len(cuts) // 2


@pytest.mark.parametrize(
    ("path", "upload"),
    [
        pytest.param("whole", form(), id="a form"),
        pytest.param("whole", as_chunks(form()), id="a chunked form"),
        pytest.param("whole", raw(), id="a raw body"),
        pytest.param("bare", with_one_file(), id="the only file of a form"),
        pytest.param("length", as_chunks(form()), id="a chunked form for a service that needs the length"),
    ],
)
def test_a_service_that_gets_whole_uploads_hears_nothing_of_one_that_is_cut_off(
    gateway: RunningGateway, witness: Witness, path: str, upload: Upload
) -> None:
    cuts = cuts_of(upload, edge=40, steps=16)
    connections = witness.connections

    def cut_off(number: int) -> None:
        with opened(gateway) as client:
            client.send(upload.head(f"/{path}") + upload.wire[: cuts[number]])
            ENDINGS[number % len(ENDINGS)](client)

    in_parallel(range(len(cuts)), cut_off)

    at_rest(gateway)
    assert witness.connections == connections


@pytest.mark.parametrize("path", ["length", "chunked", "bare-chunked"])
def test_a_large_upload_that_is_cut_off(gateway: RunningGateway, witness: Witness, path: str) -> None:
    """Larger than all that is kept in memory of it."""
    upload = raw(11 * 2**20)

    for ending, missing in zip(ENDINGS, (1, 3 * 2**20, 2**20 + 1), strict=True):
        with opened(gateway) as client:
            client.send(upload.head(f"/{path}") + upload.wire[: len(upload.wire) - missing])
            ending(client)

    at_rest(gateway)
    assert len(witness.assert_nothing_whole()) == 3


def test_an_upload_that_is_whole_when_its_client_says_goodbye(gateway: RunningGateway, witness: Witness) -> None:
    """A half-closed connection is no broken one."""
    cases = {
        "length": form(),
        "chunked": as_chunks(form()),
        "whole": form(),
        "bare": raw(),
        "bare-chunked": as_chunks(raw()),
    }
    for path, upload in cases.items():
        with opened(gateway) as client:
            client.send(upload.head(f"/{path}") + upload.wire)
            client.half_close()
            assert client.read_response().status == 200

    at_rest(gateway)
    assert [each.complete for each in witness.testimony()] == [True] * len(cases)


# --- how a client lies about its length ------------------------------------------------------------


def headers_of(upload: Upload, *, length: int) -> list[tuple[str, str]]:
    return [("Content-Type", upload.content_type), ("Content-Length", str(length))]


@pytest.mark.parametrize(
    ("path", "upload"),
    [
        pytest.param("length", form(), id="a form, live with a length"),
        pytest.param("length", small_form(), id="a small form"),
        pytest.param("chunked", form(), id="a form, live and chunked"),
        pytest.param("bare", raw(), id="a raw body"),
    ],
)
def test_a_content_length_that_is_too_large(
    gateway: RunningGateway, witness: Witness, path: str, upload: Upload
) -> None:
    """A form that ends with its closing delimiter is not whole either: the rest may be its epilogue, or a lie."""
    for ending in ENDINGS:
        for surplus in (1, 2, 3, 1000, 10**6):
            with opened(gateway) as client:
                client.send(upload.head(f"/{path}", length=len(upload.wire) + surplus) + upload.wire)
                ending(client)

    at_rest(gateway)
    witness.assert_nothing_whole()


@pytest.mark.parametrize("path", ["length", "chunked", "whole"])
def test_a_content_length_that_is_too_small_for_the_form(gateway: RunningGateway, witness: Witness, path: str) -> None:
    """What follows the length is not content, so the form has no end."""
    upload = form()
    # Without the CR LF behind it, the closing delimiter is one.
    cuts = [cut for cut in cuts_of(upload, edge=100, steps=32) if cut != len(upload.body) - 2]

    def shorten(cut: int) -> None:
        with opened(gateway) as client:
            answer = client.post(f"/{path}", upload.wire, headers_of(upload, length=cut))
            codes = ("closing_delimiter_missing", "part_headers_unterminated", "boundary_not_found")
            assert_problem(answer, 400, *codes)

    in_parallel(cuts, shorten)

    at_rest(gateway)
    witness.assert_nothing_whole()


@pytest.mark.parametrize("path", ["bare", "bare-chunked"])
def test_a_content_length_that_is_too_small_for_the_file(gateway: RunningGateway, witness: Witness, path: str) -> None:
    """A bare file is as long as the length says. What follows is neither content nor a request."""
    upload = raw()
    cuts = cuts_of(upload, edge=30, steps=32)

    def shorten(cut: int) -> None:
        with opened(gateway) as client:
            answer = client.post(f"/{path}", upload.wire, headers_of(upload, length=cut))
            assert answer.status == 200
            assert json.loads(answer.body)["length"] == cut
            assert json.loads(answer.body)["sha256"] == hashlib.sha256(upload.body[:cut]).hexdigest()
            # The rest is no request, and too short to be told so if it has no line end.
            with suppress(ConnectionEnded, OSError):
                client.half_close()
                assert client.read_response().status == 400

    in_parallel(cuts, shorten)

    at_rest(gateway)
    received = witness.testimony()
    assert sorted(each.length for each in received) == cuts
    assert all(each.complete for each in received)


# --- a client that stays, and sends nothing more -----------------------------------------------------


@pytest.fixture(scope="module")
def impatient_gateway(server: Literal["gateway", "gunicorn"], witness: Witness) -> Iterator[RunningGateway]:
    services = {name: {"url": f"{witness.url}/{name}", **more} for name, more in SERVICES.items()}
    text = configuration(services, {"client": {"stall": "250ms"}})
    with running_gateway(config=text, server=server, threads=64) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "upload"),
    [
        pytest.param("length", form(), id="a form, live with a length"),
        pytest.param("chunked", as_chunks(form()), id="a chunked form, live and chunked"),
        pytest.param("bare", raw(), id="a raw body"),
        pytest.param("bare-chunked", as_chunks(raw()), id="a chunked raw body"),
        pytest.param("whole", form(), id="a form, whole"),
        pytest.param("length", small_form(), id="a small form"),
    ],
)
def test_an_upload_that_does_not_go_on(
    impatient_gateway: RunningGateway, witness: Witness, path: str, upload: Upload
) -> None:
    """It ends after `client.stall`, with an answer for the client and without an end for the service."""
    size = len(upload.wire)

    def stall(sent: int) -> None:
        with opened(impatient_gateway) as client:
            length = size + 1 if sent == size else None
            client.send(upload.head(f"/{path}", length=length) + upload.wire[:sent])
            assert_problem(client.read_response(), 408, "client_stalled")
            client.half_close()
            assert client.is_closed_by_server()

    cuts = [0, 1, size // 4, size // 2, *range(size - 8, size)]
    in_parallel(cuts if upload.chunked else [*cuts, size], stall, threads=16)

    at_rest(impatient_gateway)
    witness.assert_nothing_whole()


# --- bodies that are whole and broken ----------------------------------------------------------------


def with_parts(*parts: tuple[bytes, bytes]) -> Upload:
    """The usual form, large enough to be under way, and then these parts."""
    return form([*usual_parts(), *parts])


def behind_the_form(epilogue: bytes) -> Upload:
    return form_of(form().body + epilogue)


def without_end(missing: int) -> Upload:
    return form_of(form().body[:-missing])


DISPOSITION = b'Content-Disposition: form-data; name="a"'
FAULTS = {
    "no closing delimiter": (without_end(len(BOUNDARY) + 8), 400, "closing_delimiter_missing"),
    "half a closing delimiter": (without_end(4), 400, "closing_delimiter_missing"),
    "no second dash": (without_end(3), 400, "closing_delimiter_missing"),
    "a closing delimiter with something behind it": (
        form_of(form().body[:-2] + b"x\r\n"),
        400,
        "closing_delimiter_missing",
    ),
    "an end in the headers of a part": (
        form_of(form().body[: -len(BOUNDARY) - 6] + b"--" + BOUNDARY + b"\r\nContent-Dis"),
        400,
        "part_headers_unterminated",
    ),
    "another boundary": (form_of(form().body.replace(b"honest", b"HONEST")), 400, "boundary_not_found"),
    "no form at all": (form_of(noise(80_000)), 400, "boundary_not_found"),
    "no body at all": (form_of(b""), 400, "boundary_not_found"),
    "a header without a colon": (with_parts((DISPOSITION + b"\r\nnonsense", b"")), 400, "part_header_invalid"),
    "a part without disposition": (with_parts((b"X-A: b", b"")), 400, "disposition_missing"),
    "a part that is no form-data": (with_parts((b"Content-Disposition: inline", b"")), 400, "disposition_invalid"),
    "a part without a name": (with_parts((b"Content-Disposition: form-data", b"")), 400, "part_name_missing"),
    "headers that are too large": (with_parts((b"X: " + b"a" * 1100, b"")), 413, "part_headers_too_large"),
    "too many parts": (with_parts(*[(DISPOSITION, b"")] * 17), 413, "too_many_parts"),
    "a field that is too large": (with_parts((DISPOSITION, bytes(10_001))), 413, "field_too_large"),
    "too much behind the end": (behind_the_form(bytes(2**16 + 1)), 413, "epilogue_too_large"),
    "a second form behind the end": (behind_the_form(form().body), 413, "epilogue_too_large"),
    "too many near delimiters": (
        with_parts(file_part("file", "near", (b"\r\n--" + BOUNDARY + b"x") * 10_001)),
        413,
        "near_delimiters",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_form_reaches_no_service_whole(gateway: RunningGateway, witness: Witness, fault: str) -> None:
    """Although it is as long as it says, and its fault may show at its last byte."""
    upload, status, code = FAULTS[fault]

    for path in ("length", "chunked", "whole"):
        for chunked in (False, True):
            with opened(gateway) as client:
                headers = [("Content-Type", upload.content_type)]
                answer = client.post(f"/{path}", upload.body, headers, chunked=chunked, chunk_size=20_000)
                assert_problem(answer, status, code)

    at_rest(gateway)
    witness.assert_nothing_whole()


def test_a_chunked_body_that_turns_out_to_be_too_large(gateway: RunningGateway, witness: Witness) -> None:
    upload = raw(BODY_LIMIT + 1)

    for path in SERVICES:
        with opened(gateway) as client:
            answer = client.post(f"/{path}", upload.body, chunked=True, chunk_size=2**18)
            assert_problem(answer, 413, "upload_too_large")

    at_rest(gateway)
    witness.assert_nothing_whole()


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(b"zz\r\nhello\r\n0\r\n\r\n", id="a size that is no number"),
        pytest.param(b"\r\nhello\r\n0\r\n\r\n", id="no size"),
        pytest.param(b"-5\r\nhello\r\n0\r\n\r\n", id="a negative size"),
        pytest.param(b"5\r\nhello0\r\n\r\n\r\n", id="a chunk without its end"),
        pytest.param(b"4\r\nhello\r\n0\r\n\r\n", id="a chunk that is longer than it says"),
        pytest.param(b"5;=\r\nhello\r\n0\r\n\r\n", id="an extension that is none"),
        pytest.param(b"0\r\nno trailer\r\n\r\n", id="a trailer that is none"),
    ],
)
def test_broken_chunks_reach_no_service_whole(gateway: RunningGateway, witness: Witness, fault: bytes) -> None:
    upload = as_chunks(raw())

    for path in ("chunked", "bare-chunked", "whole"):
        with opened(gateway) as client:
            client.send(upload.head(f"/{path}") + upload.wire[: -len(b"0\r\n\r\n")] + fault)
            client.half_close()
            # Other servers do not say why they cannot read on.
            assert_problem(client.read_response(), 400, "framing_invalid", "client_gone")

    at_rest(gateway)
    witness.assert_nothing_whole()
