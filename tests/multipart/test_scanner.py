"""The scanner: what is a delimiter and what is content, and that it does not matter how the bytes are cut."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.uploads import Limits
from gateway.errors import GatewayError
from gateway.multipart.part_headers import parse_part
from gateway.multipart.scanner import Delimiter, Scanner
from tests.multipart.driving import (
    DEFAULT,
    assert_same,
    budget,
    contents_of,
    parts_of,
    scan,
    scan_in_all_ways,
)
from tests.multipart.reference import read

BOUNDARY = b"----B0und4ry'x"
EVERY_CHARACTER = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV'()+_,-./:=?"
FIELD = b'Content-Disposition: form-data; name="a"\r\n\r\n'
FILE = b'Content-Disposition: form-data; name="f"; filename="f.bin"\r\nContent-Type: x/y\r\n\r\n'


def form(boundary: bytes, *contents: bytes, preamble: bytes = b"", padding: bytes = b"", end: bytes = b"\r\n") -> bytes:
    """A form with these contents."""
    body = preamble
    for content in contents:
        body += b"--" + boundary + padding + b"\r\n" + FILE + content + b"\r\n"
    return body + b"--" + boundary + b"--" + end


def of_length(length: int) -> bytes:
    """A boundary of this many characters, over all that are allowed."""
    return (EVERY_CHARACTER[length % 7 :] + EVERY_CHARACTER)[:length]


def near(boundary: bytes) -> dict[str, bytes]:
    """Contents that look like a delimiter and are none."""
    line = b"\r\n--" + boundary
    prefixes = {f"the first {count} bytes of a delimiter": line[:count] + b"\r" for count in range(1, len(line))}
    return prefixes | {
        "LF only in front": b"\n--" + boundary + b"\r\n",
        "CR only in front": b"\r--" + boundary + b"\r\n",
        "nothing in front": b"x--" + boundary + b"\r\n",
        "LF only behind": line + b"\n",
        "CR only behind": line + b"\rx",
        "one character more": line + b"X\r\n",
        "one dash behind": line + b"-\r\n",
        "three dashes behind": line + b"---\r\n",
        "closing with junk": line + b"-- x\r\n",
        "closing with a dash between the blanks": line + b"-- - \r\n",
        "padding with junk": line + b" \t x\r\n",
        "padding and LF": line + b"  \n",
        "a form feed for padding": line + b"\x0c\r\n",
        "a blank before the dashes": b"\r\n --" + boundary + b"\r\n",
        "one dash in front": b"\r\n-" + boundary + b"\r\n",
        "three dashes in front": b"\r\n---" + boundary + b"\r\n",
        "the boundary without dashes": b"\r\n" + boundary + b"\r\n",
        "more padding than allowed": line + b" " * 257 + b"\r\n",
        "twice, sharing nothing": line + b"X" + line + b"X",
        "a near one right before the real one": line,
        "CR before the real one": b"\r",
        "CR LF before the real one": b"\r\n",
        "dashes before the real one": b"--",
        "a whole closing delimiter without CR LF in front": b"x--" + boundary + b"--",
    }


@pytest.mark.parametrize("content", [pytest.param(v, id=k) for k, v in near(BOUNDARY).items()])
def test_near_delimiters_are_content(content: bytes) -> None:
    """Only what follows the rule to the letter is a delimiter; the rest arrives untouched."""
    # A line that is a delimiter but for its end needs something behind it: CR LF alone would make it one.
    content += b"x" if content.endswith(BOUNDARY) else b""
    body = form(BOUNDARY, content, b"second", content)

    found = scan_in_all_ways(body, BOUNDARY)

    assert contents_of(body, found) == [content, b"second", content]


@pytest.mark.parametrize("length", range(1, 71))
def test_boundaries_of_every_length(length: int) -> None:
    """From 1 to 70 characters, all of them met; contents full of near delimiters."""
    boundary = of_length(length)
    hostile = b"".join(v for k, v in near(boundary).items() if not k.startswith("the first")) + b"x"
    body = form(boundary, hostile, b"", b"--", preamble=b"skip\r\n", padding=b" \t")

    found = scan_in_all_ways(body, boundary, single_cuts=length in (1, 2, 70))

    assert contents_of(body, found) == [hostile, b"", b"--"]


@pytest.mark.parametrize("boundary", [b"-", b"--", b"-" * 70, b"a--", b"--a", b"a b", b"aaaa"])
def test_boundaries_that_look_like_their_surroundings(boundary: bytes) -> None:
    """Dashes, blanks and repetition in a boundary are characters like others."""
    contents = [b"-", b"\r\n-", b"\r\n--", b"--\r\n", b"aaa", b"\r\n--aa"]
    contents = [each for each in contents if boundary not in (b"-", b"--") or not each.endswith(b"--")]
    body = form(boundary, *contents)

    found = scan_in_all_ways(body, boundary)

    assert contents_of(body, found) == contents


GOOD = [
    pytest.param(b"--b--\r\n", [], id="no parts at all"),
    pytest.param(b"--b--", [], id="no parts and no line end"),
    pytest.param(b"\r\n--b--\r\n", [], id="no parts, as Go writes it"),
    pytest.param(b"--b\r\n" + FIELD + b"x\r\n--b--", [b"x"], id="the end of the body ends the closing delimiter"),
    pytest.param(b"--b\r\n" + FIELD + b"x\r\n--b-- \t", [b"x"], id="padding and the end of the body"),
    pytest.param(b"--b\r\n" + FIELD + b"x\r\n--b--\r\nmore", [b"x"], id="an epilogue"),
    pytest.param(b"--b\r\n" + FIELD + b"x\r\n--b--\r\n--b\r\n" + FIELD, [b"x"], id="an epilogue like a part"),
    pytest.param(b"--b\r\n" + FIELD + b"x\r\n--b--\r\n\r\n--b--\r\n", [b"x"], id="a second closing delimiter"),
    pytest.param(b"skip\r\n--b\r\n" + FIELD + b"x\r\n--b--", [b"x"], id="a preamble"),
    pytest.param(b"\r\n--b\r\n" + FIELD + b"x\r\n--b--", [b"x"], id="an empty preamble"),
    pytest.param(b"\r\n\r\n\r\n--b\r\n" + FIELD + b"x\r\n--b--", [b"x"], id="empty lines in front"),
    pytest.param(b"--\r\n-b\r\n--b\r\n" + FIELD + b"x\r\n--b--", [b"x"], id="a preamble with half delimiters"),
    pytest.param(b"--b  \t \r\n" + FIELD + b"x\r\n--b \r\n" + FIELD + b"y\r\n--b--  \r\n", [b"x", b"y"], id="padding"),
    pytest.param(b"--b" + b" " * 256 + b"\r\n" + FIELD + b"x\r\n--b--", [b"x"], id="as much padding as allowed"),
    pytest.param(b"--b\r\n" + FIELD + b"\r\n--b--", [b""], id="an empty content"),
    pytest.param(b"--b\r\n" + FIELD + b"--b--", [b""], id="an empty content that shares its CR LF with the headers"),
    pytest.param(b"--b\r\n" + FIELD + b"--b\r\n" + FIELD + b"--b--", [b"", b""], id="two of them"),
    pytest.param(b"--b\r\n" + FIELD + b"--bX\r\n--b--", [b"--bX"], id="a content that begins like a delimiter"),
    pytest.param(b"--b\r\n" + FIELD + b"\r\n\r\n--b--", [b"\r\n"], id="a content of one line end"),
    pytest.param(b"--b\r\n" + FIELD + b"\0\xff\r\n--b--", [b"\0\xff"], id="any bytes"),
]


@pytest.mark.parametrize(("body", "contents"), GOOD)
def test_good_forms(body: bytes, contents: list[bytes]) -> None:
    """What the rules allow, common or not."""
    found = scan_in_all_ways(body, b"b")

    assert contents_of(body, found) == contents


BAD = [
    pytest.param(b"", "BoundaryNotFound", 0, id="nothing"),
    pytest.param(b"hello", "BoundaryNotFound", 0, id="something else"),
    pytest.param(b"--c\r\n" + FIELD + b"x\r\n--c--\r\n", "BoundaryNotFound", 0, id="another boundary"),
    pytest.param(b"--B\r\n" + FIELD + b"x\r\n--B--\r\n", "BoundaryNotFound", 0, id="case matters"),
    pytest.param(b"----b\r\n" + FIELD + b"x\r\n----b--\r\n", "BoundaryNotFound", 2, id="too many dashes"),
    pytest.param(b"\xef\xbb\xbf" + form(b"b", b"x"), "BoundaryNotFound", 3, id="a byte order mark"),
    pytest.param(b"\n" + form(b"b", b"x"), "BoundaryNotFound", 1, id="a line feed in front"),
    pytest.param(b"x" + form(b"b", b"x"), "BoundaryNotFound", 1, id="one byte in front"),
    pytest.param(b"skip" + form(b"b", b"x", b"y"), "BoundaryNotFound", 4, id="junk in front"),
    pytest.param(form(b"b", b"x").replace(b"\r\n", b"\n"), "BoundaryNotFound", 0, id="bare LF"),
    pytest.param(form(b"b", b"x").replace(b"\r\n", b"\r"), "BoundaryNotFound", 0, id="bare CR"),
    pytest.param(b"--bX\r\n" + form(b"b", b"x"), "BoundaryNotFound", 0, id="a damaged first delimiter"),
    pytest.param(b"--b" + b" " * 257 + b"\r\n" + FIELD, "BoundaryNotFound", 0, id="too much padding"),
    pytest.param(b"--b", "BoundaryNotFound", 0, id="the first delimiter cut off"),
    pytest.param(b"x\r\n--b", "BoundaryNotFound", 3, id="the same behind a preamble"),
    pytest.param(b"x\r\n--b-", "BoundaryNotFound", 3, id="the same with a dash"),
    pytest.param(b"--b  ", "BoundaryNotFound", 0, id="its padding cut off"),
    pytest.param(b"--b--\r", "BoundaryNotFound", 0, id="a closing one cut off in its line end"),
    pytest.param(b"--b\r\n", "PartHeadersUnterminated", 5, id="nothing behind a delimiter"),
    pytest.param(b"--b\r\n--b--\r\n", "PartHeadersUnterminated", 12, id="a part of nothing"),
    pytest.param(b"--b\r\n\r\n--b--", "DispositionMissing", 5, id="a part without headers"),
    pytest.param(b"--b\r\n\r\n" + FIELD, "DispositionMissing", 5, id="an empty line before the headers"),
    pytest.param(b"--b\r\n" + FIELD + b"x", "ClosingDelimiterMissing", 50, id="no end"),
    pytest.param(b"--b\r\n" + FIELD + b"x--b--", "ClosingDelimiterMissing", 55, id="no CR LF before the end"),
    pytest.param(b"--b\r\n" + FIELD + b"x\r\n--b", "ClosingDelimiterMissing", 55, id="no dashes at the end"),
    pytest.param(b"--b\r\n" + FIELD + b"x\r\n--b-", "ClosingDelimiterMissing", 56, id="one dash at the end"),
    pytest.param(b"--b\r\n" + FIELD + b"x\r\n--b--\r", "ClosingDelimiterMissing", 58, id="CR at the end"),
    pytest.param(b"--b\r\n" + FIELD + b"x\r\n--b--\n", "ClosingDelimiterMissing", 58, id="LF at the end"),
    pytest.param(b"--b\r\n" + FIELD + b"x\r\n--b--z", "ClosingDelimiterMissing", 58, id="junk at the end"),
    pytest.param(b"--b\r\n" + FIELD + b"x\r\n--b\r\n", "PartHeadersUnterminated", 57, id="a delimiter at the end"),
    pytest.param(b"--b\r\nA: 1\r\n--b\r\n\r\n", "PartHeaderInvalid", 11, id="a delimiter among the headers"),
]


@pytest.mark.parametrize(("body", "error", "offset"), BAD)
def test_bad_forms(body: bytes, error: str, offset: int) -> None:
    """What is wrong is said by its class and its place, however the bytes are cut, and never looks closed."""
    found = scan_in_all_ways(body, b"b")

    assert found.fault is not None
    assert found.fault[:2] == (error, offset)
    assert not found.closed


def test_a_form_cut_anywhere() -> None:
    """Cut short at any byte, a form fails by what is missing there, and never looks closed."""
    pieces = [
        (b"skip\r\n--bound \r\n", "BoundaryNotFound"),
        (FIELD, "PartHeadersUnterminated"),
        (b"one\r\n--bound\t\r\n", "ClosingDelimiterMissing"),
        (FILE, "PartHeadersUnterminated"),
        (b"\r\n--boundX\r\n--bound\r\n", "ClosingDelimiterMissing"),
        (FILE, "PartHeadersUnterminated"),
        (b"\r\n--bound-", "ClosingDelimiterMissing"),
    ]
    end = b"- \r\n"
    body = b"".join(piece for piece, _ in pieces) + end

    expected: list[str | None] = [error for piece, error in pieces for _ in piece]
    expected += ["ClosingDelimiterMissing"]
    # Behind the dashes: a form that ends there, or in its padding, is whole; one that ends with half of CR LF is not.
    expected += [None, None, "ClosingDelimiterMissing", None]
    for length, error in enumerate(expected):
        found = scan_in_all_ways(body[:length], b"bound", single_cuts=length % 5 == 0)
        assert (length, found.error) == (length, error)
        assert found.closed is (error is None)
        if error not in (None, "BoundaryNotFound"):
            assert found.fault is not None
            assert found.fault[1] == length


def test_closed_only_behind_the_last_dash() -> None:
    """`closed` is what lets a delivery end: it must not be true one byte too early."""
    body = form(b"b", b"x", end=b"\r\n")
    scanner = Scanner(b"b", DEFAULT)
    undecided = b""

    for position in range(len(body)):
        run = undecided + body[position : position + 1]
        count, _ = scanner.feed(run, 0, len(run))
        undecided = run[count:]
        assert scanner.closed is (position == len(body) - 1)


def test_an_empty_content_has_no_negative_length() -> None:
    """The empty line of the headers may be the CR LF of the next delimiter: core rule for the content's end."""
    body = b"--b\r\n" + FIELD + b"--b--"

    [(part, content)] = parts_of(body, scan(body, b"b"))

    assert content == b""
    assert Delimiter(part.content_start, closing=True) in scan(body, b"b").events


# --- properties ------------------------------------------------------------------------------

SCRAPS = [b"\r", b"\n", b"\r\n", b"-", b"--", b" ", b"\t", b"x", b"\r\n\r\n", b"\x00\xff"]
HEADERS = [FIELD, FILE, b'Content-Disposition: form-data; name=""\r\nX-Extra: 1\r\n\r\n', b"bad\r\n\r\n", b"\r\n"]


@st.composite
def hostile_bodies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Boundaries, and bodies put together of what delimiters and headers are made of."""
    boundary = draw(st.sampled_from([b"b", b"-", b"--", b"bb", b"b-", b"B0und", of_length(12)]))
    line = b"\r\n--" + boundary
    pieces = st.sampled_from([
        *SCRAPS, *HEADERS, boundary, line, line[:-1], line[2:], line[1:], line + b"--", line + b"\r\n",
        line + b" \t\r\n", line + b"\r\n" + FIELD, line + b"\r\n" + FIELD, line + b"\r\n" + FIELD,
        line + b"X", line + b"--\r\n", line + b"    \r\n", line + b"\r\n" + FILE,
    ])  # fmt: skip
    start = draw(st.sampled_from([b"", line[2:] + b"\r\n" + FIELD, line + b" \r\n" + FILE]))
    end = draw(st.sampled_from([b"", line + b"--", line + b"--\r\n", line + b"-- \r\nend", line + b"-", line]))
    return boundary, start + b"".join(draw(st.lists(pieces, max_size=8))) + end


@budget(500)
@given(hostile_bodies())
def test_like_the_reference_however_cut(sample: tuple[bytes, bytes]) -> None:
    """Whatever the bytes: the slow second reading finds the same delimiters, headers and faults."""
    boundary, body = sample
    limits = Limits(padding=3)
    expected = read(body, boundary, limits)
    fault = expected.error
    for number, (start, stop) in enumerate(expected.headers):
        try:
            parse_part(number, body[start:stop], start)
        except GatewayError as error:
            fault = type(error).__name__
            break

    found = scan_in_all_ways(body, boundary, limits, single_cuts=len(body) < 200)

    assert found.error == fault
    if fault is None:
        delimiters = [each for each in found.events if isinstance(each, Delimiter)]
        assert [(each.start, each.closing) for each in delimiters] == list(expected.delimiters)
        parts = [part for part, _ in parts_of(body, found)]
        headers = [(part.content_start - len(part.headers), part.content_start) for part in parts]
        assert headers == list(expected.headers)
        assert [part.number for part in parts] == list(range(len(parts)))


@budget(400)
@given(hostile_bodies(), st.data())
def test_random_cuts_under_random_limits(sample: tuple[bytes, bytes], data: st.DataObject) -> None:
    """Small limits make faults compete; which of them is reported must not depend on the cuts."""
    boundary, body = sample
    small = st.integers(0, 12)
    limits = Limits(
        parts=data.draw(st.integers(0, 3)), part_headers=data.draw(st.sampled_from([2, 44, 45, 46, 90])),
        field=data.draw(small), preamble=data.draw(small), epilogue=data.draw(small),
        padding=data.draw(st.integers(0, 4)), near_delimiters=data.draw(st.integers(0, 2)),
    )  # fmt: skip
    finest = scan_in_all_ways(body, boundary, limits, single_cuts=False)

    for _ in range(5):
        cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
        assert_same(scan(body, boundary, cuts, limits, end_apart=data.draw(st.booleans())), finest)


@budget(100)
@given(
    boundary=st.integers(1, 70).map(of_length),
    contents=st.lists(st.binary(max_size=60), max_size=6),
    cuts=st.lists(st.integers(0, 1500), max_size=10),
    epilogue=st.sampled_from([b"", b"\r\n", b"\r\n\r\nend", b" "]),
)
def test_contents_come_back(boundary: bytes, contents: list[bytes], cuts: list[int], epilogue: bytes) -> None:
    """What was put into a form is what is found in it."""
    line = re.compile(rb"\r\n--" + re.escape(boundary))
    contents = [content for content in contents if not line.search(b"\r\n" + content)]
    body = form(boundary, *contents, end=epilogue)

    found = scan(body, boundary, sorted(min(cut, len(body)) for cut in cuts))

    assert contents_of(body, found) == contents
