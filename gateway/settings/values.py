"""What written values mean: sizes, durations, counts, addresses, text, names.

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

__all__ = [
    "HOST",
    "Expected",
    "Secret",
    "SecretBytes",
    "has_controls",
    "lowered",
    "parse_address",
    "parse_boolean",
    "parse_count",
    "parse_duration",
    "parse_name",
    "parse_scalar",
    "parse_size",
    "parse_text",
    "parse_workers",
    "shown",
    "split_address",
    "write_duration",
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
HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")


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


class SecretBytes(bytes):
    """Bytes with a secret in them. Shown, they are nothing but that."""

    def __repr__(self) -> str:
        return "b'(hidden)'"

    __str__ = __repr__


def lowered(text: str) -> str:
    """In lower case; of a secret, a secret."""
    return Secret(text.lower(), source=text.source) if isinstance(text, Secret) else text.lower()


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


def write_duration(seconds: float) -> str:
    """The largest unit of which it is a whole number, else milliseconds; `parse_duration` reads it back."""
    for unit, factor in (("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= factor and seconds % factor == 0:
            return f"{int(seconds / factor)}{unit}"
    milliseconds = f"{seconds * 1000:.6f}".rstrip("0").rstrip(".")
    return f"{milliseconds}ms" if seconds else "0"


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
    if not value or has_controls(value):
        raise Expected("expected text without control characters, and not empty")
    return value


def parse_scalar(value: object) -> str:
    """Text, a number, true or false, as the text that YAML has for it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        raise Expected("expected text, a number, true or false")
    if any(unicodedata.category(character) == "Cs" for character in value):
        raise Expected("expected text of whole characters, which UTF-8 can hold")
    return value


def parse_boolean(value: object) -> bool:
    """Text will do: the value of an environment variable is text."""
    if value in ("true", "false"):
        return value == "true"
    if not isinstance(value, bool):
        raise Expected("expected true or false")
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


def has_controls(text: str) -> bool:
    return any(unicodedata.category(character) == "Cc" for character in text)
