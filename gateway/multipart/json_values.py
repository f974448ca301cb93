"""A JSON value that goes on as it was written: where it ends, and whether it is JSON.

While it arrives only its brackets are counted. Once it is there, the standard library's parser says whether it is
right: it is quick, and by then bounded in size and depth. What that parser takes beyond RFC 8259 is refused here.
"""

from __future__ import annotations

import json
import re

from gateway.errors import FieldTooLarge, JSONInvalid, JSONTooComplex
from gateway.multipart.json_texts import end_of

__all__ = ["CONTAINERS_MAX", "DEPTH_MAX", "WrittenValue"]

DEPTH_MAX = 64
"""Objects and arrays within each other, in one value."""
CONTAINERS_MAX = 100_000
"""Objects and arrays in all values of an upload: each costs a step here, where all else is skipped in one go."""

_PLAIN = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_REST_OF_TEXT = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_QUOTE = ord('"')
_OPENING = b"[{"


def _refuse_constant(name: str) -> float:
    raise JSONInvalid(f"Found {name}, which is no JSON.")


# Numbers are only looked at; as integers, long ones would take long.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=float)


class WrittenValue:
    """An object or array. `source` is its beginning, in which `depth` brackets are open; `start` its offset."""

    def __init__(self, source: bytes | bytearray, *, depth: int, start: int, most: int, containers: int) -> None:
        self.containers = containers
        """Objects and arrays so far, those before this value included."""
        self.over = False
        """Whether its last bracket is in."""
        self._source = bytearray(source)
        self._depth = depth
        self._start = start
        self._most = most
        self._in_text = False
        self._check_brackets(0)

    def take(self, data: bytes, position: int) -> int | None:
        """Take what belongs to it from `data[position]` on; returns where to go on, None if more is needed."""
        index = position
        while not self.over:
            if self._in_text:
                index = end_of(_REST_OF_TEXT, data, index)
                if index == len(data) or data[index] != _QUOTE:
                    break
                index += 1
                self._in_text = False
            index = end_of(_PLAIN, data, index)
            if index == len(data):
                break
            character = data[index]
            index += 1
            if character == _QUOTE:
                self._in_text = True
            elif character in _OPENING:
                self._depth += 1
                self.containers += 1
                self._check_brackets(index - position)
            else:
                self._depth -= 1
                self.over = self._depth == 0
        self._source += data[position:index]
        self._check_size(0)
        return index if index > position else None

    def _check_size(self, more: int) -> None:
        """`more` bytes are not in `_source` yet."""
        if len(self._source) + more > self._most:
            raise FieldTooLarge(f"The JSON of a field is longer than {self._most} bytes.", offset=self._start)

    def _check_brackets(self, more: int) -> None:
        """The last byte is a bracket that opens, or is in front of what shows that the value is no file."""
        # Before, so that of two faults the same one is found however the bytes are cut.
        self._check_size(more)
        offset = self._start + len(self._source) + more - 1
        if self._depth > DEPTH_MAX:
            raise JSONTooComplex(f"Objects and arrays are nested more than {DEPTH_MAX} levels deep.", offset=offset)
        if self.containers > CONTAINERS_MAX:
            raise JSONTooComplex(f"There are more than {CONTAINERS_MAX} objects and arrays.", offset=offset)

    def finish(self) -> bytes:
        """The whole of it, once it is over and if it is JSON."""
        source = bytes(self._source)
        try:
            found = _DECODER.decode(source.decode())
        except UnicodeDecodeError as error:
            complaint = f"Expected UTF-8; found the byte 0x{source[error.start]:02x}."
            raise JSONInvalid(complaint, offset=self._start + error.start) from error
        except json.JSONDecodeError as error:
            place = self._start + len(error.doc[: error.pos].encode())
            raise JSONInvalid(f"The value is no JSON: {error.msg}.", offset=place) from error
        except JSONInvalid as error:
            raise JSONInvalid(error.detail, offset=self._start) from error
        if isinstance(found, dict) and "base64" in found:
            raise JSONInvalid(
                "An object with `base64` is a file; beside it, expected only `filename` and `content_type`, each once "
                "and a text or null.",
                offset=self._start,
            )
        return source
