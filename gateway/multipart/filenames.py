"""Filenames in other spellings: in ASCII, for an HTTP header, and in two halves. Values in, values out.

A filename is the client's: it may hold a path, of either kind, and characters of any script. Bytes that were
not UTF-8 are surrogates (PEP 383).
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

__all__ = ["NAMELESS", "ascii_filename", "attachment", "extended_value", "stem_and_suffix"]

NAMELESS = "file"
"""A name for what has none: most servers take a part without a filename for a field."""

# RFC 5987 section 3.2.1: attr-char, apart from letters, digits and `_.-~`, which quote() always leaves.
_ATTRIBUTE_CHARACTERS = "!#$&+^`|"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def stem_and_suffix(filename: str) -> tuple[str, str]:
    """The last segment of the path without and from its last dot on; a name that begins with its only dot is a stem."""
    segment = re.split(r"[/\\]", filename)[-1]
    stem, dot, extension = segment.rpartition(".")
    return (stem, dot + extension) if stem and extension else (segment, "")


def ascii_filename(filename: str) -> str:
    """The name in ASCII: letters without their accents, `_` for characters that have no such form. Never empty."""
    suffix = stem_and_suffix(filename)[1]
    stem = filename.removesuffix(suffix)
    # All of a stem can vanish: it was accents only.
    return (_in_ascii(stem) or (NAMELESS if not suffix else "_")) + _in_ascii(suffix)


def _in_ascii(text: str) -> str:
    return "".join(character if character.isascii() else _transliterated(character) for character in text)


def _transliterated(character: str) -> str:
    if unicodedata.category(character).startswith("M"):
        return ""
    # Letters, digits and blanks only: a full-width slash must not become a new directory, nor a quote an end.
    plain = "".join(
        each for each in unicodedata.normalize("NFKD", character) if each.isascii() and (each.isalnum() or each == " ")
    )
    return plain or "_"


def extended_value(filename: str) -> str:
    """The name as an RFC 5987 value; it must have no surrogates."""
    return f"UTF-8''{quote(filename, safe=_ATTRIBUTE_CHARACTERS)}"


def attachment(filename: str) -> str:
    """The value of an HTTP Content-Disposition that names a file (RFC 6266), in ASCII.

    Bytes that were not UTF-8 have no form there that anybody could read; the name has `_` in their place.
    """
    plain = _CONTROL.sub("_", ascii_filename(filename)).replace("\\", r"\\").replace('"', r"\"")
    value = f'attachment; filename="{plain}"'
    if filename.isascii() or re.search(r"[\ud800-\udfff]", filename):
        return value
    return f"{value}; filename*={extended_value(filename)}"
