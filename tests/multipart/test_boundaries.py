"""Boundaries: read from what clients send as Content-Type, and made for what the gateway sends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError, RequestRefused
from gateway.multipart.boundaries import BOUNDARY_MAX, FRESH_MIN, boundary_of, fresh_boundary, media_type
from tests.multipart.driving import budget

SEVENTY = "x" * 70

TAKEN = [
    pytest.param("multipart/form-data; boundary=0aD8b7", b"0aD8b7", id="plain"),
    pytest.param("multipart/form-data; boundary=------------------------afb04298b8101e63",
                 b"-" * 24 + b"afb04298b8101e63", id="curl"),
    pytest.param("multipart/form-data; boundary=----WebKitFormBoundaryNrliVbYCzxmVn52t",
                 b"----WebKitFormBoundaryNrliVbYCzxmVn52t", id="Chromium and Safari"),
    pytest.param("multipart/form-data; boundary=---------------------------9051914041544843365972754266",
                 b"-" * 27 + b"9051914041544843365972754266", id="Firefox"),
    pytest.param('multipart/form-data; boundary="Asrf456BGe4h"', b"Asrf456BGe4h", id="quoted"),
    pytest.param('multipart/form-data; boundary="a/b:c=d?e(f),g h"', b"a/b:c=d?e(f),g h", id="quoted as it must be"),
    pytest.param("multipart/form-data; boundary=a/b:c=d?e(f),g", b"a/b:c=d?e(f),g", id="unquoted, yet unambiguous"),
    pytest.param("multipart/form-data; boundary=----=_Part_1_2.3", b"----=_Part_1_2.3", id="Java"),
    pytest.param("multipart/form-data; boundary=a b", b"a b", id="an unquoted blank"),
    pytest.param("multipart/form-data; boundary='a'", b"'a'", id="single quotes are characters"),
    pytest.param("multipart/form-data;boundary=x", b"x", id="no blank"),
    pytest.param("multipart/form-data ; boundary=x", b"x", id="a blank before the semicolon"),
    pytest.param("multipart/form-data; boundary = x", b"x", id="blanks round the equals sign"),
    pytest.param('multipart/form-data; boundary\t=\t"x"', b"x", id="tabs round the equals sign"),
    pytest.param("Multipart/Form-Data; BOUNDARY=xYzZY", b"xYzZY", id="case of the type, not of the value"),
    pytest.param("multipart/form-data; boundary=x;", b"x", id="a semicolon at the end"),
    pytest.param("multipart/form-data;; ; boundary=x", b"x", id="empty parameters"),
    pytest.param("multipart/form-data; boundary=x; charset=utf-8", b"x", id="charset behind"),
    pytest.param("multipart/form-data; charset=utf-8; boundary=x", b"x", id="charset in front"),
    pytest.param('multipart/form-data; x="; boundary=a"; boundary=b', b"b", id="another one in a quoted value"),
    pytest.param("multipart/form-data; nonsense; boundary=x", b"x", id="a word in front"),
    pytest.param('multipart/form-data; boundary="x" junk', b"x", id="junk behind the quotes"),
    pytest.param(f"multipart/form-data; boundary={SEVENTY}", SEVENTY.encode(), id="70 characters"),
    pytest.param("  multipart/form-data; boundary=x  ", b"x", id="blanks at both ends"),
]  # fmt: skip

REFUSED = [
    pytest.param(None, "NotMultipart", id="no Content-Type"),
    pytest.param("", "NotMultipart", id="an empty one"),
    pytest.param("application/json", "NotMultipart", id="JSON"),
    pytest.param("multipart/mixed; boundary=x", "NotMultipart", id="another multipart"),
    pytest.param("multipart/form-datax; boundary=x", "NotMultipart", id="a longer type"),
    pytest.param("multipart/form-data, multipart/form-data; boundary=x", "NotMultipart", id="two headers joined"),
    pytest.param("boundary=x", "NotMultipart", id="a boundary alone"),
    pytest.param("multipart/form-data", "BoundaryMissing", id="set by hand"),
    pytest.param("multipart/form-data;", "BoundaryMissing", id="set by hand, semicolon"),
    pytest.param("multipart/form-data; boundary", "BoundaryMissing", id="the word only"),
    pytest.param("multipart/form-data; boundary=", "BoundaryMissing", id="empty"),
    pytest.param('multipart/form-data; boundary=""', "BoundaryMissing", id="empty quotes"),
    pytest.param("multipart/form-data boundary=x", "NotMultipart", id="no semicolon"),
    pytest.param("multipart/form-data; xboundary=x", "BoundaryMissing", id="another name"),
    pytest.param("multipart/form-data; boundary*=utf-8''x", "BoundaryMissing", id="RFC 2231"),
    pytest.param("multipart/form-data; boundary*0=x; boundary*1=y", "BoundaryMissing", id="RFC 2231 in pieces"),
    pytest.param("multipart/form-data; boundary=a; boundary=b", "BoundaryRepeated", id="two"),
    pytest.param("multipart/form-data; boundary=a; Boundary=a", "BoundaryRepeated", id="twice the same"),
    pytest.param("multipart/form-data; boundary=a, multipart/form-data; boundary=a", "BoundaryRepeated", id="joined"),
    pytest.param(f"multipart/form-data; boundary={SEVENTY}x", "BoundaryTooLong", id="71 characters"),
    pytest.param("multipart/form-data; boundary=" + "x" * 65536, "BoundaryTooLong", id="very long"),
    pytest.param('multipart/form-data; boundary="x "', "BoundaryInvalid", id="a blank at the end"),
    pytest.param('multipart/form-data; boundary=" "', "BoundaryInvalid", id="a blank alone"),
    pytest.param("multipart/form-data; boundary=ü", "BoundaryInvalid", id="not ASCII"),
    pytest.param("multipart/form-data; boundary=\udcfc", "BoundaryInvalid", id="not UTF-8"),
    pytest.param("multipart/form-data; boundary=a\tb", "BoundaryInvalid", id="a tab"),
    pytest.param("multipart/form-data; boundary=a\r\nX: y", "BoundaryInvalid", id="a line end"),
    pytest.param("multipart/form-data; boundary=x\n", "BoundaryInvalid", id="a line feed at the end"),
    pytest.param("multipart/form-data; boundary=a%b", "BoundaryInvalid", id="a character outside of the list"),
    pytest.param('multipart/form-data; boundary="a%22b"', "BoundaryInvalid", id="an encoded quote"),
    pytest.param(r'multipart/form-data; boundary="x\y"', "BoundaryInvalid", id="a backslash"),
    pytest.param('multipart/form-data; boundary="a"b"', "BoundaryInvalid", id="a quote"),
    pytest.param("multipart/form-data; boundary={boundary}", "BoundaryInvalid", id="a template never filled in"),
]


@pytest.mark.parametrize(("content_type", "boundary"), TAKEN)
def test_boundaries_that_are_taken(content_type: str, boundary: bytes) -> None:
    """What real clients write, and what is unambiguous although it is not quite right."""
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(("content_type", "error"), REFUSED)
def test_boundaries_that_are_refused(content_type: str | None, error: str) -> None:
    """Each mistake has a class of its own; the detail shows the header that was received."""
    with pytest.raises(RequestRefused) as caught:
        boundary_of(content_type)

    assert type(caught.value).__name__ == error
    assert caught.value.offset is None
    assert caught.value.hint


@budget(200)
@given(st.one_of(st.text(max_size=60), st.text('"\\;= \tboundry', max_size=60)))
def test_whatever_the_header(value: str) -> None:
    """A boundary or a refusal, nothing else; and a boundary keeps to the rules."""
    try:
        boundary = boundary_of(f"multipart/form-data; boundary={value}")
    except GatewayError:
        return

    assert 1 <= len(boundary) <= BOUNDARY_MAX
    assert not set(boundary) - set(b"'()+_,-./:=? 0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert not boundary.endswith(b" ")


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [(None, ""), ("", ""), ("Image/PNG", "image/png"), (" a/b\t; c=d", "a/b"), (";x=y", ""), ("a", "a")],
)
def test_media_types(content_type: str | None, kind: str) -> None:
    """The type alone, to compare with."""
    assert media_type(content_type) == kind


@pytest.mark.parametrize("length", [0, 1, FRESH_MIN, 38, BOUNDARY_MAX])
def test_fresh_boundaries(length: int) -> None:
    """As long as asked for, letters and digits only, and one character of each random byte."""
    random = bytes((value * 7 + 3) % 256 for value in range(length))
    boundary = fresh_boundary(length, random)

    assert len(boundary) == length
    assert not length or boundary.isalnum()
    for position in range(length):
        other = bytearray(random)
        other[position] ^= 1
        changed = fresh_boundary(length, bytes(other))
        assert [i for i in range(length) if changed[i] != boundary[i]] == [position]


def test_fresh_boundaries_use_the_whole_alphabet() -> None:
    """62 characters, each from four or five of the 256 values."""
    characters = [fresh_boundary(1, bytes([value])) for value in range(256)]

    assert len(set(characters)) == 62
    assert {characters.count(each) for each in characters} == {4, 5}


def test_too_little_randomness_is_refused() -> None:
    """A boundary that is shorter than asked for could be guessed, and would change the body's length."""
    with pytest.raises(ValueError, match="expected 16 random bytes, found 15"):
        fresh_boundary(16, bytes(15))


def test_fresh_boundaries_can_be_read_back() -> None:
    """What is made needs no quotes."""
    boundary = fresh_boundary(70, bytes(range(70)))

    assert boundary_of(f"multipart/form-data; boundary={boundary.decode()}") == boundary
