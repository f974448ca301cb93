"""A body has the shape that its service wants, whole or live, and has it byte for byte."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests_toolbelt import MultipartEncoder

from gateway.core.services import AddedField, Send
from gateway.core.uploads import Limits
from gateway.errors import ClientGone, FileExpected, NameNotUTF8, UnexpectedFailure
from gateway.multipart.shaping import shaped_parts
from gateway.relay.blocks import JOINED_MAX, SMALL
from gateway.relay.bodies import Body, body_for
from gateway.spool.files import SpoolFiles
from gateway.spool.uploads import Upload
from gateway.testing import boundary_of, field_part, file_part, multipart
from tests.spool.sources import content_of, cut, cut_every, new_upload

BOUNDARY = b"----boundary-of-the-client"
ROOMY = Limits(part_headers=1000, padding=8)
LANG = AddedField(name="lang", content=b"en")
OPTIONS = AddedField(name="options", content=b'{"a": "\xc3\xa9"}', content_type="application/json")

counted = random.Random(7).randbytes


def make(send: Send, upload: Upload, **options: Any) -> Body:
    return body_for(send, upload, counted, request_id="request-1", **options)


def sent(body: Body) -> bytes:
    return b"".join(bytes(block) for block in body)


def take(body: Body, into: bytearray) -> None:
    """Like `sent`, for a body that may raise: what came before is there."""
    for block in body:
        into += block


def arriving(
    files: SpoolFiles, form: bytes, size: int, *, whole: bool, boundary: bytes = BOUNDARY, lead: int = 0
) -> Upload:
    """A form at the moment when its delivery begins: in full; or its first delimiter and `lead` bytes."""
    upload = new_upload(
        files,
        cut_every(form, size),
        boundary=boundary,
        length=len(form),
        keep=whole or lead > 0,
        slot_bytes=100,
        limits=ROOMY,
    )
    upload.pull_until(lambda: bool(upload.delimiters) and upload.spool.received >= lead and not whole)
    return upload


def form_of(upload: Upload, send: Send, boundary: bytes) -> bytes:
    """The form of the shaped parts, put together the plain way."""
    parts = []
    for part in shaped_parts(send, upload.parts, request_id="request-1"):
        source = part.source
        content = (
            source.content
            if isinstance(source, AddedField)
            else content_of(upload, source.content_start, source.content.stop)
        )
        parts.append((part.headers.removesuffix(b"\r\n\r\n"), content))
    return multipart(parts, boundary)


# --- forms -------------------------------------------------------------------------------------

contents = st.lists(
    st.sampled_from([b"\r\n", b"--", b"\r\n--", b"\r\n--" + BOUNDARY + b"x", b"\r", b"x" * 90, bytes(range(256))]),
    max_size=4,
).map(b"".join)
parts_of_forms = st.lists(
    st.one_of(
        st.builds(field_part, st.sampled_from("abc"), contents),
        st.builds(file_part, st.sampled_from("abc"), st.sampled_from(["", "é.pdf", "x/y.txt"]), contents),
        contents.map(lambda content: (b"X: 1\r\ncontent-disposition:form-data;name=a;filename=\xc3\xa9", content)),
    ),
    max_size=5,
)
added = st.sampled_from([(), (LANG,), (LANG, OPTIONS)])
one_by_one = st.builds(
    Send,
    rename=st.sampled_from([{}, {"a": "d"}, {"a": "b", "b": "a"}]),
    only=st.sampled_from([None, frozenset("ab"), frozenset("x")]),
    drop=st.sampled_from([frozenset(), frozenset("b")]),
    add=added,
    filename=st.sampled_from(["keep", "ascii", "rfc5987", "{n}-{stem}{suffix}"]),
    content_type=st.sampled_from(["keep", "text/plain"]),
)
with_all = st.builds(
    lambda send, file_last, repeat: replace(send, file_last=file_last, repeat=repeat),
    one_by_one,
    st.booleans(),
    st.sampled_from(["keep", "brackets", "index"]),
)
endings = st.sampled_from([b"", b"after", b"\r\n"])
sizes = st.integers(1, 400)


@settings(max_examples=200, deadline=None)
@given(parts_of_forms, with_all, endings, sizes)
def test_a_form_is_shaped_once_it_is_in(
    files: SpoolFiles, parts: list[tuple[bytes, bytes]], send: Send, ending: bytes, size: int
) -> None:
    """Every rule at once, with its length."""
    upload = arriving(files, b"before\r\n" + multipart(parts, BOUNDARY) + ending, size, whole=True)

    body = make(send, upload)
    form = sent(body)

    fresh = boundary_of(body.content_type)
    if send.changes_parts:
        assert form == form_of(upload, send, fresh)
    else:
        assert form == form_of(upload, send, fresh) + ending
    assert body.length == len(form)
    upload.release()


@settings(max_examples=200, deadline=None)
@given(parts_of_forms, one_by_one, endings, sizes, st.sampled_from([0, 150, 600]))
def test_a_form_is_shaped_while_it_arrives(
    files: SpoolFiles, parts: list[tuple[bytes, bytes]], send: Send, ending: bytes, size: int, lead: int
) -> None:
    """The same form, read once from the front, however its bytes are cut, and however far behind the client."""
    received = b"before\r\n" + multipart(parts, BOUNDARY) + ending
    whole = arriving(files, received, size, whole=True)
    live = arriving(files, received, size, whole=False, lead=lead)

    complete = live.complete
    body = make(send, live)
    form = sent(body)

    fresh = boundary_of(body.content_type)
    if send.changes_parts:
        assert form == form_of(whole, send, fresh)
        assert body.length == (len(form) if complete else None)
    else:
        assert form == form_of(whole, send, fresh) + ending
        assert body.length == len(form)
    whole.release()
    live.release()


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "live"])
@pytest.mark.parametrize(
    "send",
    [Send(rename={"f": "g"}, drop=frozenset("a")), Send(only=frozenset("a")), Send(add=(LANG,))],
    ids=["rename", "only", "add"],
)
def test_every_cut_of_a_form_gives_the_same_body(files: SpoolFiles, send: Send, whole: bool) -> None:
    parts = [field_part("a", b"1"), file_part("f", "x", b"2\r\n--"), field_part("a", b""), file_part("f", "y", b"")]
    received = multipart(parts, BOUNDARY)
    expected = {
        "rename": [file_part("g", "x", b"2\r\n--"), file_part("g", "y", b"")],
        "only": [field_part("a", b"1"), field_part("a", b"")],
        "add": [field_part("lang", b"en"), *parts],
    }["rename" if send.rename else "add" if send.add else "only"]
    for place in range(len(received)):
        upload = new_upload(
            files, cut(received, place, place + 3), boundary=BOUNDARY, length=len(received), keep=whole, slot_bytes=64
        )
        upload.pull_until(lambda: bool(upload.delimiters) and not whole)  # noqa: B023  # called at once

        body = make(send, upload)

        assert sent(body) == multipart(expected, boundary_of(body.content_type)), place
        upload.release()


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "live"])
@pytest.mark.parametrize("boundary", [BOUNDARY, b"b" * 16, b"b" * 70, b"xYzZY"])
def test_added_fields_stand_in_front_of_a_copy(files: SpoolFiles, boundary: bytes, whole: bool) -> None:
    """With a length as soon as the upload's is known, unless the boundary has to grow."""
    parts = [field_part("a", b"1"), file_part("f", "x", bytes(300))]
    received = b"before\r\n" + multipart(parts, boundary)
    upload = arriving(files, received, 50, whole=whole, boundary=boundary)

    body = make(Send(add=(LANG, OPTIONS)), upload)
    form = sent(body)

    options = (b'Content-Disposition: form-data; name="options"\r\nContent-Type: application/json', OPTIONS.content)
    assert form == multipart([field_part("lang", b"en"), options, *parts], boundary_of(body.content_type))
    assert body.length == (len(form) if whole or len(boundary) >= 16 else None)
    upload.release()


@settings(max_examples=100, deadline=None)
@given(
    fields=st.lists(
        st.tuples(
            st.sampled_from(["a", "é", "c d"]),
            st.text("aé\r\n", max_size=5)
            | st.tuples(
                st.sampled_from(["", "x.pdf", "é.txt"]), st.binary(max_size=40), st.sampled_from([None, "a/b"])
            ),
        ),
        min_size=1,
        max_size=5,
    ),
    size=sizes,
    whole=st.booleans(),
)
def test_a_shaped_form_equals_what_multipart_encoder_writes(
    files: SpoolFiles, fields: list[tuple[str, Any]], size: int, whole: bool
) -> None:
    """As if the client had sent the new names, with the added fields, to the service directly."""
    received = MultipartEncoder(fields, boundary=BOUNDARY.decode()).to_string()
    send = Send(rename={"a": "new", "é": 'ü"'}, drop=frozenset({"c d"}), add=(LANG, OPTIONS))
    upload = arriving(files, received, size, whole=whole)
    complete = upload.complete

    body = make(send, upload)

    wanted: list[tuple[str, Any]] = [
        ("lang", "en"),
        ("options", (None, OPTIONS.content, OPTIONS.content_type)),
        *[(send.rename[name], value) for name, value in fields if name != "c d"],
    ]
    encoder = MultipartEncoder(wanted, boundary=boundary_of(body.content_type).decode())
    assert body.content_type == encoder.content_type
    assert body.length == (encoder.len if complete else None)
    assert sent(body) == encoder.to_string()
    upload.release()


@pytest.mark.parametrize("send", [Send(each="file"), Send()], ids=["each", "asked"])
def test_each_file_makes_a_body(files: SpoolFiles, send: Send) -> None:
    """With all fields, whichever side of it they came on."""
    parts = [field_part("a", b"1"), file_part("f", "x", b"2"), file_part("f", "y", b"3"), field_part("b", b"4")]
    upload = arriving(files, multipart(parts, BOUNDARY), 50, whole=True)

    for number in (1, 2):
        body = make(send, upload, file=upload.parts[number])

        expected = multipart([parts[0], parts[number], parts[3]], boundary_of(body.content_type))
        assert (sent(body), body.length) == (expected, len(expected))
    upload.release()


def test_types_are_read_from_the_content(files: SpoolFiles) -> None:
    """Of files, wherever they lie in the spool; what nobody knows keeps what it said."""
    pdf, unknown = b"%PDF-1.7\n" + bytes(5000), b"\x00\x01\x02\x03"
    parts = [
        field_part("a", b"%PDF-1.7"),
        file_part("f", "x.pdf", pdf, "application/octet-stream"),
        file_part("f", "", b"", "application/octet-stream"),
        file_part("f", "x", unknown, "x/unknown"),
    ]
    upload = arriving(files, multipart(parts, BOUNDARY), 50, whole=True)

    body = make(Send(content_type="sniff"), upload)

    parts[1] = file_part("f", "x.pdf", pdf, "application/pdf")
    assert sent(body) == multipart(parts, boundary_of(body.content_type))
    upload.release()


def test_a_body_begins_while_the_upload_arrives(files: SpoolFiles) -> None:
    """What has come of a part goes on before the next byte is awaited, headers and open content alike."""
    content = b"\x01" * 500
    received = multipart([field_part("a", b"1"), file_part("f", "x", content), field_part("a", b"3")], BOUNDARY)
    upload = new_upload(
        files, cut_every(received, 60), boundary=BOUNDARY, length=len(received), keep=False, slot_bytes=4096
    )
    upload.pull_until(lambda: bool(upload.delimiters))
    so_far, lags = b"", []

    for block in make(Send(rename={"f": "file"}), upload):
        so_far += bytes(block)
        part = upload.parts[-1]
        if part.name == "f" and part.content_stop is None:
            lags.append(upload.spool.visible - part.content_start - so_far.count(content[:1]))

    assert len(lags) > 5
    assert set(lags) == {0}
    upload.release()


LIVE = [
    Send(rename={"f": "g"}),
    Send(only=frozenset("a")),
    Send(only=frozenset("x")),
    Send(add=(LANG,)),
    Send(add=(LANG,), drop=frozenset("f")),
]


@pytest.mark.parametrize("send", LIVE, ids=range(len(LIVE)))
def test_the_end_of_a_form_waits_for_the_end_of_the_upload(files: SpoolFiles, send: Send) -> None:
    """Also where all that the service wants has come: an upload that is cut off is whole to nobody."""
    form = multipart([field_part("a", b"1"), file_part("f", "x", b"abc" * 30)], BOUNDARY)
    for end in range(len(BOUNDARY) + 4, len(form)):
        upload = new_upload(files, cut_every(form[:end], 7), boundary=BOUNDARY, length=len(form), keep=False)
        upload.pull_until(lambda: bool(upload.delimiters))  # noqa: B023  # called at once
        body, taken = make(send, upload), bytearray()

        with pytest.raises(ClientGone):
            take(body, taken)

        assert b"--" + boundary_of(body.content_type) + b"--" not in taken
        upload.release()


def test_a_name_that_a_rule_cannot_compare_ends_a_live_body(files: SpoolFiles) -> None:
    """It is met only on the way; what has gone out is no form."""
    bad = (b'Content-Disposition: form-data; name="\xff"', b"3")
    form = multipart([field_part("a", b"1"), field_part("b", b"2"), bad, field_part("a", b"4")], BOUNDARY)
    upload = arriving(files, form, 50, whole=False)
    body, taken = make(Send(rename={"a": "c"}), upload), bytearray()

    with pytest.raises(NameNotUTF8) as raised:
        take(body, taken)

    assert raised.value.offset == form.index(bad[0])
    assert b"--" + boundary_of(body.content_type) + b"--" not in taken
    upload.release()


@pytest.mark.parametrize(
    "send",
    [Send(kind="raw"), Send(kind="json"), Send(file_last=True), Send(repeat="index"), Send(content_type="sniff")],
)
def test_what_needs_the_end_of_a_form_does_not_begin_before(files: SpoolFiles, send: Send) -> None:
    """A plan that lets it would be a bug, and would be found out before a byte is sent."""
    upload = arriving(files, multipart([file_part("f", "x", b"1")], BOUNDARY), 50, whole=False)

    with pytest.raises(UnexpectedFailure):
        make(send, upload)
    upload.release()


def test_a_json_upload_does_not_begin_before_its_end(files: SpoolFiles) -> None:
    upload = new_upload(files, [b"{}"], length=2)
    upload.head = replace(upload.head, is_json=True)

    with pytest.raises(UnexpectedFailure):
        make(Send(drop=frozenset("a")), upload)
    upload.release()


def test_small_parts_are_sent_together(files: SpoolFiles) -> None:
    """Thousands of them in a few blocks; large contents are not copied."""
    large = bytes(SMALL)
    parts = [field_part(f"a{number}", b"1") for number in range(900)]
    upload = new_upload(
        files, [multipart([*parts, file_part("f", "x", large)], BOUNDARY)], boundary=BOUNDARY, slot_bytes=2**20
    )
    upload.read_whole()

    blocks = [(type(block), len(block)) for block in make(Send(rename={"f": "g"}), upload)]

    assert [kind for kind, _ in blocks] == [bytes, memoryview, bytes]
    assert blocks[0][1] < JOINED_MAX
    upload.release()


# --- raw uploads as forms ----------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=300), send=with_all, size=sizes, whole=st.booleans(), chunked=st.booleans())
def test_a_raw_upload_becomes_a_form(
    files: SpoolFiles, content: bytes, send: Send, size: int, whole: bool, chunked: bool
) -> None:
    """All of its one part is known at once, so it has a length at once; every rule applies."""
    send = replace(send, rename={"file": "b"} if send.rename else {})
    upload = new_upload(
        files,
        cut_every(content, size),
        length=None if chunked else len(content),
        keep=whole,
        filename="é.pdf",
        content_type="application/pdf",
    )
    if whole:
        upload.read_whole()

    body = make(send, upload)
    form = sent(body)

    goes_on = any(part.is_file for part in shaped_parts(send, upload.parts, request_id="request-1"))
    fresh = boundary_of(body.content_type)
    reader = new_upload(files, cut_every(content, size), length=len(content), filename="é.pdf")
    reader.read_whole()
    reader.parts = upload.parts
    assert form == form_of(reader, send, fresh)
    assert body.length == (None if chunked and goes_on and not whole else len(form))
    upload.release()
    reader.release()


@pytest.mark.parametrize("send", [Send(), Send(drop=frozenset({"file"})), Send(add=(LANG,)), Send(kind="json")])
@pytest.mark.parametrize("length", [100, None], ids=["length", "chunked"])
def test_the_end_of_a_raw_upload_is_withheld(files: SpoolFiles, send: Send, length: int | None) -> None:
    """Its last byte, and with it what stands behind; also where the file itself does not go on."""
    failure = ClientGone("gone")
    upload = new_upload(files, [b"x" * 30, b"y" * 69, failure], length=length, keep=False)
    body, taken = make(send, upload), bytearray()

    with pytest.raises(ClientGone):
        take(body, taken)

    assert not taken.endswith((b"--\r\n", b"}"))
    upload.release()


# --- bare files --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("send", "parts", "expected"),
    [
        (
            Send(kind="raw"),
            [field_part("a", b"1"), file_part("f", "é.pdf", b"2", "a/b")],
            ("a/b", b"2", "attachment; filename=\"e.pdf\"; filename*=UTF-8''%C3%A9.pdf"),
        ),
        # a rule chooses one of several
        (
            Send(kind="raw", only=frozenset("g")),
            [file_part("f", "x", b"1"), file_part("g", "y", b"2", "c/d")],
            ("c/d", b"2", 'attachment; filename="y"'),
        ),
        (
            Send(kind="raw", rename={"f": "g"}, drop=frozenset("h")),
            [file_part("f", "x", b"1"), file_part("h", "y", b"2")],
            ("application/octet-stream", b"1", 'attachment; filename="x"'),
        ),
        # an input in which nothing was chosen is no second file
        (
            Send(kind="raw"),
            [file_part("f", "", b""), file_part("f", "x", b"1")],
            ("application/octet-stream", b"1", 'attachment; filename="x"'),
        ),
        # a file without a name has none
        (Send(kind="raw"), [file_part("f", "", b"1")], ("application/octet-stream", b"1", None)),
        # the rules for names and types; fields have no place in it
        (
            Send(kind="raw", filename="{id}{suffix}", content_type="e/f", add=(LANG,)),
            [file_part("f", "x.pdf", b"1")],
            ("e/f", b"1", 'attachment; filename="request-1.pdf"'),
        ),
    ],
)
def test_the_one_file_goes_out_bare(
    files: SpoolFiles, send: Send, parts: list[tuple[bytes, bytes]], expected: tuple[str, bytes, str | None]
) -> None:
    upload = arriving(files, multipart(parts, BOUNDARY), 50, whole=True)

    body = make(send, upload)

    content_type, content, disposition = expected
    assert (body.content_type, body.length) == (content_type, len(content))
    assert body.fields == ([("Content-Disposition", disposition)] if disposition else [])
    assert sent(body) == content
    upload.release()


@pytest.mark.parametrize(
    ("filename", "rule", "expected"),
    [
        ("a b.pdf", "keep", 'attachment; filename="a b.pdf"'),
        (None, "keep", None),
        (None, "ascii", None),
        (None, "rfc5987", None),
        (None, "{id}.bin", 'attachment; filename="request-1.bin"'),
    ],
)
def test_a_raw_upload_has_the_name_that_the_client_gave(
    files: SpoolFiles, filename: str | None, rule: str, expected: str | None
) -> None:
    """Where it gave none, none is invented."""
    upload = new_upload(files, [b"abc"], length=3, filename=filename, content_type="a/b")

    body = make(Send(kind="raw", filename=rule), upload)

    assert body.fields == ([("Content-Disposition", expected)] if expected else [])
    assert sent(body) == b"abc"
    upload.release()


@pytest.mark.parametrize("kind", ["raw", "json"])
@pytest.mark.parametrize(
    ("rules", "parts", "found"),
    [
        ({}, [], "found 0 among the parts: none"),
        ({}, [field_part("a", b"1")], "found 0 among the parts: 'a'"),
        ({}, [file_part("f", "", b"")], "found 0 among the parts: 'f'"),
        ({}, [file_part("f", "x", b""), file_part("g", "y", b"")], "found 2 among the parts: 'f', 'g'"),
        (
            {"rename": {"f": "g"}, "only": frozenset("a")},
            [field_part("a", b"1"), file_part("f", "x", b"")],
            "found 0 among the parts: 'a'",
        ),
    ],
)
def test_not_exactly_one_file(
    files: SpoolFiles, kind: Any, rules: dict[str, Any], parts: list[tuple[bytes, bytes]], found: str
) -> None:
    """Counted after the rules have chosen."""
    upload = arriving(files, multipart(parts, BOUNDARY), 50, whole=True)

    with pytest.raises(FileExpected, match=found):
        make(Send(kind=kind, **rules), upload)
    upload.release()


@pytest.mark.parametrize("kind", ["raw", "json", "multipart"])
def test_each_file_goes_alone(files: SpoolFiles, kind: Any) -> None:
    """In any kind of body: a service that takes one file gets one after the other."""
    parts = [file_part("f", "x", b"content-1"), file_part("f", "y", b"content-2")]
    upload = arriving(files, multipart(parts, BOUNDARY), 50, whole=True)

    bodies = [sent(make(Send(kind=kind, each="file"), upload, file=file)) for file in upload.parts]

    marks = [(b"Y29udGVudC0x", b"Y29udGVudC0y") if kind == "json" else (b"content-1", b"content-2")] * 2
    assert [[mark in body for mark in pair] for body, pair in zip(bodies, marks, strict=True)] == [
        [True, False],
        [False, True],
    ]
    upload.release()
