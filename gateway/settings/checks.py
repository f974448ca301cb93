"""What can be said about settings that are right: what is probably not meant, and which deliveries are live.

Pure: nothing is looked up or connected to.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from gateway.core.plans import plan_for
from gateway.core.services import BodyKind, Service
from gateway.core.uploads import UploadHead
from gateway.settings.schema import Key, Settings
from gateway.settings.values import shown, split_address, write_size

__all__ = ["Concern", "Prospect", "check", "foresee"]

# What an ordinary client sends: a boundary as long as theirs are, and more than fits into one block.
ORDINARY_BOUNDARY = b"-" * 32
ORDINARY_LENGTH = 100 * 2**20


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
    url: str
    """As it may be shown: what stands in the configuration, where that has a variable."""
    live: bool
    """Whether the service receives while an ordinary client still sends."""
    because: str | None
    """If not live, why."""
    unless: str | None
    """If live, what keeps an upload without Content-Length from being so."""


def check(settings: Settings) -> tuple[Concern, ...]:
    """What a reader should look at again, in the order of the sections."""
    return (*_limits(settings), *_loops(settings), *_unused(settings))


def foresee(settings: Settings) -> tuple[Prospect, ...]:
    """For each route, and for kinds of bodies that fare differently apart, how its uploads are delivered."""
    prospects: list[Prospect] = []
    for route in settings.build_routes():
        fates: dict[tuple[str | None, str | None], list[BodyKind]] = {}
        for kind in sorted(route.bodies):
            fates.setdefault(_fate(route.service, kind), []).append(kind)
        prospects += [
            Prospect(
                route=route.name,
                path=route.path and shown(route.path),
                bodies=tuple(bodies),
                service=route.service.name,
                url=shown(route.service.url),
                live=because is None,
                because=because,
                unless=unless,
            )
            for (because, unless), bodies in fates.items()
        ]
    return tuple(prospects)


def _fate(service: Service, kind: BodyKind) -> tuple[str | None, str | None]:
    """Why an ordinary upload is not live, and why one without Content-Length is not; None if it is."""
    boundary = ORDINARY_BOUNDARY if kind == "multipart" else None
    because = plan_for(service, UploadHead(boundary=boundary, length=ORDINARY_LENGTH)).because
    unless = plan_for(service, UploadHead(boundary=boundary, length=None)).because
    return because, unless if because is None else None


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
        split = urlsplit(service.url)
        port = split.port or (443 if split.scheme == "https" else 80)
        if address is not None and port == address[1] and _reaches(split.hostname or "", address[0]):
            yield Concern(
                code="loop",
                key=("services", name, "url"),
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
