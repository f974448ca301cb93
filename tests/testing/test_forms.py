"""Forms by hand are exact, and what was put together comes apart again."""

from __future__ import annotations

import pytest

from gateway.testing import MessageInvalid, boundary_of, field_part, file_part, multipart, split_multipart


def test_a_form_is_exactly_its_parts_between_delimiters() -> None:
    body = multipart([field_part("a", b"1"), file_part("f", "x.bin", b"\r\n", "text/plain")], b"edge")

    assert body == (
        b'--edge\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        b'--edge\r\nContent-Disposition: form-data; name="f"; filename="x.bin"\r\nContent-Type: text/plain\r\n'
        b"\r\n\r\n\r\n--edge--\r\n"
    )


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [(b"A: b", b"")],
        [(b"A: b\r\nC: d", b"--edge\r\n-edge\r\n--"), (b"A: b", b"\r\n\r\n")],
    ],
)
def test_a_form_comes_apart_as_it_was_put_together(parts: list[tuple[bytes, bytes]]) -> None:
    if any(b"\r\n--edge" in b"\r\n" + content for _, content in parts):
        # A delimiter in the content would be one: that is why boundaries are random.
        with pytest.raises(MessageInvalid):
            split_multipart(multipart(parts, b"edge"), b"edge")
    else:
        assert split_multipart(multipart(parts, b"edge"), b"edge") == parts


@pytest.mark.parametrize("body", [b"", b"--edge\r\n", b"--edge--\r\nmore", b"x--edge--", b"--edge\r\nA: b--edge--"])
def test_what_is_not_a_form_is_refused(body: bytes) -> None:
    with pytest.raises(MessageInvalid):
        split_multipart(body, b"edge")


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [("multipart/form-data; boundary=edge", b"edge"), ('Multipart/form-data; boundary="an edge"', b"an edge")],
)
def test_the_boundary_of_a_content_type(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize("content_type", [None, "text/plain; boundary=edge", "multipart/form-data"])
def test_a_content_type_without_a_boundary_is_refused(content_type: str | None) -> None:
    with pytest.raises(MessageInvalid):
        boundary_of(content_type)
