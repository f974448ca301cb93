"""A request along a route: the upload goes out, the service's answer comes back as it is."""

from __future__ import annotations

from flask import Response

from gateway.core.headers import answer_fields, request_fields
from gateway.core.services import Route
from gateway.relay.transport import Answer
from gateway.web.requests import UploadRequest

__all__ = ["relay"]


def relay(route: Route, request: UploadRequest) -> Response:
    """Deliver the request's upload to the route's service; returns once the header of its answer is in."""
    head = request.upload_head(route.bodies)
    plan = request.gateway.plan(route, head)
    upload = request.open_upload(head, keep=not plan.live)
    fields = request_fields(
        request.headers.items(),
        request_id=request.id,
        peer=request.remote_addr,
        scheme=request.scheme,
        host=request.host,
    )
    answer = request.gateway.send(plan, upload, fields)
    return passthrough(answer)


def passthrough(answer: Answer) -> Response:
    """The service's answer: status, end-to-end fields in order, and the body as it comes, undecoded.

    If the service breaks off, so does this: an error in the middle of the iteration makes the server close the
    connection without ending the message, and the client sees that it is not whole.
    """
    response = Response(answer.blocks(), status=f"{answer.status} {answer.reason}".strip())
    response.headers.clear()
    for name, value in answer_fields(answer.fields):
        response.headers.add(name, value)
    response.call_on_close(answer.close)
    return response
