"""A live delivery follows its client: what was sent has arrived at the service while the client pauses.

All but the few bytes that the scanner must hold back, that is: what may become a delimiter, the headers of
a part until they are whole, and the end of the upload until the upload is in. A service that is
configured with `deliver: whole` has heard nothing until then.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from gateway.testing import boundary_of, file_part
from gateway.testing.gateways import RunningGateway, running_gateway
from tests.e2e.honesty import (
    BOUNDARY,
    Upload,
    Witness,
    as_chunks,
    configuration,
    consumed,
    cuts_of,
    form,
    noise,
    opened,
    raw,
)
from tests.e2e.tls import SecureWitness, make_certificate, trust

SERVICES: dict[str, dict[str, object]] = {
    "length": {},
    "chunked": {"body": "chunked"},
    "bare": {"send": {"as": "raw"}},
    "bare-chunked": {"send": {"as": "raw"}, "body": "chunked"},
    "whole": {"deliver": "whole"},
}

HELD_BACK = len(b"\r\n--" + BOUNDARY + b"--\r\n")
"""Bytes of a content that may be a delimiter."""


@pytest.fixture(scope="module")
def witness() -> Iterator[Witness]:
    with Witness() as service:
        yield service


@pytest.fixture(scope="module")
def secure_witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureWitness]:
    with SecureWitness(*make_certificate(tmp_path_factory.mktemp("tls"))) as service:
        yield service


@pytest.fixture(autouse=True)
def nothing_received(witness: Witness, secure_witness: SecureWitness) -> None:
    witness.forget()
    secure_witness.forget()


@pytest.fixture(scope="module")
def gateway(
    witness: Witness, secure_witness: SecureWitness, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    services = {name: {"url": f"{witness.url}/{name}", **more} for name, more in SERVICES.items()}
    services["secure"] = {"url": f"{secure_witness.url}/"}
    services["secure-bare-chunked"] = {"url": f"{secure_witness.url}/", **SERVICES["bare-chunked"]}
    trusting = trust(secure_witness.certificate, tmp_path_factory.mktemp("trust"))
    with running_gateway(config=configuration(services), environment=trusting) as running:
        yield running


@pytest.fixture(scope="module")
def plain_gateway(witness: Witness) -> Iterator[RunningGateway]:
    services = {name: {"url": f"{witness.url}/{name}", **more} for name, more in SERVICES.items()}
    with running_gateway(config=configuration(services), server="gunicorn") as running:
        yield running


def decoded(upload: Upload, cut: int) -> int:
    """How much of the body has been sent with `cut` bytes of the wire."""
    if not upload.chunked:
        return cut
    position, body = 0, 0
    while position < cut:
        line_end = upload.wire.index(b"\r\n", position)
        size = int(upload.wire[position:line_end], 16)
        body += max(0, min(size, cut - line_end - 2))
        position = line_end + 2 + size + 2
    return body


def released(upload: Upload, sent: int) -> int:
    """How much of the first `sent` bytes of the form is known to be good, at least."""
    # The start of the body counts as the end of a line.
    body = b"\r\n" + upload.body[:sent]
    delimiter = b"\r\n--" + BOUNDARY + b"\r\n"
    begun = body.rfind(delimiter)
    if begun < 0:
        return 0
    headers = begun + len(delimiter)
    if b"\r\n\r\n" not in body[headers:]:
        return headers - 2
    return max(sent - HELD_BACK, body.index(b"\r\n\r\n", headers))


@pytest.mark.parametrize(
    ("path", "upload"),
    [
        pytest.param("length", form(), id="length"),
        pytest.param("chunked", form(), id="chunked, of a form with a length"),
        pytest.param("chunked", as_chunks(form()), id="chunked"),
        pytest.param("secure", form(), id="over TLS"),
    ],
)
def test_a_form_is_at_the_service_while_its_client_pauses(
    gateway: RunningGateway, witness: Witness, secure_witness: SecureWitness, path: str, upload: Upload
) -> None:
    """Wherever the pause is; and with all but the last byte, the closing delimiter is not there."""
    service = secure_witness if path == "secure" else witness
    cuts = [*cuts_of(upload, edge=100), len(upload.wire)]
    heard: list[bytes] = []

    with opened(gateway) as client:
        client.send(upload.head(f"/{path}"))
        for start, stop in itertools.pairwise(cuts):
            client.send(upload.wire[start:stop])
            if stop < len(upload.wire):
                due = released(upload, decoded(upload, stop))
                service.wait_for_length(due)
                heard.append(service.heard_so_far())
        assert client.read_response().status == 200

    [received] = service.wait_for(1)
    assert received.body is not None
    boundary = boundary_of(received.headers.get("content-type"))
    assert received.body.replace(boundary, BOUNDARY) == upload.body.replace(boundary, BOUNDARY)
    assert all(received.body.startswith(each) for each in heard)
    assert not any(b"--" + boundary + b"--" in each for each in heard)


@pytest.mark.parametrize(
    ("path", "upload", "ahead"),
    [
        pytest.param("bare", raw(), 0, id="length"),
        pytest.param("bare-chunked", raw(), 0, id="chunked, of a body with a length"),
        pytest.param("bare-chunked", as_chunks(raw()), 0, id="chunked"),
        pytest.param("length", raw(), 100, id="as a form"),
        pytest.param("secure-bare-chunked", as_chunks(raw()), 0, id="over TLS"),
    ],
)
def test_a_bare_file_is_at_the_service_while_its_client_pauses(
    gateway: RunningGateway,
    witness: Witness,
    secure_witness: SecureWitness,
    path: str,
    upload: Upload,
    ahead: int,
) -> None:
    """All but its last byte; that one comes when the upload is in."""
    service = secure_witness if path.startswith("secure") else witness
    cuts = [*cuts_of(upload, edge=100), len(upload.wire)]

    with opened(gateway) as client:
        client.send(upload.head(f"/{path}"))
        for start, stop in itertools.pairwise(cuts):
            client.send(upload.wire[start:stop])
            if stop < len(upload.wire):
                due = decoded(upload, stop) - 1
                # What is in front of the file comes with its first byte.
                service.wait_for_length(ahead + due if due else 0)
                assert upload.body not in service.heard_so_far()
        assert client.read_response().status == 200

    [received] = service.wait_for(1)
    assert received.body is not None
    assert upload.body in received.body


@pytest.mark.parametrize("path", ["length", "chunked", "bare"])
def test_plain_wsgi_is_live_in_larger_steps(plain_gateway: RunningGateway, witness: Witness, path: str) -> None:
    upload = raw(4 * 2**20)
    half = len(upload.body) // 2

    with opened(plain_gateway) as client:
        client.send(upload.head(f"/{path}") + upload.wire[:half])
        witness.wait_for_length(half - 2**18 - 1000)
        client.send(upload.wire[half:])
        assert client.read_response().status == 200


@pytest.mark.parametrize(
    ("path", "upload"),
    [
        pytest.param("whole", form(), id="a form"),
        pytest.param("whole", as_chunks(form()), id="a chunked form"),
        pytest.param("whole", raw(3 * 2**20), id="a raw body"),
        pytest.param("length", as_chunks(form()), id="no length, for a service that needs one"),
        pytest.param("bare", form([file_part("file", "a.pdf", noise(80_000))]), id="the only file of a form"),
    ],
)
def test_a_service_that_waits_hears_nothing_before_the_client_is_done(
    gateway: RunningGateway, witness: Witness, path: str, upload: Upload
) -> None:
    connections = witness.connections

    with opened(gateway) as client:
        client.send(upload.head(f"/{path}"))
        for start, stop in [(0, len(upload.wire) // 2), (len(upload.wire) // 2, len(upload.wire) - 1)]:
            client.send(upload.wire[start:stop])
            consumed(gateway)
            assert witness.heard_length == 0
            assert witness.connections == connections
        client.send(upload.wire[-1:])
        assert client.read_response().status == 200

    [received] = witness.wait_for(1)
    assert received.length >= 70_000
