"""Base64 and data URIs: decoded strictly, and the same however the text is cut."""

from __future__ import annotations

import base64
import itertools
import random
import urllib.request
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Base64Invalid, DataURIInvalid
from gateway.multipart.data_uris import (
    HEAD_MAX,
    Base64Decoder,
    DataURI,
    PercentDecoder,
    may_become_data_uri,
    read_data_uri,
)
from tests.multipart.driving import budget
from tests.multipart.json_driving import random_cuts

Decoder = Base64Decoder | PercentDecoder


def decode(decoder: Decoder, text: bytes, cuts: list[int] | range = range(0)) -> bytes:
    """Feeds the text in pieces; offsets in errors are those in the text."""
    edges = [0, *cuts, len(text)]
    decoded = b""
    for start, stop in itertools.pairwise(edges):
        decoded += decoder.feed(text[start:stop], lambda index, start=start: start + index)
    return decoded + decoder.finish(len(text))


# --- base64 ------------------------------------------------------------------------------------


@budget(200)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\n", b"\r\n"]), st.randoms(use_true_random=False))
def test_base64_is_what_was_encoded(content: bytes, line_end: bytes, choices: random.Random) -> None:
    """With any cuts; with line ends of either kind, anywhere."""
    encoded = base64.b64encode(content)
    width = choices.randint(1, 80)
    text = line_end.join(encoded[start : start + width] for start in range(0, len(encoded), width)) + line_end

    for cuts in (range(0), range(1, len(text)), random_cuts(text, choices)):
        assert decode(Base64Decoder(), text, cuts) == content


@budget(300)
@given(st.text("ABab/+09=-_ \n*ä", max_size=12), st.randoms(use_true_random=False))
def test_other_text_is_refused(text: str, choices: random.Random) -> None:
    """The same fault for every cut; what is taken is what the standard library takes when it is strict."""
    encoded = text.encode()
    results = []
    for cuts in (range(0), range(1, len(encoded)), random_cuts(encoded, choices)):
        try:
            results.append(decode(Base64Decoder(), encoded, cuts))
        except Base64Invalid as error:
            results.append((error.offset, error.detail))
    assert results == results[:1] * 3

    try:
        strict: bytes | None = base64.b64decode(encoded.replace(b"\n", b""), validate=True)
    except ValueError:
        strict = None
    # That one overlooks more padding than there can be.
    if isinstance(results[0], bytes):
        assert results[0] == strict
    else:
        assert strict is None or b"===" in encoded.replace(b"\n", b"")


# --- percent-encoding --------------------------------------------------------------------------


@budget(200)
@given(st.lists(st.sampled_from([b"%", b"%4", b"%41", b"%ff", b"%G", b"a", b"+", b" ", b"\xc3\xa4"])).map(b"".join))
def test_percent_encoding_is_read_as_browsers_read_it(text: bytes) -> None:
    """What begins no escape stands for itself; a plus is a plus."""
    for cuts in (range(0), range(1, len(text)), range(1, len(text), 2)):
        assert decode(PercentDecoder(), text, cuts) == unquote_to_bytes(text)


def test_a_fragment_is_refused() -> None:
    """Some readers cut there, some do not."""
    for cuts in (range(0), range(1, 9)):
        with pytest.raises(DataURIInvalid) as raised:
            decode(PercentDecoder(), b"a%20b%2#c", cuts)
        assert raised.value.offset == 7


# --- heads -------------------------------------------------------------------------------------

HEADS = [
    # text, content type, filename, base64, bytes up to the content
    ("data:,x", None, None, False, 6),
    ("data:;base64,x", None, None, True, 13),
    ("data:image/png;base64,x", "image/png", None, True, 22),
    ("DATA:image/PNG;BASE64,x", "image/PNG", None, True, 22),
    ("data:text/plain;charset=utf-8,x", "text/plain;charset=utf-8", None, False, 30),
    ("data:text/plain;charset=utf-8;base64,x", "text/plain;charset=utf-8", None, True, 37),
    # RFC 2397: parameters without a type are those of text
    ("data:;charset=utf-8,x", "text/plain;charset=utf-8", None, False, 20),
    ("data:image/svg+xml,x", "image/svg+xml", None, False, 19),
    ("data:image/png; base64,x", "image/png", None, True, 23),
    ("data:image/png ;base64,x", "image/png", None, True, 23),
    # a name, as form libraries write it; it is no part of the type
    ("data:image/png;name=a%20b.png;base64,x", "image/png", "a b.png", True, 37),
    ("data:image/png;filename=%C3%BC.png;base64,x", "image/png", "ü.png", True, 42),
    ('data:image/png;name="a.png";base64,x', "image/png", "a.png", True, 35),
    ("data:image/png;name=;base64,x", "image/png", None, True, 28),
    # it can mean nothing else
    ("data:image/png;base64;name=a.png,x", "image/png", "a.png", True, 33),
    ("data:image/png;,x", "image/png", None, False, 16),
]


@pytest.mark.parametrize(("text", "content_type", "filename", "is_base64", "length"), HEADS)
def test_a_head_says_what_the_content_is(
    text: str, content_type: str | None, filename: str | None, is_base64: bool, length: int
) -> None:
    """And until its comma is there it may become one."""
    expected = DataURI(content_type=content_type, filename=filename, is_base64=is_base64, length=length)

    assert read_data_uri(text.encode()) == expected
    for cut in range(length):
        assert read_data_uri(text.encode()[:cut]) is None
        assert cut == length or may_become_data_uri(text.encode()[:cut])


@pytest.mark.parametrize(
    "text",
    [
        "database, or not",
        "data: x, y",
        "data:x, y",
        "data:a/b c, y",
        "data:image/,x",
        "data:/png,x",
        "data:image/png/x,x",
        "data:;a\n,x",
        " data:,x",
        "metadata:,x",
    ],
)
def test_other_texts_are_no_data_uris(text: str) -> None:
    """A field may well begin with the word."""
    assert read_data_uri(text.encode()) is None
    assert not may_become_data_uri(text.encode())


def test_a_head_has_a_limit() -> None:
    """A text is held until it is known what it is."""
    longest = b"data:text/plain;a=".ljust(HEAD_MAX - 1, b"x")

    assert read_data_uri(longest + b",") is not None
    assert may_become_data_uri(longest)
    assert read_data_uri(longest + b"x,") is None
    assert not may_become_data_uri(longest + b"x")


@pytest.mark.parametrize("text", ["data:,a%20b", "data:text/plain;charset=utf-8,%C3%A4", "data:image/png;base64,YWJj"])
def test_the_content_is_that_of_another_reader(text: str) -> None:
    """The standard library's, where it reads the same."""
    uri = read_data_uri(text.encode())
    assert uri is not None
    decoder: Decoder = Base64Decoder() if uri.is_base64 else PercentDecoder()

    with urllib.request.urlopen(text) as other:
        assert decode(decoder, text.encode()[uri.length :]) == other.read()
