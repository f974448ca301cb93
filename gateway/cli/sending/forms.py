"""What -F means, in curl's own syntax, since that is what people know; pure.

    NAME=TEXT    NAME=@FILE    NAME=<FILE    each also with ;type=TYPE and ;filename=NAME behind it

A content or filename with a semicolon (after @ also: a comma) in it stands in double quotes, in which \\" and \\\\
are a quote and a backslash. Stricter than curl, on purpose: what curl drops with a warning is a mistake here, and
so is what makes it write parts that hardly any service reads (several files in one part, headers of a part).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["FormPart", "parse_form", "parse_form_string"]

_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\]|\\(?!["\\]))*)"[ \t]*')
_ESCAPED = re.compile(r'\\(["\\])')
_ATTRIBUTE = re.compile(r"[ \t]*(type|filename|headers|encoder)=[ \t]*")
_MEDIA_TYPE = re.compile(r"[^\s/;,]+/[^\s/;,]+[ \t]*(?:;[^\x00-\x1f\x7f]*)?")

_UNSUPPORTED = {
    "headers": "parts can have no headers of their own (RFC 7578 section 4.8 tells services to ignore them)",
    "encoder": "parts are sent as they are (RFC 7578 section 4.7 deprecates encodings)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FormPart:
    """One part as the command line gives it; exactly one of `text` and `path` is not None."""

    name: str
    text: str | None = None
    path: str | None = None
    """The file that has the content; `-` is standard input."""
    is_file: bool = False
    """Whether it is sent as a file, which has a filename, or as a field."""
    filename: str | None = None
    """None: that of the path, if it is a file."""
    content_type: str | None = None
    """None: guessed from the filename, if it is a file."""


def parse_form(argument: str) -> FormPart:
    """One -F. Raises ValueError that says what was expected."""
    name, content = _name_and_content(argument)
    mark = content[0] if content[:1] in ("@", "<") else ""
    text, rest = _word(content[len(mark) :], ends=";," if mark == "@" else ";")
    attributes = _attributes(rest, ends=";," if mark == "@" else ";")
    if mark and not text:
        raise ValueError(f"expected the name of a file behind {mark}")
    return FormPart(
        name=name,
        text=None if mark else text,
        path=text if mark else None,
        is_file=mark == "@" or "filename" in attributes,
        filename=attributes.get("filename"),
        content_type=attributes.get("type"),
    )


def parse_form_string(argument: str) -> FormPart:
    """One --form-string: nothing in the value has a meaning. Raises ValueError that says what was expected."""
    name, text = _name_and_content(argument)
    return FormPart(name=name, text=text)


def _name_and_content(argument: str) -> tuple[str, str]:
    name, equals, content = argument.partition("=")
    if not name or not equals:
        raise ValueError("expected NAME=TEXT, NAME=@FILE or NAME=<FILE")
    return name, content


def _word(text: str, *, ends: str) -> tuple[str, str]:
    """The word that `text` begins with, without its quotes, and what follows it."""
    text = text.lstrip(" \t")
    quoted = _QUOTED.match(text)
    if quoted is not None:
        rest = text[quoted.end() :]
        if rest and rest[0] not in ends:
            raise ValueError(f"expected ; or the end behind a value in quotes, found {rest!r}")
        return _ESCAPED.sub(r"\1", quoted[1]), rest
    stop = next((index for index, character in enumerate(text) if character in ends), len(text))
    return text[:stop].rstrip(" \t"), text[stop:]


def _attributes(rest: str, *, ends: str) -> dict[str, str]:
    """What follows the content: `rest` is empty, or begins with a character of `ends`."""
    attributes: dict[str, str] = {}
    last = ""
    while rest:
        if rest[0] == ",":
            raise ValueError(
                "expected one file: write -F once for each, or put a name that has a comma into double quotes"
            )
        found = _ATTRIBUTE.match(rest, 1)
        if found is None:
            # As in curl, parameters of a type may follow it: ;type=text/plain; charset=utf-8
            if last != "type":
                advice = "put a value that has a semicolon into double quotes"
                raise ValueError(f"expected ;type= or ;filename=, found {rest!r} ({advice})")
            parameter, rest = rest, _word(rest[1:], ends=ends)[1]
            attributes["type"] += parameter.removesuffix(rest).rstrip(" \t;")
            continue
        last = found[1]
        if last in _UNSUPPORTED:
            raise ValueError(f"expected no ;{last}=: {_UNSUPPORTED[last]}")
        if last in attributes:
            raise ValueError(f"expected ;{last}= once")
        attributes[last], rest = _word(rest[found.end() :], ends=ends)
    if "type" in attributes and not _MEDIA_TYPE.fullmatch(attributes["type"]):
        raise ValueError(f"expected a type such as text/plain, found {attributes['type']!r}")
    return attributes
