"""An upload as a JSON object: what `json.dumps` would write of it, with the length known before, and never at once."""

from __future__ import annotations

import base64
import itertools
import json
import random
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.services import AddedField, Send
from gateway.core.uploads import Limits, Part
from gateway.errors import FieldNotUTF8, NameNotUTF8
from gateway.relay.bodies import Body, body_for
from gateway.spool.files import SpoolFiles
from gateway.spool.uploads import Upload
from gateway.testing import field_part, file_part, multipart
from tests.spool.sources import cut_every, new_upload

BOUNDARY = b"----boundary-of-the-client"
LIMITS = Limits(part_headers=1000, padding=8)
SEND = Send(kind="json")

Parts = Sequence[tuple[bytes, bytes]]


def make(send: Send, upload: Upload) -> Body:
    return body_for(send, upload, random.Random(7).randbytes, request_id="request-1")


def sent(body: Body) -> bytes:
    return b"".join(bytes(block) for block in body)


def received(files: SpoolFiles, parts: Parts, size: int = 50) -> Upload:
    form = multipart(parts, BOUNDARY)
    upload = new_upload(
        files, cut_every(form, size), boundary=BOUNDARY, length=len(form), slot_bytes=100, limits=LIMITS
    )
    upload.read_whole()
    return upload


def typed_part(name: str, content: bytes, content_type: str = "application/json") -> tuple[bytes, bytes]:
    headers, _ = field_part(name, b"")
    return headers + f"\r\nContent-Type: {content_type}".encode(), content


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


FILE = file_part("file", "é.pdf", b"content")
CONTENT = encoded(b"content")


@pytest.mark.parametrize(
    ("rules", "parts", "expected"),
    [
        ({}, [FILE], {"file": CONTENT}),
        ({}, [file_part("file", "x", b"")], {"file": ""}),
        # members in order
        ({}, [field_part("b", b"1"), FILE, field_part("a", b"")], {"b": "1", "file": CONTENT, "a": ""}),
        # what JSON has to escape, and what it has not
        (
            {},
            [field_part("ä", '"\\é\0\r\n\u2028😀'.encode()), FILE],
            {"ä": '"\\é\0\r\n\u2028😀', "file": CONTENT},
        ),
        # longer than a block of the spool
        (
            {},
            [field_part("a", bytes(range(65, 91)) * 400), FILE],
            {"a": "ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 400, "file": CONTENT},
        ),
        # several of one name
        (
            {},
            [field_part("a", b"1"), FILE, field_part("a", b"2"), field_part("a", b"3")],
            {"a": ["1", "2", "3"], "file": CONTENT},
        ),
        ({}, [field_part("file", b"1"), FILE], {"file": ["1", CONTENT]}),
        # values that are JSON and say so
        (
            {},
            [typed_part("a", b'{"b": [1, null, "\xc3\xa9"]}', "Application/JSON; charset=utf-8"), FILE],
            {"a": {"b": [1, None, "é"]}, "file": CONTENT},
        ),
        ({}, [typed_part("a", b"1"), typed_part("a", b'"x"'), FILE], {"a": [1, "x"], "file": CONTENT}),
        # that do not, or are not
        ({}, [field_part("a", b"[1]"), FILE], {"a": "[1]", "file": CONTENT}),
        ({}, [typed_part("a", b"[1]", "text/plain"), FILE], {"a": "[1]", "file": CONTENT}),
        ({}, [typed_part("a", b"[1"), FILE], {"a": "[1", "file": CONTENT}),
        ({}, [typed_part("a", b""), FILE], {"a": "", "file": CONTENT}),
        ({}, [typed_part("a", b"[NaN]"), FILE], {"a": "[NaN]", "file": CONTENT}),
        ({}, [typed_part("a", b'1, "b": 2'), FILE], {"a": '1, "b": 2', "file": CONTENT}),
        ({}, [typed_part("a", b"[" * 100_000), FILE], {"a": "[" * 100_000, "file": CONTENT}),
        # after all rules
        (
            {"rename": {"file": "document"}, "drop": frozenset("a"), "add": (AddedField(name="lang", content=b"en"),)},
            [field_part("a", b"1"), FILE],
            {"lang": "en", "document": CONTENT},
        ),
        (
            {"add": (AddedField(name="o", content=b'{"a": 1}', content_type="application/json"),), "file_last": True},
            [FILE, field_part("a", b"1")],
            {"o": {"a": 1}, "a": "1", "file": CONTENT},
        ),
        ({"repeat": "brackets"}, [FILE, *[field_part("a", b"1")] * 2], {"file": CONTENT, "a[]": ["1", "1"]}),
        ({"repeat": "index"}, [FILE, *[field_part("a", b"1")] * 2], {"file": CONTENT, "a[0]": "1", "a[1]": "1"}),
        # a file input without a file is no member
        ({}, [file_part("file", "", b""), FILE], {"file": CONTENT}),
    ],
)
def test_the_object(files: SpoolFiles, rules: dict[str, Any], parts: Parts, expected: dict[str, Any]) -> None:
    """Its members, their order, and its bytes."""
    upload = received(files, parts)

    body = make(Send(kind="json", **rules), upload)
    text = sent(body)

    assert text == json.dumps(expected, ensure_ascii=False).encode()
    assert body.content_type == "application/json"
    assert body.length == len(text)
    assert body.fields == []
    upload.release()


@pytest.mark.parametrize("value", [b"1" * 5000, b" [1 ,\r\n 2.50]\t", b'"\\u00e9"', b'{"a": 1, "a": 2}', b"1e999"])
def test_json_values_are_not_rewritten(files: SpoolFiles, value: bytes) -> None:
    """Spelling, spaces, and numbers that Python could not hold."""
    upload = received(files, [typed_part("a", value), FILE])

    assert sent(make(SEND, upload)) == b'{"a": ' + value + b', "file": "' + CONTENT.encode() + b'"}'
    upload.release()


@settings(max_examples=150, deadline=None)
@given(
    content=st.binary(max_size=400),
    fields=st.lists(st.tuples(st.sampled_from("abc"), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))),
    size=st.integers(1, 300),
    slot_bytes=st.integers(16, 120),
)
def test_any_form(files: SpoolFiles, content: bytes, fields: list[tuple[str, str]], size: int, slot_bytes: int) -> None:
    """However its bytes were cut, and wherever in the spool they lie."""
    if BOUNDARY in content:
        return
    parts = [*[field_part(name, value.encode()) for name, value in fields], file_part("file", "x", content)]
    form = multipart(parts, BOUNDARY)
    upload = new_upload(files, cut_every(form, size), boundary=BOUNDARY, slot_bytes=slot_bytes, limits=LIMITS)
    upload.read_whole()

    body = make(SEND, upload)
    text = sent(body)

    grouped: dict[str, list[str]] = {}
    for name, value in [*fields, ("file", encoded(content))]:
        grouped.setdefault(name, []).append(value)
    expected = {name: values[0] if len(values) == 1 else values for name, values in grouped.items()}
    assert text == json.dumps(expected, ensure_ascii=False).encode()
    assert body.length == len(text)
    upload.release()


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 6, 63, 64, 65, 1000, 1001, 1002])
@pytest.mark.parametrize("piece", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "length"])
def test_a_raw_upload_is_encoded_while_it_arrives(files: SpoolFiles, size: int, piece: int, chunked: bool) -> None:
    """With a length at once, if it has one."""
    content = random.Random(size).randbytes(size)
    upload = new_upload(
        files, cut_every(content, piece), length=None if chunked else size, keep=False, filename="x", content_type="a/b"
    )

    body = make(Send(kind="json", add=(AddedField(name="lang", content=b"en"),)), upload)
    length = body.length
    text = sent(body)

    assert text == json.dumps({"lang": "en", "file": encoded(content)}).encode()
    assert length == (None if chunked else len(text))
    upload.release()


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "live"])
def test_the_file_is_never_in_memory_as_a_whole(files: SpoolFiles, whole: bool) -> None:
    """A few blocks of the spool at a time, one third larger."""
    slot_bytes, size = 2**14, 2**22
    pieces = itertools.repeat(bytes(1000), size // 1000)
    upload = new_upload(files, pieces, length=size // 1000 * 1000, keep=whole, slot_bytes=slot_bytes, memory=slot_bytes)
    if whole:
        upload.read_whole()
    body = make(SEND, upload)

    tracemalloc.start()
    try:
        sizes = [len(block) for block in body]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert sum(sizes) == body.length
    assert peak < size // 4
    upload.release()


@pytest.mark.parametrize(
    ("parts", "offset"),
    [
        ([FILE, field_part("a", b"abc\xff")], 3),
        ([typed_part("a", b"\xff"), FILE], 0),
        # UTF-16, which Python's reader of JSON would guess
        ([FILE, typed_part("a", '{"b": "é"}'.encode("utf-16-le"))], 7 * 2),
    ],
)
def test_a_field_that_json_cannot_hold(files: SpoolFiles, parts: Parts, offset: int) -> None:
    """Found before anything is sent, at its byte."""
    upload = received(files, parts)
    field = next(part for part in upload.parts if not part.is_file)

    with pytest.raises(FieldNotUTF8, match="Expected UTF-8 in the field 'a'") as raised:
        make(SEND, upload)

    assert raised.value.offset == field.content_start + offset
    upload.release()


def test_a_name_that_json_cannot_hold(files: SpoolFiles) -> None:
    upload = received(files, [(b'Content-Disposition: form-data; name="\xff"', b"1"), FILE])

    with pytest.raises(NameNotUTF8):
        make(SEND, upload)
    upload.release()


def test_a_json_upload_in_any_shape(files: SpoolFiles) -> None:
    """Its parts came without headers: they lie in the spool as what they decode to."""
    decoded = b'one{"x": 1}file'
    upload = new_upload(files, [decoded], length=len(decoded))
    upload.read_whole()
    upload.head = replace(upload.head, is_json=True, length=1000)
    kinds = [("a", None, None), ("b", None, "application/json"), ("f", "x.txt", "text/plain")]
    places = [0, 3, 11, 15]
    upload.parts = [
        Part(
            number=number,
            name=name,
            filename=filename,
            content_type=content_type,
            headers=b"",
            content_start=places[number],
            content_stop=places[number + 1],
        )
        for number, (name, filename, content_type) in enumerate(kinds)
    ]

    as_json = make(SEND, upload)
    as_form = make(Send(), upload)
    bare = make(Send(kind="raw"), upload)

    assert (as_json.length, json.loads(sent(as_json))) == (
        len(sent(make(SEND, upload))),
        {"a": "one", "b": {"x": 1}, "f": encoded(b"file")},
    )
    form = multipart(
        [field_part("a", b"one"), typed_part("b", b'{"x": 1}'), file_part("f", "x.txt", b"file", "text/plain")],
        as_form.content_type.partition("boundary=")[2].encode(),
    )
    assert (as_form.length, sent(as_form)) == (len(form), form)
    assert (bare.length, bare.content_type, sent(bare)) == (4, "text/plain", b"file")
    assert bare.fields == [("Content-Disposition", 'attachment; filename="x.txt"')]
    upload.release()
