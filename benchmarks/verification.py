"""Is what the service got the upload that was sent? Pure: works on the bytes that the service kept.

Done once before anything is measured: a peer that loses or changes a byte gets no figures.
"""

from __future__ import annotations

import hashlib
import re

from benchmarks.native import BenchmarkError

__all__ = ["find_overhead"]

CONTENT_TYPE = re.compile(rb'\r\ncontent-type: *multipart/form-data; *boundary="?([^"\r\n;]+)', re.IGNORECASE)
FILE_PART = re.compile(rb'; name="?file"?; filename="?content\.bin"?\r\n')


def find_overhead(request: bytes, content: bytes) -> int:
    """How many bytes the request's body has beside the content of its only file.

    `request` is the header, an empty line, and the body without chunks. BenchmarkError if the form is
    broken, or if the file is not `content` under the name that the client gave it.
    """
    header, _, body = request.partition(b"\r\n\r\n")
    named = CONTENT_TYPE.search(header)
    if named is None:
        raise BenchmarkError("the service got a request whose Content-Type names no multipart boundary")
    delimiter = b"--" + named[1]
    part_header, blank, rest = body.partition(b"\r\n\r\n")
    got, closing, _ = rest.rpartition(b"\r\n" + delimiter + b"--")
    if not (blank and closing and part_header.startswith(delimiter + b"\r\n")):
        raise BenchmarkError("the service got a body whose delimiters do not match the boundary of its Content-Type")
    if FILE_PART.search(part_header + b"\r\n") is None:
        raise BenchmarkError(f"the service got a part with another name or filename: {part_header[:300]!r}")
    if hashlib.sha256(got).digest() != hashlib.sha256(content).digest():
        raise BenchmarkError(f"the service got {len(got)} bytes that differ from the {len(content)} bytes sent")
    return len(body) - len(got)
