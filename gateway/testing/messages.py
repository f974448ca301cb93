"""HTTP/1.1 messages as values, read strictly and without a socket.

What RFC 9112 lets a recipient forgive is refused here (bare line feeds, folded headers, blanks before
a colon, two lengths, a length beside chunks): these readers judge what the gateway sends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from gateway.testing.errors import MessageInvalid

__all__ = [
    "CONTINUE",
    "AnswerHead",
    "Framing",
    "Headers",
    "RequestHead",
    "answer_bytes",
    "answer_framing",
    "parse_answer_head",
    "parse_chunk_size",
    "parse_headers",
    "parse_request_head",
    "request_framing",
]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rb"(%s) ([!-~\x80-\xff]+) HTTP/1\.([01])" % _TOKEN)
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2}) ([\t -~\x80-\xff]*)")
_HEADER_LINE = re.compile(rb"(%s):[ \t]*((?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?)[ \t]*" % _TOKEN)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t -~]*)?")


class Headers(tuple[tuple[bytes, bytes], ...]):
    """Names and values as received and in order; only the blanks round a value are gone."""

    __slots__ = ()

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of that name, in order; bytes appear as Latin-1."""
        wanted = name.lower().encode("ascii")
        return tuple(value.decode("latin-1") for key, value in self if key.lower() == wanted)

    def get(self, name: str) -> str | None:
        """The only value of that name, or None; a repeated header is an error here."""
        values = self.all(name)
        if len(values) > 1:
            raise MessageInvalid(f"expected one {name} header, found {len(values)}: {values}")
        return values[0] if values else None

    def has_token(self, name: str, token: str) -> bool:
        """Whether a header that is a comma-separated list names `token`."""
        return any(token == item.strip().lower() for value in self.all(name) for item in value.split(","))


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHead:
    """The request line and the headers."""

    method: str
    target: str
    """As on the request line, with path and query; bytes appear as Latin-1."""
    headers: Headers
    raw: bytes
    """All of it as received, with the empty line."""
    persistent: bool
    """Whether the client may send another request on this connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerHead:
    """The status line and the headers."""

    status: int
    reason: str
    headers: Headers
    raw: bytes
    """All of it as received, with the empty line."""
    persistent: bool
    """Whether the peer says that the connection can be used again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How the end of a body is found."""

    length: int | None = 0
    """Content-Length in bytes; None where the body is chunked or ends with the connection."""
    chunked: bool = False

    @property
    def until_close(self) -> bool:
        """The body ends where the connection does: only answers may do that."""
        return self.length is None and not self.chunked


def parse_request_head(raw: bytes) -> RequestHead:
    """Reads a head that ends with its empty line."""
    line, headers = _split_head(raw)
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise MessageInvalid(f"expected a request line, found {line!r}")
    is_current = found[3] == b"1"
    if is_current and len(headers.all("host")) != 1:
        raise MessageInvalid(f"expected one Host header, found {headers.all('host')}")
    return RequestHead(
        method=found[1].decode("latin-1"),
        target=found[2].decode("latin-1"),
        headers=headers,
        raw=raw,
        persistent=is_current and not headers.has_token("connection", "close"),
    )


def parse_answer_head(raw: bytes) -> AnswerHead:
    """Reads a head that ends with its empty line."""
    line, headers = _split_head(raw)
    found = _STATUS_LINE.fullmatch(line)
    if found is None:
        raise MessageInvalid(f"expected a status line, found {line!r}")
    return AnswerHead(
        status=int(found[2]),
        reason=found[3].decode("latin-1"),
        headers=headers,
        raw=raw,
        persistent=found[1] == b"1" and not headers.has_token("connection", "close"),
    )


def parse_headers(lines: Iterable[bytes]) -> Headers:
    """Reads header lines without their line ends."""
    pairs = []
    for line in lines:
        found = _HEADER_LINE.fullmatch(line)
        if found is None:
            raise MessageInvalid(f"expected a header, found {line!r}")
        pairs.append((found[1], found[2]))
    return Headers(pairs)


def parse_chunk_size(line: bytes) -> int:
    """Reads the line in front of a chunk, without its line end; extensions are skipped."""
    found = _CHUNK_SIZE.fullmatch(line)
    if found is None:
        raise MessageInvalid(f"expected a chunk size, found {line!r}")
    return int(found[1], 16)


def request_framing(head: RequestHead) -> Framing:
    """A request without length and without chunks has no body."""
    return _framing(head.headers) or Framing()


def answer_framing(head: AnswerHead, method: str) -> Framing:
    """An answer without length and without chunks lasts until the connection ends (RFC 9112 section 6.3)."""
    if method == "HEAD" or head.status < 200 or head.status in (204, 304):
        return Framing()
    return _framing(head.headers) or Framing(length=None)


def answer_bytes(
    status: int,
    body: bytes = b"",
    headers: Iterable[tuple[str, str]] = (),
    *,
    with_length: bool = True,
) -> bytes:
    """A whole answer on the wire. Without a length the connection has to be closed behind it."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers)]
    if with_length and status >= 200 and status not in (204, 304):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _split_head(raw: bytes) -> tuple[bytes, Headers]:
    if not raw.endswith(b"\r\n\r\n"):
        raise MessageInvalid(f"expected a head that ends with an empty line, found {raw[-80:]!r}")
    line, *lines = raw[:-4].split(b"\r\n")
    return line, parse_headers(lines)


def _framing(headers: Headers) -> Framing | None:
    codings, lengths = headers.all("transfer-encoding"), headers.all("content-length")
    if codings:
        if lengths:
            raise MessageInvalid(f"Content-Length {lengths} beside Transfer-Encoding {codings}: a smuggling risk")
        if [coding.lower() for coding in codings] != ["chunked"]:
            raise MessageInvalid(f"expected Transfer-Encoding: chunked, found {codings}")
        return Framing(length=None, chunked=True)
    if not lengths:
        return None
    if len(lengths) > 1 or re.fullmatch(r"[0-9]{1,18}", lengths[0]) is None:
        raise MessageInvalid(f"expected one Content-Length of digits, found {lengths}")
    return Framing(length=int(lengths[0]))
