"""What a service gets is what the client sent.

Forms are compared as whole bodies, so header bytes, padding and epilogue count; the only difference is the
boundary, which is fresh for every upload. Every file of tests/captures goes through like that as well.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from requests_toolbelt import MultipartEncoder

from gateway.testing import boundary_of, field_part, file_part, split_multipart
from gateway.testing.messages import parse_headers
from tests.e2e.sending import (
    BOUNDARY,
    Front,
    Service,
    Upload,
    assert_same,
    assert_unchanged,
    bare,
    chunks,
    form,
    found,
    head,
    noise,
    send,
    single_file,
    unchunked,
)

CAPTURES = sorted(Path(__file__).parents[1].joinpath("captures").glob("*.http"))
LARGE = file_part("large", "large.bin", noise(70_000))
"""Makes an upload too large to be read whole before it is sent."""
FILE = b'Content-Disposition: form-data; name="file"; filename="file.bin"'


def disposition(parameters: bytes, *more: bytes) -> bytes:
    """The headers of a part."""
    return b"\r\n".join([b"Content-Disposition: form-data" + parameters, *more])


# --- forms ---------------------------------------------------------------------------------------

PARTS: dict[str, list[tuple[bytes, bytes]]] = {
    "order of fields and files": [
        field_part("a", b"1"),
        file_part("f", "one.txt", b"first"),
        field_part("b", b"2"),
        file_part("f", "two.txt", b"second"),
        field_part("a", b"3"),
    ],
    "repeated names": [
        field_part("tag", b"x"),
        field_part("tag", b"x"),
        field_part("a[]", b"1"),
        field_part("a[]", b"2"),
    ],
    "a typed JSON part": [
        (disposition(b'; name="meta"', b"Content-Type: application/json; charset=utf-8"), b'{"a": 1}')
    ],
    "further part headers": [
        (
            disposition(
                b'; name="f"; filename="f.bin"',
                b"Content-Type: image/png",
                b"Content-Transfer-Encoding: binary",
                b"Content-Location: http://example/x",
                b"Content-Length: 3",
                b"Content-ID: <one@example>",
                b'X-Custom: a; b="c"',
                b"X-Custom: again",
                b"X-Empty:",
            ),
            b"abc",
        )
    ],
    "headers in another order": [
        (b"Content-Type: text/plain\r\nX-First: 1\r\n" + disposition(b'; name="f"; filename="f"'), b"x")
    ],
    "odd case and spacing": [
        (b"cOnTeNt-DiSpOsItIoN:form-data;name=a", b"1"),
        (b'Content-Disposition:   form-data ;  name="b"  ;filename="b.txt"   \r\ncontent-type:\ttext/plain \t', b"2"),
        (b'CONTENT-DISPOSITION: Form-Data; NAME="c"', b"3"),
    ],
    "an empty file": [file_part("f", "empty.bin", b"")],
    "no file chosen": [file_part("f", "", b"")],
    "an empty field": [field_part("a", b""), field_part("", b"no name")],
    "no part at all": [],
    "names in UTF-8": [file_part("größe", "Übersicht 報告 😀.pdf", b"x"), field_part("naïve", "é".encode())],
    "names in Latin-1": [(disposition(b'; name="gr\xf6\xdfe"; filename="\xdcbersicht.pdf"'), b"x")],
    "names in nothing known": [(disposition(b'; name="\xff\xfe"; filename="\x80\x81\xc3"'), b"\xff\xfe")],
    "an encoded filename": [(disposition(b'; name="f"; filename="a.txt"; filename*=UTF-8\'\'%e2%82%ac.txt'), b"x")],
    "quotes, in three ways": [
        (disposition(b'; name="f"; filename="a%22b.txt"'), b"1"),
        (disposition(b'; name="f"; filename="a\\"b.txt"'), b"2"),
        (disposition(b'; name="f"; filename="a"b.txt"'), b"3"),
    ],
    "a backslash at the end": [
        (disposition(b'; name="f"; filename="odd\\"'), b"1"),
        (disposition(b'; name="odd\\"'), b"2"),
    ],
    "percent signs": [(disposition(b'; name="100%"; filename="%0D%0A%22%zz.txt"'), b"x")],
    "paths as filenames": [
        file_part("f", "../../etc/passwd", b"1"),
        file_part("f", "C:\\Users\\me\\report.pdf", b"2"),
        file_part("f", "/absolute/path/", b"3"),
    ],
    "bytes of every value": [(FILE, bytes(range(256)) * 3)],
    "nothing but line ends": [(FILE, b"\r\n\r\n\r\n"), (FILE, b"\n"), (FILE, b"\r"), (FILE, b"\r\n")],
    "dashes at the ends": [(FILE, b"--"), (FILE, b"\r\n--"), (FILE, b"--\r\n"), (FILE, b"-" * 100)],
    "a form within a form": [(FILE, form([file_part("inner", "i.bin", b"x")], b"another-boundary-of-a-form").body)],
    "a thousand parts": [field_part(f"field{number}", b"%d" % number) for number in range(900)]
    + [file_part("file", f"{number}.txt", b"x" * number) for number in range(99)],
}

NEAR_DELIMITERS = [
    b"\n--" + BOUNDARY + b"\r\n",
    b"\r--" + BOUNDARY + b"\r\n",
    b"\n--" + BOUNDARY + b"--\r\n",
    b"\r\n--" + BOUNDARY + b"\n",
    b"\r\n--" + BOUNDARY + b"\r",
    b"\r\n--" + BOUNDARY + b"x\r\n",
    b"\r\n--" + BOUNDARY + b"-\r\n",
    b"\r\n--" + BOUNDARY + b"--x\r\n",
    b"\r\n--" + BOUNDARY + b"---\r\n",
    b"\r\n--" + BOUNDARY + b" x\r\n",
    b"\r\n--" + BOUNDARY + b" " * 257 + b"\r\n",
    b"\r\n--" + BOUNDARY[:-1] + b"\r\n",
    b"\r\n--" + BOUNDARY.upper() + b"\r\n",
    b"\r\n-" + BOUNDARY + b"\r\n",
    b"\r\n --" + BOUNDARY + b"\r\n",
    b"x--" + BOUNDARY + b"--\r\n",
    b"\r\n\r--" + BOUNDARY + b"--\r\n",
]

PARTS |= {f"near-delimiter {near!r}": [(FILE, near), (FILE, b"a" + near + b"b" + near)] for near in NEAR_DELIMITERS}
PARTS["all near-delimiters"] = [(FILE, near + b".".join([b"", *NEAR_DELIMITERS])) for near in NEAR_DELIMITERS]
PARTS["a part of the delimiter at the end"] = [
    (FILE, (b"\r\n--" + BOUNDARY)[:length]) for length in range(len(BOUNDARY) + 4)
]


def every_lane(front: Front, service: Service, upload: Upload) -> None:
    """Through every route for forms, in every framing, on one connection."""
    with front.client() as client:
        for path in ("/live", "/whole", "/chunked"):
            for chunk_size in (None, 1, 4096):
                if chunk_size is not None and len(upload.body) // chunk_size > 5000:
                    continue
                service.forget()
                answer = send(client, path, upload, chunk_size=chunk_size)
                assert (answer.status, answer.closed) == (200, False), (path, chunk_size, answer)
                assert_unchanged(service, upload)


@pytest.mark.parametrize("name", PARTS)
def test_parts(front: Front, service: Service, name: str) -> None:
    """Part for part, header bytes for header bytes: small ones, which are read whole, and large ones."""
    every_lane(front, service, form(PARTS[name]))
    every_lane(front, service, form([*PARTS[name], LARGE]))


AROUND = {
    "no line end behind it": (b"", b""),
    "an epilogue": (b"", b"\r\nThis is the epilogue.\r\n"),
    "an epilogue that looks like a form": (b"", b"\r\n" + form([field_part("a", b"b")]).body),
    "a long epilogue": (b"", b"\r\n" + b"." * 60_000),
    "a preamble": (b"This is a multi-part message in MIME format.\r\n", b"\r\n"),
    "an empty line before it": (b"\r\n", b"\r\n"),
    "a long preamble": (b"." * 60_000 + b"\r\n", b"\r\n"),
}


@pytest.mark.parametrize("name", AROUND)
def test_what_surrounds_a_form(front: Front, service: Service, name: str) -> None:
    """The epilogue goes along, as far as it is one; the preamble does not, and nobody may read it."""
    before, behind = AROUND[name]
    for parts in ([field_part("a", b"b")], [field_part("a", b"b"), LARGE]):
        plain = form(parts)
        upload = Upload(
            content_type=plain.content_type,
            body=before + plain.body.removesuffix(b"\r\n") + behind,
            boundary=plain.boundary,
            delimiters=[len(before) + place for place in plain.delimiters],
        )

        every_lane(front, service, upload)


@pytest.mark.parametrize("padding", [b" ", b"\t", b" \t \t", b" " * 256])
def test_blanks_behind_delimiters(front: Front, service: Service, padding: bytes) -> None:
    """Transport padding is no part of anything, and travels on (RFC 2046 section 5.1.1)."""
    plain = form([field_part("a", b"b"), file_part("f", "f.bin", b"x"), LARGE])
    delimiter = b"--" + BOUNDARY
    body = plain.body.replace(delimiter + b"--", delimiter + b"--" + padding)

    every_lane(front, service, found(body.replace(delimiter + b"\r\n", delimiter + padding + b"\r\n"), BOUNDARY))


@pytest.mark.parametrize(
    "boundary",
    [b"b", b"xYzZY", b"a" * 15, b"a" * 16, b"----WebKitFormBoundary7MA4YWxkTrZu0gW", b"=_?:,/'()+ .x", b"-" * 70],
)
def test_boundaries(front: Front, service: Service, boundary: bytes) -> None:
    """Any legal boundary is read; what is sent has letters and digits only, and cannot be guessed."""
    every_lane(front, service, form([field_part("a", b"b"), file_part("f", "f.bin", b"x")], boundary))
    every_lane(front, service, form([field_part("a", b"b"), LARGE], boundary))


@pytest.mark.parametrize("size", [10, 100_000])
@pytest.mark.parametrize("path", ["/live", "/whole", "/chunked"])
def test_the_boundary_is_fresh(front: Front, service: Service, path: str, size: int) -> None:
    """No two uploads leave with the same one, and the header always names the one that the body has."""
    upload = single_file(noise(size))
    with front.client() as client:
        for _ in range(20):
            assert send(client, path, upload).status == 200

    boundaries = [boundary_of(received.headers.get("content-type")) for received in service.received]
    assert len({*boundaries, BOUNDARY}) == 21
    for boundary, received in zip(boundaries, service.received, strict=True):
        assert received.body is not None
        assert split_multipart(received.body, boundary) == split_multipart(upload.body, BOUNDARY)


def test_a_form_byte_by_byte(front: Front, service: Service) -> None:
    """However the bytes arrive: here each comes in a packet of its own."""
    parts = [field_part("a", b"b" * 20), file_part("f", "f.bin", b"".join(NEAR_DELIMITERS))]
    upload = form(parts)
    headers = [("Content-Type", upload.content_type), ("Content-Length", str(len(upload.body)))]
    blocks = [upload.body[place : place + 1] for place in range(len(upload.body))]
    with front.client() as client:
        for path in ("/live", "/whole", "/chunked"):
            for chunked in (False, True):
                service.forget()

                client.post(path, blocks, headers[: 1 if chunked else 2], chunked=chunked)

                assert_unchanged(service, upload)


@pytest.mark.parametrize("extension", [b"", b";a", b' ; name="quoted; \\" value"', b";a=b;c"])
@pytest.mark.parametrize("trailers", [b"", b"X-Checksum: 1\r\nX-More: 2\r\n"])
def test_chunk_extensions_and_trailers(front: Front, service: Service, extension: bytes, trailers: bytes) -> None:
    """They belong to the client's connection: they are neither content nor sent on."""
    for upload in (single_file(b"x" * 100), single_file(noise(70_000)), bare(noise(70_000))):
        body = chunks(upload.body, 999, extension=extension, trailers=trailers)
        with front.client() as client:
            for path in ("/raw", "/raw-chunked") if upload.boundary is None else ("/live", "/chunked"):
                service.forget()
                client.send(head(path, upload, chunked=True) + body)

                assert client.read_response().status == 200
                assert assert_unchanged(service, upload).trailers == ()


def test_chunk_sizes_in_every_spelling(front: Front, service: Service) -> None:
    """Upper case, leading zeros, and chunks of every size between one and hundreds of bytes."""
    content = noise(70_000)
    upload = single_file(content)
    body, place, size = b"", 0, 1
    while place < len(upload.body):
        piece = upload.body[place : place + size]
        body += (b"%X\r\n%s\r\n" if size % 2 else b"000%x\r\n%s\r\n") % (len(piece), piece)
        place, size = place + size, size + 1
    with front.client() as client:
        for path in ("/live", "/chunked"):
            service.forget()
            client.send(head(path, upload, chunked=True) + body + b"000\r\n\r\n")

            assert client.read_response().status == 200
            assert_unchanged(service, upload)


# --- what real clients send ------------------------------------------------------------------------


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_captures(front: Front, service: Service, capture: Path) -> None:
    """The very bytes of a real client's request, head and framing included."""
    request = capture.read_bytes()
    start, _, body = request.partition(b"\r\n\r\n")
    headers = parse_headers(start.split(b"\r\n")[1:])
    sent = unchunked(body) if headers.has_token("transfer-encoding", "chunked") else body
    upload = found(sent, boundary_of(headers.get("content-type")))
    for path in (b"/live", b"/whole", b"/chunked"):
        service.forget()
        with front.client() as client:
            client.send(request.replace(b" /upload ", b" %s " % path, 1))

            assert client.read_response().status == 200
            assert_unchanged(service, upload)


def test_there_are_captures() -> None:
    """An empty directory would prove nothing."""
    assert len(CAPTURES) >= 60


# --- bare files ------------------------------------------------------------------------------------

TYPES = ["application/pdf", "text/plain; charset=utf-8", "image/svg+xml", 'x/y; a="b;c"']
SIZES = [0, 1, 1000, 65536, 65537, 70_000]


@pytest.mark.parametrize("content_type", TYPES)
def test_a_bare_file_stays_one(front: Front, service: Service, content_type: str) -> None:
    """A bare file for a service that takes just that, under the type that came with it."""
    with front.client() as client:
        for size in SIZES:
            for path in ("/raw", "/raw-chunked", "/files"):
                for chunk_size in (None, 4096):
                    service.forget()
                    upload = bare(noise(size), content_type)

                    assert send(client, path, upload, chunk_size=chunk_size).status == 200
                    assert_unchanged(service, upload)


@pytest.mark.parametrize("size", SIZES)
def test_a_bare_file_of_unknown_type(front: Front, service: Service, size: int) -> None:
    """Without a Content-Type it is just bytes (RFC 9110 section 8.3)."""
    with front.client() as client:
        answer = client.post("/raw", noise(size))

    assert answer.status == 200
    assert service.received[0].headers.get("content-type") == "application/octet-stream"
    assert service.received[0].body == noise(size)


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("chunk_size", [None, 4096])
def test_a_bare_file_becomes_a_form(front: Front, service: Service, content_type: str, chunk_size: int | None) -> None:
    """For a service that takes forms: what MultipartEncoder writes for the same file, apart from the boundary."""
    with front.client() as client:
        for size in SIZES:
            for path in ("/live", "/whole", "/chunked"):
                service.forget()
                content = noise(size)

                assert send(client, path, bare(content, content_type), chunk_size=chunk_size).status == 200

                received = service.received[0]
                boundary = boundary_of(received.headers.get("content-type"))
                encoder = MultipartEncoder({"file": ("file", content, content_type)}, boundary=boundary.decode())
                assert received.headers.get("content-type") == encoder.content_type
                assert received.body is not None
                assert_same(received.body, encoder.to_string())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("path", ["/raw", "/raw-chunked"])
def test_the_only_file_of_a_form(front: Front, service: Service, path: str, size: int) -> None:
    """A service that takes bare files gets the content of the only one, under its own type, and no field."""
    content = noise(size)
    file = file_part("f", "f.pdf", content, "application/pdf; version=2")
    upload = form([field_part("a", b"b"), file, field_part("c", b"d")])
    with front.client() as client:
        for chunk_size in (None, 4096):
            service.forget()

            assert send(client, path, upload, chunk_size=chunk_size).status == 200
            assert_unchanged(service, bare(content, "application/pdf; version=2"))


@pytest.mark.parametrize(
    "parts",
    [[], [field_part("a", b"b")], [LARGE, LARGE], [file_part("f", "", b"")]],
    ids=["none", "field", "two", "unchosen"],
)
@pytest.mark.parametrize("path", ["/raw", "/raw-chunked"])
def test_not_exactly_one_file(front: Front, service: Service, path: str, parts: list[tuple[bytes, bytes]]) -> None:
    """Nobody chooses a file for the client: none and two are its mistake, and the connection goes on."""
    with front.client() as client:
        answer = send(client, path, form(parts))

        assert (answer.status, json.loads(answer.body)["code"], answer.closed) == (422, "file_expected", False)
        assert service.received == []
        assert send(client, "/live", single_file(b"x")).status == 200
