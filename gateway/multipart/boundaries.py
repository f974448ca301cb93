"""The boundary: read from a Content-Type, and made fresh for every body that leaves.

A boundary that leaves is never the client's. Content such as LF `--boundary` is content to a strict
reader and a delimiter to a lax one, so a client that knows the boundary could show the service a
part that no check here has seen.
"""

from __future__ import annotations

import re

from gateway.errors import BoundaryInvalid, BoundaryMissing, BoundaryRepeated, BoundaryTooLong, NotMultipart
from gateway.multipart.parameters import parse_parameters

__all__ = ["BOUNDARY_MAX", "FRESH_MIN", "boundary_of", "fresh_boundary", "media_type"]

BOUNDARY_MAX = 70
"""Characters in a boundary (RFC 2046 section 5.1.1)."""
FRESH_MIN = 16
"""Characters that a fresh boundary needs at least, so that nobody can guess it: 62**16 is 2**95."""

_LEGAL = re.compile(r"[0-9A-Za-z'()+_,./:=? -]*[0-9A-Za-z'()+_,./:=?-]")
_ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def media_type(content_type: str | None) -> str:
    """The type and subtype of a Content-Type, in lower case; "" if there is none."""
    return (content_type or "").partition(";")[0].strip(" \t").lower()


def boundary_of(content_type: str | None) -> bytes:
    """The boundary that a request's Content-Type names (RFC 7578 section 4.1).

    Takes blanks round `=` and unquoted values with characters that should have been quoted, since
    both are unambiguous and common (`boundary=----=_Part_1`). Two boundaries are refused, equal ones too.
    """
    kind = media_type(content_type)
    if kind != "multipart/form-data":
        found = f"Content-Type is {content_type!r}" if content_type else "the request has no Content-Type"
        raise NotMultipart(f"Expected multipart/form-data; {found}.")
    boundaries = [value for name, value in parse_parameters(content_type or "") if name == "boundary"]
    if not boundaries:
        raise BoundaryMissing(
            f"Expected `; boundary=...` behind multipart/form-data; Content-Type is {content_type!r}."
        )
    if len(boundaries) > 1:
        raise BoundaryRepeated(f"Expected one boundary, found {len(boundaries)}: Content-Type is {content_type!r}.")
    boundary = boundaries[0]
    if not boundary:
        raise BoundaryMissing(f"The boundary is empty: Content-Type is {content_type!r}.")
    if len(boundary) > BOUNDARY_MAX:
        raise BoundaryTooLong(f"Expected at most {BOUNDARY_MAX} characters, found {len(boundary)}: {boundary!r}.")
    if not _LEGAL.fullmatch(boundary):
        raise BoundaryInvalid(f"Expected letters, digits and some marks, and no blank at the end; found {boundary!r}.")
    return boundary.encode("ascii")


def fresh_boundary(length: int, random: bytes) -> bytes:
    """A boundary of `length` letters and digits, made of `length` random bytes.

    Letters and digits only: any other character would have to be quoted in the header, and not
    every server reads quotes. (The bias of the modulo leaves at least 90 of those 95 bits.)
    """
    if len(random) < length:
        raise ValueError(f"expected {length} random bytes, found {len(random)}")
    return bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in random[:length])
