"""Where one delivery goes: which URL, by which method, with which header fields. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes, urlsplit, urlunsplit

from gateway.core.headers import Fields, end_to_end
from gateway.core.services import TLS, Forward, Service, Timeouts
from gateway.errors import PathInvalid

__all__ = ["ClientRequest", "Target", "check_path", "in_turn", "target_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRequest:
    """What the client asked for, apart from the upload itself."""

    id: str
    """The request's id, as in the log and in `X-Request-Id`."""
    method: str
    fields: Fields
    """The header as received."""
    query: str = ""
    """What follows the `?`, as received."""
    rest: str | None = None
    """What the `<rest>` or `<filename>` of the route's path stood for, percent-encoded as received."""
    peer: str | None = None
    """The client's address; None if it has none."""
    scheme: str = "http"
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One request to be sent, apart from its body."""

    service: str
    """The service's name, for messages."""
    url: str
    """Absolute, as it goes into the request line. It may hold secrets of the configuration, in plain text."""
    address: str | None = None
    """The URL as it is configured, for messages: without what the client or `query` adds. None: `url` itself."""
    method: str = "POST"
    fields: Fields
    """Header fields, in order; what describes the body is the body's."""
    tls: TLS = TLS()
    timeouts: Timeouts = Timeouts()


def target_of(service: Service, url: str, client: ClientRequest, *, reads_answer: bool = False) -> Target:
    """The request that brings this client's upload to one of the service's URLs.

    `reads_answer` says that the gateway looks into the answer, which must not be encoded then. Raises PathInvalid, as
    `check_path` does.
    """
    check_path(service, client)
    return Target(
        service=service.name,
        address=url,
        url=_with_query(_with_rest(url, client.rest) if service.forward.path == "rest" else url, service, client.query),
        method=client.method if service.method == "same" else service.method,
        fields=_fields(service, client, reads_answer=reads_answer),
        tls=service.tls,
        timeouts=service.timeouts,
    )


def check_path(service: Service, client: ClientRequest) -> None:
    """Raise PathInvalid if the path that is to be handed on could leave that of the service's URL."""
    if service.forward.path != "rest":
        return
    rest = client.rest or ""
    for segment in rest.split("/"):
        # A server that decodes first and resolves then would take these for a way up.
        decoded = unquote_to_bytes(segment).replace(b"\\", b"/")
        if {b".", b".."} & set(decoded.split(b"/")) or b"\0" in decoded:
            raise PathInvalid(f"Expected a path without `.` and `..` segments and without NUL; found {rest!r}.")


def in_turn(urls: Sequence[str], turn: int, failed_at: Mapping[str, float], now: float, *, rest_s: float) -> list[str]:
    """All the URLs in the order in which to try them: the next in turn first, those that failed of late last."""
    turned = [urls[(turn + index) % len(urls)] for index in range(len(urls))]
    return sorted(turned, key=lambda url: url in failed_at and now - failed_at[url] < rest_s)


_ALWAYS = frozenset({"accept", "accept-language", "idempotency-key", "traceparent", "tracestate"})
# What the gateway says itself, or what is about the body as it came.
_NEVER = frozenset(
    {
        "accept-encoding",
        "content-disposition",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "forwarded",
        "host",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-request-id",
    }
)


def _fields(service: Service, client: ClientRequest, *, reads_answer: bool) -> Fields:
    """A header that the configuration sets takes the place of one that came from the client."""
    fields = _forwarded(service.forward, client.fields)
    # An answer that is relayed as it is may be encoded only as the client asked for.
    encoding = "identity" if reads_answer else _joined(client, "accept-encoding") or "identity"
    fields += [("Accept-Encoding", encoding), ("X-Request-Id", client.id)]
    if client.peer:
        # RFC 7239 section 6: an IPv6 address is quoted, in brackets.
        node = f'"[{client.peer}]"' if ":" in client.peer else client.peer
        # What a server let pass as a Host must not become a parameter of its own (RFC 9110 section 5.6.4).
        host = client.host.replace("\\", "\\\\").replace('"', '\\"')
        hop = f'for={node};host="{host}";proto={client.scheme}'
        fields.append(("Forwarded", ", ".join(filter(None, [_joined(client, "forwarded"), hop]))))
        fields.append(("X-Forwarded-For", ", ".join(filter(None, [_joined(client, "x-forwarded-for"), client.peer]))))
    fields += [("X-Forwarded-Host", client.host), ("X-Forwarded-Proto", client.scheme)]
    own = {name.lower() for name in service.headers}
    return [(name, value) for name, value in fields if name.lower() not in own] + list(service.headers.items())


def _forwarded(forward: Forward, received: Fields) -> Fields:
    wanted = forward.headers
    if wanted == "all":
        return [(name, value) for name, value in end_to_end(received) if name.lower() not in _NEVER]
    names = _ALWAYS if wanted == "none" else _ALWAYS | wanted
    return [(name, value) for name, value in received if name.lower() in names]


def _joined(client: ClientRequest, name: str) -> str:
    """The values of all fields with this name, as one list (RFC 9110 section 5.3); "" if there is none."""
    return ", ".join(value for key, value in client.fields if key.lower() == name)


def _with_rest(url: str, rest: str | None) -> str:
    """The URL with `rest` behind its path, with one slash between."""
    split = urlsplit(url)
    path = f"{split.path.rstrip('/')}/{_ILLEGAL.sub(lambda match: quote(match[0]), rest or '')}"
    return urlunsplit(split._replace(path=path))


# What a request line cannot hold (RFC 3986 section 3.3: pchar and the slash are left alone).
_ILLEGAL = re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:@/%-]+")


def _with_query(url: str, service: Service, received: str) -> str:
    """The URL's own query, then what is forwarded of the client's as it was written, then the configured parameters."""
    pieces = [urlsplit(url).query]
    wanted = service.forward.query
    if wanted == "all":
        pieces.append(_ILLEGAL_IN_QUERY.sub(lambda match: quote(match[0]), received))
    elif wanted != "none":
        pieces += [
            _ILLEGAL_IN_QUERY.sub(lambda match: quote(match[0]), piece)
            for piece in received.split("&")
            if unquote_to_bytes(piece.partition("=")[0].replace("+", " ")).decode("utf-8", "replace") in wanted
        ]
    pieces += [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in service.query.items()]
    query = "&".join(piece for piece in pieces if piece)
    return urlunsplit(urlsplit(url)._replace(query=query)) if query else url


_ILLEGAL_IN_QUERY = re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:@/?%-]+")
