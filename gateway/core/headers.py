"""Which header fields are for the other end. Pure: lists of (name, value) in and out, order and repeats kept."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Fields", "answer_fields", "end_to_end"]

Fields = list[tuple[str, str]]

# RFC 9110 section 7.6.1, and Proxy-Connection, which some clients still send.
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# The gateway's own server writes these.
_OURS = frozenset({"date", "server"})


def answer_fields(received: Iterable[tuple[str, str]]) -> Fields:
    """The end-to-end fields of a service's answer, for the client. Content-Length stays."""
    return [(name, value) for name, value in end_to_end(received) if name.lower() not in _OURS]


def end_to_end(received: Iterable[tuple[str, str]]) -> Fields:
    """Without what is about one connection only (RFC 9110 section 7.6.1)."""
    fields = list(received)
    named = {
        token.strip().lower() for name, value in fields if name.lower() == "connection" for token in value.split(",")
    }
    dropped = _HOP_BY_HOP | named
    return [(name, value) for name, value in fields if name.lower() not in dropped]
