"""Texts in JSON (RFC 8259 section 7), read while they arrive.

A run is what can be read of a text for now: up to its closing quote, to the end of what has arrived, or to a fault.
An escape or a UTF-8 sequence that has arrived in part is not in it: it comes again, in front of what follows.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from gateway.errors import JSONInvalid

__all__ = ["Run", "end_of", "read_run"]

_HIGH = rb"[dD][89abAB][0-9a-fA-F]{2}"
_LOW = rb"[dD][c-fC-F][0-9a-fA-F]{2}"
_PAIR = rb"\\u" + _HIGH + rb"\\u" + _LOW
_RUN = re.compile(rb'(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|' + _PAIR + rb"|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4})*+")
_BEGUN_ESCAPE = re.compile(
    rb"\\(?:u(?:[0-9a-fA-F]{0,3}|" + _HIGH + rb"(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?)?)?"
)
_ESCAPE = re.compile(_PAIR + rb"|\\u[0-9a-fA-F]{4}|\\.")
_SHORT = {
    b'\\"': b'"', b"\\\\": b"\\", b"\\/": b"/",
    b"\\b": b"\b", b"\\f": b"\f", b"\\n": b"\n", b"\\r": b"\r", b"\\t": b"\t",
}  # fmt: skip
_QUOTE, _BACKSLASH = b'"\\'
_PLAIN = bytes(character for character in range(0x20, 0x80) if character not in (_QUOTE, _BACKSLASH))


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of a text."""

    raw: bytes
    """As received."""
    offset: int
    """Where in the body it begins."""
    ended: bool
    """Whether the closing quote follows."""
    fault: JSONInvalid | None
    """What is wrong behind it; it is to be raised once the run itself has been found good."""

    @property
    def text(self) -> bytes:
        """What it says, in UTF-8."""
        return _ESCAPE.sub(_character, self.raw) if _BACKSLASH in self.raw else self.raw

    def place(self, index: int) -> int:
        """Where in the body the byte `text[index]` comes from."""
        position = 0  # in raw; index is counted from there
        for escape in _ESCAPE.finditer(self.raw):
            plain, size = escape.start() - position, len(_character(escape))
            if index < plain + size:
                return self.offset + position + min(index, plain)
            index -= plain + size
            position = escape.end()
        return self.offset + position + index


def read_run(data: bytes, position: int, offset: int) -> Run:
    """What can be read of a text from `data[position]` on, which is at `offset` of the body."""
    quote = data.find(_QUOTE, position)
    raw = data[position:] if quote < 0 else data[position:quote]
    if not raw.translate(None, _PLAIN):
        # Base64 as a rule, of which there is most: several times as quick as the pattern.
        return Run(raw, offset, quote >= 0, None)
    end = end_of(_RUN, data, position)
    raw = data[position:end]
    more = end < len(data)
    ended = more and data[end] == _QUOTE
    fault = None
    if more and not ended and not _BEGUN_ESCAPE.fullmatch(data, end):
        fault = JSONInvalid(_complaint(data[end]), offset=offset + len(raw))
    if not raw.isascii():
        try:
            _, count = codecs.utf_8_decode(raw, "strict", more)
        except UnicodeDecodeError as error:
            count, ended = error.start, False
            fault = JSONInvalid(f"Expected UTF-8; found the byte 0x{raw[count]:02x}.", offset=offset + count)
        raw = raw[:count]
    return Run(raw, offset, ended, fault)


def end_of(pattern: re.Pattern[bytes], data: bytes, position: int) -> int:
    """Where the match from `position` on ends; for patterns that match the empty string as well."""
    match = pattern.match(data, position)
    assert match is not None
    return match.end()


def _complaint(character: int) -> str:
    if character == _BACKSLASH:
        # RFC 8259 section 8.2: half of a surrogate pair is no character, and readers differ on what to make of it.
        return "Found a backslash that begins no escape, or half of a surrogate pair."
    return f"Found the control character 0x{character:02x}, which must be escaped in a text."


def _character(escape: re.Match[bytes]) -> bytes:
    token = escape[0]
    if token[1:2] != b"u":
        return _SHORT[token]
    code = int(token[2:6], 16)
    if len(token) > 6:
        code = 0x10000 + ((code - 0xD800) << 10) + int(token[8:12], 16) - 0xDC00
    return chr(code).encode()
