"""Texts in JSON, piece by piece: what can be read for now, and where in the body each byte of it comes from."""

from __future__ import annotations

import json

import pytest

from gateway.multipart.json_texts import read_run

TEXTS = [
    "",
    "plain",
    "ß€😀",
    'a"b\\c/d\b\f\n\r\t\0e',
    "\\\\u0041",
    "\u007f\u0080\u2028",
    "x😀" * 5,
]


@pytest.mark.parametrize("ascii_only", [True, False], ids=["escaped", "UTF-8"])
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_read_to_its_quote(text: str, ascii_only: bool) -> None:
    """And not beyond."""
    written = json.dumps(text, ensure_ascii=ascii_only).encode()

    run = read_run(b"xx" + written + b'"', 3, 103)

    assert (run.raw, run.text, run.ended, run.fault) == (written[1:-1], text.encode(), True, None)


@pytest.mark.parametrize("ascii_only", [True, False], ids=["escaped", "UTF-8"])
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_is_cut_is_read_to_what_is_whole(text: str, ascii_only: bool) -> None:
    """Going on from there gives the rest, wherever it was cut."""
    written = json.dumps(text, ensure_ascii=ascii_only).encode()[1:]
    for cut in range(len(written)):
        first = read_run(written[:cut], 0, 0)
        rest = read_run(written, len(first.raw), len(first.raw))

        assert (first.ended, first.fault) == (False, None)
        assert cut - len(first.raw) < 12
        assert first.text + rest.text == text.encode()
        assert rest.ended


def test_each_byte_has_its_place() -> None:
    """An escape is one place, whatever comes of it."""
    run = read_run(b'a\\nb\\u00e9\\ud83d\\ude00\\\\c"', 0, 100)

    assert run.text == b"a\nb\xc3\xa9\xf0\x9f\x98\x80\\c"
    places = [run.place(index) for index in range(len(run.text) + 1)]
    assert places == [100, 101, 103, 104, 104, 110, 110, 110, 110, 122, 124, 125]


@pytest.mark.parametrize(
    ("data", "good", "offset"),
    [
        (b'ab\x00"', b"ab", 2),
        (b'ab\\x"', b"ab", 2),
        (b'a\xffb\\x"', b"a", 1),
        (b'\\n\xc3"', b"\\n", 2),
        (b'\\n\xc3\\n"', b"\\n", 2),
    ],
)
def test_a_fault_comes_behind_what_is_good(data: bytes, good: bytes, offset: int) -> None:
    """So that of two faults the first one counts, also if the other is found by whoever reads the text."""
    run = read_run(data, 0, 0)

    assert (run.raw, run.ended) == (good, False)
    assert run.fault is not None
    assert run.fault.offset == offset
