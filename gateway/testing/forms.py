"""multipart/form-data by hand: exact bytes from exact bytes, and back.

On purpose no writer and no scanner of the gateway, and no library: what is tested must not also be the
ruler. Nothing is escaped, checked or completed.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.testing.errors import MessageInvalid

__all__ = ["boundary_of", "field_part", "file_part", "multipart", "split_multipart"]


def multipart(parts: Iterable[tuple[bytes, bytes]], boundary: bytes) -> bytes:
    """A form of (header lines, content) pairs; header lines are separated by CR LF, without one at the end."""
    body = b"".join(b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary, headers, content) for headers, content in parts)
    return body + b"--%s--\r\n" % boundary


def field_part(name: str, content: bytes) -> tuple[bytes, bytes]:
    """A part without a filename."""
    return f'Content-Disposition: form-data; name="{name}"'.encode(), content


def file_part(
    name: str,
    filename: str,
    content: bytes,
    content_type: str = "application/octet-stream",
) -> tuple[bytes, bytes]:
    """A part with a filename and a type."""
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'
    return f"{disposition}\r\nContent-Type: {content_type}".encode(), content


def split_multipart(body: bytes, boundary: bytes) -> list[tuple[bytes, bytes]]:
    """The (header lines, content) pairs of a form; only an empty line may follow the closing delimiter."""
    first, *pieces = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if first or not pieces or pieces.pop() not in (b"--", b"--\r\n"):
        raise MessageInvalid(f"expected a form that begins and ends with --{boundary.decode('latin-1')}")
    parts = []
    for piece in pieces:
        headers, empty_line, content = piece.partition(b"\r\n\r\n")
        if not headers.startswith(b"\r\n") or not empty_line:
            raise MessageInvalid(f"expected the headers of a part, found {piece[:80]!r}")
        parts.append((headers[2:], content))
    return parts


def boundary_of(content_type: str | None) -> bytes:
    """The boundary that a Content-Type names, with or without quotes."""
    kind, found, boundary = (content_type or "").partition("boundary=")
    if not kind.lower().startswith("multipart/") or not found or not boundary:
        raise MessageInvalid(f"expected a multipart type with a boundary, found {content_type!r}")
    return boundary.removeprefix('"').removesuffix('"').encode("latin-1")
