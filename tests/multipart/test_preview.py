"""A body shown to a person: every byte is accounted for, whichever way the body was cut."""

from __future__ import annotations

import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.multipart.preview import BodyPreview, PreviewLine, visible
from gateway.testing import field_part, file_part, multipart

BOUNDARY = b"edge-of-the-form"


def shown(body: bytes, boundary: bytes | None, *cuts: int) -> BodyPreview:
    preview = BodyPreview(boundary)
    places = [0, *sorted(cut for cut in cuts if cut <= len(body)), len(body)]
    for start, stop in itertools.pairwise(places):
        preview.feed(body[start:stop])
    preview.finish()
    return preview


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"Name: value\r\n", "Name: value␍␊"),
        ("Übersicht 日本".encode(), "Übersicht 日本"),
        (b"\xff\x00\x1b[31m", "\\xff\\x00\\x1b[31m"),
        ("a\u202eb\u00a0".encode(), "a\\u202eb\\xa0"),
    ],
)
def test_nothing_that_is_shown_can_harm_a_terminal(data: bytes, text: str) -> None:
    assert visible(data) == text


def test_a_form_is_shown_line_by_line_with_offsets() -> None:
    body = multipart([field_part("lang", b"en"), file_part("f", "a.txt", b"one\ntwo"), field_part("e", b"")], BOUNDARY)

    preview = shown(body, BOUNDARY)

    assert [(line.offset, line.text) for line in preview.lines] == [
        (0, "--edge-of-the-form␍␊"),
        (20, 'Content-Disposition: form-data; name="lang"␍␊'),
        (65, "␍␊"),
        (67, "en"),
        (69, "␍␊"),
        (71, "--edge-of-the-form␍␊"),
        (91, 'Content-Disposition: form-data; name="f"; filename="a.txt"␍␊'),
        (151, "Content-Type: application/octet-stream␍␊"),
        (191, "␍␊"),
        (193, "one␊"),
        (197, "two"),
        (200, "␍␊"),
        (202, "--edge-of-the-form␍␊"),
        (222, 'Content-Disposition: form-data; name="e"␍␊'),
        (264, "␍␊"),
        (266, "␍␊"),
        (268, "--edge-of-the-form--␍␊"),
    ]
    assert (preview.size, preview.sha256) == (len(body), hashlib.sha256(body).hexdigest())


def test_a_long_content_is_told_by_size_and_hash() -> None:
    content = bytes(range(256)) * 4000
    body = multipart([file_part("f", "a.bin", content)], BOUNDARY)

    remarks = [line.text for line in shown(body, BOUNDARY).lines if line.offset is None]

    assert len(remarks) == 1
    assert remarks[0].endswith(f"; all 1,024,000 have sha256 {hashlib.sha256(content).hexdigest()}")


def test_what_is_no_form_is_one_content() -> None:
    assert shown(b'{"a": 1}\n', None).lines == [PreviewLine(offset=0, text='{"a": 1}␊')]
    assert shown(b"", None).lines == []


@given(st.lists(st.integers(0, 400), max_size=12), st.binary(max_size=300))
def test_it_is_the_same_however_the_body_is_cut(cuts: list[int], content: bytes) -> None:
    body = multipart([field_part("a", b"1"), file_part("f", "x", content)], BOUNDARY)

    assert shown(body, BOUNDARY, *cuts).lines == shown(body, BOUNDARY).lines
