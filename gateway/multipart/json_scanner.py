"""The scanner of JSON bodies: what in one object is a part, and the content of the parts, decoded as it arrives.

Push, without I/O. The body is one object (RFC 8259, UTF-8), each of whose members is a part:

- an object with `base64`, and optionally `filename` and `content_type`, is a file; so is a data URI;
- an array that begins with a file holds files and nothing else: parts of the same name;
- any other object or array is a field of the type application/json, with the text that was received;
- a text, a number, true or false is a field; null is no part at all, like a name that is not there.

A name may occur once: of two, some readers take the first, some the last. Files are decoded on the way and are never
held; what is not yet known to be a file, and fields, are bounded by the limits. The same bytes give the same parts,
or the same error at the same offset of the body, however they are cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, auto

from gateway.core.uploads import Limits, Part
from gateway.errors import FieldTooLarge, JSONInvalid, JSONTooComplex, PartHeadersTooLarge
from gateway.multipart.data_uris import Base64Decoder, PercentDecoder, may_become_data_uri, read_data_uri
from gateway.multipart.json_parts import JSONParts
from gateway.multipart.json_texts import end_of, read_run
from gateway.multipart.json_values import WrittenValue

__all__ = ["JSONScanner"]

WORD_MAX = 1024
"""Characters in a number; no double has as many."""
KEY_MAX = 64
"""Bytes of a key in the object of a file: they are short, whatever of them is escaped."""

_BLANKS = re.compile(rb"[ \t\n\r]*+")
_WORD = re.compile(rb"[-+.0-9A-Za-z]*+")
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?")
_QUOTE, _OPEN_OBJECT, _CLOSE_OBJECT, _OPEN_ARRAY, _COMMA = b'"{}[,'
_FILE_KEYS = ("base64", "filename", "content_type")


class _State(Enum):
    """What comes next."""

    OBJECT = auto()
    FIRST_NAME = auto()  # or the end of the object
    NAME = auto()
    COLON = auto()
    VALUE = auto()
    AFTER_VALUE = auto()
    NOTHING = auto()
    TEXT = auto()  # more of a text that is content
    WRITTEN = auto()  # more of an object or array that is content
    KEY = auto()  # in an object that may be a file
    KEY_COLON = auto()
    KEY_VALUE = auto()
    AFTER_KEY = auto()
    ELEMENT = auto()  # in an array that may be of files
    AFTER_ELEMENT = auto()


_PUNCTUATION: dict[_State, tuple[str, dict[str, _State]]] = {
    _State.OBJECT: ("one object", {"{": _State.FIRST_NAME}),
    _State.COLON: ("`:`", {":": _State.VALUE}),
    _State.AFTER_VALUE: ("`,` or `}`", {",": _State.NAME, "}": _State.NOTHING}),
    _State.NOTHING: ("nothing behind the object", {}),
    _State.KEY_COLON: ("`:`", {":": _State.KEY_VALUE}),
    _State.AFTER_ELEMENT: ("`,` or `]`", {",": _State.ELEMENT, "]": _State.AFTER_VALUE}),
}
"""States in which one of a few characters must come: what is expected, and what it leads to."""


class JSONScanner:
    """Reads one body. Raises a MalformedUpload or LimitExceeded at the first fault; it is of no use afterwards."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parts = JSONParts(limits)
        self._state = _State.OBJECT
        self._rest = b""  # what has arrived and cannot be read yet
        self._offset = 0  # of the first byte of _rest in the body
        self._containers = 0
        # Of the member at hand:
        self._in_list = False
        self._in_object = False  # which may be a file
        self._captured: bytearray | None = None  # the value's source, while it may still turn out not to be a file
        self._depth = 0  # brackets open in _captured
        self._written: WrittenValue | None = None
        self._described: dict[str, str | None] = {}  # what is said of the file
        self._key = ""

    def feed(self, data: bytes, *, last: bool = False) -> list[Part | bytes]:
        """Take the next bytes of the body; `last` says that it ends with them.

        Returns content, in pieces, and each part behind its content: its offsets are those of the content alone.
        """
        data = self._rest + data
        position = 0
        while position < len(data):
            following = self._step(data, position)
            if following is None:
                break
            if self._captured is not None:
                self._capture(data[position:following])
            position = following
        self._rest = data[position:]
        self._offset += position
        if last and self._state is not _State.NOTHING:
            received = self._offset + len(self._rest)
            where = "before any object" if self._state is _State.OBJECT else "within its object"
            raise JSONInvalid(f"The body ends after {received} bytes, {where}.", offset=received)
        return self._parts.taken()

    def _capture(self, source: bytes) -> None:
        assert self._captured is not None  # the caller has looked
        self._captured += source
        # Blanks alone could go on for ever.
        most = max(self._limits.field, self._limits.part_headers)
        if len(self._captured) > most:
            detail = f"What is said of the file {self._parts.name!r} is longer than {most} bytes."
            raise FieldTooLarge(detail, offset=self._parts.start)

    def _step(self, data: bytes, position: int) -> int | None:
        """One step from `position` on; returns where to go on, None if more is needed first."""
        if self._state not in (_State.TEXT, _State.WRITTEN):
            blanks = end_of(_BLANKS, data, position)
            if blanks > position:
                return blanks
        if self._state not in _PUNCTUATION:
            return _STEPS[self._state](self, data, position)
        expected, following = _PUNCTUATION[self._state]
        state = following.get(chr(data[position]))
        if state is None:
            return self._refuse(data, position, expected)
        self._state = state
        return position + 1

    def _refuse(self, data: bytes, position: int, expected: str) -> int:
        """What is here belongs to no file: then the value is other JSON, or there is a fault."""
        if self._captured is None:
            character = data[position]
            found = repr(chr(character)) if 0x20 < character < 0x7F else f"the byte 0x{character:02x}"
            raise JSONInvalid(f"Expected {expected}; found {found}.", offset=self._offset + position)
        self._written = WrittenValue(
            self._captured,
            depth=self._depth,
            start=self._parts.start,
            most=self._limits.field,
            containers=self._containers + self._depth,
        )
        self._captured = None
        self._state = _State.WRITTEN
        return position

    # --- members ---

    def _read_name(self, data: bytes, position: int) -> int | None:
        if self._state is _State.FIRST_NAME and data[position] == _CLOSE_OBJECT:
            self._state = _State.NOTHING
            return position + 1
        if data[position] != _QUOTE:
            return self._refuse(data, position, "a name in quotes")
        most, offset = self._limits.part_headers, self._offset + position
        read = self._read_short(data, position, most)
        if read is None:
            return None
        name, following = read
        if name is None:
            raise PartHeadersTooLarge(f"A name is longer than {most} bytes.", offset=offset)
        self._parts.begin_member(name, offset)
        self._state = _State.COLON
        return following

    def _read_short(self, data: bytes, position: int, most: int) -> tuple[str | None, int] | None:
        """A text that is read as a whole, and what follows it; no text if it has more than `most` bytes."""
        run = read_run(data, position + 1, self._offset + position + 1)
        if len(run.raw) > most:
            return None, position
        if run.fault is not None:
            raise run.fault
        return (run.text.decode(), position + len(run.raw) + 2) if run.ended else None

    def _read_value(self, data: bytes, position: int) -> int | None:
        self._in_list = self._in_object = False
        self._parts.start = self._offset + position
        self._depth = 0
        character = data[position]
        if character == _QUOTE:
            return self._begin_text(data, position)
        if character not in (_OPEN_ARRAY, _OPEN_OBJECT):
            return self._read_word(data, position)
        self._captured = bytearray()
        if character == _OPEN_OBJECT:
            return self._begin_object(position)
        self._depth = 1
        self._in_list = True
        self._state = _State.ELEMENT
        return position + 1

    def _read_word(self, data: bytes, position: int) -> int | None:
        """A number, true, false or null."""
        end = end_of(_WORD, data, position)
        word = data[position:end]
        if len(word) > WORD_MAX:
            raise JSONTooComplex(f"A number has more than {WORD_MAX} characters.", offset=self._offset + position)
        if end == len(data):
            return None
        if word not in (b"true", b"false", b"null") and not _NUMBER.fullmatch(word):
            return self._refuse(data, position, "a value")
        if word != b"null":
            self._parts.add_field(word)
        self._state = _State.AFTER_VALUE
        return end

    # --- texts that are content ---

    def _begin_text(self, data: bytes, position: int) -> int | None:
        """A text: a file if it is a data URI, else a field."""
        run = read_run(data, position + 1, self._offset + position + 1)
        uri = read_data_uri(run.text)
        if uri is None and not run.ended and run.fault is None and may_become_data_uri(run.text):
            return None
        if uri is None and self._in_list:
            return self._refuse(data, position, "a file")
        self._state = _State.TEXT
        if uri is None:
            self._described = {}
            self._parts.begin()
            return position + 1
        self._captured = None
        self._described = {"base64": None, "filename": uri.filename, "content_type": uri.content_type}
        self._parts.begin(Base64Decoder() if uri.is_base64 else PercentDecoder())
        return run.place(uri.length) - self._offset

    def _read_text(self, data: bytes, position: int) -> int | None:
        run = read_run(data, position, self._offset + position)
        self._parts.add_text(run)
        if run.fault is not None:
            raise run.fault
        end = position + len(run.raw)
        if not run.ended:
            return end if run.raw else None
        self._parts.end_text(self._offset + end)
        if self._in_object:
            self._state = _State.AFTER_KEY
        elif self._described:
            self._end_file()
        else:
            self._parts.end_field()
            self._state = _State.AFTER_VALUE
        return end + 1

    # --- objects and arrays ---

    def _read_written(self, data: bytes, position: int) -> int | None:
        assert self._written is not None  # it comes with the state
        following = self._written.take(data, position)
        if self._written.over:
            self._parts.add_field(self._written.finish(), "application/json")
            self._containers = self._written.containers
            self._written = None
            self._state = _State.AFTER_VALUE
        return following

    def _read_element(self, data: bytes, position: int) -> int | None:
        self._in_object = False
        if self._captured is None:
            self._parts.start = self._offset + position
        if data[position] == _QUOTE:
            return self._begin_text(data, position)
        if data[position] == _OPEN_OBJECT:
            return self._begin_object(position)
        return self._refuse(data, position, "a file")

    def _begin_object(self, position: int) -> int:
        self._in_object = True
        self._depth += 1
        self._described = {}
        self._state = _State.KEY
        return position + 1

    def _read_key(self, data: bytes, position: int) -> int | None:
        expected = "`base64`, `filename` or `content_type`, each once"
        if data[position] != _QUOTE:
            return self._refuse(data, position, expected)
        read = self._read_short(data, position, KEY_MAX)
        if read is None:
            return None
        key, following = read
        if key not in _FILE_KEYS or key in self._described:
            if self._captured is None:
                raise JSONInvalid(f"Expected {expected}; found {key!r}.", offset=self._offset + position)
            return self._refuse(data, position, expected)
        self._key = key
        self._described[key] = None
        self._state = _State.KEY_COLON
        return following

    def _read_key_value(self, data: bytes, position: int) -> int | None:
        if self._key == "base64":
            self._captured = None
            if data[position] != _QUOTE:
                return self._refuse(data, position, "a text behind `base64`")
            self._parts.begin(Base64Decoder())
            self._state = _State.TEXT
            return position + 1
        if data[position] == _QUOTE:
            read = self._read_short(data, position, self._limits.part_headers)
            if read is None:
                return None
            self._described[self._key], following = read
            if read[0] is None:
                if self._captured is None:
                    raise self._parts.described_too_long()
                return self._refuse(data, position, "a short text")
        else:
            following = end_of(_WORD, data, position)
            word = data[position:following]
            if following == len(data) and b"null".startswith(word):
                return None
            if word != b"null":
                return self._refuse(data, position, "a text or null")
        self._state = _State.AFTER_KEY
        return following

    def _read_after_key(self, data: bytes, position: int) -> int | None:
        if data[position] == _COMMA:
            self._state = _State.KEY
        elif data[position] == _CLOSE_OBJECT and "base64" in self._described:
            self._end_file()
        else:
            return self._refuse(data, position, "`,` or `}`, and `base64` before it")
        return position + 1

    def _end_file(self) -> None:
        self._parts.end_file(self._described.get("filename"), self._described.get("content_type"))
        self._state = _State.AFTER_ELEMENT if self._in_list else _State.AFTER_VALUE


_STEPS: dict[_State, Callable[[JSONScanner, bytes, int], int | None]] = {
    _State.FIRST_NAME: JSONScanner._read_name,
    _State.NAME: JSONScanner._read_name,
    _State.VALUE: JSONScanner._read_value,
    _State.TEXT: JSONScanner._read_text,
    _State.WRITTEN: JSONScanner._read_written,
    _State.KEY: JSONScanner._read_key,
    _State.KEY_VALUE: JSONScanner._read_key_value,
    _State.AFTER_KEY: JSONScanner._read_after_key,
    _State.ELEMENT: JSONScanner._read_element,
}
