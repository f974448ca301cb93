"""Against two other readers: the same parts for every valid form, and a table of where we differ on purpose.

The table stands in docs/multipart.md too, with the reasons; a test keeps the two together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multipart import parse_options_header as multipart_options
from werkzeug.http import parse_options_header as werkzeug_options

from gateway import errors
from gateway.errors import GatewayError
from gateway.multipart.boundaries import boundary_of
from gateway.multipart.writer import part_headers
from tests.multipart.driving import budget
from tests.multipart.peers import Read, multipart, ours, werkzeug
from tests.multipart.recorded import CAPTURES, read_capture

# --- the same ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Written:
    """One part of a valid form, and how its header is written."""

    name: str
    filename: str | None
    content_type: str | None
    content: bytes
    quoting: str
    extra: tuple[str, ...]

    def headers(self) -> bytes:
        if self.quoting == "html":
            written = part_headers(self.name, self.filename, self.content_type)
        else:
            written = b'Content-Disposition: form-data; name="%s"' % escaped(self.name)
            if self.filename is not None:
                written += b'; filename="%s"' % escaped(self.filename)
            if self.content_type:
                written = f"Content-Type: {self.content_type}\r\n".encode() + written
            written += b"\r\n\r\n"
        return b"".join(line.encode() + b"\r\n" for line in self.extra) + written


def escaped(value: str) -> bytes:
    """As Go, Ruby and old curl do."""
    return value.replace("\\", "\\\\").replace('"', '\\"').encode()


@st.composite
def written_parts(draw: st.DrawFn) -> Written:
    """Parts on which nobody differs on purpose: the names have no backslash, no percent sign, no control character."""
    quoting = draw(st.sampled_from(["html", "go"]))
    characters = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\\%")
    names = st.one_of(st.text(characters, max_size=12), st.text('ab";, é日', max_size=8))
    return Written(
        name=draw(names),
        filename=draw(st.none() | st.just("") | names),
        content_type=draw(st.sampled_from([None, "text/plain; charset=utf-8", "image/png"])),
        content=draw(st.one_of(st.just(b""), st.binary(max_size=80), st.lists(scraps, max_size=9).map(b"".join))),
        quoting=quoting,
        extra=tuple(
            draw(st.lists(st.sampled_from(["X-Extra: 1", "Content-ID: <a>", "x-extra:", "A-b: ü"]), max_size=2))
        ),
    )


scraps = st.sampled_from([b"\r", b"\n", b"\r\n", b"--", b"-", b"\r\n--", b"boundar", b"\0", b"x"])


@budget(150)
@given(
    # Up to 50 of them, of which up to 5 are different: drawing is what takes the time.
    parts=st.builds(list.__mul__, st.lists(written_parts(), max_size=5), st.sampled_from([1, 1, 1, 10])),
    boundary=st.sampled_from([b"b", b"boundary", b"----WebKitFormBoundaryx", b"'()+_,-./:=?", b"y" * 70]),
    cuts=st.lists(st.integers(0, 3000), max_size=6),
)
def test_the_same_parts_for_every_valid_form(parts: list[Written], boundary: bytes, cuts: list[int]) -> None:
    """Names, filenames, types and contents, in order, repeats and empty ones included."""
    # Near delimiters are in the table below: each reader has its own idea of them.
    parts = [part for part in parts if b"--" + boundary not in part.content + b"\r\n--"]
    body = b"".join(b"--" + boundary + b"\r\n" + part.headers() + part.content + b"\r\n" for part in parts)
    body += b"--" + boundary + b"--\r\n"
    cuts = sorted(min(cut, len(body)) for cut in cuts)

    expected = [(part.name, part.filename, part.content_type, part.content) for part in parts]
    assert ours(body, boundary, cuts) == expected
    assert werkzeug(body, boundary) == expected  # whole: see the test of its bug
    assert multipart(body, boundary, (cut for cut in cuts if cut < len(body) - 2)) == expected


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_the_same_parts_for_recorded_forms(path: Path) -> None:
    """What real clients send, all three read alike, but for the backslash that httpx and browsers write."""
    recorded = read_capture(path)
    boundary = boundary_of(recorded.headers["content-type"])
    parts = ours(recorded.body, boundary)

    def without_backslashes(found: list[Read] | str | None) -> list[Read]:
        assert isinstance(found, list)
        return [(name, filename and filename.replace("\\", ""), kind, data) for name, filename, kind, data in found]

    compare = without_backslashes if recorded.payload == "names" else lambda found: found
    assert compare(werkzeug(recorded.body, boundary)) == compare(parts)
    assert compare(multipart(recorded.body, boundary)) == compare(parts)


# --- Werkzeug's stray CR ----------------------------------------------------------------------


@pytest.mark.parametrize("over", [2, 3, 4])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_bodies_round_a_multiple_of_64_kib(count: int, over: int) -> None:
    """pallets/werkzeug issue 3285: read in runs of 64 KiB, a body of k*65536+3 bytes gains a CR there; not here."""
    start = b'--bound\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    end = b"\r\n--bound--\r\n"
    content = bytes(range(256)) * 1024
    content = content[: count * 65536 + over - len(start + end)]
    body = start + content + end
    cuts = range(65536, len(body), 65536)
    expected = [("f", "f", None, content)]

    assert len(body) == count * 65536 + over
    assert ours(body, b"bound", cuts) == expected
    if over != 3:
        assert werkzeug(body, b"bound", cuts) == expected


def test_the_cut_that_makes_the_stray_cr() -> None:
    """It is the cut between the two dashes of the closing delimiter; every single cut is right here."""
    body = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nx\r\n--b--\r\n'
    expected = [("f", "f", None, b"x")]

    for cut in range(1, len(body)):
        assert ours(body, b"b", (cut,)) == expected
        if cut != len(body) - 3:
            assert werkzeug(body, b"b", (cut,)) == expected


# --- different on purpose ---------------------------------------------------------------------


def form(*parts: bytes | str, content: bytes = b"x", end: bytes = b"--b--\r\n") -> bytes:
    """A form of parts with these headers."""
    body = b""
    for part in parts:
        body += b"--b\r\n" + (part.encode() if isinstance(part, str) else part) + b"\r\n\r\n" + content + b"\r\n"
    return body + end


def head(rest: str) -> str:
    return "Content-Disposition: form-data; " + rest


FILE = head('name="f"; filename="n"')
READ = [("f", "n", None, b"x")]
LF_DELIMITER = b'1\n--b\r\nContent-Disposition: form-data; name="g"\r\n\r\n2'
REFUSED = None

# Title (the first column of the table in docs/multipart.md), body, and what each of the three makes of it.
DIFFERENCES = [
    ("A delimiter followed by junk", form(FILE, content=b"1\r\n--bX\r\n2"),
     [("f", "n", None, b"1\r\n--bX\r\n2")], [("f", "n", None, b"1\r\n--bX\r\n2")], REFUSED),
    ("A delimiter followed by a form feed", form(FILE, content=b"1\r\n--b\f\r\n2"),
     [("f", "n", None, b"1\r\n--b\f\r\n2")], REFUSED, REFUSED),
    ("A closing delimiter followed by junk", form(FILE, end=b"--b--x\r\n"), "ClosingDelimiterMissing", READ, READ),
    ("A closing delimiter followed by LF or CR alone", form(FILE, end=b"--b--\n"), "ClosingDelimiterMissing",
     READ, READ),
    ("Blanks behind a delimiter", form(FILE).replace(b"--b\r\n", b"--b \t\r\n"), READ, READ, REFUSED),
    ("Bare LF framing", form(FILE).replace(b"\r\n", b"\n"), "BoundaryNotFound", READ, REFUSED),
    ("Bare LF before a delimiter", form(FILE, content=LF_DELIMITER),
     [("f", "n", None, LF_DELIMITER)], [("f", "n", None, b"1"), ("g", None, None, b"2")],
     [("f", "n", None, LF_DELIMITER)]),
    ("Bytes glued to the first delimiter", b"\xef\xbb\xbf" + form(FILE), "BoundaryNotFound", READ, REFUSED),
    ("A damaged first delimiter", b"--bX\r\n" + form(FILE), "BoundaryNotFound", READ, REFUSED),
    ("More preamble than the limit", b"x" * 65537 + b"\r\n" + form(FILE), "BoundaryNotFound", READ, READ),
    ("More epilogue than the limit", form(FILE) + b"x" * 65537, "EpilogueTooLarge", READ, READ),
    ("An empty content without a CR LF of its own", b"--b\r\n" + head("name=f").encode() + b"\r\n\r\n--b--\r\n",
     [("f", None, None, b"")], [("f", None, None, b"")], REFUSED),
    ("A folded header line", form(head('name="f";\r\n filename="n"')), "PartHeaderInvalid", READ, REFUSED),
    ("A header line without a colon", form(FILE + "\r\nhello"), "PartHeaderInvalid", READ, REFUSED),
    ("A blank before the colon", form(FILE.replace(":", " :")), "PartHeaderInvalid", READ, READ),
    ("A control character in a header", form(FILE + "\r\nX-A: \x01"), "PartHeaderInvalid", READ, READ),
    ("A header name with other characters than letters and digits", form(FILE + "\r\nX.A: 1"), READ, READ, REFUSED),
    ("An empty line before the headers", form("\r\n" + FILE), "DispositionMissing", READ, REFUSED),
    ("Content-Disposition that is not form-data", form(FILE.replace("form-data", "file")), "DispositionInvalid",
     READ, REFUSED),
    ("Two Content-Disposition lines", form(FILE + "\r\n" + head("name=g")), "DispositionInvalid",
     READ, [("g", None, None, b"x")]),
    ("No name", form(head("filename=n")), "PartNameMissing", [(None, "n", None, b"x")], REFUSED),
    ("Two names or two filenames", form(head("name=a; name=f; filename=b; filename=n")), "DispositionInvalid",
     READ, READ),
    ("`name*`", form(head("name=f; name*=utf-8''g; filename=n")), "DispositionInvalid", [("g", "n", None, b"x")], READ),
    ("RFC 2231 continuations", form(head("name=f; filename*0=n; filename*1=o")), "DispositionInvalid",
     [("f", "no", None, b"x")], [("f", None, None, b"x")]),
    ("A field that mentions `filename=`", form(head('name="a; filename=b"')), "DispositionInvalid",
     [("a; filename=b", None, None, b"x")], [("a; filename=b", None, None, b"x")]),
    ("`filename*` alone", form(head("name=f; filename*=utf-8''%C3%BC")),
     [("f", "ü", None, b"x")], [("f", "ü", None, b"x")], [("f", None, None, b"x")]),
    ("`filename*` before `filename`", form(head("name=f; filename*=utf-8''%C3%BC; filename=n")),
     [("f", "ü", None, b"x")], READ, READ),
    ("`filename*` behind `filename`", form(head("name=f; filename=n; filename*=utf-8''%C3%BC")),
     [("f", "ü", None, b"x")], [("f", "ü", None, b"x")], READ),
    ("A `filename*` that cannot be decoded", form(head("name=f; filename*=utf-8''%FF")),
     [("f", "utf-8''%FF", None, b"x")], [("f", "\ufffd", None, b"x")], [("f", None, None, b"x")]),
    ("A `filename*` with line ends", form(head("name=f; filename*=utf-8''a%0D%0A")),
     [("f", "utf-8''a%0D%0A", None, b"x")], [("f", "a\r\n", None, b"x")], [("f", None, None, b"x")]),
    ("`%0D` and `%0A` in a name", form(head('name="a%0D%0A"')),
     [("a%0D%0A", None, None, b"x")], [("a%0D%0A", None, None, b"x")], [("a\r\n", None, None, b"x")]),
    ('A backslash at the end, `filename="odd\\"`', form(head('name="f"; filename="odd\\"')),
     [("f", "odd\\", None, b"x")], [("f", None, None, b"x")], [("f", "odd\\", None, b"x")]),
    ("A backslash at the end of a name, before a filename", form(head('name="odd\\"; filename="n"')),
     [("odd\\", "n", None, b"x")], [('odd"; filename=', None, None, b"x")], [("odd\\", "n", None, b"x")]),
    ("Two backslashes", form(head(r'name="f"; filename="a\\b"')),
     [("f", r"a\b", None, b"x")], [("f", r"a\b", None, b"x")], [("f", r"a\\b", None, b"x")]),
    ("A Windows path", form(head(r'name="f"; filename="C:\dir\x"')),
     [("f", r"C:\dir\x", None, b"x")], [("f", "C:dirx", None, b"x")], [("f", "x", None, b"x")]),
    ("A bare quote inside of a value", form(head('name="f"; filename="a"b"')),
     [("f", 'a"b', None, b"x")], [("f", "a", None, b"x")], [("f", "a", None, b"x")]),
    ("A quote that is never closed", form(head('name="f')),
     [("f", None, None, b"x")], [(None, None, None, b"x")], REFUSED),
    ("Blanks round `=`", form(head('name = "f"; filename = "n"')), READ, [(None, None, None, b"x")], READ),
    ("An unquoted value with blanks or non-ASCII characters", form(head("name=f; filename=n ü")),
     [("f", "n ü", None, b"x")], READ, READ),
    ("Bytes that are not UTF-8", form(b'Content-Disposition: form-data; name="f"; filename="\xfc"'),
     [("f", "\udcfc", None, b"x")], REFUSED, REFUSED),
    ("Two Content-Type lines in a part", form(FILE + "\r\nContent-Type: a/b\r\nContent-Type: c/d"),
     [("f", "n", "a/b", b"x")], [("f", "n", "a/b", b"x")], [("f", "n", "c/d", b"x")]),
    ("A Content-Length in a part", form(FILE + "\r\nContent-Length: 7"), READ, READ, REFUSED),
]  # fmt: skip

BOUNDARY_DIFFERENCES = [
    ("Unquoted, with characters that need quotes", "a/b:c", b"a/b:c", "a", "a"),
    ("Unquoted, with a blank", "a b", b"a b", "a", "a"),
    ("Blanks round the `=` of the boundary", None, b"x", None, "x"),
    ("Two boundaries", "a; boundary=b", "BoundaryRepeated", "b", "b"),
    ("More than 70 characters", "x" * 71, "BoundaryTooLong", "x" * 71, "x" * 71),
    ("Characters that a boundary cannot have", '"a%b"', "BoundaryInvalid", "a%b", "a%b"),
    ("A blank at the end", '"a "', "BoundaryInvalid", "a ", "a "),
]


@pytest.mark.parametrize(
    ("body", "gateway", "of_werkzeug", "of_multipart"),
    [pytest.param(*rest, id=title) for title, *rest in DIFFERENCES],
)
def test_differences(
    body: bytes, gateway: list[Read] | str, of_werkzeug: list[Read] | None, of_multipart: list[Read] | None
) -> None:
    """Each row still says what happens in all three. If a peer has changed, the table must, here and in the docs."""
    assert ours(body, b"b") == gateway
    assert werkzeug(body, b"b") == of_werkzeug
    assert multipart(body, b"b") == of_multipart
    assert (of_werkzeug, of_multipart) != (gateway, gateway)


@pytest.mark.parametrize(
    ("written", "gateway", "of_werkzeug", "of_multipart"),
    [pytest.param(*rest, id=title) for title, *rest in BOUNDARY_DIFFERENCES],
)
def test_boundary_differences(
    written: str | None, gateway: bytes | str, of_werkzeug: str | None, of_multipart: str | None
) -> None:
    """The same for the request's Content-Type."""
    header = "multipart/form-data; boundary = x" if written is None else f"multipart/form-data; boundary={written}"
    try:
        found: bytes | str = boundary_of(header)
    except GatewayError as error:
        found = type(error).__name__

    assert found == gateway
    assert werkzeug_options(header)[1].get("boundary") == of_werkzeug
    assert multipart_options(header)[1].get("boundary") == of_multipart


def test_the_differences_are_documented() -> None:
    """docs/multipart.md has a row for each, with a reason, and no other."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "multipart.md").read_text("utf-8")
    rows = [re.split(r" \| ", line.strip("| ")) for line in text.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if len(row) == 5 and row[0] != "case"]

    assert [row[0] for row in rows] == [row[0] for row in (*DIFFERENCES, *BOUNDARY_DIFFERENCES)]
    for row, (_, _, gateway, *others) in zip(rows, (*DIFFERENCES, *BOUNDARY_DIFFERENCES), strict=True):
        assert row[1].startswith("refused") == isinstance(gateway, str), row
        if isinstance(gateway, str):
            assert f"`{getattr(errors, gateway).code}`" in row[1]
        assert [cell.startswith("refused") for cell in row[2:4]] == [other is None for other in others], row
        assert row[4]
