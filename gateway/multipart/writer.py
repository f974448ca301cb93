"""What the gateway writes itself: headers of parts that it composes, and delimiters.

Equal byte for byte to what requests-toolbelt's MultipartEncoder writes (tested), so that a service
sees the form that it would get from the Python client that most people know.
"""

from __future__ import annotations

import re

__all__ = ["closing_delimiter", "content_type_of_form", "opening_delimiter", "part_headers"]


def content_type_of_form(boundary: bytes) -> str:
    """The Content-Type of a form with this boundary, which must be letters and digits only."""
    return f"multipart/form-data; boundary={boundary.decode('ascii')}"


def opening_delimiter(boundary: bytes) -> bytes:
    """The delimiter before the first part."""
    return b"--" + boundary + b"\r\n"


def closing_delimiter(boundary: bytes) -> bytes:
    """What follows the content of the last part."""
    return b"\r\n--" + boundary + b"--\r\n"


def part_headers(name: str, filename: str | None, content_type: str | None) -> bytes:
    """The header lines of a part, the empty line included.

    Control characters in `content_type` would let it add headers, so it must have none (ValueError).
    """
    lines = [f'Content-Disposition: form-data; name="{_escaped(name)}"']
    if filename is not None:
        lines[0] += f'; filename="{_escaped(filename)}"'
    if content_type:
        if re.search(r"[\x00-\x1f\x7f]", content_type):
            raise ValueError(f"control character in the content type {content_type!r}")
        lines.append(f"Content-Type: {content_type}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def _escaped(value: str) -> str:
    """As the WHATWG HTML standard says for multipart/form-data: these three characters, no other."""
    return value.replace("\n", "%0A").replace("\r", "%0D").replace('"', "%22")
