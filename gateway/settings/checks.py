"""What can be said about settings that are right: what is probably not meant, and which deliveries are live.

Pure: nothing is looked up or connected to.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from gateway.core.plans import plan_for
from gateway.core.services import Accept, BodyKind, Route, Service
from gateway.core.uploads import UploadHead
from gateway.settings.http_values import PLACEHOLDERS
from gateway.settings.schema import Settings
from gateway.settings.sections import Key
from gateway.settings.values import shown, split_address, write_size

__all__ = ["Concern", "Prospect", "check", "foresee"]

# What an ordinary client sends: a boundary as long as theirs are, and more than fits into one block.
ORDINARY_BOUNDARY = b"-" * 32
ORDINARY_LENGTH = 100 * 2**20

RAW_PART = "file"
"""The name of the only part of a bare file."""

KINDS: tuple[BodyKind, ...] = ("multipart", "raw", "json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """Something that is allowed, and probably not meant."""

    code: str
    """Stable name for programs."""
    key: Key
    """Where it stands."""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """How uploads of some kinds on one route will be delivered."""

    route: str
    path: str | None
    """None: every path that is not under `/-/`."""
    bodies: tuple[BodyKind, ...]
    """The kinds of body that this is about."""
    service: str
    urls: tuple[str, ...]
    """As they may be shown: what stands in the configuration, where that has a variable; with what follows them."""
    method: Literal["POST", "PUT", "same"]
    sent: BodyKind
    """The shape in which the service gets them."""
    each: Literal["upload", "file"]
    """What there is one delivery for."""
    live: bool
    """Whether the service receives while an ordinary client still sends."""
    because: str | None
    """If not live, why."""
    once: str | None
    """If live, what it waits for all the same."""
    unless: str | None
    """If live, what keeps an upload without Content-Length from being so."""


def check(settings: Settings) -> tuple[Concern, ...]:
    """What a reader should look at again, in the order of the sections."""
    return (*_limits(settings), *_loops(settings), *_unused(settings), *_routes(settings))


def foresee(settings: Settings) -> tuple[Prospect, ...]:
    """For each route, and for kinds of bodies that fare differently apart, how its uploads are delivered."""
    prospects: list[Prospect] = []
    for route in settings.build_routes():
        service = route.service
        fates: dict[_Fate, list[BodyKind]] = {}
        for kind in KINDS:
            if kind in route.accept.bodies:
                fates.setdefault(_fate(service, kind, route.accept), []).append(kind)
        prospects += [
            Prospect(
                route=route.name,
                path=route.path and shown(route.path),
                bodies=tuple(bodies),
                service=service.name,
                urls=tuple(_followed(shown(url), route) for url in service.urls),
                method=service.method,
                sent=service.send.kind,
                each=service.send.each,
                live=fate.because is None,
                because=fate.because,
                once=fate.once,
                unless=fate.unless,
            )
            for fate, bodies in fates.items()
        ]
    return tuple(prospects)


@dataclass(frozen=True, slots=True)
class _Fate:
    """See Prospect."""

    because: str | None
    once: str | None
    unless: str | None


def _followed(url: str, route: Route) -> str:
    """The URL with what follows its path."""
    if route.service.forward.path == "none":
        return url
    placeholder = next((word for word in PLACEHOLDERS if (route.path or "/<rest>").endswith(word)), "")
    path, mark, query = url.partition("?")
    return f"{path.rstrip('/')}/{placeholder}{mark}{query}"


def _fate(service: Service, kind: BodyKind, accept: Accept) -> _Fate:
    head = UploadHead(
        boundary=ORDINARY_BOUNDARY if kind == "multipart" else None, is_json=kind == "json", length=ORDINARY_LENGTH
    )
    because = plan_for(service, head, accept).because
    if because is not None:
        return _Fate(because, None, None)
    once = None
    if kind == "multipart" and accept.require:
        names = " and ".join(map(shown, accept.require))
        once = f"{names} {'has' if len(accept.require) == 1 else 'have'} begun"
    return _Fate(None, once, plan_for(service, replace(head, length=None), accept).because)


def _limits(settings: Settings) -> Iterator[Concern]:
    gateway = settings.gateway
    if gateway.limits.body > gateway.spool.quota:
        yield Concern(
            code="body_over_quota",
            key=("gateway", "limits", "body"),
            message=(
                f"an upload may have {write_size(gateway.limits.body)}, and all of them together "
                f"{write_size(gateway.spool.quota)} on disk (`spool.quota`): one that is larger and has to be kept "
                "gets 507"
            ),
        )
    if gateway.workers != "auto" and gateway.workers > gateway.limits.concurrent:
        yield Concern(
            code="workers_over_concurrent",
            key=("gateway", "limits", "concurrent"),
            message=(
                f"each of the {gateway.workers} workers takes at least one upload, so there may be more than "
                f"{gateway.limits.concurrent}"
            ),
        )


def _loops(settings: Settings) -> Iterator[Concern]:
    address = split_address(settings.gateway.bind)
    for name, service in settings.services.items():
        for index, url in enumerate(service.url):
            split = urlsplit(url)
            port = split.port or (443 if split.scheme == "https" else 80)
            if address is not None and port == address[1] and _reaches(split.hostname or "", address[0]):
                yield Concern(
                    code="loop",
                    key=("services", name, "url", *((index,) if len(service.url) > 1 else ())),
                    message=(
                        f"this is the gateway itself, which listens on {shown(settings.gateway.bind)}: "
                        "uploads would go round in a circle"
                    ),
                )


def _unused(settings: Settings) -> Iterator[Concern]:
    used = {route.to for route in settings.routes.values()}
    for name in settings.services:
        if name not in used:
            yield Concern(
                code="service_unused",
                key=("services", name),
                message="no route leads to this service",
            )


def _routes(settings: Settings) -> Iterator[Concern]:
    for name, route in settings.routes.items():
        forward, accept = settings.services[route.to].forward, route.accept
        if forward.path == "rest" and route.path is not None and not route.path.endswith(PLACEHOLDERS):
            yield Concern(
                code="no_rest",
                key=("routes", name, "path"),
                message=(
                    f"{shown(route.to)} is to get what follows this path (`forward.path: rest`), and that is nothing: "
                    "the path does not end with `<rest>` or `<filename>`"
                ),
            )
        if accept.body is not None and accept.body > settings.gateway.limits.body:
            yield Concern(
                code="body_over_limit",
                key=("routes", name, "accept", "body"),
                message=f"no upload may have more than {write_size(settings.gateway.limits.body)} (`limits.body`)",
            )
        missing = [shown(part) for part in accept.require if part != RAW_PART]
        if "raw" in accept.bodies and missing:
            yield Concern(
                code="required_of_raw",
                key=("routes", name, "accept", "require"),
                message=f"a bare file is the part `{RAW_PART}` and has no {missing[0]}: each will be refused with 422",
            )


def _reaches(host: str, bound: str) -> bool:
    """Whether a connection to `host` ends at a listener on `bound`, as far as the names tell."""
    targets, listeners = _addresses(host.lower()), _addresses(bound.lower())
    if any(_is(listener, "unspecified") for listener in listeners):
        # It listens on all addresses. Those of the network are not known here, but loopback is among them.
        return any(_is(target, "loopback") or _is(target, "unspecified") for target in targets)
    if any(_is(target, "unspecified") for target in targets):
        # Connecting to "all addresses" ends at loopback.
        return any(_is(listener, "loopback") for listener in listeners)
    return not targets.isdisjoint(listeners)


def _addresses(host: str) -> frozenset[str]:
    """What a name stands for: only that of this machine is known."""
    return frozenset({"127.0.0.1", "::1"}) if host == "localhost" else frozenset({host})


def _is(host: str, kind: Literal["loopback", "unspecified"]) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback if kind == "loopback" else address.is_unspecified
