"""Plain data to settings, or to what is to be said about each key.

pydantic finds, this file tells: what was expected, and what was found as it is written in the document, never
the value of a variable or the content of a file. pydantic's exceptions end here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.settings.contradictions import contradictions
from gateway.settings.document import Document, quote
from gateway.settings.schema import Settings
from gateway.settings.sections import Key, keys_of, type_below
from gateway.settings.values import Expected

__all__ = ["Finding", "dotted", "upwards", "validated"]

MEANINGS = {
    "missing": "expected this key, found nothing",
    "literal_error": "expected {expected}",
    "model_type": "expected a mapping (`key: value`)",
    "dict_type": "expected a mapping (`name: ...`)",
    "too_short": "expected at least one entry",
}
"""What the findings of pydantic mean to somebody who does not know pydantic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong with one key."""

    key: Key
    line: int | None
    """Where the document says so; None: where the key stands."""
    message: str


def validated(
    document: Document, others: Iterable[tuple[Key, Expected]] = ()
) -> tuple[Settings | None, tuple[Finding, ...]]:
    """The settings, or everything that is wrong with the document, what others have found included."""
    settings: Settings | None = None
    expectations: list[tuple[Key, Expected]] = []
    try:
        settings = Settings.model_validate(document.data)
    except ValidationError as error:
        expectations += _expectations(error.errors(include_url=False, include_input=False))
    doubtful = {key for key, _ in expectations}
    expectations += [
        (key, expected) for key, expected in (*contradictions(document.data), *others) if key not in doubtful
    ]
    findings = [
        Finding(key=mistake.key, line=mistake.line, message=_told(mistake.expected, document, mistake.key))
        for mistake in document.mistakes
    ]
    findings += [
        Finding(key=key, line=None, message=_told(expected, document, key))
        for key, expected in expectations
        if document.spoiled.isdisjoint(upwards(key))
    ]
    return (None if findings else settings), tuple(findings)


def upwards(key: Key) -> Iterator[Key]:
    """The key, what it stands in, and so on up to the whole document."""
    return (key[:length] for length in range(len(key), -1, -1))


def dotted(key: Key) -> str:
    """What has other characters than names of keys is quoted: it is probably what is wrong."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part if re.fullmatch(r'[A-Za-z0-9_-]+', part) else repr(part)}"
    return text.removeprefix(".")


def _told(expected: Expected, document: Document, key: Key) -> str:
    place = document.places.get(key)
    return f"{expected}, found {place.found}" if place is not None and expected.quotable else str(expected)


def _expectations(details: Sequence[ErrorDetails]) -> Iterator[tuple[Key, Expected]]:
    nearest = {key: _nearest(key) for key in (_key_of(detail) for detail in details if _is_unknown(detail))}
    for detail in details:
        key = _key_of(detail)
        if _is_unknown(detail):
            yield key, _unknown_key(key, nearest[key])
        elif _is_about_key(detail):
            # The key is what was found; its value, perhaps a credential, is not the matter.
            expected = detail["ctx"]["error"]
            found = f", found {quote(str(key[-1]))}" if expected.quotable else ""
            yield key, Expected(f"{expected}{found}", quotable=False)
        elif detail["type"] == "value_error":
            # Without a key it is what the whole says about its parts, which is asked for again, with keys.
            if key:
                yield key, detail["ctx"]["error"]
        elif detail["type"] != "missing" or key not in nearest.values():
            # A misspelt key is one problem; that the right one is missing is not a second.
            meaning = MEANINGS.get(detail["type"], "").format_map(detail.get("ctx", {}))
            yield key, Expected(meaning or detail["msg"], quotable=detail["type"] not in {"missing", "too_short"})


def _is_unknown(detail: ErrorDetails) -> bool:
    return detail["type"] == "extra_forbidden"


def _is_about_key(detail: ErrorDetails) -> bool:
    return detail["loc"][-1:] == ("[key]",)


def _key_of(detail: ErrorDetails) -> Key:
    """Without the last step by which pydantic marks what is wrong with a key rather than with its value."""
    return detail["loc"][:-1] if _is_about_key(detail) else detail["loc"]


def _nearest(key: Key) -> Key | None:
    """The key that was probably meant by an unknown one: misspelt, or one that belongs a level lower."""
    *above, name = key or ("",)
    known = keys_of(_type_at(above)) or {}
    for section, below in known.items():
        if name in (keys_of(below) or {}):
            return (*above, section, name)
    near = difflib.get_close_matches(str(name).lower(), known, n=1, cutoff=0.65)
    return (*above, near[0]) if near else None


def _unknown_key(key: Key, nearest: Key | None) -> Expected:
    if nearest is not None:
        return Expected(f"unknown key; did you mean `{dotted(nearest[len(key) - 1 :])}`?", quotable=False)
    known = ", ".join(keys_of(_type_at(key[:-1])) or ())
    return Expected(f"unknown key; expected one of {known}", quotable=False)


def _type_at(key: Sequence[str | int]) -> object | None:
    schema: object | None = Settings
    for part in key:
        schema = type_below(schema, part)
    return schema
