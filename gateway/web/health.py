"""`/-/health` and `/-/ready`: what an orchestrator or a load balancer asks every few seconds.

Health says that the process answers. Readiness says whether an upload would be taken now, by the worker that was
asked; each has its own uploads, and all share the spool's quota. Both are open to everybody and tell no secrets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify

from gateway.gateway import Gateway, GatewayStatus

__all__ = ["add_health", "readiness"]

STOPPING = "stopping"
SATURATED = "saturated"
"""Reasons; the others are the codes of the spool's errors."""


def add_health(app: Flask, gateway: Gateway, *, stopping: Callable[[], bool] = lambda: False) -> None:
    """Add both to the application; `stopping` says whether the worker takes no more connections."""

    def health() -> Response:
        return _unstored({"status": "ok"})

    def ready() -> Response:
        members = readiness(gateway.status(), stopping=stopping())
        return _unstored(members, status=503 if members["reasons"] else 200)

    app.add_url_rule("/-/health", "health", health)
    app.add_url_rule("/-/ready", "ready", ready)


def readiness(status: GatewayStatus, *, stopping: bool) -> dict[str, Any]:
    """The members of the answer; ready without reasons against it."""
    reasons = [STOPPING] if stopping else []
    if status.uploads >= status.uploads_limit:
        reasons.append(SATURATED)
    if status.spool_error is not None:
        reasons.append(status.spool_error.code)
    return {
        "status": "not ready" if reasons else "ready",
        "reasons": reasons,
        "uploads": {"running": status.uploads, "limit": status.uploads_limit},
        "spool": {"used": status.spool_used, "quota": status.spool_quota},
    }


def _unstored(members: dict[str, Any], status: int = 200) -> Response:
    """No cache may answer in the gateway's place."""
    response = jsonify(members)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response
