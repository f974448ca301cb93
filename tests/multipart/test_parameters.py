"""Header parameters, as each client quotes them, and as nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.multipart.parameters import decode_extended, parse_parameters
from tests.multipart.driving import budget

# What stands behind `form-data`, and what it means.
CLIENTS = [
    pytest.param('; name="a"; filename="b.txt"', {"name": "a", "filename": "b.txt"}, id="everybody"),
    pytest.param('; name="Über Straße"; filename="日報.txt"', {"name": "Über Straße", "filename": "日報.txt"}, id="é"),
    pytest.param(r'; name="a%22b\c;d"', {"name": r'a"b\c;d'}, id="browsers, curl, urllib3, undici"),
    pytest.param(r'; name="u"; filename="a\"b\\c;d.txt"', {"name": "u", "filename": r'a"b\c;d.txt'}, id="Go, Ruby"),
    pytest.param(r'; name="u"; filename="a%22b\\c;d.txt"', {"name": "u", "filename": r'a"b\c;d.txt'}, id="httpx"),
    pytest.param('; name="u"; filename="a%22b%5Cc%3Bd.txt"', {"name": "u", "filename": 'a"b%5Cc%3Bd.txt'}, id="aio"),
    pytest.param('; name="u"; filename="%E6%97%A5.txt"', {"name": "u", "filename": "%E6%97%A5.txt"}, id="aiohttp, CJK"),
    pytest.param('; filename="b.txt"; name="a"', {"filename": "b.txt", "name": "a"}, id="the other order"),
    pytest.param(';name="a";filename="b.txt"', {"name": "a", "filename": "b.txt"}, id="no blanks"),
    pytest.param("; name=a; filename=b.txt", {"name": "a", "filename": "b.txt"}, id="no quotes: Perl, small devices"),
    pytest.param("; name=a; filename=b c.txt", {"name": "a", "filename": "b c.txt"}, id="no quotes, and a blank"),
    pytest.param('; name = "a" ; filename\t=\t"b"', {"name": "a", "filename": "b"}, id="blanks"),
    pytest.param('; Name="a"; FILENAME="b"', {"name": "a", "filename": "b"}, id="case"),
    pytest.param("; name=\"a\"; filename*=utf-8''b%20c", {"name": "a", "filename*": "utf-8''b%20c"}, id="urllib3 1"),
    pytest.param(r'; name="f"; filename="C:\dir\new.txt"', {"name": "f", "filename": r"C:\dir\new.txt"}, id="a path"),
    pytest.param(r'; name="odd\"', {"name": "odd\\"}, id="a backslash at the end"),
    pytest.param(r'; name="odd\"; filename="x"', {"name": "odd\\", "filename": "x"}, id="one before a filename"),
    pytest.param(r'; name="odd\" ;; filename="x\"', {"name": "odd\\", "filename": "x\\"}, id="two of them"),
    pytest.param(r'; name="odd\\"; filename="x"', {"name": "odd\\", "filename": "x"}, id="the same from Go"),
    pytest.param(r'; name="\"; filename=\"x"', {"name": '"; filename="x'}, id="Go: a name that looks like a filename"),
    pytest.param(r'; name="a\"; ok"', {"name": 'a"; ok'}, id="Go: a name with a semicolon"),
    pytest.param(r'; name="\"\""', {"name": '""'}, id="Go: quotes only"),
    pytest.param('; name="a%0D%0Ab"', {"name": "a%0D%0Ab"}, id="line ends stay encoded"),
    pytest.param('; name="100%"', {"name": "100%"}, id="a percent sign"),
    pytest.param('; name="%2522"', {"name": "%2522"}, id="not decoded twice"),
]

ODD = [
    pytest.param("", [], id="nothing"),
    pytest.param(";", [], id="a semicolon"),
    pytest.param(";;; ; ;", [], id="semicolons"),
    pytest.param(' name="a"', [], id="no semicolon"),
    pytest.param('; name="a"; x; filename="b"', [("name", "a"), ("filename", "b")], id="a word between"),
    pytest.param('; name="a" x; filename="b"', [("name", "a"), ("filename", "b")], id="a word behind the quotes"),
    pytest.param('; name="a";; filename="b";', [("name", "a"), ("filename", "b")], id="empty parameters"),
    pytest.param('; filename="a"b.txt"', [("filename", 'a"b.txt')], id="a bare quote inside"),
    pytest.param('; filename="a"b"; name="c"', [("filename", 'a"b'), ("name", "c")], id="one, and more behind"),
    pytest.param('; filename="a";b.txt"', [("filename", "a")], id="a bare quote that ends the value"),
    pytest.param('; name=""', [("name", "")], id="empty"),
    pytest.param("; name=", [("name", "")], id="empty, no quotes"),
    pytest.param("; name=; filename=", [("name", ""), ("filename", "")], id="both"),
    pytest.param('; name="', [("name", "")], id="a quote alone"),
    pytest.param('; name="abc', [("name", "abc")], id="never closed"),
    pytest.param('; name="""', [("name", '"')], id="three quotes"),
    pytest.param("; name='a b'", [("name", "'a b'")], id="single quotes are characters"),
    pytest.param('; name=a"b"', [("name", 'a"b"')], id="quotes inside an unquoted value"),
    pytest.param("; ="'"x"', [], id="no name"),
    pytest.param('; "name"="x"', [], id="a quoted name"),
    pytest.param("; name=a; name=b; NAME=c", [("name", "a"), ("name", "b"), ("name", "c")], id="repeats"),
    pytest.param("; a=b=c", [("a", "b=c")], id="two equals signs"),
    pytest.param('; name="x\udcff"', [("name", "x\udcff")], id="bytes that are not UTF-8"),
    pytest.param("\x00;\x00name=\x00", [], id="control characters"),
]  # fmt: skip


@pytest.mark.parametrize(("rest", "meaning"), CLIENTS)
def test_what_clients_write(rest: str, meaning: dict[str, str]) -> None:
    """The quoting of each client is understood."""
    assert parse_parameters("form-data" + rest) == list(meaning.items())


@pytest.mark.parametrize(("rest", "parameters"), ODD)
def test_what_nobody_should_write(rest: str, parameters: list[tuple[str, str]]) -> None:
    """Nothing is an error here; who needs a parameter complains if it is not there."""
    found = parse_parameters("form-data" + rest)

    if rest.startswith("\x00"):
        assert [name for name, _ in found] == ["\x00name"]
    else:
        assert found == parameters


def quoted_as_browsers_do(value: str) -> str:
    return '"' + value.replace("\n", "%0A").replace("\r", "%0D").replace('"', "%22") + '"'


def quoted_as_go_does(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@budget(200)
@given(st.text('ab"\\;= %é', max_size=8), st.text('ab"\\;= %é', max_size=8))
def test_go_quoting_comes_back(name: str, filename: str) -> None:
    """RFC 9110 quoting is reversible, up to names that look like the other quoting and a parameter in it."""
    written = f"form-data; name={quoted_as_go_does(name)}; filename={quoted_as_go_does(filename)}"
    # `"; x=` at the end of a value: the one text that reads as a backslash at the end before a parameter.
    ambiguous = any(part.endswith("=") and '"' in part and ";" in part for part in (name, filename))

    if "%22" not in name + filename and not ambiguous:
        assert parse_parameters(written) == [("name", name), ("filename", filename)]


@budget(200)
@given(st.text('ab"\\;= é', max_size=8), st.text('ab"\\;= é', max_size=8))
def test_browser_quoting_comes_back(name: str, filename: str) -> None:
    """The quoting of the HTML standard is reversible, but for two backslashes in a row."""
    written = f"form-data; name={quoted_as_browsers_do(name)}; filename={quoted_as_browsers_do(filename)}"

    if "\\\\" not in name + filename:
        assert parse_parameters(written) == [("name", name), ("filename", filename)]


@budget(300)
@given(st.one_of(st.text(max_size=200), st.text('";\\= \tna*%2\udcff', max_size=200)))
def test_whatever_is_sent(value: str) -> None:
    """It never raises, names are in lower case and without what separates, nothing is invented."""
    for name, text in parse_parameters(value):
        assert name
        assert name == name.lower()
        assert not set(name) & set('=;" \t')
        assert len(text) <= len(value)


HOSTILE = [
    ";", "; ", ' "', '"', '\\"', '";', '"; ', '\\";', "\\\\", 'a="b\\"; ', 'a="', "a=;", 'a="b" ', ";a", "; a ",
    ' ;a="\\"',
]  # fmt: skip


@pytest.mark.timeout(30)
@pytest.mark.parametrize("start", ["f;", 'f; a="', 'f; a="\\"', 'f; a="b"'])
@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_headers_take_linear_time(start: str, piece: str) -> None:
    """Far larger than any header can be: if any of these took quadratic time, it would take many minutes."""
    for end in ("", "x", '"', "\\"):
        for value in (start + piece * (100_000 // len(piece)) + end, start + piece + " " * 100_000 + end):
            parse_parameters(value)


EXTENDED = [
    ("utf-8''na%C3%AFve.txt", "naïve.txt"),
    ("UTF-8'en'%e2%82%ac%20rates", "€ rates"),
    ("iso-8859-1''%A3", "£"),
    ("us-ascii''abc", "abc"),
    ("utf-8''", ""),
    ("utf-8''a'b", "a'b"),
    ("utf-8''%22quoted%22", '"quoted"'),
    ("utf-8''%zz%", "%zz%"),
    ("utf-8''raw ü", "raw ü"),
    ("utf-8''%FF", None),
    ("us-ascii''%80", None),
    ("utf-8''\udcff", None),
    ("iso-8859-1''\udcfc", "ü"),
    ("utf-7''+ACI-", None),
    ("''abc", None),
    ("utf-8'abc", None),
    ("abc", None),
    ("", None),
    ("utf-8''a%0D%0AX-Injected%3A%201", None),
    ("utf-8''a%00.txt", None),
    ("utf-8''a%7F", None),
]


@pytest.mark.parametrize(("value", "text"), EXTENDED)
def test_extended_values(value: str, text: str | None) -> None:
    """RFC 5987, with the charsets that it names; control characters have no place in a name."""
    assert decode_extended(value) == text


@budget(100)
@given(st.text(max_size=60), st.sampled_from(["", "utf-8''", "iso-8859-1''", "us-ascii'x'"]))
def test_extended_values_never_raise(value: str, start: str) -> None:
    """Text or None, whatever is sent."""
    text = decode_extended(start + value)

    assert text is None or not any(ord(character) < 32 for character in text)
