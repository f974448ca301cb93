"""How an upload will be delivered, decided from what is known before its body is read."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.services import Service
from gateway.core.uploads import UploadHead

__all__ = ["Plan", "plan_for"]

SMALL_BODY = 64 * 2**10
"""Bodies up to this size are read whole first: cheaper, and no later for anybody."""
FRESH_BOUNDARY_MIN = 16
"""A boundary this long can be replaced by a fresh one of the same length that nobody can guess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A service resolved for one upload."""

    service: Service
    live: bool
    """Whether the service receives while the client still sends."""
    because: str | None = None
    """If not live, why."""


def plan_for(service: Service, head: UploadHead) -> Plan:
    """Live if nothing that the delivery needs lies ahead in the upload, whole otherwise."""
    because = _waits_for(service, head)
    return Plan(service=service, live=because is None, because=because)


def _waits_for(service: Service, head: UploadHead) -> str | None:
    if service.deliver == "whole":
        return "the service is configured with `deliver: whole`"
    if head.length is not None and head.length <= SMALL_BODY:
        return "the upload is small"
    if service.send == "raw" and head.boundary is not None:
        return "the service takes one bare file, and that the form has only one shows at its end"
    if service.body == "chunked":
        return None
    if head.length is None:
        return "the upload has no Content-Length, and the service is not known to take chunked bodies"
    if service.send == "multipart" and head.boundary is not None and len(head.boundary) < FRESH_BOUNDARY_MIN:
        return "the client's boundary is so short that its length cannot be kept"
    return None
