"""How an upload will be delivered, decided from what is known before its body is read."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.services import Accept, Service
from gateway.core.uploads import UploadHead

__all__ = ["Plan", "plan_for"]

SMALL_BODY = 64 * 2**10
"""Bodies up to this size are read whole first: cheaper, and no later for anybody."""
FRESH_BOUNDARY_MIN = 16
"""A boundary this long can be replaced by a fresh one of the same length that nobody can guess."""

_ANY_UPLOAD = Accept()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A service resolved for one upload."""

    service: Service
    live: bool
    """Whether the service receives while the client still sends."""
    because: str | None = None
    """If not live, why."""
    keep: bool
    """Whether all of the upload must be kept: it is read later than it arrives, or more than once."""


def plan_for(service: Service, head: UploadHead, accept: Accept = _ANY_UPLOAD) -> Plan:
    """Live if nothing that the delivery needs lies ahead in the upload, whole otherwise."""
    because = _waits_for(service, head)
    # A delivery begins when the required parts have begun, and then reads the form from its front.
    begins_late = bool(accept.require) and head.kind == "multipart"
    return Plan(service=service, live=because is None, because=because, keep=because is not None or begins_late)


def _waits_for(service: Service, head: UploadHead) -> str | None:
    if service.deliver == "whole":
        return "the service is configured with `deliver: whole`"
    if head.length is not None and head.length <= SMALL_BODY:
        return "the upload is small"
    return _lies_ahead(service, head) or _has_no_length(service, head)


def _lies_ahead(service: Service, head: UploadHead) -> str | None:
    """What the delivery needs of the upload's end, in words."""
    send = service.send
    if head.kind == "json":
        return "the upload is JSON, and its decoded length shows at its end"
    if send.content_type == "sniff":
        return "the types of files are read from their content, which comes behind their headers"
    if head.kind == "raw":
        return None
    if send.each == "file":
        return "the service gets each file by itself, and how many there are shows at the end"
    if send.kind == "raw":
        return "the service takes one bare file, and that the form has only one shows at its end"
    if send.kind == "json":
        return "the service takes JSON with one file, and that the form has only one shows at its end"
    if send.file_last:
        return "the service gets fields before files, and the last field may be at the end"
    if send.repeat != "keep":
        return "names that occur more than once are marked, and whether one does shows at the end"
    return None


def _has_no_length(service: Service, head: UploadHead) -> str | None:
    """Why the length of what is sent is not known before its end; None also where it need not be."""
    if service.body == "chunked":
        return None
    if head.length is None:
        return "the upload has no Content-Length, and the service is not known to take chunked bodies"
    if head.boundary is None:
        return None
    if service.send.changes_parts:
        return "parts are changed or left out, and the service is not known to take chunked bodies"
    if len(head.boundary) < FRESH_BOUNDARY_MIN:
        return "the client's boundary is so short that its length cannot be kept"
    return None
