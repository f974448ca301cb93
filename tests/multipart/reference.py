"""The same reading of a form a second time: slow, on the whole body at once, and written as the rule is said.

It is what the scanner is compared with. It knows no limits except those that change what is a delimiter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.core.uploads import Limits


@dataclass(frozen=True, slots=True)
class Reference:
    """Where everything is, up to the end or to what is wrong."""

    delimiters: tuple[tuple[int, bool], ...] = ()
    """Offset of the first dash, and whether it closes."""
    headers: tuple[tuple[int, int], ...] = ()
    """Where the header lines begin, and where the content does."""
    error: str | None = None


def read(body: bytes, boundary: bytes, limits: Limits) -> Reference:
    """Read a body whose part headers are all good."""
    # The CR LF that stands in front of every body in thought only; offsets are shifted back by it.
    text = b"\r\n" + body
    line = re.compile(rb"\r\n--%s(?:(--)[ \t]{0,%d}(?:\r\n|\Z)|[ \t]{0,%d}\r\n)" % (
        re.escape(boundary), limits.padding, limits.padding,
    ))  # fmt: skip
    first = text.find(b"--" + boundary)
    found = line.match(text, first - 2) if first >= 2 else None
    if found is None:
        return Reference(error="BoundaryNotFound")
    delimiters = [(first - 2, bool(found[1]))]
    headers: list[tuple[int, int]] = []
    while not found[1]:
        start = found.end()
        end = start + 2 if text.startswith(b"\r\n", start) else text.find(b"\r\n\r\n", start) + 4
        if end < start:
            return Reference(tuple(delimiters), tuple(headers), "PartHeadersUnterminated")
        headers.append((start - 2, end - 2))
        found = line.search(text, end - 2)
        if found is None:
            return Reference(tuple(delimiters), tuple(headers), "ClosingDelimiterMissing")
        delimiters.append((found.start(), bool(found[1])))
    return Reference(tuple(delimiters), tuple(headers))
