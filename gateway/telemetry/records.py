"""One line for each request: what came, where it went, what was answered; as a value, as text, and as JSON.

A line is one line whatever a client sends: what is not printable is escaped, what is long is cut. It has no query and
no URL of a service, which may hold secrets. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from gateway.core.outcomes import Delivery
from gateway.core.services import BodyKind

__all__ = ["ACCESS_LOGGER", "JSON_MAX", "TEXT_MAX", "UploadRecord", "json_line", "noteworthy", "readable", "rfc3339"]

ACCESS_LOGGER = "gateway.access"
"""Where the records go, at the level INFO: to judge is the reader's business."""

TEXT_MAX = 1000
"""Characters of a line of text."""
JSON_MAX = 4000
"""Bytes of a line of JSON. Up to 4096 a pipe takes a line in one piece, whoever else writes into it (PIPE_BUF)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRecord:
    """What one request came to, written when its answer is out or has broken off. As a string: the line of text."""

    ended_at: float
    """Unix time, in seconds."""
    duration_s: float
    """From the moment the request's header was in to the end of its answer."""
    id: str | None
    """The request's id; None if it came to none."""
    route: str | None
    """The route's name; None if none took it."""
    peer: str | None
    """The address of whoever is connected: the client, or a proxy."""
    method: str
    path: str
    """Decoded, without the query."""
    protocol: str
    """`HTTP/1.1`, `HTTP/1.0`."""
    status: int | None
    """Of the answer that was sent or begun; None if there was none."""
    error: str | None = None
    """The code of the problem document that was sent, or of what broke off the answer."""
    declared: int | None = None
    """Content-Length of the request; None if it has none."""
    kind: BodyKind | None = None
    """The kind of body; None if it was not read."""
    received: int = 0
    """Bytes of the body that came."""
    received_s: float | None = None
    """How long it took until the upload was in and found good; None if it never was."""
    parts: int = 0
    """Number of parts that were found."""
    files: tuple[str, ...] = ()
    """The names of those that are files."""
    deliveries: tuple[Delivery, ...] = ()
    answered: int = 0
    """Bytes of the answer's body."""
    broken: Literal["client", "service", "gateway"] | None = None
    """Who broke off the answer before its end; None if it is whole."""

    def __str__(self) -> str:
        return _fitting((_text(self, measure) for measure in _MEASURES), TEXT_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measure:
    """How much of everything goes into a line."""

    files: int
    deliveries: int
    characters: int
    """Of one name."""


# Tried one after the other until the line is short enough; nearly always the first one is.
_MEASURES = (
    _Measure(files=20, deliveries=24, characters=200),
    _Measure(files=5, deliveries=8, characters=100),
    _Measure(files=3, deliveries=4, characters=40),
    _Measure(files=1, deliveries=2, characters=16),
)
_ADDRESS_MAX = 64
_ID_MAX = 128
_SURROGATE = re.compile("[\ud800-\udfff]")
# Printable ASCII without the blank, the quote and the backslash.
_PLAIN_WORD = re.compile(r"[!#-\[\]-~]+")


def json_line(record: UploadRecord) -> str:
    """The record as one JSON object in one line of ASCII."""
    lines = (json.dumps(_members(record, measure), separators=(",", ":")) for measure in _MEASURES)
    return _fitting(lines, JSON_MAX)


def _fitting(lines: Iterator[str], most: int) -> str:
    """The first that is short enough; the last fits, unless somebody sends an id or an address made of escapes."""
    line = ""
    for line in lines:
        if len(line) <= most:
            break
    return line[:most]


def noteworthy(deliveries: Sequence[Delivery], most: int) -> Sequence[Delivery]:
    """The deliveries in their order; if there are too many, those that were not ok come first."""
    if len(deliveries) <= most:
        return deliveries
    return sorted(deliveries, key=lambda delivery: delivery.outcome == "ok")[:most]


def rfc3339(at: float) -> str:
    """A Unix time as RFC 3339 has it, in UTC and with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def readable(text: str) -> str:
    """Without halves of characters, which nothing can write: bytes that were not UTF-8, or a client's JSON."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _cut(text: str, most: int) -> str:
    text = readable(text)
    return text if len(text) <= most else text[: most - 1] + "…"


# --- text ------------------------------------------------------------------------------------


def _text(record: UploadRecord, measure: _Measure) -> str:
    """Time, status, method, path; then `key=value` for what is there."""
    return " ".join(
        [
            rfc3339(record.ended_at),
            "-" if record.status is None else str(record.status),
            _word(record.method, measure.characters),
            _word(record.path, measure.characters),
            *(f"{key}={value}" for key, value in _pairs(record, measure)),
        ]
    )


def _pairs(record: UploadRecord, measure: _Measure) -> Iterator[tuple[str, object]]:
    if record.id is not None:
        yield "id", _word(record.id, _ID_MAX)
    yield "route", _word(record.route or "-", measure.characters)
    yield "peer", _word(record.peer or "-", _ADDRESS_MAX)
    yield "ms", _ms(record.duration_s)
    if record.error is not None:
        yield "error", record.error
    if record.declared is not None:
        yield "declared", record.declared
    if record.kind is not None:
        yield "body", record.kind
        yield "received", record.received
        if record.received_s is not None:
            yield "received_ms", _ms(record.received_s)
        yield "parts", record.parts
    if record.files:
        names = [_quoted(name, measure.characters) for name in record.files[: measure.files]]
        yield "files", ",".join([*names, *_more(record.files, measure.files)])
    if record.deliveries:
        chosen = noteworthy(record.deliveries, measure.deliveries)
        told = [_told(delivery, measure.characters) for delivery in chosen]
        yield "to", '"' + "; ".join([*told, *_more(record.deliveries, measure.deliveries)]) + '"'
    yield "answered", record.answered
    if record.broken is not None:
        yield "broken", record.broken


def _told(delivery: Delivery, most: int) -> str:
    """`text ok 200 240.1ms 1048739B`, and what is out of the ordinary."""
    words = [_escaped(_cut(delivery.service, most)), delivery.outcome]
    if delivery.status is not None:
        words.append(str(delivery.status))
    if delivery.error is not None:
        words.append(delivery.error.code)
    words += [f"{_ms(delivery.duration_s)}ms", f"{delivery.sent}B"]
    if delivery.attempts > 1:
        words.append(f"{delivery.attempts} attempts")
    return " ".join(words)


def _more(items: Sequence[object], most: int) -> Iterator[str]:
    if len(items) > most:
        yield f"+{len(items) - most}"


def _word(text: str, most: int) -> str:
    """As it is if it is one word, else in quotes."""
    text = _cut(text, most)
    return text if _PLAIN_WORD.fullmatch(text) else f'"{_escaped(text)}"'


def _quoted(text: str, most: int) -> str:
    return f'"{_escaped(_cut(text, most))}"'


def _escaped(text: str) -> str:
    """Fit to stand in quotes: control characters could forge lines or drive a terminal, others turn its direction."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(
        "\\" + character
        if character in '"\\'
        else character
        if character.isprintable()
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


# --- JSON ------------------------------------------------------------------------------------


def _members(record: UploadRecord, measure: _Measure) -> dict[str, Any]:
    most = measure.characters
    upload = None
    if record.kind is not None:
        upload = {
            "body": record.kind,
            "received": record.received,
            "ms": None if record.received_s is None else _ms(record.received_s),
            "parts": record.parts,
            "files": len(record.files),
            "filenames": [_cut(name, most) for name in record.files[: measure.files]],
        }
    return {
        "time": rfc3339(record.ended_at),
        "level": "info",
        "logger": ACCESS_LOGGER,
        "id": None if record.id is None else _cut(record.id, _ID_MAX),
        "route": None if record.route is None else _cut(record.route, most),
        "peer": None if record.peer is None else _cut(record.peer, _ADDRESS_MAX),
        "method": _cut(record.method, most),
        "path": _cut(record.path, most),
        "protocol": _cut(record.protocol, most),
        "status": record.status,
        "error": record.error,
        "ms": _ms(record.duration_s),
        "declared": record.declared,
        "upload": upload,
        "deliveries": [_described(one, most) for one in noteworthy(record.deliveries, measure.deliveries)],
        "answered": record.answered,
        "broken": record.broken,
    }


def _described(delivery: Delivery, most: int) -> dict[str, Any]:
    members: dict[str, Any] = {
        "service": _cut(delivery.service, most),
        "outcome": delivery.outcome,
        "status": delivery.status,
        "ms": _ms(delivery.duration_s),
        "bytes_sent": delivery.sent,
        "attempts": delivery.attempts,
        "error": None if delivery.error is None else delivery.error.code,
    }
    return members if delivery.file is None else members | {"filename": _cut(delivery.file, most)}
