"""Errors as problem documents (RFC 9457): what the gateway says itself, it says in this form."""

from __future__ import annotations

import json
from typing import Any

from flask import Response
from werkzeug.exceptions import HTTPException

from gateway.errors import GatewayError, Saturated

__all__ = ["Problem", "ProblemResponse", "document", "problem_response"]

MEDIA_TYPE = "application/problem+json"


def document(error: GatewayError, request_id: str) -> dict[str, Any]:
    """The members of the problem document for an error."""
    members: dict[str, Any] = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "hint": error.hint,
        "request_id": request_id,
    }
    if error.offset is not None:
        members["offset"] = error.offset
    return members


class ProblemResponse(Response):
    """An answer that carries an error."""

    problem: str
    """Its code, for the log."""


def problem_response(error: GatewayError, request_id: str) -> ProblemResponse:
    """The answer that carries an error."""
    headers = {"Retry-After": "1"} if isinstance(error, Saturated) else {}
    body = json.dumps(document(error, request_id)) + "\n"
    response = ProblemResponse(body, status=error.status, headers=headers, content_type=MEDIA_TYPE)
    response.problem = error.code
    return response


class Problem(HTTPException):
    """A GatewayError that is raised where Werkzeug would swallow it or turn it into a 500: while a form is read."""

    def __init__(self, error: GatewayError, request_id: str) -> None:
        super().__init__(error.detail, problem_response(error, request_id))
        self.code = error.status
