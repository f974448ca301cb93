"""JSON bodies: what is a part, what is refused, and that it does not matter how the bytes are cut."""

from __future__ import annotations

import base64
import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.uploads import Limits
from gateway.multipart.json_scanner import JSONScanner
from tests.multipart.driving import budget
from tests.multipart.json_driving import Found, Scan, random_cuts, scan, scan_in_all_ways

LIMITS = Limits(parts=4, part_headers=40, field=30)


def file(name: str, content: bytes, filename: str = "file", content_type: str | None = None) -> Found:
    return (name, filename, content_type, content)


def field(name: str, content: bytes, content_type: str | None = None) -> Found:
    return (name, None, content_type, content)


def typed(name: str, content: bytes) -> Found:
    return field(name, content, "application/json")


# --- what is a part ----------------------------------------------------------------------------

PARTS = [
    pytest.param(b"{}", [], id="nothing"),
    pytest.param(b" \t\r\n{ \n } \n", [], id="nothing with blanks"),
    # fields
    pytest.param(b'{"a": "text"}', [field("a", b"text")], id="text"),
    pytest.param(b'{"a": ""}', [field("a", b"")], id="empty text"),
    pytest.param(b'{"": "x"}', [field("", b"x")], id="empty name"),
    pytest.param('{"ä": "ß€😀"}'.encode(), [field("ä", "ß€😀".encode())], id="not ASCII"),
    pytest.param(b'{"a": "\\u00df\\u20AC\\ud83d\\uDE00"}', [field("a", "ß€😀".encode())], id="escaped"),
    pytest.param(b'{"a": "\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000"}', [field("a", b'"\\/\b\f\n\r\t\0')], id="every escape"),
    pytest.param(b'{"a": "\\\\ud83d"}', [field("a", b"\\ud83d")], id="an escaped backslash, no surrogate"),
    pytest.param(b'{"a": 12}', [field("a", b"12")], id="number"),
    # as it was written: 1.0 is not 1 to everybody, and a double could not hold all digits
    pytest.param(b'{"a": -1.50e+07}', [field("a", b"-1.50e+07")], id="number as written"),
    pytest.param(
        b'{"a":0,"b":-0,"c":12345678901234567890}',
        [field("a", b"0"), field("b", b"-0"), field("c", b"12345678901234567890")], id="numbers",
    ),
    pytest.param(b'{"a": true, "b":false}', [field("a", b"true"), field("b", b"false")], id="true and false"),
    pytest.param(b'{"a": null, "b": 1}', [field("b", b"1")], id="null is none"),
    # typed JSON
    pytest.param(b'{"a": {"b" : [1, 2]} }', [typed("a", b'{"b" : [1, 2]}')], id="object as written"),
    pytest.param(b'{"a": {}}', [typed("a", b"{}")], id="empty object"),
    pytest.param(b'{"a": [ ]}', [typed("a", b"[ ]")], id="empty array"),
    pytest.param(b'{"a": [1, "]}", {"x": "\\"]"}] , "b": 1}',
                 [typed("a", b'[1, "]}", {"x": "\\"]"}]'), field("b", b"1")], id="brackets in texts"),
    pytest.param(b'{"a": ["x", "data:,x"]}', [typed("a", b'["x", "data:,x"]')], id="the first element decides"),
    pytest.param(b'{"a": [[{"base64": "YQ=="}]]}', [typed("a", b'[[{"base64": "YQ=="}]]')], id="too deep for a file"),
    pytest.param(b'{"a": {"filename": "x"}}', [typed("a", b'{"filename": "x"}')], id="a name alone is no file"),
    pytest.param(b'{"a": {"filename": 1}}', [typed("a", b'{"filename": 1}')], id="a name that is a number"),
    pytest.param(b'{"a": [{"filename": "x"}, 1]}', [typed("a", b'[{"filename": "x"}, 1]')], id="nor in an array"),
    pytest.param(b'{"a": {"Base64": "YQ=="}}', [typed("a", b'{"Base64": "YQ=="}')], id="keys are exact"),
    # files
    pytest.param(b'{"a": {"base64": "aGVsbG8="}}', [file("a", b"hello")], id="file"),
    pytest.param(b'{"a": {"base64": ""}}', [file("a", b"")], id="empty file"),
    pytest.param(
        b'{"a": {"base64": "aGVsbG8=", "filename": "h.txt", "content_type": "text/plain"}, "b": 1}',
        [file("a", b"hello", "h.txt", "text/plain"), field("b", b"1")], id="described behind",
    ),
    pytest.param(
        b'{"a":{"content_type":"text/plain","filename":"\\u00fc/h.txt","base64":"aGVsbG8="}}',
        [file("a", b"hello", "ü/h.txt", "text/plain")], id="described before",
    ),
    pytest.param(
        b'{"a": {"filename": null, "base64": "YQ==", "content_type": null}}', [file("a", b"a")], id="described by null"
    ),
    pytest.param(b'{"a": {"content_type": "", "base64": "YQ=="}}', [file("a", b"a")], id="no type"),
    pytest.param(b'{"a": {"base64": "", "filename": ""}}', [file("a", b"", "")], id="no file chosen"),
    pytest.param(b'{"a": {"b\\u0061se64": "YQ\\u003d="}}', [file("a", b"a")], id="escapes in it"),
    pytest.param(b'{"a": {"base64": "aGVs\\r\\nbG8=\\n"}}', [file("a", b"hello")], id="line ends"),
    pytest.param(b'{"a": {"base64": "\\/\\/8="}}', [file("a", b"\xff\xff")], id="escaped slashes, as PHP writes them"),
    # data URIs
    pytest.param(b'{"a": "data:text/plain;base64,aGVsbG8="}', [file("a", b"hello", "file", "text/plain")], id="URI"),
    pytest.param(b'{"a": "data:;base64,aGVsbG8="}', [file("a", b"hello")], id="URI without a type"),
    pytest.param(b'{"a": "data:,"}', [file("a", b"")], id="URI without anything"),
    pytest.param(
        '{"a": "data:image/svg+xml;charset=utf-8,%3Csvg%20id=\\"ä\\"/>%"}'.encode(),
        [file("a", '<svg id="ä"/>%'.encode(), "file", "image/svg+xml;charset=utf-8")], id="percent-encoded URI",
    ),
    pytest.param(
        b'{"a": "data:text\\/plain;name=a%20b.txt;base64\\u002CaGVsbG8="}',
        [file("a", b"hello", "a b.txt", "text/plain")], id="URI with a name and escapes",
    ),
    pytest.param(b'{"a": "data: x, y"}', [field("a", b"data: x, y")], id="text that only begins like a URI"),
    pytest.param(b'{"a": "database"}', [field("a", b"database")], id="text that begins like the word"),
    pytest.param(b'{"a": "dat"}', [field("a", b"dat")], id="text that is a beginning of the word"),
    pytest.param(b'{"a": "data:text/plain"}', [field("a", b"data:text/plain")], id="no comma"),
    pytest.param(b'{"a": "\\n data:,x"}', [field("a", b"\n data:,x")], id="not at the start"),
    # lists of files
    pytest.param(
        b'{"a": [{"base64":"YQ==","filename":"1"} , "data:,b"], "b": "c"}',
        [file("a", b"a", "1"), file("a", b"b"), field("b", b"c")], id="list",
    ),
    pytest.param(b'{"a": ["data:,a"]}', [file("a", b"a")], id="list of one"),
    pytest.param(
        b'{"a": [ {"filename":"1", "base64":"YQ=="},{"filename":"2","base64":""},\n{"base64":"Yg=="} ]}',
        [file("a", b"a", "1"), file("a", b"", "2"), file("a", b"b")], id="list of objects",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), PARTS)
def test_members_are_parts(body: bytes, expected: list[Found]) -> None:
    """Whatever the cuts; name, filename, type and content of each part."""
    assert scan_in_all_ways(body) == Scan(tuple(expected), None)


# --- what is refused ---------------------------------------------------------------------------

REFUSED = [
    # no JSON object
    ("nothing at all", b"", "JSONInvalid", 0),
    ("blanks", b" \n", "JSONInvalid", 2),
    ("an array", b"[1]", "JSONInvalid", 0),
    ("a text", b'"x"', "JSONInvalid", 0),
    ("a byte order mark", b"\xef\xbb\xbf{}", "JSONInvalid", 0),
    ("UTF-16", '{"a":1}'.encode("utf-16-le"), "JSONInvalid", 1),
    ("junk behind", b"{} x", "JSONInvalid", 3),
    ("a second object", b"{}{}", "JSONInvalid", 2),
    ("a NUL behind", b"{}\0", "JSONInvalid", 2),
    ("a form feed for a blank", b"{\f}", "JSONInvalid", 1),
    ("a comment", b"{} // x", "JSONInvalid", 3),
    # punctuation
    ("no name", b"{1: 2}", "JSONInvalid", 1),
    ("a name in single quotes", b"{'a': 2}", "JSONInvalid", 1),
    ("no colon", b'{"a" 1}', "JSONInvalid", 5),
    ("no value", b'{"a": }', "JSONInvalid", 6),
    ("no comma", b'{"a": 1 "b": 2}', "JSONInvalid", 8),
    ("a comma at the end", b'{"a": 1,}', "JSONInvalid", 8),
    ("a comma at the start", b'{,"a": 1}', "JSONInvalid", 1),
    ("the wrong bracket", b'{"a": 1]', "JSONInvalid", 7),
    # numbers and words
    ("a leading zero", b'{"a": 01}', "JSONInvalid", 6),
    ("a plus", b'{"a": +1}', "JSONInvalid", 6),
    ("a point without digits", b'{"a": 1.}', "JSONInvalid", 6),
    ("a point first", b'{"a": .5}', "JSONInvalid", 6),
    ("no exponent", b'{"a": 1e}', "JSONInvalid", 6),
    ("a minus alone", b'{"a": -}', "JSONInvalid", 6),
    ("NaN", b'{"a": NaN}', "JSONInvalid", 6),
    ("Infinity", b'{"a": -Infinity}', "JSONInvalid", 6),
    ("True", b'{"a": True}', "JSONInvalid", 6),
    ("nulls", b'{"a": nulls}', "JSONInvalid", 6),
    ("hexadecimal", b'{"a": 0x1}', "JSONInvalid", 6),
    ("undefined", b'{"a": undefined}', "JSONInvalid", 6),
    # texts
    ("a line end in a text", b'{"a": "x\ny"}', "JSONInvalid", 8),
    ("a line end in a name", b'{"a\n": 1}', "JSONInvalid", 3),
    ("a tab in a text", b'{"a": "\t"}', "JSONInvalid", 7),
    ("an unknown escape", b'{"a": "\\x41"}', "JSONInvalid", 7),
    ("an escape of three digits", b'{"a": "\\u12G4"}', "JSONInvalid", 7),
    ("a high surrogate alone", b'{"a": "x\\ud83d"}', "JSONInvalid", 8),
    ("a high surrogate and a letter", b'{"a": "x\\ud83d\\u0041"}', "JSONInvalid", 8),
    ("a low surrogate alone", b'{"a": "x\\ude00"}', "JSONInvalid", 8),
    ("two high surrogates", b'{"a": "\\ud83d\\ud83d\\ude00"}', "JSONInvalid", 7),
    ("not UTF-8", b'{"a": "x\xff"}', "JSONInvalid", 8),
    ("half of a character", b'{"a": "x\xc3"}', "JSONInvalid", 8),
    ("half of a character before an escape", b'{"a": "x\xe2\x82\\n"}', "JSONInvalid", 8),
    ("an overlong character", b'{"a": "\xc0\xaf"}', "JSONInvalid", 7),
    ("a surrogate in UTF-8", b'{"a": "\xed\xa0\x80"}', "JSONInvalid", 7),
    ("a name that is not UTF-8", b'{"a\xff": 1}', "JSONInvalid", 3),
    # names
    ("a name twice", b'{"a": 1, "b": 2, "a": 3}', "JSONInvalid", 17),
    ("a name twice, one escaped", b'{"a": 1, "\\u0061": 3}', "JSONInvalid", 9),
    ("a name twice, one null", b'{"a": null, "a": 3}', "JSONInvalid", 12),
    ("a line end in a name, escaped", b'{"a\\nb": 1}', "JSONInvalid", 1),
    ("a NUL in a name", b'{"a\\u0000": 1}', "JSONInvalid", 1),
    # typed JSON
    ("typed: a comma at the end", b'{"a": [1,]}', "JSONInvalid", 9),
    ("typed: the wrong bracket", b'{"a": [1}}', "JSONInvalid", 8),
    ("typed: behind characters of several bytes", '{"a": ["ß€", x]}'.encode(), "JSONInvalid", 16),
    ("typed: not UTF-8", b'{"a": ["\xff"]}', "JSONInvalid", 8),
    ("typed: NaN", b'{"a": [NaN]}', "JSONInvalid", 6),
    ("typed: a line end in a text", b'{"a": ["\n"]}', "JSONInvalid", 8),
    ("typed: an object without a value", b'{"a": {"b"}}', "JSONInvalid", 10),
    ("typed: a leading zero", b'{"a": [01]}', "JSONInvalid", 8),
    # files
    ("base64 that is no text", b'{"a": {"base64": 1}}', "JSONInvalid", 17),
    ("base64 that is null", b'{"a": {"base64": null}}', "JSONInvalid", 17),
    ("another key behind", b'{"a": {"base64": "YQ==", "name": "x"}}', "JSONInvalid", 25),
    ("another key before", b'{"a": {"name": "x", "base64": "YQ=="}}', "JSONInvalid", 6),
    ("a key twice behind", b'{"a": {"base64": "YQ==", "base64": "YQ=="}}', "JSONInvalid", 25),
    ("a key twice before", b'{"a": {"filename": "x", "filename": "y", "base64": "YQ=="}}', "JSONInvalid", 6),
    ("a name that is a number", b'{"a": {"base64": "YQ==", "filename": 1}}', "JSONInvalid", 37),
    ("a name that is a number, before", b'{"a": {"filename": 1, "base64": "YQ=="}}', "JSONInvalid", 6),
    ("a name that is no value", b'{"a": {"filename": nul1}}', "JSONInvalid", 19),
    ("a comma at the end of a file", b'{"a": {"base64": "YQ==",}}', "JSONInvalid", 24),
    ("no comma in a file", b'{"a": {"base64": "YQ==" "filename": "x"}}', "JSONInvalid", 24),
    ("a line end in a filename", b'{"a": {"base64": "YQ==", "filename": "a\\nb"}}', "FilenameInvalid", 6),
    ("a NUL in a filename", b'{"a": {"filename": "a\\u0000", "base64": "YQ=="}}', "FilenameInvalid", 6),
    ("a line end in a URI's filename", b'{"a": "data:;name=a%0D%0Ab,x"}', "FilenameInvalid", 6),
    ("a line end in a type", b'{"a": {"base64": "", "content_type": "a/b\\r\\nX: y"}}', "JSONInvalid", 6),
    # base64
    ("base64: a blank", b'{"a": {"base64": "YWJj YWJj"}}', "Base64Invalid", 22),
    ("base64: a tab", b'{"a": {"base64": "YWJj\\tYWJj"}}', "Base64Invalid", 22),
    ("base64: the alphabet of URLs", b'{"a": {"base64": "ab_-"}}', "Base64Invalid", 20),
    ("base64: no padding", b'{"a": {"base64": "YQ"}}', "Base64Invalid", 20),
    ("base64: half of the padding", b'{"a": {"base64": "YQ="}}', "Base64Invalid", 21),
    ("base64: one character too many", b'{"a": {"base64": "YWJjY"}}', "Base64Invalid", 23),
    ("base64: too much padding", b'{"a": {"base64": "YQ==="}}', "Base64Invalid", 22),
    ("base64: padding alone", b'{"a": {"base64": "===="}}', "Base64Invalid", 18),
    ("base64: characters behind the padding", b'{"a": {"base64": "YQ==YQ=="}}', "Base64Invalid", 22),
    ("base64: behind escapes", b'{"a": {"base64": "\\/\\/\\u0041\\n*"}}', "Base64Invalid", 30),
    ("base64: not ASCII", '{"a": {"base64": "YWJjä"}}'.encode(), "Base64Invalid", 22),
    ("base64: percent-encoded", b'{"a": "data:;base64,YQ%3D%3D"}', "Base64Invalid", 22),
    ("base64: a fault before one of JSON", b'{"a": {"base64": "*\n"}}', "Base64Invalid", 18),
    ("base64: a URI with the fault in front", b'{"a": "data:text\\/plain;base64,*"}', "Base64Invalid", 31),
    # data URIs
    ("a fragment", b'{"a": "data:,a%20b#c"}', "DataURIInvalid", 18),
    # lists of files
    ("a text in a list of files", b'{"a": ["data:,x", "y"]}', "JSONInvalid", 18),
    ("a number in a list of files", b'{"a": ["data:,x", 1]}', "JSONInvalid", 18),
    ("other JSON in a list of files", b'{"a": [{"base64":""}, {"filename":"x"}]}', "JSONInvalid", 37),
    ("a list in a list of files", b'{"a": [{"base64":""}, []]}', "JSONInvalid", 22),
    ("a comma at the end of a list", b'{"a": ["data:,x",]}', "JSONInvalid", 17),
    ("no comma in a list", b'{"a": ["data:,x" "data:,y"]}', "JSONInvalid", 17),
    ("the wrong bracket of a list", b'{"a": ["data:,x"}}', "JSONInvalid", 16),
]


@pytest.mark.parametrize(("body", "error", "offset"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_wrong_is_refused_where_it_is(body: bytes, error: str, offset: int) -> None:
    """The same error at the same offset of the body as received, whatever the cuts."""
    assert scan_in_all_ways(body).error == (error, offset)


WHOLE = [
    '{"ä": "ß\\n\\ud83d\\ude00", "b": -1.5e3, "c": true, "d": null}'.encode(),
    b'{"a": {"filename": "x", "base64": "aGVsbG8=", "content_type": null}, "b": ["data:,x%20", {"base64": ""}]}',
    b'{"a": {"b": [1, {"c": "]"}]}, "d": [null, "x"], "e": "data:text/plain;base64,aGVsbG8="}',
]


@pytest.mark.parametrize("body", WHOLE, ids=["fields", "files", "typed"])
def test_a_body_that_is_cut_off_is_refused(body: bytes) -> None:
    """At every byte: with what came before and with what comes next nothing is ever whole too early."""
    assert scan(body).fault is None
    for length in range(len(body)):
        found = scan_in_all_ways(body[:length])

        assert found.error in {("JSONInvalid", length), ("Base64Invalid", length)}
        assert f"ends after {length} bytes" in str(found.fault)


# --- limits ------------------------------------------------------------------------------------

LIMITED = [
    # Which limit, a body of that much, and the fault and its offset at one more.
    pytest.param("parts", lambda n: members(*(f'"{i}": 1' for i in range(n))), "TooManyParts", 33, id="parts"),
    pytest.param("parts", lambda n: members(*(f'"{i}": null' for i in range(n))), "TooManyParts", 45, id="nulls"),
    pytest.param("parts", lambda n: b'{"a": [' + b",".join([b'"data:,"'] * n) + b"]}", "TooManyParts", 43, id="a list"),
    pytest.param("field", lambda n: b'{"a": "' + b"x" * n + b'"}', "FieldTooLarge", 6, id="text"),
    # what it says counts, not how it is written
    pytest.param("field", lambda n: b'{"a": "' + b"\\u0041" * n + b'"}', "FieldTooLarge", 6, id="escapes"),
    pytest.param("field", lambda n: b'{"a": "' + b"x" * n + b'\n"}', "FieldTooLarge", 6, id="text before a fault"),
    pytest.param("field", lambda n: b'{"a": ' + b"1" * n + b"}", "FieldTooLarge", 6, id="number"),
    pytest.param("field", lambda n: b'{"a": [' + b" " * (n - 2) + b"]}", "FieldTooLarge", 6, id="typed JSON"),
    pytest.param("field", lambda n: b'{"a": {"b":"' + b"[" * (n - 8) + b'"}}', "FieldTooLarge", 6, id="typed text"),
    pytest.param("field", lambda n: b'{"a": [' + b"[" * (n - 2) + b"x", "FieldTooLarge", 6, id="typed, open"),
    pytest.param("part_headers", lambda n: b'{"' + b"n" * n + b'": 1}', "PartHeadersTooLarge", 1, id="a name"),
    pytest.param(
        "part_headers", lambda n: b'{"a": {"base64": "", "filename": "' + b"n" * (n - 1) + b'"}}',
        "PartHeadersTooLarge", 6, id="a filename",
    ),
    pytest.param(
        "part_headers", lambda n: b'{"a": {"base64": "", "filename": "12345678901234567890", "content_type": "'
        + b"n" * (n - 21) + b'"}}', "PartHeadersTooLarge", 6, id="name, filename and type together",
    ),
]  # fmt: skip


def members(*written: str) -> bytes:
    return ("{" + ", ".join(written) + "}").encode()


@pytest.mark.parametrize(("limit", "body_of", "error", "offset"), LIMITED)
def test_at_the_limit_and_beyond(limit: str, body_of: Any, error: str, offset: int) -> None:
    """As much as the limit says is taken, unless there is another fault; one more is refused."""
    value = getattr(LIMITS, limit)

    assert scan_in_all_ways(body_of(value), LIMITS).error in (None, *_other_faults(body_of(value)))
    assert scan_in_all_ways(body_of(value + 1), LIMITS).error == (error, offset)


def _other_faults(body: bytes) -> list[tuple[str, int | None]]:
    found = scan(body)
    return [] if found.error is None else [found.error]


def test_a_limit_of_nothing() -> None:
    """Without any field, files are taken still; and empty fields."""
    limits = replace(LIMITS, field=0)

    assert scan_in_all_ways(b'{"a": {"filename": "x", "base64": "aGVsbG8="}, "b": ""}', limits).fault is None
    assert scan_in_all_ways(b'{"a": 1}', limits).error == ("FieldTooLarge", 6)
    assert scan_in_all_ways(b"{}", replace(LIMITS, parts=0)).fault is None


@pytest.mark.parametrize("depth", [64, 65])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"x":', b"}")])
def test_depth_has_a_limit(depth: int, opening: bytes, closing: bytes) -> None:
    """Readers recurse; so many levels are nobody's data."""
    body = b'{"a": ' + opening * depth + b"0" + closing * depth + b"}"

    found = scan_in_all_ways(body)

    # The value's own bracket is the first level.
    expected = None if depth == 64 else ("JSONTooComplex", 6 + 64 * len(opening))
    assert found.error == expected


def test_brackets_have_a_limit_over_the_whole_body() -> None:
    """Each costs a step: with a limit for each value only, a body could be made of nothing else."""
    values = [b'"%d": [%s]' % (number, b",".join([b"[]"] * 19_999)) for number in range(6)]

    assert scan(b"{" + b",".join(values[:5]) + b"}").fault is None
    for last in (values[5], b'"5": [1]', b'"5": {"x": [{}]}'):
        body = b"{" + b",".join([*values[:5], last]) + b"}"
        place = len(body) - len(last) - 1 + len(b'"5": ')
        assert scan(body).error == scan(body, range(place - 3, len(body))).error == ("JSONTooComplex", place)


def test_a_number_has_a_limit() -> None:
    """It is held until it ends."""
    assert scan(b'{"a": ' + b"1" * 1024 + b"}").fault is None
    for body in (b'{"a": ' + b"1" * 1025 + b"}", b'{"a": ' + b"1" * 5000):
        assert scan(body).error == scan(body, range(1, len(body))).error == ("JSONTooComplex", 6)


def test_blanks_in_front_of_a_file_have_a_limit() -> None:
    """What may still turn out to be no file is held, so it is bounded."""
    for limits in (LIMITS, replace(LIMITS, field=0)):
        blanks = b" " * 60

        assert scan_in_all_ways(b'{"a": {' + blanks + b'"base64": ""}}', limits).error == ("FieldTooLarge", 6)
        assert scan_in_all_ways(b'{"a": ' + blanks + b'{"base64":""}}', limits).fault is None
        assert scan_in_all_ways(b'{"a": {"base64":' + b" " * 20 + b'"" ' + blanks + b"}}", limits).fault is None


def test_what_is_held_does_not_grow_with_a_file() -> None:
    """Neither of its text nor of its content, beyond the piece that is being decoded."""
    scanner = JSONScanner(Limits())
    scanner.feed(b'{"a": {"filename": "x", "base64": "')
    for _ in range(50):
        (piece,) = scanner.feed(b"YWJj" * 1000 + b"YW")
        scanner.feed(b"Jj")
        assert isinstance(piece, bytes)
        assert len(scanner._rest) <= 12
        assert scanner._captured is None


# --- against another reader --------------------------------------------------------------------


def expected_parts(value: dict[str, Any], source: dict[str, str]) -> list[Found]:
    """What a reader that has the whole body makes of it."""
    parts = []
    for name, member in value.items():
        if isinstance(member, bool):
            parts.append(field(name, b"true" if member else b"false"))
        elif isinstance(member, int | float):
            parts.append(field(name, source[name].encode()))
        elif member is None:
            continue
        elif isinstance(member, str):
            parts.append(field(name, member.encode()))
        elif isinstance(member, dict) and "base64" in member:
            parts.append(_expected_file(name, member))
        elif isinstance(member, list) and member and isinstance(member[0], dict) and "base64" in member[0]:
            parts += [_expected_file(name, each) for each in member]
        else:
            parts.append(typed(name, source[name].encode()))
    return parts


def _expected_file(name: str, member: dict[str, Any]) -> Found:
    filename = "file" if member.get("filename") is None else member["filename"]
    return file(name, base64.b64decode(member["base64"]), filename, member.get("content_type") or None)


def printable(character: str) -> bool:
    return character >= " " and character != "\x7f"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAME = st.text(st.characters(exclude_categories=["Cs"]).filter(printable), max_size=6)
# Not one that `data:` begins; and a key that makes a file of an object is for files.
PLAIN = TEXT.filter(lambda text: not text.startswith("data:"))
NUMBER = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SCALAR = st.none() | st.booleans() | NUMBER | PLAIN
JSON_VALUE = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXT.filter(lambda key: key != "base64"), inner, max_size=3)
    ),
    max_leaves=8,
)
FILE = st.fixed_dictionaries(
    {"base64": st.binary(max_size=40).map(lambda content: base64.b64encode(content).decode())},
    optional={"filename": st.none() | NAME, "content_type": st.none() | st.just("image/png") | st.just("")},
).flatmap(lambda described: st.permutations(list(described.items())).map(dict))
BODY = st.dictionaries(NAME, JSON_VALUE | FILE | st.lists(FILE, min_size=1, max_size=3), max_size=5)


@budget(300)
@given(BODY, st.booleans(), st.sampled_from([None, 0, 2]), st.randoms(use_true_random=False))
def test_any_object_is_read_as_the_standard_library_reads_it(
    value: dict[str, Any], ascii_only: bool, indent: int | None, choices: random.Random
) -> None:
    """With any cuts; typed JSON and numbers as they were written."""
    source = {name: json.dumps(member, ensure_ascii=ascii_only, indent=indent) for name, member in value.items()}
    written = [json.dumps(name, ensure_ascii=ascii_only) + " : " + text for name, text in source.items()]
    body = ("{" + ", \n".join(written) + "}").encode()
    assert json.loads(body) == value

    found = scan(body, random_cuts(body, choices))

    assert found == Scan(tuple(expected_parts(value, source)), None)
    assert scan(body, range(1, len(body)), end_apart=True) == found


PIECES = [
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u", b"d83d", b"\\ude00", b'"a"', b'"b":', b"1", b"-", b"e",
    b"0", b"true", b"null", b"data:", b"data:,", b"data:;base64,", b"%4", b"#", b'"base64":"', b'{"base64":"',
    b'"filename":', b"YWJj", b"YQ==", b"=", b"\\n", b" ", b"\n", b"\xc3", b"\xa4", b"\xff", b"x" * 12,
]  # fmt: skip


@budget(500)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map(b"".join), st.randoms(use_true_random=False))
def test_no_cut_makes_a_difference(rest: bytes, choices: random.Random) -> None:
    """Also for bodies that are mostly wrong: the same parts, or the same fault at the same offset."""
    for body in (
        rest,
        b'{"a":' + rest,
        b'{"a":{"base64":"' + rest,
        b'{"a":["data:,x",' + rest,
        b'{"a":[' + rest + b"]}",
    ):
        whole = scan(body, (), LIMITS)

        assert scan(body, range(1, len(body)), LIMITS, end_apart=True) == whole
        assert scan(body, random_cuts(body, choices), LIMITS) == whole


@budget(500)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
def test_nothing_is_taken_that_is_no_json(rest: bytes) -> None:
    """Whatever is taken, the standard library takes as well."""
    body = b'{"a":' + rest + b"}"

    if scan(body).fault is None:
        assert isinstance(json.loads(body), dict)
