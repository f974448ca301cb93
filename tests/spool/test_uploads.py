"""An upload is what its client sent, however it was cut, or it is an error; its end is withheld until all is in."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.uploads import Limits, UploadHead
from gateway.errors import (
    BoundaryNotFound,
    ClientGone,
    ClientStalled,
    ClosingDelimiterMissing,
    FieldTooLarge,
    GatewayError,
    SpoolFull,
    UnexpectedFailure,
    UploadTooLarge,
)
from gateway.spool.files import SpoolFiles
from gateway.spool.slots import SlotPool
from gateway.spool.spool import Reader, Spool
from gateway.spool.uploads import Upload
from gateway.testing import field_part, file_part, multipart, split_multipart
from tests.spool.sources import ScriptedSource, content_of, cut, cut_every, new_upload, spool_files

EDGE = b"edge"

FORMS = {
    "one file": multipart([file_part("file", "a.txt", b"abc")], EDGE),
    "fields and files": multipart(
        [field_part("a", b"1"), file_part("f", "x", b"\r\n--edg"), field_part("a", b"")], EDGE
    ),
    "empty file": multipart([file_part("f", "", b"")], EDGE),
    "no parts": b"--edge--\r\n",
    "no line end": multipart([field_part("a", b"1")], EDGE).removesuffix(b"\r\n"),
    "preamble, padding, epilogue": (
        b'before\r\n--edge \t\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--edge--  \r\nafter'
    ),
    "near delimiters": multipart([file_part("f", "x", b"\r\n--edge-\r\n--edges\r\n--edge\rx")], EDGE),
    # RFC 2046 lets the empty line's own CR LF be that of the delimiter
    "part without even a line": b'--edge\r\nContent-Disposition: form-data; name="a"\r\n\r\n--edge--\r\n',
}

NEAR_DELIMITERS = [b"\r\n", b"\r\n--edg", b"--edgex", b"\r\n--edge-x", b"\r\n--edge \rx", b"-", b"\r", b"x" * 20]
"""Pieces that make no delimiter, however they are joined."""


@dataclass
class Watcher:
    """A watch that raises at the given looks, counted from 1."""

    raises: dict[int, Exception]
    looks: int = 0

    def fileno(self) -> int:
        return -1

    def look(self) -> None:
        self.looks += 1
        if self.looks in self.raises:
            raise self.raises[self.looks]


def receive(
    files: SpoolFiles, body: bytes, pieces: Iterable[bytes], *, chunked: bool = False, slot: int = 64
) -> Upload:
    return new_upload(files, pieces, boundary=EDGE, length=None if chunked else len(body), slot_bytes=slot)


def contents(upload: Upload) -> list[tuple[bytes, bytes]]:
    """Headers and content of every part, as `split_multipart` gives them."""
    for part in upload.parts:
        assert part.content.start <= part.content.stop
    return [
        (part.headers.removesuffix(b"\r\n\r\n"), content_of(upload, part.content.start, part.content.stop))
        for part in upload.parts
    ]


def what_can_be_seen(reader: Reader) -> bytes:
    """All that the reader gets without waiting."""
    seen = bytearray()
    while block := reader.read(wait=False):
        seen += block
    return bytes(seen)


def parts_of(form: bytes) -> list[tuple[bytes, bytes]]:
    """By a reader that is not the gateway's, where it understands the form; by hand elsewhere."""
    if form == FORMS["part without even a line"]:
        return [(b'Content-Disposition: form-data; name="a"', b"")]
    if form == FORMS["near delimiters"]:
        return [file_part("f", "x", b"\r\n--edge-\r\n--edges\r\n--edge\rx")]
    form = form.removeprefix(b"before\r\n").removesuffix(b"after").replace(b"edge \t", b"edge").replace(b"--  ", b"--")
    return split_multipart(form, EDGE)


# --- every cut ---------------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_cut_gives_the_same_upload(files: SpoolFiles, form: bytes, chunked: bool) -> None:
    expected = parts_of(form)
    for place in range(len(form) + 1):
        upload = receive(files, form, cut(form, place), chunked=chunked)

        upload.read_whole()

        assert content_of(upload) == form
        assert contents(upload) == expected
        assert form[upload.delimiters[-1].start :].startswith(b"--edge--")
        upload.release()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_steps_of_every_size_give_the_same_upload(files: SpoolFiles, form: bytes, chunked: bool, size: int) -> None:
    upload = receive(files, form, cut_every(form, size), chunked=chunked)

    upload.read_whole()

    assert content_of(upload) == form
    assert contents(upload) == parts_of(form)
    upload.release()


@settings(max_examples=100, deadline=None)
@given(
    contents_given=st.lists(st.lists(st.sampled_from(NEAR_DELIMITERS)), max_size=5),
    slot=st.sampled_from([16, 33, 64, 1000]),
    memory=st.sampled_from([0, 100, 10_000]),
    chunked=st.booleans(),
    choices=st.randoms(use_true_random=False),
)
def test_a_form_of_any_parts_in_slots_of_any_size(
    files: SpoolFiles,
    contents_given: list[list[bytes]],
    slot: int,
    memory: int,
    chunked: bool,
    choices: random.Random,
) -> None:
    parts = [file_part(f"f{number}", "x", b"".join(pieces)) for number, pieces in enumerate(contents_given)]
    form = multipart(parts, EDGE)
    pieces = cut(form, *(choices.randint(0, len(form)) for _ in range(choices.randint(0, 30))))
    length = None if chunked else len(form)
    upload = new_upload(files, pieces, boundary=EDGE, length=length, slot_bytes=slot, memory=memory)

    upload.read_whole()

    assert contents(upload) == parts
    assert content_of(upload) == form
    upload.release()


def test_parts_are_numbered_and_read(files: SpoolFiles) -> None:
    form = FORMS["fields and files"]
    upload = receive(files, form, [form])

    upload.read_whole()

    assert [(part.number, part.name, part.filename, part.content_type) for part in upload.parts] == [
        (0, "a", None, None),
        (1, "f", "x", "application/octet-stream"),
        (2, "a", None, None),
    ]
    assert [len(part.content) for part in upload.parts] == [1, 7, 0]
    upload.release()


# --- what is known when ------------------------------------------------------------------------


def test_a_part_is_known_before_its_content_is_in(files: SpoolFiles) -> None:
    form = FORMS["one file"]
    headers_end = form.index(b"\r\n\r\n") + 4
    upload = receive(files, form, cut(form, headers_end), slot=1000)

    upload.pull()

    (part,) = upload.parts
    assert (part.name, part.content_start, part.content_stop) == ("file", headers_end, None)
    upload.read_whole()
    assert content_of(upload, headers_end, upload.parts[0].content_stop) == b"abc"
    upload.release()


def test_pulling_stops_when_what_is_wanted_is_known(files: SpoolFiles) -> None:
    form = FORMS["fields and files"]
    upload = receive(files, form, cut_every(form, 1))

    upload.pull_until(lambda: bool(upload.delimiters))

    assert upload.spool.received == len(b"--edge\r\n")
    upload.pull_until(lambda: True)
    assert upload.spool.received == len(b"--edge\r\n")
    upload.pull_until(lambda: len(upload.parts) == 2)
    assert not upload.complete
    upload.release()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_the_time_is_taken_when_all_of_it_is_in(files: SpoolFiles, chunked: bool) -> None:
    form = FORMS["one file"]
    upload = receive(files, form, cut_every(form, 10), chunked=chunked)
    while not upload.complete:
        assert upload.completed_at is None
        upload.pull()

    assert upload.completed_at == 100.0
    upload.read_whole()
    assert content_of(upload) == form
    assert upload.completed_at == 100.0
    upload.release()


# --- the end is withheld -----------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("keep", [True, False], ids=["kept", "ring"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_no_reader_sees_the_end_of_a_form_before_all_of_it_is_in(
    files: SpoolFiles, form: bytes, keep: bool, chunked: bool
) -> None:
    length = None if chunked else len(form)
    for size in (1, 5, 50, len(form) - 1):
        upload = new_upload(files, cut_every(form, size), boundary=EDGE, length=length, keep=keep)
        reader = upload.spool.reader(0)
        seen = bytearray()
        while not upload.complete:
            assert len(seen) <= form.rindex(b"--edge--")
            upload.pull()
            seen += what_can_be_seen(reader)

        assert seen == form
        reader.close()
        upload.release()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [1, 2, 17, 64, 65, 200])
def test_no_reader_sees_the_last_byte_of_a_raw_body_before_it_is_known_to_be_the_last(
    files: SpoolFiles, size: int, chunked: bool
) -> None:
    body = bytes(range(200))
    upload = new_upload(files, cut_every(body, size), length=None if chunked else len(body), keep=False)
    reader = upload.spool.reader(0)
    seen = bytearray()
    while not upload.complete:
        assert len(seen) <= max(0, upload.spool.received - 1)
        upload.pull()
        seen += what_can_be_seen(reader)

    assert seen == body
    reader.close()
    upload.release()


@pytest.mark.parametrize("cut_at", range(0, 90, 3))
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_form_without_its_end_is_never_complete(files: SpoolFiles, chunked: bool, cut_at: int) -> None:
    """The client says that it is done, or how long it is, and lies."""
    form = FORMS["one file"][:cut_at]
    assert b"--edge--" not in form
    upload = receive(files, form, cut(form, 20, 50), chunked=chunked)
    reader = upload.spool.reader(0)

    with pytest.raises(GatewayError) as raised:
        upload.read_whole()

    assert raised.value.status == 400
    assert not upload.complete
    with pytest.raises(type(raised.value)):
        reader.read()
    upload.release()


# --- raw bodies --------------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [0, 1, 2, 63, 64, 65, 1000])
def test_a_raw_body_is_one_file(files: SpoolFiles, size: int, chunked: bool) -> None:
    body = random.Random(size).randbytes(size)
    upload = new_upload(files, cut_every(body, 50), length=None if chunked else size, content_type="image/png")
    (part,) = upload.parts
    assert (part.name, part.filename, part.content_type, part.content_start, part.content_stop) == (
        "file",
        "file",
        "image/png",
        0,
        None,
    )

    upload.read_whole()

    assert len(upload.parts[0].content) == size
    assert content_of(upload) == body
    upload.release()


def test_a_raw_body_has_the_name_that_the_request_gave(files: SpoolFiles) -> None:
    upload = new_upload(files, [b"x"], length=1, filename="Übersicht.pdf")

    assert upload.parts[0].filename == "Übersicht.pdf"
    upload.release()


# --- clients that fail -------------------------------------------------------------------------


@pytest.mark.parametrize("boundary", [EDGE, None], ids=["form", "raw"])
@pytest.mark.parametrize("cut_at", [0, 1, 40, 93])
def test_a_client_that_vanishes_is_told_with_what_it_sent(
    files: SpoolFiles, boundary: bytes | None, cut_at: int
) -> None:
    form = FORMS["one file"]
    upload = new_upload(files, cut(form[:cut_at], 10), boundary=boundary, length=len(form))

    with pytest.raises(ClientGone, match=rf"after {cut_at} of {len(form)} bytes"):
        upload.read_whole()

    assert not upload.complete
    upload.release()


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (ClientStalled("nothing for 30 s"), ClientStalled),
        (ClientGone("reset"), ClientGone),
        (SpoolFull("full"), SpoolFull),
        (ValueError("a bug"), UnexpectedFailure),
    ],
)
def test_any_failure_ends_the_upload_for_all_readers(
    files: SpoolFiles, failure: Exception, error: type[GatewayError]
) -> None:
    form = FORMS["fields and files"]
    upload = new_upload(files, [form[:60], failure, form[60:]], boundary=EDGE, length=len(form))
    waiting, elsewhere = upload.spool.reader(0), upload.spool.reader(20)
    upload.pull()

    with pytest.raises(type(failure)):
        upload.pull()

    for reader in (waiting, elsewhere, upload.spool.reader(0)):
        with pytest.raises(error):
            reader.read()
    upload.release()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("boundary", [EDGE, None], ids=["form", "raw"])
def test_after_a_failure_nothing_more_is_taken(files: SpoolFiles, boundary: bytes | None, chunked: bool) -> None:
    """Whoever catches the error and asks again must not get an upload with a hole in it."""
    form = FORMS["one file"]
    script: list[bytes | Exception] = [form[:60], ClientStalled("once"), form[60:]]
    upload = new_upload(files, script, boundary=boundary, length=None if chunked else len(form))
    with pytest.raises(ClientStalled):
        upload.read_whole()

    for again in (upload.pull, upload.read_whole, lambda: content_of(upload)):
        with pytest.raises(ClientStalled, match="once"):
            again()

    assert upload.spool.received == 60
    assert not upload.complete
    upload.release()


def test_what_the_scanner_has_refused_stays_refused(files: SpoolFiles) -> None:
    """The bytes that were refused are not in the spool: going on behind them would join what was apart."""
    form = multipart([field_part("a", b"x" * 50), field_part("b", b"1")], EDGE)
    limits = Limits(part_headers=100, padding=8, field=20)
    upload = new_upload(files, cut_every(form, 70), boundary=EDGE, limits=limits)

    for _ in range(4):
        with pytest.raises(FieldTooLarge):
            upload.read_whole()

    assert not upload.complete
    upload.release()


# --- limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [100, 101])
def test_a_length_beyond_the_limit_is_refused_at_once(files: SpoolFiles, length: int) -> None:
    source = ScriptedSource([b"x"])
    spool = Spool(keep=True, pool=SlotPool(reserve=0), files=files, expected=length)
    head = UploadHead(boundary=None, length=length)

    def open_it() -> Upload:
        return Upload(head, source, spool, Limits(body=100), clock=lambda: 0.0)

    if length <= 100:
        open_it().release()
    else:
        with pytest.raises(UploadTooLarge, match="Content-Length is 101; at most 100"):
            open_it()
    assert source.reads == 0


@pytest.mark.parametrize(("size", "error"), [(99, None), (100, None), (101, UploadTooLarge), (500, UploadTooLarge)])
def test_a_chunked_body_has_the_same_limit(files: SpoolFiles, size: int, error: type[GatewayError] | None) -> None:
    limits = Limits(body=100)
    upload = new_upload(files, cut_every(bytes(size), 40), limits=limits, slot_bytes=1000)

    if error is None:
        upload.read_whole()
        assert len(content_of(upload)) == size
    else:
        with pytest.raises(error, match="longer than 100 bytes"):
            upload.read_whole()
        assert upload.spool.received <= 100
    upload.release()


@pytest.mark.parametrize(("size", "allowed"), [(0, True), (1, False)])
def test_a_limit_of_nothing_allows_nothing(files: SpoolFiles, size: int, allowed: bool) -> None:
    upload = new_upload(files, cut_every(bytes(size), 40), limits=Limits(body=0))

    if allowed:
        upload.read_whole()
    else:
        with pytest.raises(UploadTooLarge):
            upload.read_whole()
    upload.release()


def test_no_more_than_the_length_is_taken_from_the_client(files: SpoolFiles) -> None:
    """What follows is its next request."""
    form = FORMS["one file"]
    source = ScriptedSource([form + b"POST / HTTP/1.1"])
    pool = SlotPool(reserve=300, slot_bytes=len(form) - 5)
    spool = Spool(keep=True, pool=pool, files=files, memory=64, expected=len(form))
    upload = Upload(
        UploadHead(boundary=EDGE, length=len(form)), source, spool, Limits(part_headers=160), clock=lambda: 0.0
    )

    upload.read_whole()

    assert content_of(upload) == form
    assert source._rest == b"POST / HTTP/1.1"
    upload.release()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize(
    ("body", "error"), [(b"", BoundaryNotFound), (b"--edge\r\n", GatewayError), (b"x" * 50, BoundaryNotFound)]
)
def test_a_body_that_is_no_form_is_refused(
    files: SpoolFiles, body: bytes, error: type[GatewayError], chunked: bool
) -> None:
    upload = receive(files, body, cut_every(body, 10), chunked=chunked)

    with pytest.raises(error) as raised:
        upload.read_whole()

    assert raised.value.status == 400
    upload.release()


def test_a_form_cut_before_its_closing_delimiter_says_so(files: SpoolFiles) -> None:
    form = FORMS["one file"].removesuffix(b"--edge--\r\n")
    upload = receive(files, form, [form])

    with pytest.raises(ClosingDelimiterMissing):
        upload.read_whole()
    upload.release()


# --- watches -----------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [BrokenPipeError(), ConnectionResetError(), OSError(errno.EIO, "x")], ids=repr)
@pytest.mark.parametrize("boundary", [EDGE, None], ids=["form", "raw"])
def test_a_watch_that_raises_leaves_the_upload_usable(
    files: SpoolFiles, boundary: bytes | None, error: Exception
) -> None:
    """The service has answered; the client goes on, and another delivery may want the upload."""
    form = FORMS["one file"]
    upload = new_upload(files, cut_every(form, 20), boundary=boundary, length=len(form))
    watch = Watcher({2: error})
    upload.pull(watch)

    with pytest.raises(type(error)):
        upload.pull(watch)

    assert upload.spool.received == 20
    assert content_of(upload) == form
    upload.release()


def test_a_watch_is_looked_at_while_blocks_are_pulled(files: SpoolFiles) -> None:
    form = FORMS["one file"]
    upload = receive(files, form, cut_every(form, 20), slot=1000)
    watch = Watcher({})

    assert b"".join(bytes(block) for block in upload.blocks(0, watch=watch)) == form

    assert watch.looks == len(cut_every(form, 20))
    upload.release()


# --- blocks ------------------------------------------------------------------------------------


def test_blocks_pull_no_further_than_they_must(files: SpoolFiles) -> None:
    """Live: what is there goes out before more is waited for."""
    body = bytes(range(100))
    upload = new_upload(files, cut_every(body, 10), length=100)
    blocks = upload.blocks(0)

    assert bytes(next(blocks)) == body[:9]
    assert upload.spool.received == 10
    assert bytes(next(blocks)) == body[9:19]
    assert upload.spool.received == 20
    blocks.close()
    assert "0 readers" in repr(upload)
    upload.release()


def test_blocks_of_a_span_end_with_it(files: SpoolFiles) -> None:
    body = bytes(range(100))
    upload = new_upload(files, cut_every(body, 10), length=100)

    assert content_of(upload, 5, 25) == body[5:25]

    assert upload.spool.received == 30
    upload.release()


def test_blocks_that_are_let_go_of_hold_nothing_up(files: SpoolFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.spool.spool.PATIENCE_S", 0.0)
    body = bytes(5000)
    upload = new_upload(files, cut_every(body, 50), length=len(body), keep=False)
    blocks = upload.blocks(0)
    next(blocks)

    blocks.close()
    upload.read_whole()

    assert upload.complete
    upload.release()


# --- its life ----------------------------------------------------------------------------------


def test_it_is_closed_by_the_last_of_its_holders(tmp_path: Path) -> None:
    closed: list[bool] = []
    with spool_files(tmp_path) as files:
        spool = Spool(keep=True, pool=SlotPool(reserve=0), files=files)
        head = UploadHead(boundary=None, length=3)
        upload = Upload(
            head, ScriptedSource([b"abc"]), spool, Limits(), clock=lambda: 0.0, on_close=lambda: closed.append(True)
        )
        upload.hold()
        upload.read_whole()

        upload.release()
        assert content_of(upload) == b"abc"
        assert closed == []

        upload.release()
        with pytest.raises(GatewayError, match="closed"):
            content_of(upload)
        upload.release()
        assert closed == [True]


def refuse(files: SpoolFiles, on_close: Callable[[], None]) -> None:
    spool = Spool(keep=True, pool=SlotPool(reserve=0), files=files)
    head = UploadHead(boundary=None, length=101)
    Upload(head, ScriptedSource([]), spool, Limits(body=100), clock=lambda: 0.0, on_close=on_close)


def test_an_upload_that_was_refused_never_was(files: SpoolFiles) -> None:
    """Whoever opens it cleans up: `on_close` is not called for what was not made."""
    with pytest.raises(UploadTooLarge):
        refuse(files, lambda: pytest.fail("called"))
