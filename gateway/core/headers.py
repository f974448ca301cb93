"""Which header fields go on, in both directions. Pure: lists of (name, value) in and out, order and repeats kept."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Fields", "answer_fields", "request_fields"]

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
_FORWARDED = ("accept", "accept-language", "idempotency-key", "traceparent", "tracestate")


def answer_fields(received: Iterable[tuple[str, str]]) -> Fields:
    """The end-to-end fields of a service's answer, for the client. Content-Length stays."""
    fields = list(received)
    named = {
        token.strip().lower() for name, value in fields if name.lower() == "connection" for token in value.split(",")
    }
    dropped = _HOP_BY_HOP | _OURS | named
    return [(name, value) for name, value in fields if name.lower() not in dropped]


def request_fields(
    received: Iterable[tuple[str, str]], *, request_id: str, peer: str | None, scheme: str, host: str
) -> Fields:
    """What a service is told about the client's request. The body's own fields are not among these.

    An answer may be relayed as it is, so the service may encode it only as the client asked for.
    """
    client = {name.lower(): value for name, value in received}
    fields = [(name.title(), client[name]) for name in _FORWARDED if name in client]
    fields.append(("Accept-Encoding", client.get("accept-encoding", "identity")))
    fields.append(("X-Request-Id", request_id))
    if peer:
        # RFC 7239 section 6: an IPv6 address is quoted, in brackets.
        node = f'"[{peer}]"' if ":" in peer else peer
        chain = [client["forwarded"]] if "forwarded" in client else []
        fields.append(("Forwarded", ", ".join([*chain, f'for={node};host="{host}";proto={scheme}'])))
        chain = [client["x-forwarded-for"]] if "x-forwarded-for" in client else []
        fields.append(("X-Forwarded-For", ", ".join([*chain, peer])))
    fields.append(("X-Forwarded-Host", host))
    fields.append(("X-Forwarded-Proto", scheme))
    return fields
