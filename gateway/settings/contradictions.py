"""What is wrong between keys that are each right.

Takes the document as plain data, so that it can also look at one that has other mistakes: whatever has not the
form that is looked for is passed over, as it is reported by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.settings.http_values import parse_statuses
from gateway.settings.sections import Key
from gateway.settings.values import Expected, Secret

__all__ = ["contradictions"]

Found = Iterator[tuple[Key, Expected]]

OUTCOMES = ("ok", "rejected", "busy", "failed")
NOT_IN_ONE_FILE = {
    "rename": "a bare file goes without the name of its part",
    "add": "a bare file has no fields beside it",
}
NOT_OUTSIDE_OF_FORMS = {
    "file_last": "only a form has an order",
    "repeat": "only a form can have a name more than once",
}
"""Keys of `send` that mean nothing for some shapes, with the reason."""


def contradictions(data: object) -> Found:
    """Each with the key to change."""
    services, routes = _mapping(data, "services"), _mapping(data, "routes")
    for name, service in services.items():
        above = ("services", name)
        yield from _headers(above, _mapping(service, "headers"))
        yield from _tls(above, _mapping(service, "tls"), service.get("url") if isinstance(service, dict) else None)
        yield from _send(above, _mapping(service, "send"))
        yield from _statuses((*above, "expect"), _mapping(service, "expect"))
    if services and routes:
        yield from _routes(routes, services)


def _headers(above: Key, headers: Mapping[str, Any]) -> Found:
    spellings: dict[str, str] = {}
    for header in headers:
        first = spellings.setdefault(header.lower(), header)
        if first != header:
            reason = f"expected each header once: it is {first} above, and upper and lower case do not differ"
            yield (*above, "headers", header), Expected(reason, quotable=False)


def _tls(above: Key, tls: Mapping[str, Any], url: object) -> Found:
    urls = url if isinstance(url, list) else [url]
    if tls and any(isinstance(each, str) and each.lower().startswith("http:") for each in urls):
        reason = "expected no `tls` beside a URL with http://, which has no certificates; was https:// meant?"
        yield (*above, "tls"), Expected(reason, quotable=False)
    if "key" in tls and "cert" not in tls:
        yield (*above, "tls", "key"), Expected("expected `cert` beside it: the certificate that this is the key of")


def _send(above: Key, send: Mapping[str, Any]) -> Found:
    kind = send.get("as", "multipart")
    if "only" in send and send.get("drop"):
        reason = "expected one of `only` and `drop`: what `only` does not name is dropped"
        yield (*above, "send", "drop"), Expected(reason, quotable=False)
    reasons = {
        **(NOT_OUTSIDE_OF_FORMS if kind in ("raw", "json") else {}),
        **(NOT_IN_ONE_FILE if kind == "raw" else {}),
    }
    for key, reason in reasons.items():
        if send.get(key) not in (None, False, "keep", {}):
            text = f"expected no `{key}` with `as: {kind}`: {reason}"
            yield (*above, "send", key), Expected(text, quotable=False)


def _statuses(above: Key, expect: Mapping[str, Any]) -> Found:
    taken: dict[int, str] = {}
    for outcome in OUTCOMES:
        entries = expect.get(outcome)
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            try:
                statuses = parse_statuses(entry)
            except Expected:
                continue
            for status in statuses:
                first = taken.setdefault(status, outcome)
                if first != outcome:
                    named = "it" if isinstance(entry, Secret) else status
                    reason = f"expected each status once: {named} is under `{first}` too"
                    yield (*above, outcome, index), Expected(reason)
                    break


def _routes(routes: Mapping[str, Any], services: Mapping[str, Any]) -> Found:
    taken: dict[str | None, str] = {}
    for name, route in routes.items():
        if not isinstance(route, dict):
            continue
        path, to = route.get("path"), route.get("to")
        if isinstance(to, str) and to not in services:
            known = ", ".join(services)
            yield ("routes", name, "to"), Expected(f"expected the name of a service ({known})")
        for claim in _claims(path):
            first = taken.setdefault(claim, name)
            if first != name:
                extent = "" if claim == path else ", where `<rest>` is nothing"
                reason = f"expected a path of its own: the route {first} takes this too{extent}"
                yield ("routes", name, "path"), Expected(reason)
                break
        service = services.get(to) if isinstance(to, str) else None
        if route.get("reply") == "passthrough" and _mapping(service, "send").get("each") == "file":
            reason = (
                "expected `json`: the service gets each file by itself (`send.each: file`) and so gives several answers"
            )
            yield ("routes", name, "reply"), Expected(reason)


def _claims(path: object) -> tuple[str | None, ...]:
    """What a route takes that no other may take. Of two that both match, the more precise one gets the request."""
    if path is None:
        return (None,)
    if not isinstance(path, str):
        return ()
    return (path, path.removesuffix("<rest>")) if path.endswith("/<rest>") else (path,)


def _mapping(data: object, key: str) -> Mapping[str, Any]:
    """What is below the key, if that is a mapping; else an empty one."""
    below = data.get(key) if isinstance(data, dict) else None
    return below if isinstance(below, dict) else {}
