"""Uploads of every kind over real sockets: bare files with names, JSON, and what a route asks of an upload.

What the service gets is compared with what the client meant; what is refused, no service gets whole, and of a file of
the wrong type not a byte.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.testing import Received, boundary_of, field_part, file_part, split_multipart
from gateway.testing.gateways import RunningGateway, running_gateway
from gateway.web.intake import READ_BYTES
from tests.e2e.honesty import (
    BOUNDARY,
    Upload,
    Witness,
    as_chunks,
    assert_problem,
    at_rest,
    form,
    in_parallel,
    noise,
    opened,
)
from tests.multipart import contents

JSON_LIMIT = 400_000
BODY_LIMIT = 600_000
ALL = ["multipart", "raw", "json"]
STRICT = {"require": ["file"], "types": ["application/pdf", "image/*"], "body": BODY_LIMIT, "bodies": ALL}

ROUTES: dict[str, dict[str, Any]] = {
    "any": {"path": "/any", "to": "form", "accept": {"bodies": ALL}},
    "bare": {"path": "/bare", "to": "bare", "accept": {"bodies": ALL}},
    "named": {"path": "/named/<filename>", "to": "form", "accept": {"bodies": ["raw"]}},
    "below": {"path": "/below/<rest>", "to": "form", "accept": {"bodies": ["raw"]}},
    "json": {"path": "/json", "to": "form", "accept": {"bodies": ["json"]}},
    "strict": {"path": "/strict", "to": "form", "accept": STRICT},
}

PNG = contents.png() + noise(150_000)
PDF = contents.PDF + noise(150_000)
ELF = contents.elf() + noise(150_000)
MARK = b"only-in-content-of-the-file"


@pytest.fixture(scope="module")
def witness() -> Iterator[Witness]:
    with Witness() as service:
        yield service


@pytest.fixture(scope="module", params=["gateway", "gunicorn"], ids=["own input", "plain WSGI"])
def gateway(request: pytest.FixtureRequest, witness: Witness) -> Iterator[RunningGateway]:
    """The same routes, whoever reads the client's socket."""
    services = {"form": {"url": f"{witness.url}/form"}, "bare": {"url": f"{witness.url}/bare", "send": {"as": "raw"}}}
    # JSON is YAML as well.
    text = json.dumps({"gateway": {"limits": {"json": JSON_LIMIT}}, "services": services, "routes": ROUTES})
    with running_gateway(config=text, server=request.param) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_received(witness: Witness) -> None:
    witness.forget()


def in_json(members: dict[str, Any]) -> Upload:
    body = json.dumps(members, ensure_ascii=False).encode()
    return Upload(content_type="application/json", body=body, wire=body, chunked=False, landmarks=())


def bare(body: bytes, content_type: str) -> Upload:
    return Upload(content_type=content_type, body=body, wire=body, chunked=False, landmarks=())


def in_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def send(gateway: RunningGateway, path: str, upload: Upload, *, lines: str = "", size: int | None = None) -> Any:
    """Sends it whole, or in pieces of `size` bytes; returns the answer."""
    wire = upload.head(path).removesuffix(b"\r\n") + lines.encode() + b"\r\n" + upload.wire
    with opened(gateway) as client:
        for start in range(0, len(wire), size or len(wire)):
            client.send(wire[start : start + (size or len(wire))])
        return client.read_response()


def parts_of(received: Received) -> list[tuple[bytes, bytes]]:
    """Of a whole form."""
    assert received.complete
    assert received.body is not None
    assert received.headers.get("content-length") == str(len(received.body))
    return split_multipart(received.body, boundary_of(received.headers.get("content-type")))


# --- JSON --------------------------------------------------------------------------------------

MEMBERS = {
    "lang": "dé",
    "count": 3,
    "draft": False,
    "options": {"deep": [1, "x"]},
    "nothing": None,
    "file": {"filename": "Übersicht.pdf", "base64": in_base64(PDF), "content_type": "application/pdf"},
    "pages": ["data:image/png;base64," + in_base64(contents.png()), {"base64": "", "filename": "empty.txt"}],
    "note": "data:text/plain;charset=utf-8,a%20note",
}
AS_PARTS = [
    (b'Content-Disposition: form-data; name="lang"', "dé".encode()),
    (b'Content-Disposition: form-data; name="count"', b"3"),
    (b'Content-Disposition: form-data; name="draft"', b"false"),
    (
        b'Content-Disposition: form-data; name="options"\r\nContent-Type: application/json',
        b'{"deep": [1, "x"]}',
    ),
    (
        'Content-Disposition: form-data; name="file"; filename="Übersicht.pdf"\r\n'
        "Content-Type: application/pdf".encode(),
        PDF,
    ),
    (
        b'Content-Disposition: form-data; name="pages"; filename="file"\r\nContent-Type: image/png',
        contents.png(),
    ),
    (b'Content-Disposition: form-data; name="pages"; filename="empty.txt"', b""),
    (
        b'Content-Disposition: form-data; name="note"; filename="file"\r\nContent-Type: text/plain;charset=utf-8',
        b"a note",
    ),
]


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [None, 50_000, 777])
def test_json_arrives_as_a_form(gateway: RunningGateway, witness: Witness, chunked: bool, size: int | None) -> None:
    """With the contents decoded, in order, whatever the size of the pieces in which it is sent."""
    upload = as_chunks(in_json(MEMBERS)) if chunked else in_json(MEMBERS)

    answer = send(gateway, "/json", upload, size=size)

    assert answer.status == 200
    (received,) = witness.testimony()
    assert parts_of(received) == AS_PARTS


@pytest.mark.parametrize(
    ("upload", "content_type"),
    [
        (in_json({"file": {"base64": in_base64(PDF), "content_type": "application/pdf"}}), "application/pdf"),
        (in_json({"file": "data:application/pdf;base64," + in_base64(PDF), "x": None}), "application/pdf"),
        (bare(PDF, "application/pdf"), "application/pdf"),
        (form([file_part("file", "a.pdf", PDF, "application/pdf")]), "application/pdf"),
    ],
    ids=["json", "data URI", "bare", "form"],
)
def test_a_file_is_the_same_file_however_it_came(
    gateway: RunningGateway, witness: Witness, upload: Upload, content_type: str
) -> None:
    """One route takes all kinds, and a service that takes bare files gets the same bytes."""
    assert send(gateway, "/bare", upload).status == 200

    (received,) = witness.testimony()
    assert (received.body, received.headers.get("content-type")) == (PDF, content_type)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_json_that_is_cut_off_never_looks_whole(gateway: RunningGateway, witness: Witness, chunked: bool) -> None:
    """Wherever the client goes."""
    upload = in_json({"lang": "en", "file": {"base64": in_base64(noise(90_000)), "filename": "x"}, "end": [1]})
    upload = as_chunks(upload) if chunked else upload
    size = len(upload.wire)
    cuts = sorted({*range(0, size, size // 40), *range(60), *range(size - 60, size)})

    def send_cut(cut: int) -> None:
        with opened(gateway) as client:
            client.send(upload.head("/json") + upload.wire[:cut])

    in_parallel(cuts, send_cut)

    at_rest(gateway)
    assert witness.assert_nothing_whole() == []
    assert send(gateway, "/json", upload).status == 200
    assert len(witness.testimony()) == 1


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize(
    ("body", "status", "code", "offset"),
    [
        (b'{"a": 1', 400, "json_invalid", 7),
        (b'{"a": 1}}', 400, "json_invalid", 8),
        (b'{"a": 1, "a": 2}', 400, "json_invalid", 9),
        (b'{"a": {"base64": "YWJ"}}', 400, "base64_invalid", 21),
        (b'{"a": "data:,x#y"}', 400, "data_uri_invalid", 14),
        (b'{"a": {"base64": "", "filename": "a\\nb"}}', 400, "filename_invalid", 6),
        (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", 413, "json_too_complex", 70),
        (b'{"a": "' + b"x" * JSON_LIMIT + b'"}', 413, "json_too_large", None),
    ],
)
def test_json_that_is_wrong_is_refused_where_it_is(
    gateway: RunningGateway, witness: Witness, body: bytes, status: int, code: str, offset: int | None, chunked: bool
) -> None:
    """With the offset in the body as it was sent; the service hears nothing."""
    upload = bare(body, "application/json")

    document = assert_problem(send(gateway, "/json", as_chunks(upload) if chunked else upload), status, code)

    assert document.get("offset") == offset
    assert witness.testimony() == []


# --- bare files --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "disposition", "filename"),
    [
        ("/any", None, "file"),
        ("/any", "attachment; filename=report.pdf", "report.pdf"),
        ("/any", "attachment; filename*=utf-8''%C3%9Cbersicht.pdf", "Übersicht.pdf"),
        ("/named/report.pdf", None, "report.pdf"),
        ("/named/%C3%9Cber%20sicht.pdf", None, "Über sicht.pdf"),
        ("/named/report.pdf", 'attachment; filename="other.pdf"', "other.pdf"),
        ("/named/report.pdf", "attachment", "report.pdf"),
        ("/below/2024/May/report.pdf", None, "report.pdf"),
        ("/below/2024/May/", None, "file"),
    ],
)
def test_a_bare_file_is_named_by_the_request(
    gateway: RunningGateway, witness: Witness, path: str, disposition: str | None, filename: str
) -> None:
    """Content-Disposition, then the path, then a name that makes a file of it."""
    lines = "" if disposition is None else f"Content-Disposition: {disposition}\r\n"

    assert send(gateway, path, bare(PDF, "application/pdf"), lines=lines).status == 200

    (received,) = witness.testimony()
    headers = f'Content-Disposition: form-data; name="file"; filename="{filename}"\r\nContent-Type: application/pdf'
    assert parts_of(received) == [(headers.encode(), PDF)]


@pytest.mark.parametrize("path", ["/named/a%0D%0AX-Injected:%20y", "/named/a%00.pdf", "/below/x/a%09b"])
def test_a_name_with_line_ends_is_refused(gateway: RunningGateway, witness: Witness, path: str) -> None:
    """It would add lines to the headers of a part."""
    assert_problem(send(gateway, path, bare(b"x", "text/plain")), 400, "filename_invalid")
    assert witness.testimony() == []


# --- what a route asks -------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize(
    "upload",
    [
        form([field_part("lang", b"en"), file_part("file", "a.png", PNG, "image/png"), file_part("x", "", b"")]),
        form([file_part("x", "a.pdf", contents.PDF), file_part("file", "a.png", PNG)]),
        bare(PDF, "application/pdf"),
        bare(PNG, "application/x-www-form-urlencoded"),
        in_json({"file": "data:image/png;base64," + in_base64(PNG), "lang": "en"}),
    ],
    ids=["form", "undeclared", "bare", "bare undeclared", "json"],
)
def test_what_a_route_asks_for_is_taken(
    gateway: RunningGateway, witness: Witness, upload: Upload, chunked: bool
) -> None:
    """Of every kind; the contents arrive as they were sent."""
    assert send(gateway, "/strict", as_chunks(upload) if chunked else upload).status == 200

    (received,) = witness.testimony()
    assert received.complete
    assert any(content in (PNG, PDF) for _, content in parts_of(received))


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize(
    ("upload", "status", "code", "says"),
    [
        (form([file_part("fiel", "a.png", PNG, "image/png")]), 422, "part_missing", "Is 'fiel' meant to be it?"),
        (form([field_part("lang", b"en")]), 422, "part_missing", "'lang'"),
        (form([file_part("file", "", b"")]), 422, "part_missing", "none was chosen"),
        (in_json({"file": None}), 422, "part_missing", "found the parts: none"),
        (form([file_part("file", "a.png", PNG, "text/plain")]), 415, "type_unsupported", "declared as text/plain"),
        (form([file_part("file", "a.png", ELF, "image/png")]), 415, "type_unsupported", "looks like application/x-elf"),
        (form([file_part("file", "a", noise(99_000))]), 415, "type_unsupported", "of none that is known"),
        (bare(ELF, "image/png"), 415, "type_unsupported", "looks like application/x-elf"),
        (bare(PNG, "text/plain"), 415, "type_unsupported", "declared as text/plain"),
        (in_json({"file": {"base64": in_base64(ELF)}}), 415, "type_unsupported", "looks like application/x-elf"),
        (form([file_part("file", "a.png", PNG * 5, "image/png")]), 413, "upload_too_large", str(BODY_LIMIT)),
        (bare(PNG * 5, "image/png"), 413, "upload_too_large", str(BODY_LIMIT)),
    ],
)
def test_what_a_route_does_not_take_no_service_gets_whole(
    gateway: RunningGateway, witness: Witness, upload: Upload, status: int, code: str, says: str, chunked: bool
) -> None:
    """Live or not; with what was expected and what was found."""
    answer = send(gateway, "/strict", as_chunks(upload) if chunked else upload)

    document = assert_problem(answer, status, code)
    assert says in str(document["detail"])
    at_rest(gateway)
    witness.assert_nothing_whole()


def test_no_byte_of_a_refused_file_reaches_a_service(gateway: RunningGateway, witness: Witness) -> None:
    """Although the delivery is live: the file before it is at the service by then."""
    wrong = contents.elf() + MARK * 5000
    # A server that is not the gateway's own waits for so much at once.
    right = contents.png() + noise(READ_BYTES)
    upload = form([file_part("file", "a.png", right, "image/png"), file_part("file", "b.png", wrong, "image/png")])
    begin = upload.wire.index(wrong) - 200

    with opened(gateway) as client:
        client.send(upload.head("/strict") + upload.wire[:begin])
        witness.wait_for_length(READ_BYTES // 2)
        client.send(upload.wire[begin:])
        assert_problem(client.read_response(), 415, "type_unsupported")

    at_rest(gateway)
    (piece,) = witness.assert_nothing_whole()
    assert piece.length >= READ_BYTES // 2
    assert piece.length <= upload.wire.index(wrong)
    assert MARK not in piece.heard


@pytest.mark.parametrize(
    ("path", "upload", "status", "code"),
    [
        ("/strict", bare(PNG, "text/plain"), 415, "type_unsupported"),
        ("/strict", bare(PNG * 5, "image/png"), 413, "upload_too_large"),
        ("/json", bare(b"x" * (JSON_LIMIT + 1), "application/json"), 413, "json_too_large"),
        ("/json", bare(b"x", "text/plain"), 415, "body_unsupported"),
        ("/json", form(), 415, "body_unsupported"),
        ("/named/x", form(), 415, "body_unsupported"),
        ("/any", bare(b"x", "multipart/mixed; boundary=x"), 415, "not_multipart"),
        ("/named/a%0Ab", bare(b"x", "text/plain"), 400, "filename_invalid"),
    ],
)
def test_what_the_header_tells_is_refused_before_the_body(
    gateway: RunningGateway, witness: Witness, path: str, upload: Upload, status: int, code: str
) -> None:
    """The client has sent nothing of it when the answer comes."""
    with opened(gateway) as client:
        client.send(upload.head(path))

        assert_problem(client.read_response(), status, code)
    assert witness.testimony() == []


def test_a_wrong_type_is_refused_while_the_client_still_sends(gateway: RunningGateway) -> None:
    """As soon as it is known: nobody uploads gigabytes for a 415."""
    upload = form([file_part("file", "a.png", contents.elf() + noise(BODY_LIMIT - 20_000), "image/png")])

    with opened(gateway) as client:
        # A server that is not the gateway's own waits for so much at once.
        client.send(upload.head("/strict") + upload.wire[:READ_BYTES])

        assert_problem(client.read_response(), 415, "type_unsupported")


def test_uploads_of_every_kind_at_once(gateway: RunningGateway, witness: Witness) -> None:
    """None of them gets into another one."""
    choices = random.Random(7)
    expected = {}
    uploads = []
    for number in range(24):
        content = choices.randbytes(choices.choice([10, 3000, 70_000, 150_000]))
        name = f"{number}.bin"
        expected[name] = content
        uploads.append(
            [
                form([file_part("file", name, content)]),
                in_json({"file": {"base64": in_base64(content), "filename": name}}),
            ][number % 2]
        )

    in_parallel(uploads, lambda upload: _assert_taken(send(gateway, "/any", upload).status))

    received = {}
    for each in witness.testimony():
        ((headers, content),) = parts_of(each)
        received[headers.partition(b'filename="')[2].partition(b'"')[0].decode()] = content
    assert received == expected


def _assert_taken(status: int) -> None:
    assert status == 200


def test_the_boundary_is_never_the_clients(gateway: RunningGateway, witness: Witness) -> None:
    """Of a form made of JSON it is random as well: contents may hold any line."""
    text = f"\r\n--{BOUNDARY.decode()}--\r\n"

    assert send(gateway, "/json", in_json({"a": text, "b": "c"})).status == 200

    (received,) = witness.testimony()
    assert [content for _, content in parts_of(received)] == [text.encode(), b"c"]
