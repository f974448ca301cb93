"""Header parameters: `; name="value"` as clients really write them.

Used for the request's Content-Type and for each part's Content-Disposition. It only reads; the
bytes that were received travel on untouched.

Quoting is where clients differ. Go, Ruby and old curl write `\\"` and `\\\\` for a quote and a
backslash; browsers and urllib3 write `%22` for a quote and leave a backslash alone, so that a name
that ends in one looks like `name="odd\\"`. A backslash before a quote is therefore an ordinary
character, and the quote ends the value, if the end of the header or a further `name="` follows. A bare
quote ends the value unless another one follows before the next semicolon: `filename="a"b.txt"`.

All of it takes linear time, whatever is sent: no pattern here can match the same text in two ways.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

__all__ = ["decode_extended", "parse_parameters"]

_SEPARATORS = re.compile(r"[ \t;]*+")
_NAME = re.compile(r"([^\s=;\"]++)[ \t]*+=[ \t]*+")
_BARE = re.compile(r"[^;]*+")
_INNER = re.compile(r"[^;\"]*+\"")
_AFTER_ESCAPED = re.compile(r"[ \t]*+(?:;[ \t;]*+[^\s=;\"]++[ \t]*+=[ \t]*+\"|[ \t;]*+\Z)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def parse_parameters(value: str) -> list[tuple[str, str]]:
    """The parameters behind the first `;` of a header value, names in lower case, in order, repeats kept."""
    parameters = []
    position = value.find(";")
    while position >= 0:
        separators = _SEPARATORS.match(value, position)
        assert separators is not None  # the pattern matches the empty string
        name = _NAME.match(value, separators.end())
        if name is None:
            # A word without `=`, or the end: go on behind the next semicolon.
            position = value.find(";", separators.end())
            continue
        position = name.end()
        if value.startswith('"', position):
            text, position = _quoted(value, position + 1)
        else:
            bare = _BARE.match(value, position)
            assert bare is not None  # the pattern matches the empty string
            text, position = bare.group().strip(" \t"), bare.end()
        parameters.append((name.group(1).lower(), text))
        position = value.find(";", position)
    return parameters


def _quoted(value: str, start: int) -> tuple[str, int]:
    """The quoted string that begins at `start`, behind its opening quote, and where it ended."""
    characters = []
    position = start
    while position < len(value):
        character = value[position]
        if character == "\\" and value[position + 1 : position + 2] in ("\\", '"'):
            escaped = value[position + 1]
            if escaped == '"' and _AFTER_ESCAPED.match(value, position + 2):
                characters.append("\\")
                return _unquoted(characters), position + 2
            characters.append(escaped)
            position += 2
        elif character == '"' and not _INNER.match(value, position + 1):
            return _unquoted(characters), position + 1
        else:
            characters.append(character)
            position += 1
    return _unquoted(characters), position


def _unquoted(characters: list[str]) -> str:
    # WHATWG HTML, multipart/form-data encoding: a quote in a name is written %22. CR and LF stay
    # encoded: nothing that reads a name wants line ends in it.
    return "".join(characters).replace("%22", '"')


def decode_extended(value: str) -> str | None:
    """The text of an RFC 5987 value, `utf-8''na%C3%AFve.txt`; None if it is not one, or has control characters."""
    charset, _, rest = value.partition("'")
    _, separator, encoded = rest.partition("'")
    if not separator or charset.lower() not in ("utf-8", "iso-8859-1", "us-ascii"):
        return None
    try:
        text = unquote_to_bytes(encoded.encode("utf-8", "surrogateescape")).decode(charset)
    except UnicodeError:
        return None
    return None if _CONTROL.search(text) else text
