"""A service gets the shape that the configuration says, over real sockets: while the client sends where that is
possible, and whole or not at all."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator, Sequence

import pytest

from gateway.testing import boundary_of, field_part, file_part, multipart, split_multipart
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
)

Parts = Sequence[tuple[bytes, bytes]]

ADD = {"lang": "en", "options": {"json": {"brief": True}}}
SERVICES: dict[str, dict[str, object]] = {
    "plain": {},
    "rename": {"send": {"rename": {"file": "document"}}},
    "only": {"send": {"rename": {"file": "document"}, "only": ["document"]}},
    "drop": {"send": {"drop": ["comment"]}},
    "add": {"send": {"add": ADD}},
    "last": {"send": {"file_last": True}},
    "names": {"send": {"filename": "{n}-{stem}{suffix}", "content_type": "text/plain", "repeat": "index"}},
    "ascii": {"send": {"filename": "ascii"}},
    "rfc5987": {"send": {"filename": "rfc5987"}},
    "sniff": {"send": {"content_type": "sniff"}, "body": "chunked"},
    "each": {"send": {"each": "file"}},
    "raw": {"send": {"as": "raw"}},
    "raw-document": {"send": {"as": "raw", "only": ["file"]}},
    "json": {"send": {"as": "json", "rename": {"file": "document"}, "add": ADD}},
    "live": {"send": {"rename": {"file": "document"}, "drop": ["comment"], "filename": "ascii"}, "body": "chunked"},
    "live-only": {"send": {"only": ["comment"]}, "body": "chunked"},
    "live-raw": {"send": {"as": "raw"}, "body": "chunked"},
    "live-json": {"send": {"as": "json"}, "body": "chunked"},
}


@pytest.fixture(scope="module")
def witness() -> Iterator[Witness]:
    with Witness() as service:
        yield service


@pytest.fixture(autouse=True)
def nothing_received(witness: Witness) -> None:
    witness.forget()


@pytest.fixture(scope="module")
def gateway(witness: Witness) -> Iterator[RunningGateway]:
    services = {name: {"url": f"{witness.url}/{name}", **more} for name, more in SERVICES.items()}
    with running_gateway(config=configuration(services)) as running:
        yield running


def post(gateway: RunningGateway, path: str, upload: Upload) -> int:
    """The status of the answer."""
    with opened(gateway) as client:
        client.send(upload.head(f"/{path}"))
        for start, stop in itertools.pairwise([0, *cuts_of(upload, edge=10, steps=5), len(upload.wire)]):
            client.send(upload.wire[start:stop])
        return client.read_response().status


# --- what arrives ------------------------------------------------------------------------------

ADDED = [
    field_part("lang", b"en"),
    (b'Content-Disposition: form-data; name="options"\r\nContent-Type: application/json', b'{"brief": true}'),
]
ODD = b'X-Odd: \xff\r\ncontent-TYPE: a/b\r\nContent-Disposition:form-data; name=file ;filename="\xc3\xa9.txt"'


def received(size: int) -> list[tuple[bytes, bytes]]:
    """A form in which every rule finds something; its first file has this size."""
    return [
        field_part("comment", b"1"),
        file_part("file", "é.pdf", noise(size), "application/pdf"),
        field_part("comment", b"2"),
        (ODD, b"odd"),
        file_part("logo", "", b""),
    ]


def expected(path: str, size: int) -> list[tuple[bytes, bytes]]:
    """What the service at this path gets of it."""
    content = noise(size)
    first, pdf, second, odd, logo = received(size)
    document = file_part("document", "é.pdf", content, "application/pdf")
    odd_document = ODD.replace(
        b'Content-Disposition:form-data; name=file ;filename="\xc3\xa9.txt"',
        'Content-Disposition: form-data; name="document"; filename="é.txt"'.encode(),
    )
    return {
        "rename": [first, document, second, (odd_document, b"odd"), logo],
        "only": [document, (odd_document, b"odd")],
        "drop": [pdf, odd, logo],
        "add": [*ADDED, first, pdf, second, odd, logo],
        "last": [first, second, pdf, odd, logo],
        "names": [
            field_part("comment[0]", b"1"),
            file_part("file[0]", "1-é.pdf", content, "text/plain"),
            field_part("comment[1]", b"2"),
            (
                b"X-Odd: \xff\r\nContent-Type: text/plain\r\n"
                + 'Content-Disposition: form-data; name="file[1]"; filename="2-é.txt"'.encode(),
                b"odd",
            ),
            file_part("logo", "", b"", "text/plain"),
        ],
        "ascii": [
            first,
            file_part("file", "e.pdf", content, "application/pdf"),
            second,
            (
                b'X-Odd: \xff\r\ncontent-TYPE: a/b\r\nContent-Disposition: form-data; name="file"; filename="e.txt"',
                b"odd",
            ),
            logo,
        ],
        "live": [
            file_part("document", "e.pdf", content, "application/pdf"),
            (
                b"X-Odd: \xff\r\ncontent-TYPE: a/b\r\n"
                b'Content-Disposition: form-data; name="document"; filename="e.txt"',
                b"odd",
            ),
            logo,
        ],
        "live-only": [first, second],
    }[path]


@pytest.mark.parametrize("path", ["rename", "only", "drop", "add", "last", "names", "ascii", "live", "live-only"])
@pytest.mark.parametrize("size", [10, 3 * 2**20], ids=["small", "large"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_form_arrives_in_the_configured_shape(
    gateway: RunningGateway, witness: Witness, path: str, size: int, chunked: bool
) -> None:
    """All parts that are to come, in order, with every byte of their headers and contents."""
    upload = form(received(size))

    assert post(gateway, path, as_chunks(upload, 2**17) if chunked else upload) == 200

    [request] = witness.wait_for(1)
    assert request.body is not None
    assert split_multipart(request.body, boundary_of(request.headers.get("content-type"))) == expected(path, size)
    live = path.startswith("live") and (chunked or size > 2**16)
    assert request.chunked is live
    assert request.headers.get("content-length") == (None if live else str(len(request.body)))


def test_a_filename_in_both_spellings(gateway: RunningGateway, witness: Witness) -> None:
    post(gateway, "rfc5987", form([file_part("file", "é.pdf", b"1"), file_part("file", "e.pdf", b"2")]))

    [request] = witness.wait_for(1)
    assert request.body is not None
    both = b'Content-Disposition: form-data; name="file"; filename="e.pdf"; filename*=UTF-8\'\'%C3%A9.pdf'
    (first, _), second = split_multipart(request.body, boundary_of(request.headers.get("content-type")))
    assert first == both + b"\r\nContent-Type: application/octet-stream"
    assert second == file_part("file", "e.pdf", b"2")


@pytest.mark.parametrize("size", [10, 200_000], ids=["small", "large"])
def test_types_come_from_the_content(gateway: RunningGateway, witness: Witness, size: int) -> None:
    content = b"%PDF-1.7\n" + bytes(size)

    post(gateway, "sniff", form([file_part("file", "a", content), file_part("logo", "", b"", "x/y")]))

    [request] = witness.wait_for(1)
    parts = split_multipart(request.body or b"", boundary_of(request.headers.get("content-type")))
    assert parts == [file_part("file", "a", content, "application/pdf"), file_part("logo", "", b"", "x/y")]


@pytest.mark.parametrize("size", [10, 200_000], ids=["small", "large"])
def test_each_file_is_a_delivery(gateway: RunningGateway, witness: Witness, size: int) -> None:
    """With all fields; the reply tells of all of them."""
    parts = received(size)
    with opened(gateway) as client:
        upload = form(parts)
        client.send(upload.head("/each") + upload.wire)
        answer = client.read_response()

    requests = witness.wait_for(2)
    bodies = [
        split_multipart(request.body or b"", boundary_of(request.headers.get("content-type"))) for request in requests
    ]
    assert bodies == [[parts[0], parts[1], parts[2]], [parts[0], parts[2], parts[3]]]
    assert answer.status == 200
    assert len(json.loads(answer.body)["services"]["each"]["deliveries"]) == 2


@pytest.mark.parametrize("size", [10, 200_000], ids=["small", "large"])
def test_the_one_file_of_a_form_arrives_bare_with_its_name(
    gateway: RunningGateway, witness: Witness, size: int
) -> None:
    parts = [*received(size)[:3], file_part("logo", "x.png", b"x")]

    assert post(gateway, "raw-document", form(parts)) == 200

    [request] = witness.wait_for(1)
    assert request.body == noise(size)
    assert request.headers.get("content-type") == "application/pdf"
    assert request.headers.get("content-disposition") == "attachment; filename=\"e.pdf\"; filename*=UTF-8''%C3%A9.pdf"


@pytest.mark.parametrize("size", [0, 10, 200_000])
def test_a_form_arrives_as_json(gateway: RunningGateway, witness: Witness, size: int) -> None:
    assert post(gateway, "json", form(received(size)[:3])) == 200

    [request] = witness.wait_for(1)
    assert request.headers.get("content-type") == "application/json"
    assert request.headers.get("content-length") == str(request.length)
    assert json.loads(request.body or b"") == {
        "lang": "en",
        "options": {"brief": True},
        "comment": ["1", "2"],
        "document": base64.b64encode(noise(size)).decode(),
    }


@pytest.mark.parametrize("path", ["rename", "add", "raw", "json", "live", "live-raw", "live-json"])
@pytest.mark.parametrize("size", [0, 10, 200_000])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_bare_file_arrives_in_the_configured_shape(
    gateway: RunningGateway, witness: Witness, path: str, size: int, chunked: bool
) -> None:
    upload = raw(size)

    with opened(gateway) as client:
        sent = as_chunks(upload) if chunked else upload
        client.send(sent.head(f"/{path}") + sent.wire)
        assert client.read_response().status == 200

    [request] = witness.wait_for(1)
    body, content_type = request.body or b"", request.headers.get("content-type")
    encoded = base64.b64encode(upload.body).decode()
    if path.endswith("raw"):
        assert (content_type, body) == ("application/pdf", upload.body)
        assert request.headers.get("content-disposition") is None
    elif path.endswith("json"):
        added = {"lang": "en", "options": {"brief": True}} if path == "json" else {}
        name = "document" if path == "json" else "file"
        assert (content_type, json.loads(body)) == ("application/json", {**added, name: encoded})
    else:
        name = "file" if path == "add" else "document"
        parts = [*(ADDED if path == "add" else []), file_part(name, "file", upload.body, "application/pdf")]
        assert split_multipart(body, boundary_of(content_type)) == parts
    live = path.startswith("live") and chunked
    assert request.headers.get("content-length") == (None if live else str(len(body)))


# --- while the client sends --------------------------------------------------------------------

HELD_BACK = len(b"\r\n--" + BOUNDARY + b"--\r\n")


@pytest.mark.parametrize(
    ("path", "framed"),
    [("live", False), ("live", True), ("add", False), ("rename-raw", False), ("json-raw", False), ("json-raw", True)],
)
def test_a_shaped_body_is_at_the_service_while_its_client_pauses(
    gateway: RunningGateway, witness: Witness, path: str, framed: bool
) -> None:
    """All of a file but what may be a delimiter, or the last byte of all; and no end before the upload's."""
    content = noise(300_000)
    bare = path.endswith("-raw")
    target = {"json-raw": "live-json" if framed else "json", "rename-raw": "rename"}.get(path, path)
    upload = raw(len(content)) if bare else form([field_part("comment", b"1"), file_part("file", "x", content)])
    behind = len(upload.body) - upload.body.index(content[:100]) - len(content)
    sent = as_chunks(upload) if framed else upload

    with opened(gateway) as client:
        client.send(sent.head(f"/{target}"))
        for start, stop in itertools.pairwise([*range(0, len(sent.wire) - behind, 50_000), len(sent.wire) - 1]):
            client.send(sent.wire[start:stop])
            # Chunks have a few bytes of their own.
            due = max(0, min(stop, len(content)) - 2000)
            due = due * 4 // 3 if path == "json-raw" else due
            witness.wait_for_length(due)
            heard = witness.heard_so_far()
            assert not heard.endswith((b"--\r\n", b'"}'))
        client.send(sent.wire[-1:])
        assert client.read_response().status == 200

    [request] = witness.wait_for(1)
    wanted = base64.b64encode(content) if path == "json-raw" else content
    assert wanted in (request.body or b"")


@pytest.mark.parametrize(
    ("path", "upload"),
    [
        ("live", form()),
        ("live", as_chunks(form())),
        ("live-only", form()),
        ("live-only", as_chunks(form([field_part("comment", b"1"), file_part("file", "x", noise(80_000))]))),
        ("add", form()),
        ("json", raw()),
        ("live-json", as_chunks(raw())),
        ("rename", raw()),
        ("live", as_chunks(raw())),
        ("raw", raw()),
    ],
    ids=lambda value: value if isinstance(value, str) else "chunked" if value.chunked else "length",
)
def test_an_upload_that_is_cut_off_is_whole_to_nobody(
    gateway: RunningGateway, witness: Witness, path: str, upload: Upload
) -> None:
    """Also where all that the service wants of it has come."""

    def cut_off(cut: int) -> None:
        with opened(gateway) as client:
            client.send(upload.head(f"/{path}") + upload.wire[:cut])
            client.half_close()
            assert client.read_response().status == 400

    in_parallel(cuts_of(upload, edge=30, steps=10), cut_off)

    at_rest(gateway)
    for piece in witness.assert_nothing_whole():
        assert not piece.heard.endswith((b"--\r\n", b'"}'))


# --- what cannot be done -----------------------------------------------------------------------

BAD_NAME = (b'Content-Disposition: form-data; name="\xff"', b"1")
BAD_FILENAME = (b'Content-Disposition: form-data; name="file"; filename="\xff"', b"1")
FILE = file_part("file", "x", noise(100_000))


@pytest.mark.parametrize(
    ("path", "parts", "code", "place"),
    [
        ("raw", [FILE, FILE], "file_expected", None),
        ("raw", [field_part("a", b"1"), file_part("file", "", b"")], "file_expected", None),
        ("json", [field_part("a", b"1")], "file_expected", None),
        ("rename", [FILE, BAD_NAME], "name_not_utf8", BAD_NAME[0]),
        ("live", [FILE, BAD_NAME], "name_not_utf8", BAD_NAME[0]),
        ("live", [BAD_NAME, FILE], "name_not_utf8", BAD_NAME[0]),
        ("ascii", [FILE, BAD_FILENAME], "name_not_utf8", BAD_FILENAME[0]),
        ("json", [FILE, BAD_NAME], "name_not_utf8", BAD_NAME[0]),
        ("json", [FILE, field_part("a", b"abc\xff")], "field_not_utf8", b"\xff\r\n--"),
    ],
)
def test_what_does_not_fit_is_said_and_not_sent(
    gateway: RunningGateway, witness: Witness, path: str, parts: Parts, code: str, place: bytes | None
) -> None:
    """A problem document with the place, and no complete request."""
    upload = form_of(multipart(parts, BOUNDARY))

    with opened(gateway) as client:
        client.send(upload.head(f"/{path}") + upload.wire)
        problem = assert_problem(client.read_response(), 422, code)

    assert problem.get("offset") == (None if place is None else upload.body.index(place))
    at_rest(gateway)
    witness.assert_nothing_whole()


@pytest.mark.parametrize("path", ["plain", "add"])
def test_names_that_no_rule_needs_travel_as_they_are(gateway: RunningGateway, witness: Witness, path: str) -> None:
    assert post(gateway, path, form([BAD_NAME, BAD_FILENAME])) == 200

    [request] = witness.wait_for(1)
    parts = split_multipart(request.body or b"", boundary_of(request.headers.get("content-type")))
    assert parts[-2:] == [BAD_NAME, BAD_FILENAME]
