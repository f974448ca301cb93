"""What the gateway writes: byte for byte what MultipartEncoder writes, and readable again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests_toolbelt import MultipartEncoder

from gateway.multipart.boundaries import boundary_of, fresh_boundary
from gateway.multipart.part_headers import parse_part
from gateway.multipart.writer import closing_delimiter, content_type_of_form, opening_delimiter, part_headers
from tests.multipart.driving import budget, parts_of, scan

BOUNDARY = "0123456789abcdefXYZ"

Written = tuple[str, str | None, str | None, bytes]
"""Name, filename, type, content."""


def compose(boundary: bytes, parts: list[Written]) -> bytes:
    """A whole form out of the writer's pieces."""
    body = b""
    for number, (name, filename, content_type, content) in enumerate(parts):
        # Each further delimiter is the opening one behind a CR LF.
        body += (b"\r\n" if number else b"") + opening_delimiter(boundary)
        body += part_headers(name, filename, content_type) + content
    return body + closing_delimiter(boundary)


def encoded(parts: list[Written]) -> MultipartEncoder:
    fields = [(name, (filename, content, content_type)) for name, filename, content_type, content in parts]
    return MultipartEncoder(fields, boundary=BOUNDARY)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.text('a"\\%2;=\r\n é', max_size=8)
types = st.sampled_from([None, "", "text/plain", "application/json", 'text/plain; charset="utf-8"', "x/ü"])
forms = st.lists(st.tuples(texts, st.none() | texts, types, st.binary(max_size=40)), min_size=1, max_size=8)


@budget(200)
@given(forms)
def test_equal_to_multipart_encoder(parts: list[Written]) -> None:
    """For every form: fields, files, empty filenames, types, quotes, line ends, any text."""
    encoder = encoded(parts)

    assert content_type_of_form(BOUNDARY.encode()) == encoder.content_type
    assert compose(BOUNDARY.encode(), parts) == encoder.to_string()


@pytest.mark.parametrize("value", ["text", b"bytes", "", "ü"])
def test_equal_for_plain_fields(value: str | bytes) -> None:
    """A field given as text or bytes has no filename and no type."""
    content = value.encode() if isinstance(value, str) else value

    encoder = MultipartEncoder([("a", value)], boundary=BOUNDARY)

    assert compose(BOUNDARY.encode(), [("a", None, None, content)]) == encoder.to_string()


def reversible(text: str) -> bool:
    """Whether the quoting of the HTML standard loses nothing of it, and part headers may hold it."""
    return not any(ord(character) < 32 or ord(character) == 127 for character in text) and not (
        "%22" in text or "\\\\" in text
    )


@budget(200)
@given(st.lists(st.tuples(texts, st.none() | texts, types, st.binary(max_size=40)), max_size=8))
def test_read_back(parts: list[Written]) -> None:
    """What is written is read as what it was, where the quoting can be undone."""
    parts = [part for part in parts if reversible(part[0] + "|" + (part[1] or "")) and BOUNDARY.encode() not in part[3]]
    body = compose(BOUNDARY.encode(), parts) if parts else b"--" + BOUNDARY.encode() + b"--\r\n"

    found = parts_of(body, scan(body, BOUNDARY.encode(), range(1, len(body), 7)))

    assert [(part.name, part.filename, part.content_type, content) for part, content in found] == [
        (name, filename, content_type or None, content) for name, filename, content_type, content in parts
    ]


def test_names_that_are_not_utf8_keep_their_bytes() -> None:
    """Surrogates, which stand for such bytes, become these bytes again."""
    headers = part_headers("\udcfc", "\udcff", "x/\udce9")
    part = parse_part(0, headers, 0)

    assert b'name="\xfc"; filename="\xff"\r\nContent-Type: x/\xe9\r\n' in headers
    assert (part.name, part.filename, part.content_type) == ("\udcfc", "\udcff", "x/\udce9")


@pytest.mark.parametrize("character", [chr(code) for code in (*range(32), 127)])
def test_control_characters_in_a_type_are_refused(character: str) -> None:
    """MultipartEncoder writes them, and with CR LF a type could add headers and parts."""
    with pytest.raises(ValueError, match="control character"):
        part_headers("a", "b", f"text/plain{character}X-Injected: 1")


def test_line_ends_in_names_cannot_add_headers() -> None:
    """Names are the client's: whatever they hold, it stays one header line."""
    headers = part_headers('a"\r\nX: 1\r\n\r\n', "b\r\n\r\n--boundary", None)

    assert headers == (
        b'Content-Disposition: form-data; name="a%22%0D%0AX: 1%0D%0A%0D%0A"; filename="b%0D%0A%0D%0A--boundary"\r\n\r\n'
    )


def test_the_content_type_names_the_boundary() -> None:
    """And needs no quotes, since fresh boundaries have letters and digits only."""
    boundary = fresh_boundary(70, bytes(range(70)))

    assert boundary_of(content_type_of_form(boundary)) == boundary
