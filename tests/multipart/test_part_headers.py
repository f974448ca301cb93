"""Part headers: what is read from them, what is refused, and that their bytes stay as they are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.uploads import Part
from gateway.errors import MalformedUpload
from gateway.multipart.part_headers import parse_header_lines, parse_part
from tests.multipart.driving import budget

OFFSET = 1000


def block(*lines: str | bytes) -> bytes:
    """Header lines with the empty line that ends them."""
    return b"".join((line.encode() if isinstance(line, str) else line) + b"\r\n" for line in lines) + b"\r\n"


def disposition(rest: str) -> bytes:
    return block("Content-Disposition: form-data" + rest)


READ = [
    pytest.param(block('Content-Disposition: form-data; name="a"'), "a", None, None, id="a field"),
    pytest.param(
        block('Content-Disposition: form-data; name="a"; filename="b.txt"', "Content-Type: text/plain"),
        "a", "b.txt", "text/plain", id="a file",
    ),
    pytest.param(
        block("Content-Type: text/plain; charset=utf-8", 'Content-Disposition: form-data; name="tag"'),
        "tag", None, "text/plain; charset=utf-8", id="aiohttp: the type first",
    ),
    pytest.param(block('content-disposition:form-data;name="a"'), "a", None, None, id="small letters, no blanks"),
    pytest.param(block('CONTENT-DISPOSITION: \t FORM-DATA ; NAME="a" \t'), "a", None, None, id="capitals and blanks"),
    pytest.param(disposition('; name="f"; filename=""'), "f", "", None, id="no file chosen"),
    pytest.param(disposition('; name=""'), "", None, None, id="an empty name is a name"),
    pytest.param(disposition('; name="Straße"; filename="日報.txt"'), "Straße", "日報.txt", None, id="UTF-8"),
    pytest.param(
        block(b'Content-Disposition: form-data; name="\xfc"; filename="\xff.txt"'), "\udcfc", "\udcff.txt", None,
        id="not UTF-8",
    ),
    pytest.param(disposition("; name=\"f\"; filename*=utf-8''%C3%BC.txt"), "f", "ü.txt", None, id="filename* alone"),
    pytest.param(
        disposition("; name=\"f\"; filename=\"u.txt\"; filename*=utf-8''%C3%BC.txt"), "f", "ü.txt", None,
        id="both: React Native",
    ),
    pytest.param(
        disposition("; name=\"f\"; filename*=utf-8''%C3%BC.txt; filename=\"u.txt\""), "f", "ü.txt", None,
        id="both, the other way round",
    ),
    pytest.param(
        disposition("; name=\"f\"; filename=\"u.txt\"; filename*=utf-8''%FF"), "f", "u.txt", None, id="a broken one",
    ),
    pytest.param(
        disposition("; name=\"f\"; filename*=utf-8''%FF"), "f", "utf-8''%FF", None,
        id="a broken one alone is still a file",
    ),
    pytest.param(disposition("; name=f; filename*=x"), "f", "x", None, id="a filename* without charset"),
    pytest.param(
        disposition("; name=f; filename*=utf-8''a%0D%0AB%3A1"), "f", "utf-8''a%0D%0AB%3A1", None,
        id="line ends stay encoded",
    ),
    pytest.param(disposition('; name="f"; filename="/etc/../C:\\x"'), "f", "/etc/../C:\\x", None, id="a path is kept"),
    pytest.param(disposition('; name="filename"'), "filename", None, None, id="a field called filename"),
    pytest.param(disposition('; name="a"; x-filename="b"'), "a", None, None, id="a parameter of another name"),
    pytest.param(
        block("X-A: 1", 'Content-Disposition: form-data; name="a"', "Content-Length: 7", "x-a: 2", "Empty:"),
        "a", None, None, id="further headers",
    ),
    pytest.param(
        block('Content-Disposition: form-data; name="a"', "Content-Type: a/b", "Content-Type: c/d"), "a", None, "a/b",
        id="two types: the first is shown",
    ),
    pytest.param(block('Content-Disposition: form-data; name="a"', "Content-Type:"), "a", None, "", id="an empty type"),
    pytest.param(block('Content-Disposition: form-data; name="a\tb"'), "a\tb", None, None, id="a tab inside"),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "name", "filename", "content_type"), READ)
def test_what_is_read(headers: bytes, name: str, filename: str | None, content_type: str | None) -> None:
    """Name, filename and type, and where the content begins; the header bytes are kept as received."""
    part = parse_part(7, headers, OFFSET)

    assert (part.name, part.filename, part.content_type) == (name, filename, content_type)
    assert part.is_file is (filename is not None)
    assert part.number == 7
    assert part.headers == headers
    assert part.content_start == OFFSET + len(headers)
    assert part.content_stop is None


GOOD = 'Content-Disposition: form-data; name="a"'

REFUSED = [
    pytest.param(block(), "DispositionMissing", 0, id="no headers"),
    pytest.param(block("Content-Type: a/b"), "DispositionMissing", 0, id="no disposition"),
    pytest.param(block("Content-Disposition: attachment; name=a"), "DispositionInvalid", 0, id="attachment"),
    pytest.param(block("Content-Disposition: file; name=a"), "DispositionInvalid", 0, id="file"),
    pytest.param(block("Content-Disposition:"), "DispositionInvalid", 0, id="an empty disposition"),
    pytest.param(block("Content-Disposition: form-data name=a"), "DispositionInvalid", 0, id="no semicolon"),
    pytest.param(block(GOOD, GOOD), "DispositionInvalid", 0, id="two dispositions"),
    pytest.param(block("Content-Disposition: form-data"), "PartNameMissing", 0, id="no parameters"),
    pytest.param(disposition('; filename="b"'), "PartNameMissing", 0, id="a filename only"),
    pytest.param(disposition("; name*=utf-8''a"), "PartNameMissing", 0, id="name* only"),
    pytest.param(disposition("; name=a; name=b"), "DispositionInvalid", 0, id="two names"),
    pytest.param(disposition("; name=a; filename=b; filename=b"), "DispositionInvalid", 0, id="two filenames"),
    pytest.param(disposition("; name=a; filename*=b; filename*=b"), "DispositionInvalid", 0, id="two of filename*"),
    pytest.param(disposition("; name=a; name*=utf-8''b"), "DispositionInvalid", 0, id="name and name*"),
    pytest.param(disposition("; name=a; name*0=b"), "DispositionInvalid", 0, id="a name in pieces"),
    pytest.param(disposition('; name=a; filename*0="b"; filename*1="c"'), "DispositionInvalid", 0, id="in pieces"),
    pytest.param(disposition("; name=a; filename=b; filename*0*=c"), "DispositionInvalid", 0, id="both"),
    pytest.param(disposition(r'; name="a\" ; x="; filename="b"'), "DispositionInvalid", 0, id="behind quotes"),
    pytest.param(disposition('; name="a; filename=b"'), "DispositionInvalid", 0, id="a filename in a name"),
    pytest.param(disposition('; name="a; filename*0=b"'), "DispositionInvalid", 0, id="a piece of one in a name"),
    pytest.param(disposition('; name="a" filename="b"'), "DispositionInvalid", 0, id="a filename without semicolon"),
    pytest.param(disposition(r'; name="a\"; FileName*= \"b"'), "DispositionInvalid", 0, id="a filename* in a name"),
    pytest.param(block(GOOD, "no colon"), "PartHeaderInvalid", 42, id="no colon"),
    pytest.param(block(GOOD, ": x"), "PartHeaderInvalid", 42, id="no name"),
    pytest.param(block(GOOD, "A B: x"), "PartHeaderInvalid", 42, id="a blank in the name"),
    pytest.param(block("Content-Disposition : form-data; name=a"), "PartHeaderInvalid", 0, id="blank before the colon"),
    pytest.param(block("Ä: x", GOOD), "PartHeaderInvalid", 0, id="a name that is not ASCII"),
    pytest.param(block(GOOD + ";", " filename=b"), "PartHeaderInvalid", 43, id="folded with a blank"),
    pytest.param(block(GOOD + ";", "\tfilename=b"), "PartHeaderInvalid", 43, id="folded with a tab"),
    pytest.param(block(GOOD + "\nA: b"), "PartHeaderInvalid", 0, id="a bare LF"),
    pytest.param(block(GOOD + "\rA: b"), "PartHeaderInvalid", 0, id="a bare CR"),
    pytest.param(block(GOOD, "A: \x00"), "PartHeaderInvalid", 42, id="NUL"),
    pytest.param(block(GOOD, "A: \x7f"), "PartHeaderInvalid", 42, id="DEL"),
    pytest.param(block(GOOD, "A: \x1b[2J"), "PartHeaderInvalid", 42, id="an escape sequence"),
]


@pytest.mark.parametrize(("headers", "error", "place"), REFUSED)
def test_what_is_refused(headers: bytes, error: str, place: int) -> None:
    """A line that is no header is refused where it begins, a disposition where the headers begin."""
    with pytest.raises(MalformedUpload) as caught:
        parse_part(0, headers, OFFSET)

    assert type(caught.value).__name__ == error
    assert caught.value.offset == OFFSET + place
    assert "\n" not in caught.value.detail
    assert caught.value.detail.isprintable()


COMPLAINTS = [
    (" folded", "begins with a blank"),
    ("no colon", "no colon"),
    ("A: \x00", "control character"),
    ("A B: c", "header name"),
    ("x" * 500, "no colon"),
]


@pytest.mark.parametrize(("line", "complaint"), COMPLAINTS)
def test_complaints_say_what_is_wrong(line: str, complaint: str) -> None:
    """The detail shows the line, shortened, and names the fault."""
    with pytest.raises(MalformedUpload, match=complaint) as caught:
        parse_header_lines(block(line), 0)

    assert len(caught.value.detail) < 200


def test_lines_keep_order_and_repeats() -> None:
    """Names in lower case, values without the blanks round them, nothing joined."""
    lines = parse_header_lines(block("B: 1", "a:2 ", "B:\t3\t", "C:", "D: x: y"), 0)

    assert lines == [("b", "1"), ("a", "2"), ("b", "3"), ("c", ""), ("d", "x: y")]


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "piece", [b" ", b"\t ", b"a ", b"A:", b"\x80", b":", b";", b'"', b'\\"', b"filename", b"filename ", b"*0"]
)
@pytest.mark.parametrize("end", [b"", b"\x01", b"x"])
def test_hostile_headers_take_linear_time(piece: bytes, end: bytes) -> None:
    """Far larger than the limit allows: if any of these took quadratic time, it would take many minutes."""
    run = piece * (100_000 // len(piece)) + end
    begun = b"Content-Disposition: form-data; name="
    for start in (b"X:", b"X", begun, begun + b'"a"; filename*'):
        try:
            parse_part(0, start + run + b"\r\n\r\n", 0)
        except MalformedUpload:
            continue


@budget(200)
@given(
    st.lists(st.sampled_from([
        b"Content-Disposition", b"form-data", b": ", b":", b"; ", b'name="', b"name=a", b'filename="', b"filename*=",
        b"utf-8''", b'"', b"\\", b"%22", b"%FF", b"\r", b"\n", b"\r\n", b" ", b"\xff", b"\xc3\xa9", b"\x00",
        b"Content-Type: x/y",
    ]), max_size=14),
    st.booleans(),
)  # fmt: skip
def test_whatever_is_sent(pieces: list[bytes], begun: bool) -> None:
    """A part, or a MalformedUpload within the block; nothing else ever comes out."""
    text = (b'Content-Disposition: form-data; name="a"' if begun else b"") + b"".join(pieces)
    text = text.split(b"\r\n\r\n")[0].removeprefix(b"\r\n")
    headers = text + b"\r\n\r\n" if text else b"\r\n"
    found: Part | MalformedUpload
    try:
        found = parse_part(0, headers, OFFSET)
    except MalformedUpload as error:
        found = error

    if isinstance(found, MalformedUpload):
        assert found.offset is not None
        assert OFFSET <= found.offset < OFFSET + len(headers)
        return
    assert found.headers == headers
    # Nobody may see a file where the gateway sees a field.
    if not found.is_file:
        assert not re.search(r"[;\"\s]filename\*?=", dict(parse_header_lines(headers, 0))["content-disposition"])
