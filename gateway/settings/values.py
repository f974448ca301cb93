"""The forms in which values are written: sizes, durations, counts, addresses, URLs, paths, names, headers.

Each function takes what YAML gives (text or a number) and returns the value, or raises `Expected`, which
says what should have been there and never what was: the value may be a secret, and only load.py knows
how it was written. Text that is right is returned as the very object that came in: a `Secret` stays one.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from fractions import Fraction
from typing import Literal
from urllib.parse import SplitResult, urlsplit

__all__ = [
    "Expected",
    "Secret",
    "parse_address",
    "parse_count",
    "parse_duration",
    "parse_header_name",
    "parse_header_value",
    "parse_name",
    "parse_route_path",
    "parse_size",
    "parse_text",
    "parse_url",
    "parse_workers",
    "shown",
    "split_address",
    "write_size",
]

SIZE_UNITS: Mapping[str, int | Fraction] = {
    "": 1,
    "b": 1,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
}
LARGEST_SIZE = 2**20 * 2**40  # more than any file system takes, and less than what a file offset can hold

DURATION_UNITS: Mapping[str, int | Fraction] = {"": 1, "ms": Fraction(1, 1000), "s": 1, "m": 60, "h": 3600}
LONGEST_DURATION = 168 * 3600  # a socket's timeout cannot be longer than 24 days; a week is past any use

NUMBER_AND_UNIT = re.compile(r"([0-9]{1,30}(?:\.[0-9]{1,30})?) ?([A-Za-z]*)")
DIGITS = re.compile(r"[0-9]{1,18}")
NAME = re.compile(r"[A-Za-z0-9_-]+")
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 section 5.6.2
URL_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")  # RFC 3986 section 2
HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")

MADE_BY_THE_BODY = {
    "content-type": "the body that is sent makes its own boundary and names it",
    "content-length": "the body that is sent knows its own length",
    "transfer-encoding": "`body` of the service decides on the framing",
    "host": "it comes from `url`",
}
"""Headers that no service may set, in lower case, and the reason."""


class Expected(ValueError):
    """What a value should have been. Never holds the value itself."""

    def __init__(self, expected: str, *, quotable: bool = True) -> None:
        super().__init__(expected)
        self.quotable = quotable
        """Whether a message may add what was found, as it stands in the file."""


class Secret(str):
    """Text that came from the environment or a file. Shown, it is what stands in the configuration instead."""

    source: str

    def __new__(cls, value: str, source: str = "(hidden)") -> Secret:
        secret = super().__new__(cls, value)
        secret.source = source
        return secret

    def __repr__(self) -> str:
        return repr(self.source)


def shown(text: str) -> str:
    """The text, or for a secret what stands in the configuration instead."""
    return text.source if isinstance(text, Secret) else text


def parse_size(value: object, *, minimum: int = 0) -> int:
    """Bytes."""
    number = _number_with_unit(value.lower() if isinstance(value, str) else value, SIZE_UNITS)
    if number is None or number.denominator != 1:
        raise Expected("expected a size in whole bytes, such as 200MiB, 1GB or 4096")
    if not minimum <= number <= LARGEST_SIZE:
        raise Expected(f"expected a size from {write_size(minimum)} to {write_size(LARGEST_SIZE)}")
    return int(number)


def write_size(size: int) -> str:
    """The shortest exact form with a binary unit; `parse_size` reads it back."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        factor = SIZE_UNITS[unit.lower()]
        if size >= factor and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}B" if size else "0"


def parse_duration(value: object, *, minimum: float = 0.001) -> float:
    """Seconds. The default minimum is for limits, which zero would make impossible to keep."""
    number = _number_with_unit(value, DURATION_UNITS)
    if number is None:
        raise Expected("expected a duration such as 30s, 500ms, 10m or 2h (a number alone is seconds)")
    if not Fraction(str(minimum)) <= number <= LONGEST_DURATION:
        least = f"{minimum * 1000:.0f}ms" if minimum else "0s"
        raise Expected(f"expected a duration from {least} to {LONGEST_DURATION // 3600}h")
    return float(number)


def parse_count(value: object, *, minimum: int = 1) -> int:
    """A whole number. Text with digits will do: the value of an environment variable is text."""
    if isinstance(value, str) and DIGITS.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= LARGEST_SIZE:
        raise Expected(f"expected a whole number from {minimum} on")
    return value


def parse_workers(value: object) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    try:
        return parse_count(value)
    except Expected:
        raise Expected("expected auto (one per core) or a whole number from 1 on") from None


def parse_text(value: object) -> str:
    """Any text that is not empty and has no control characters."""
    if not isinstance(value, str):
        raise Expected("expected text (numbers and dates in quotes)")
    if not value or _has_controls(value):
        raise Expected("expected text without control characters, and not empty")
    return value


def parse_name(value: object) -> str:
    """The name of a service or a route: it appears in logs, metrics and answers."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise Expected("expected a name of letters, digits, - and _")
    return value


def parse_address(value: object) -> str:
    """HOST:PORT; an IPv6 host in brackets."""
    if not isinstance(value, str) or split_address(value) is None:
        raise Expected("expected HOST:PORT such as 127.0.0.1:8080 (0.0.0.0:8080: reachable from other machines)")
    return value


def split_address(address: str) -> tuple[str, int] | None:
    """Host without brackets, and port; None if it is no address."""
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]") and ":" in host:
        host = host[1:-1]
    elif ":" in host:
        return None
    if not colon or not HOST.fullmatch(host) or not DIGITS.fullmatch(port) or int(port) > 65535:
        return None
    return host, int(port)


def parse_url(value: object) -> str:
    """An http or https URL that can be posted to as it stands."""
    if not isinstance(value, str) or not (split := _split_url(value)):
        raise Expected("expected a URL with http:// or https:// and a host, such as http://127.0.0.1:8811/extract")
    # The user before the fragment: a password may hold a #, and the message must not quote it.
    if "@" in split.netloc:
        raise Expected(
            "expected a URL without user and password; put them in `headers`, as Authorization", quotable=False
        )
    if not URL_CHARACTERS.fullmatch(value):
        raise Expected("expected a URL without blanks and non-ASCII characters; write them percent-encoded")
    if "#" in value:
        raise Expected("expected a URL without a fragment (#...), which is never sent")
    return value


def parse_route_path(value: object) -> str:
    """The exact path of a route."""
    if not isinstance(value, str) or not value.startswith("/") or _has_controls(value):
        raise Expected("expected a path that begins with /, such as /file")
    if value == "/-" or value.startswith("/-/"):
        raise Expected("expected a path that is not under /-/, which the gateway keeps for itself")
    if set(value) & set("?#"):
        raise Expected("expected a path alone, without ? and #")
    if set(value) & set("<>"):
        raise Expected("expected a fixed path; placeholders such as <filename> are not available yet")
    if {".", ".."} & set(value.split("/")):
        raise Expected("expected a path without . and .. segments: clients remove them, it would never match")
    return value


def parse_header_name(value: object) -> str:
    if not isinstance(value, str) or not TOKEN.fullmatch(value):
        raise Expected("expected the name of a header, such as Authorization")
    if reason := MADE_BY_THE_BODY.get(value.lower()):
        raise Expected(f"expected no {value} among the headers: {reason}", quotable=False)
    return value


def parse_header_value(value: object) -> str:
    # Never quoted, and a secret in any case: what stands here is often a credential, also when written out.
    if not isinstance(value, str):
        raise Expected("expected the header's value as text (numbers and dates in quotes)", quotable=False)
    if _has_controls(value):
        raise Expected("expected a header's value without line breaks and control characters", quotable=False)
    if value != value.strip():
        raise Expected(
            "expected a header's value without blanks at its ends (is a variable in it empty?)", quotable=False
        )
    if any(ord(character) > 255 for character in value):
        raise Expected("expected a header's value of Latin-1 characters; others cannot be sent", quotable=False)
    return value if isinstance(value, Secret) else Secret(value)


def _number_with_unit(value: object, units: Mapping[str, int | Fraction]) -> Fraction | None:
    """What a number, or a number and its unit, stands for; None if it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return Fraction(value) if math.isfinite(value) else None
    match = NUMBER_AND_UNIT.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[2] not in units:
        return None
    return Fraction(match[1]) * units[match[2]]


def _has_controls(text: str) -> bool:
    return any(unicodedata.category(character) == "Cc" for character in text)


def _split_url(text: str) -> SplitResult | None:
    """None if it is not http or https, or if host or port make no sense."""
    try:
        split = urlsplit(text)
        port = split.port
    except ValueError:
        # A user part with a / or # in the password ends up here too: its "port" is the password.
        return None
    if split.scheme not in ("http", "https") or not split.hostname or not HOST.fullmatch(split.hostname):
        return None
    return split if port != 0 else None
