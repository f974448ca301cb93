"""Content written as text: base64, and data URIs (RFC 4648, RFC 2397).

Both are decoded as they arrive; the same text gives the same bytes, or the same error at the same place,
however it is cut. `place` gives the offset in the body of a character of the text, for errors.

Base64 is read strictly: the standard alphabet, with padding, nothing behind it. Line ends are skipped, since
encoders for mail write them. A blank is refused: it is most often a `+` that went through a form.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_hex
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from gateway.errors import Base64Invalid, DataURIInvalid

__all__ = ["HEAD_MAX", "Base64Decoder", "DataURI", "PercentDecoder", "may_become_data_uri", "read_data_uri"]

HEAD_MAX = 1024
"""Bytes of a data URI up to its comma; a text without one by then is none."""

Place = Callable[[int], int]

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_HEAD = re.compile(rb"data:(" + _TOKEN + rb"/" + _TOKEN + rb")?+[ ]*+((?:;[^;,\x00-\x1f]*+)*+),", re.IGNORECASE)
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_LINE_ENDS = b"\r\n"
_PIECES = re.compile(rb"[A-Za-z0-9+/]++|[^A-Za-z0-9+/\r\n]")
_ESCAPES = re.compile(rb"(?:%[0-9A-Fa-f]{2})++")
_BEGUN_ESCAPE = re.compile(rb"%[0-9A-Fa-f]?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataURI:
    """What a data URI says in front of its content."""

    content_type: str | None
    """With its parameters; None if it names none."""
    filename: str | None
    """From `;name=` or `;filename=`, which some form libraries write."""
    is_base64: bool
    """Else the content is percent-encoded."""
    length: int
    """Bytes up to the content, the comma included."""


def may_become_data_uri(text: bytes) -> bool:
    """Whether a text that begins like this, and goes on, may be a data URI of which the head is not yet known."""
    return text[:5].lower() == b"data:"[: len(text)] and len(text) < HEAD_MAX and b"," not in text


def read_data_uri(text: bytes) -> DataURI | None:
    """The head of the data URI that `text` begins with, if it does.

    Taken for one is only what no other text begins with: `data:`, a media type or none, parameters, and a comma.
    """
    match = _HEAD.match(text[:HEAD_MAX])
    if match is None:
        return None
    media_type = match[1] and match[1].decode("ascii")
    kept, filename, is_base64 = [], None, False
    for parameter in match[2].split(b";")[1:]:
        text_of_it = parameter.strip(b" ").decode("utf-8", "surrogateescape")
        name, _, value = text_of_it.partition("=")
        if text_of_it.lower() == "base64":
            is_base64 = True
        elif name.lower() in ("name", "filename"):
            filename = (
                unquote_to_bytes(value.strip('"').encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
                or None
            )
        elif text_of_it:
            kept.append(text_of_it)
    # RFC 2397: parameters without a type are those of text. Neither of them: the client did not know.
    content_type = ";".join([media_type or "text/plain", *kept]) if media_type or kept else None
    return DataURI(content_type=content_type, filename=filename, is_base64=is_base64, length=match.end())


class Base64Decoder:
    """Decodes one text."""

    def __init__(self) -> None:
        self._characters = 0
        self._padding = False
        self._quantum = b""

    def feed(self, text: bytes, place: Place) -> bytes:
        """The bytes that are known with this piece of the text."""
        others = text.translate(None, _ALPHABET)
        if self._padding or others.strip(_LINE_ENDS):
            self._check(text, place)
        characters = text.translate(None, _LINE_ENDS) if others else text
        self._characters += len(characters)
        characters = self._quantum + characters
        whole = len(characters) - len(characters) % 4
        self._quantum = characters[whole:]
        return a2b_base64(characters[:whole])

    def _check(self, text: bytes, place: Place) -> None:
        """Raise what is wrong with a piece that is not of the alphabet alone."""
        characters = self._characters
        for match in _PIECES.finditer(text):
            piece = match[0]
            if piece == b"=":
                if characters % 4 < 2:
                    raise Base64Invalid("Found a `=` where no padding belongs.", offset=place(match.start()))
                self._padding = True
            elif piece[0] not in _ALPHABET:
                found = repr(chr(piece[0])) if piece.isascii() else f"the byte 0x{piece[0]:02x}"
                raise Base64Invalid(
                    f"Expected letters, digits, `+` and `/`; found {found}.", offset=place(match.start())
                )
            elif self._padding:
                raise Base64Invalid("Characters follow the padding.", offset=place(match.start()))
            characters += len(piece)

    def finish(self, offset: int) -> bytes:
        """The text is over, at `offset` of the body. Returns what is still to come: nothing."""
        if self._characters % 4:
            raise Base64Invalid(
                f"Expected a multiple of 4 characters, with `=` at the end where needed; found {self._characters}.",
                offset=offset,
            )
        return b""


class PercentDecoder:
    """Decodes one text in which `%41` stands for a byte; a `%` that begins no such thing stands for itself (WHATWG)."""

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, text: bytes, place: Place) -> bytes:
        """The bytes that are known with this piece of the text."""
        fragment = text.find(b"#")
        if fragment >= 0:
            # Browsers cut a data URI off there, other readers do not.
            raise DataURIInvalid("Found a `#`, which would end a URI; it is written %23.", offset=place(fragment))
        text = self._begun + text
        begun = _BEGUN_ESCAPE.search(text[-2:])
        self._begun = begun[0] if begun else b""
        return _ESCAPES.sub(_unescaped, text.removesuffix(self._begun))

    def finish(self, offset: int) -> bytes:
        """The text is over, at `offset` of the body. Returns what is still to come."""
        return self._begun


def _unescaped(escapes: re.Match[bytes]) -> bytes:
    return a2b_hex(escapes[0].replace(b"%", b""))
