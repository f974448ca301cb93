"""`/-/preview/<route>`: the exact requests that the services would get for this upload; nothing is sent."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from flask import Response

from gateway.core.plans import Plan
from gateway.core.services import Route
from gateway.core.targets import check_path
from gateway.multipart.preview import RequestPreview, lines_of, members_of
from gateway.web.guard import check_local
from gateway.web.paths import filename_in
from gateway.web.relay import client_of
from gateway.web.requests import UploadRequest

__all__ = ["as_members", "as_text", "preview"]


def preview(route: Route, request: UploadRequest) -> Response:
    """As text, or as JSON for those who ask for that."""
    check_local(request.environ)
    path = f"/-/preview/{route.name}/<rest>"
    client = client_of(request, path)
    check_path(route.service, client)
    head = request.upload_head(route.accept, filename_in(request.environ, path))
    plan = request.gateway.plan(route, head)
    upload = request.open_upload(head, keep=True, accept=route.accept)
    requests = request.gateway.preview(plan, upload, client)
    if request.accept_mimetypes.best_match(["text/plain", "application/json"]) == "application/json":
        return Response(json.dumps(as_members(route, plan, requests)) + "\n", content_type="application/json")
    return Response(as_text(route, plan, requests), content_type="text/plain; charset=utf-8")


def as_members(route: Route, plan: Plan, requests: Iterable[RequestPreview]) -> dict[str, Any]:
    """For programs."""
    return {
        "route": route.name,
        "service": plan.service.name,
        "live": plan.live,
        "because": plan.because,
        "requests": [members_of(each) for each in requests],
    }


def as_text(route: Route, plan: Plan, requests: Iterable[RequestPreview]) -> str:
    """For people."""
    live = "live, while the upload still arrives" if plan.live else f"not live: {plan.because}"
    lines = [f"route {route.name}, service {plan.service.name}: {live}"]
    for each in requests:
        lines += ["", *lines_of(each)]
    return "\n".join(lines) + "\n"
