"""What the gateway writes itself: headers of parts that it composes, and delimiters.

Equal byte for byte to what requests-toolbelt's MultipartEncoder writes (tested), so that a service
sees the form that it would get from the Python client that most people know.
"""

from __future__ import annotations

import re

from gateway.multipart.filenames import ascii_filename, extended_value

__all__ = [
    "closing_delimiter",
    "content_type_line",
    "content_type_of_form",
    "disposition_line",
    "opening_delimiter",
    "part_headers",
]


def content_type_of_form(boundary: bytes) -> str:
    """The Content-Type of a form with this boundary, which must be letters and digits only."""
    return f"multipart/form-data; boundary={boundary.decode('ascii')}"


def opening_delimiter(boundary: bytes) -> bytes:
    """The delimiter before the first part."""
    return b"--" + boundary + b"\r\n"


def closing_delimiter(boundary: bytes) -> bytes:
    """What follows the content of the last part."""
    return b"\r\n--" + boundary + b"--\r\n"


def part_headers(name: str, filename: str | None, content_type: str | None, *, extended: bool = False) -> bytes:
    """The header lines of a part, the empty line included; for `extended` see `disposition_line`."""
    lines = [disposition_line(name, filename, extended=extended)]
    if content_type:
        lines.append(content_type_line(content_type))
    return b"\r\n".join(lines) + b"\r\n\r\n"


def disposition_line(name: str, filename: str | None, *, extended: bool = False) -> bytes:
    """The Content-Disposition of a part, without its line end.

    `extended` adds `filename*` to a filename that is not ASCII. RFC 7578 section 4.2 forbids that; some servers want
    it all the same.
    """
    line = f'Content-Disposition: form-data; name="{_escaped(name)}"'
    if filename is not None and extended and not filename.isascii():
        line += f'; filename="{_escaped(ascii_filename(filename))}"; filename*={extended_value(filename)}'
    elif filename is not None:
        line += f'; filename="{_escaped(filename)}"'
    return line.encode("utf-8", "surrogateescape")


def content_type_line(content_type: str) -> bytes:
    """The Content-Type of a part, without its line end.

    Control characters would let it add headers, so it must have none (ValueError).
    """
    if re.search(r"[\x00-\x1f\x7f]", content_type):
        raise ValueError(f"control character in the content type {content_type!r}")
    return f"Content-Type: {content_type}".encode("utf-8", "surrogateescape")


def _escaped(value: str) -> str:
    """As the WHATWG HTML standard says for multipart/form-data: these three characters, no other."""
    return value.replace("\n", "%0A").replace("\r", "%0D").replace('"', "%22")
