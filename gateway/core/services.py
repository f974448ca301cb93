"""Services and routes as values: where uploads go, and which requests are taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["BodyKind", "Route", "Service", "Timeouts"]

BodyKind = Literal["multipart", "raw"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a service may take, phase by phase, in seconds."""

    connect: float = 5.0
    """Until the connection stands, TLS included."""
    stall: float = 30.0
    """While the service takes no byte of what we have for it. A slow client does not count."""
    first_byte: float = 60.0
    """From the last byte handed over to the first byte of the answer."""
    total: float = 600.0
    """From the moment the upload is in, or the attempt began if that was later, to the answer's last byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An HTTP endpoint that takes uploads."""

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every delivery, on top of what the gateway makes and forwards."""
    send: BodyKind = "multipart"
    """The shape of what it gets: a form, or one bare file."""
    body: Literal["auto", "length", "chunked"] = "auto"
    """`auto` and `length`: always with Content-Length. `chunked`: live even where no length is known."""
    deliver: Literal["live", "whole"] = "live"
    """`whole` protects a service that holds a thread for each upload under way."""
    timeouts: Timeouts = Timeouts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which requests are taken, and where they go."""

    name: str
    path: str | None
    """The exact path; None takes every path that is not under `/-/`."""
    service: Service
    bodies: frozenset[BodyKind] = frozenset({"multipart"})
    """The kinds of body that are taken."""
