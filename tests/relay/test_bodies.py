"""What is sent is what was received, under a boundary that nobody knew before; never a byte more or less than said."""

from __future__ import annotations

import random
import string
from collections.abc import Generator, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests_toolbelt import MultipartEncoder

from gateway.core.services import BodyKind, Send
from gateway.core.uploads import Limits
from gateway.errors import ClientGone, GatewayError, UnexpectedFailure
from gateway.relay.blocks import SMALL
from gateway.relay.bodies import Block, Body, Random, body_for, copied_form
from gateway.spool.files import SpoolFiles
from gateway.spool.uploads import Upload, Watch
from gateway.testing import boundary_of, field_part, file_part, multipart
from tests.spool.sources import cut, cut_every, new_upload

BOUNDARY = b"----boundary-of-the-client"
SHORT = b"xYzZY"


def counted(size: int) -> bytes:
    """Randomness that is the same each time."""
    return bytes(range(size))


def body_of_kind(kind: BodyKind, upload: Upload, random: Random = counted) -> Body:
    return body_for(Send(kind=kind), upload, random, request_id="request-1")


def sent(body: Body) -> bytes:
    return b"".join(bytes(block) for block in body)


def received_form(
    files: SpoolFiles,
    form: bytes,
    pieces: Iterable[bytes],
    *,
    boundary: bytes = BOUNDARY,
    whole: bool,
    chunked: bool = False,
    slot_bytes: int = 64,
) -> Upload:
    """The upload at the moment when its delivery begins."""
    length = None if chunked else len(form)
    upload = new_upload(files, pieces, boundary=boundary, length=length, keep=whole, slot_bytes=slot_bytes)
    if whole:
        upload.read_whole()
    else:
        upload.pull_until(lambda: bool(upload.delimiters))
    return upload


# --- copied forms ------------------------------------------------------------------------------

NEAR_DELIMITERS = [
    b"\r\n",
    b"--",
    b"\r\n--",
    BOUNDARY + b"x",
    b"\r\n--" + BOUNDARY + b"-x",
    b"\r\n--" + BOUNDARY + b" x",
    b"\n--" + BOUNDARY + b"\n",
    b"\r",
    bytes(range(256)),
]

contents = st.lists(st.sampled_from(NEAR_DELIMITERS), max_size=6).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(
    parts=st.lists(
        st.one_of(contents.map(lambda c: field_part("a", c)), contents.map(lambda c: file_part("f", "", c)))
    ),
    preamble=st.sampled_from([b"", b"\r\n", b"before\r\n"]),
    padding=st.sampled_from([b"", b" ", b"\t  "]),
    end=st.sampled_from([b"\r\n", b"", b"\r\nafter", b" \r\n"]),
    size=st.integers(1, 400),
    slot_bytes=st.sampled_from([16, 50, 300, 5000]),
    whole=st.booleans(),
    chunked=st.booleans(),
)
def test_a_copied_form_is_the_form_with_the_boundary_replaced(
    files: SpoolFiles,
    parts: list[tuple[bytes, bytes]],
    preamble: bytes,
    padding: bytes,
    end: bytes,
    size: int,
    slot_bytes: int,
    whole: bool,
    chunked: bool,
) -> None:
    def form_with(boundary: bytes) -> bytes:
        delimiter = b"--" + boundary + padding + b"\r\n"
        return b"".join(delimiter + h + b"\r\n\r\n" + c + b"\r\n" for h, c in parts) + b"--" + boundary + b"--" + end

    form = preamble + form_with(BOUNDARY)
    upload = received_form(files, form, cut_every(form, size), whole=whole, chunked=chunked, slot_bytes=slot_bytes)

    length_is_known = upload.complete or not chunked
    body = copied_form(upload, counted)
    copy = sent(body)

    fresh = boundary_of(body.content_type)
    assert copy == form_with(fresh)
    assert len(fresh) == len(BOUNDARY)
    assert body.length == (len(copy) if length_is_known else None)
    assert body.sent == len(copy)
    upload.release()


@pytest.mark.parametrize("form", ["content", ""])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "live"])
def test_every_cut_of_a_form_gives_the_same_copy(files: SpoolFiles, form: str, whole: bool) -> None:
    parts = [field_part("a", b"1"), file_part("f", "x", form.encode())] if form else []
    received = multipart(parts, BOUNDARY)
    for place in range(len(received)):
        upload = received_form(files, received, cut(received, place, place + 3), whole=whole)

        body = copied_form(upload, counted)

        assert sent(body) == multipart(parts, boundary_of(body.content_type))
        assert body.length == len(received)
        upload.release()


@pytest.mark.parametrize("length", [16, 17, 26, 69, 70])
def test_a_fresh_boundary_is_as_long_as_the_one_it_replaces(files: SpoolFiles, length: int) -> None:
    boundary = b"b" * length
    form = multipart([field_part("a", b"1")], boundary)
    upload = received_form(files, form, [form], boundary=boundary, whole=False)

    body = copied_form(upload, random.Random(length).randbytes)

    fresh = boundary_of(body.content_type)
    assert len(fresh) == length
    assert set(fresh.decode()) <= set(string.ascii_letters + string.digits), "anything else would have to be quoted"
    assert body.length == len(form)
    upload.release()


def test_a_fresh_boundary_is_fresh(files: SpoolFiles) -> None:
    """Two deliveries of one upload do not even share it."""
    form = multipart([field_part("a", b"1")], BOUNDARY)
    upload = received_form(files, form, [form], whole=True)
    source = random.Random(1).randbytes

    boundaries = {boundary_of(copied_form(upload, source).content_type) for _ in range(10)}

    assert len(boundaries) == 10
    assert BOUNDARY not in boundaries
    upload.release()


@pytest.mark.parametrize("boundary", [b"b", SHORT, b"b" * 15])
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "length"])
def test_a_boundary_that_could_be_guessed_grows(files: SpoolFiles, boundary: bytes, chunked: bool) -> None:
    """The length is then known only when all delimiters are."""
    parts = [field_part("a", b"1"), file_part("f", "x", b"2"), field_part("c", b"")]
    form = b"before\r\n" + multipart(parts, boundary)
    whole = received_form(files, form, cut_every(form, 20), boundary=boundary, whole=True, chunked=chunked)
    live = received_form(files, form, cut_every(form, 20), boundary=boundary, whole=False, chunked=chunked)

    for upload in (whole, live):
        body = copied_form(upload, counted)
        fresh = boundary_of(body.content_type)
        copy = sent(body)

        assert len(fresh) == 16
        assert copy == multipart(parts, fresh)
        assert body.length == (len(copy) if upload is whole else None)
        upload.release()


def test_small_pieces_are_sent_together(files: SpoolFiles) -> None:
    """A thousand parts in one block are one block."""
    form = multipart([field_part(f"a{number}", b"1") for number in range(1000)], BOUNDARY)
    upload = received_form(files, form, [form], whole=True, slot_bytes=2**20)

    blocks = list(copied_form(upload, counted))

    assert len(blocks) == 1
    upload.release()


def test_large_pieces_are_not_copied(files: SpoolFiles) -> None:
    large = bytes(SMALL)
    form = multipart([field_part("a", b"1"), file_part("f", "x", large), field_part("b", b"2")], BOUNDARY)
    upload = received_form(files, form, [form], whole=True, slot_bytes=2**20)

    blocks = [(type(block), len(block)) for block in copied_form(upload, counted)]

    assert [kind for kind, _ in blocks] == [bytes, memoryview, bytes]
    assert blocks[1][1] > SMALL
    upload.release()


# --- equal to MultipartEncoder -----------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('"\\;\r\n%='), max_size=12)
names = texts.filter(lambda text: "filename" not in text.lower())
types = st.sampled_from([None, "", "text/plain", 'application/json; charset="utf-8"', "x/y;a=b"])
extra_headers = st.sampled_from([{}, {"X-Extra": "1"}, {"Content-Language": "de", "X-Empty": ""}])
values: st.SearchStrategy[Any] = st.one_of(
    texts,
    st.binary(max_size=40),
    st.tuples(names, st.binary(max_size=40)),
    st.tuples(names, contents, types),
    st.tuples(names, contents, types, extra_headers),
)
ROOMY = Limits(part_headers=1000, padding=8)


@settings(max_examples=200, deadline=None)
@given(fields=st.lists(st.tuples(names, values), min_size=1, max_size=6), size=st.integers(1, 500), whole=st.booleans())
def test_a_copied_form_equals_what_multipart_encoder_writes(
    files: SpoolFiles, fields: list[tuple[str, Any]], size: int, whole: bool
) -> None:
    """Whatever a Python client sends with it arrives as if it had been sent to the service directly."""
    form = MultipartEncoder(fields, boundary=BOUNDARY.decode()).to_string()
    upload = new_upload(files, cut_every(form, size), boundary=BOUNDARY, length=len(form), slot_bytes=100, limits=ROOMY)
    upload.pull_until(lambda: bool(upload.delimiters) and not whole)

    body = copied_form(upload, counted)

    encoder = MultipartEncoder(fields, boundary=boundary_of(body.content_type).decode())
    assert body.content_type == encoder.content_type
    assert body.length == encoder.len
    assert sent(body) == encoder.to_string()
    upload.release()


@settings(max_examples=100, deadline=None)
@given(
    content=st.binary(max_size=300),
    filename=texts.filter(bool),
    content_type=types,
    size=st.integers(1, 400),
    whole=st.booleans(),
)
def test_a_written_form_equals_what_multipart_encoder_writes(
    files: SpoolFiles, content: bytes, filename: str, content_type: str | None, size: int, whole: bool
) -> None:
    upload = new_upload(
        files, cut_every(content, size), length=len(content), filename=filename, content_type=content_type
    )
    if whole:
        upload.read_whole()

    body = body_of_kind("multipart", upload)

    boundary = boundary_of(body.content_type).decode()
    encoder = MultipartEncoder({"file": (filename, content, content_type)}, boundary=boundary)
    assert len(boundary) == 32
    assert body.content_type == encoder.content_type
    assert body.length == encoder.len
    assert sent(body) == encoder.to_string()
    upload.release()


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 1000])
def test_a_written_form_of_unknown_length_is_chunked_until_all_is_in(files: SpoolFiles, size: int) -> None:
    content = random.Random(size).randbytes(size)
    upload = new_upload(files, cut_every(content, 50))

    live = body_of_kind("multipart", upload)
    assert live.length is None
    copy = sent(live)

    whole = body_of_kind("multipart", upload)
    assert whole.length == len(copy)
    assert sent(whole) == copy
    upload.release()


# --- bare files --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 1000])
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "length"])
@pytest.mark.parametrize("content_type", [None, "image/png"])
def test_a_raw_body_goes_on_as_it_is(files: SpoolFiles, size: int, chunked: bool, content_type: str | None) -> None:
    content = random.Random(size).randbytes(size)
    length = None if chunked else size
    upload = new_upload(files, cut_every(content, 50), length=length, content_type=content_type, keep=False)

    body = body_of_kind("raw", upload)

    assert body.length == length
    assert body.content_type == (content_type or "application/octet-stream")
    assert sent(body) == content
    upload.release()


@pytest.mark.parametrize("content", [b"", b"x", b"\r\n--edge", bytes(200)])
def test_the_one_file_of_a_form_is_sent_bare(files: SpoolFiles, content: bytes) -> None:
    form = multipart(
        [field_part("a", b"1"), file_part("f", "x", content, "image/png"), field_part("b", b"2")], BOUNDARY
    )
    upload = received_form(files, form, cut_every(form, 30), whole=True)

    body = body_of_kind("raw", upload)

    assert (body.content_type, body.length) == ("image/png", len(content))
    assert sent(body) == content
    upload.release()


# --- never a byte too many or too few ----------------------------------------------------------


def body_of(length: int | None, *blocks: bytes) -> Body:
    def running(_: Watch | None) -> Generator[Block, None, None]:
        yield from blocks

    return Body("text/plain", length, running)


@pytest.mark.parametrize(
    ("length", "blocks", "handed_out", "complaint"),
    [
        (3, [b"abc"], b"abc", None),
        (3, [b"a", b"", b"bc", b""], b"abc", None),
        (0, [], b"", None),
        (0, [b""], b"", None),
        (None, [b"abc", b"def"], b"abcdef", None),
        # bytes too many would be the next request on the connection
        (3, [b"abcd"], b"", "A body of 3 bytes has more than that."),
        (3, [b"abc", b"d"], b"abc", "A body of 3 bytes has more than that."),
        (0, [b"a"], b"", "A body of 0 bytes has more than that."),
        # after too few the service would wait
        (3, [b"ab"], b"ab", "A body of 3 bytes has only 2."),
        (3, [], b"", "A body of 3 bytes has only 0."),
    ],
)
def test_a_body_has_the_length_that_it_says_or_raises(
    length: int | None, blocks: list[bytes], handed_out: bytes, complaint: str | None
) -> None:
    body, taken = body_of(length, *blocks), bytearray()

    def take() -> None:
        for block in body:
            taken.extend(block)

    if complaint is None:
        take()
    else:
        with pytest.raises(UnexpectedFailure) as raised:
            take()
        assert str(raised.value) == complaint
    assert taken == handed_out


@pytest.mark.parametrize("cut_at", [30, 60, 100])
def test_a_body_whose_client_vanishes_ends_with_an_error(files: SpoolFiles, cut_at: int) -> None:
    """And before the end of the form: nobody can take it for whole."""
    form = multipart([field_part("a", b"1"), file_part("f", "x", b"abc" * 50)], BOUNDARY)
    upload = received_form(files, form, cut(form[:cut_at], 28, 50), whole=False)
    body = copied_form(upload, counted)
    taken = bytearray()

    def take() -> None:
        for block in body:
            taken.extend(block)

    with pytest.raises(ClientGone, match=rf"after {cut_at} of {len(form)} bytes"):
        take()

    assert len(taken) <= cut_at
    upload.release()


@pytest.mark.parametrize("failure", [ClientGone("gone"), UnexpectedFailure("bug")], ids=repr)
def test_no_error_of_a_body_is_an_oserror(files: SpoolFiles, failure: GatewayError) -> None:
    """It would be blamed on the service, or swallowed."""
    form = multipart([field_part("a", b"1")], BOUNDARY)
    upload = new_upload(files, [form[:40], failure], boundary=BOUNDARY, length=len(form))
    upload.pull_until(lambda: bool(upload.delimiters))

    with pytest.raises(type(failure)) as raised:
        sent(copied_form(upload, counted))

    assert not isinstance(raised.value, OSError)
    upload.release()


# --- letting go --------------------------------------------------------------------------------


def test_a_body_looks_at_its_watch_while_it_waits(files: SpoolFiles) -> None:
    looks = []

    class Watcher:
        def fileno(self) -> int:
            return -1

        def look(self) -> None:
            looks.append(1)

    form = multipart([field_part("a", b"1")], BOUNDARY)
    upload = received_form(files, form, cut_every(form, 40), whole=False, slot_bytes=1000)
    body = copied_form(upload, counted)
    body.watch = Watcher()

    sent(body)

    assert len(looks) == len(cut_every(form, 40)) - 1
    upload.release()


@pytest.mark.parametrize(
    ("received", "send"),
    [
        ("multipart", Send()),
        ("multipart", Send(rename={"a": "b"})),
        ("raw", Send()),
        ("raw", Send(kind="raw")),
        ("raw", Send(kind="json")),
    ],
)
def test_a_body_that_is_closed_lets_go_of_the_upload(files: SpoolFiles, received: BodyKind, send: Send) -> None:
    """A ring would wait for it otherwise, and with it the client."""
    boundary = BOUNDARY if received == "multipart" else None
    form = multipart([field_part("a", b"1" * 300)], BOUNDARY)
    upload = new_upload(files, cut_every(form, 40), boundary=boundary, length=len(form), keep=False)
    upload.pull()
    body = body_for(send, upload, counted, request_id="request-1")
    blocks = iter(body)
    for _ in range(4):
        next(blocks)
    assert "1 readers" in repr(upload)

    body.close()

    assert "0 readers" in repr(upload)
    body.close()
    upload.release()


def test_a_body_that_was_never_sent_can_be_closed() -> None:
    body_of(3, b"abc").close()
