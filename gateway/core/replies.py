"""The reply that the gateway writes itself: what arrived, and how each delivery went. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.core.outcomes import Delivery, Outcome
from gateway.core.uploads import Part, readable

__all__ = ["Answered", "envelope"]

# From the best to the worst: several deliveries to one service went as badly as the worst of them.
_RANK: tuple[Outcome, ...] = ("ok", "skipped", "cancelled", "rejected", "busy", "timeout", "unknown", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A delivery and the answer that it brought, if any."""

    delivery: Delivery
    content_type: str = ""
    content: bytes | None = None
    """The answer's whole body; None if there is no answer."""
    encoded: bool = False
    """Whether the service has encoded (compressed) it, unasked."""


def envelope(
    *, request_id: str, route: str, parts: Sequence[Part], service: str, answered: Sequence[Answered], each_file: bool
) -> dict[str, Any]:
    """The members of a JSON reply about one service; with `each_file` it lists one delivery for each file."""
    outcome = max((one.delivery.outcome for one in answered), key=_RANK.index)
    if each_file:
        described: dict[str, Any] = {"outcome": outcome, "deliveries": [_described(one) for one in answered]}
    else:
        (only,) = answered
        described = _described(only)
    return {
        "id": request_id,
        "route": route,
        "ok": outcome == "ok",
        "parts": [_part(part) for part in parts],
        "services": {service: described},
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        "name": readable(part.name),
        "filename": None if part.filename is None else readable(part.filename),
        "content_type": None if part.content_type is None else readable(part.content_type),
        # A service may answer while the client is still sending.
        "size": None if part.content_stop is None else len(part.content),
    }


def _described(one: Answered) -> dict[str, Any]:
    delivery = one.delivery
    members: dict[str, Any] = {} if delivery.file is None else {"filename": readable(delivery.file)}
    members |= {"outcome": delivery.outcome, "status": delivery.status}
    if one.content is not None:
        members |= {"content_type": one.content_type or None, **_content(one)}
    members |= {
        "attempts": delivery.attempts,
        "ms": round(delivery.duration_s * 1000, 1),
        "bytes_sent": delivery.sent,
    }
    if delivery.error is not None:
        error = delivery.error
        members["error"] = {"code": error.code, "title": error.title, "detail": error.detail, "hint": error.hint}
    return members


def _content(one: Answered) -> dict[str, Any]:
    """JSON as it is, text as text, all else in base64."""
    content = one.content or b""
    kind = one.content_type.partition(";")[0].strip().lower()
    if not one.encoded:
        try:
            if kind == "application/json" or kind.endswith("+json"):
                return {"json": json.loads(content)}
            if kind.startswith("text/") or kind.endswith("+xml") or kind == "application/xml":
                return {"text": content.decode("utf-8")}
        except ValueError:
            # It is not what it says.
            pass
    return {"base64": base64.b64encode(content).decode("ascii")}
