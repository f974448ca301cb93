"""A request along a route: the upload goes out, and the service's answer, or what became of it, comes back."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flask import Response
from werkzeug.datastructures import Headers

from gateway.core.headers import answer_fields
from gateway.core.outcomes import outcome_of, reply_status
from gateway.core.plans import Plan
from gateway.core.replies import Answered, envelope
from gateway.core.services import Route
from gateway.core.targets import ClientRequest, check_path
from gateway.core.uploads import Part
from gateway.errors import GatewayError, ServiceAnswerTooLarge, ServiceError
from gateway.relay.deliveries import files_of
from gateway.relay.transport import Answer
from gateway.spool.uploads import Upload
from gateway.web.paths import filename_in, rest_in
from gateway.web.requests import UploadRequest

if TYPE_CHECKING:
    # Typing names that do not exist at run time.
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["client_of", "passthrough", "relay"]

INLINED_ANSWER_MAX = 32 * 2**20
"""Bytes of an answer that a JSON reply holds."""


def relay(route: Route, request: UploadRequest) -> Response:
    """Deliver the request's upload to the route's service; returns once the header of its answer is in."""
    environ = request.environ
    client = client_of(request, route.path)
    check_path(route.service, client)
    head = request.upload_head(route.accept, filename_in(environ, route.path))
    plan = request.gateway.plan(route, head)
    upload = request.open_upload(head, keep=plan.keep, accept=route.accept)
    if route.reply == "json":
        return _enveloped(route, plan, upload, client, request)
    answer = request.gateway.send(plan, upload, client, request.deliveries.append)
    try:
        return passthrough(answer, environ)
    except ServiceError as error:
        _cut_off(request, error)
        raise


def client_of(request: UploadRequest, path: str | None) -> ClientRequest:
    """What the client asked for; `path` is that of the route, whose placeholder stands for a part of the request's."""
    return ClientRequest(
        id=request.id,
        method=request.method,
        fields=list(request.headers.items()),
        query=request.environ.get("QUERY_STRING", ""),
        rest=rest_in(request.environ, path),
        peer=request.remote_addr,
        scheme=request.scheme,
        host=request.host,
    )


def _enveloped(route: Route, plan: Plan, upload: Upload, client: ClientRequest, request: UploadRequest) -> Response:
    """The JSON reply about a delivery, or about one for each file."""
    each_file = route.service.send.each == "file"
    if each_file:
        upload.read_whole()
    answered = [_answered(plan, upload, client, request, file) for file in files_of(route.service, upload)]
    members = envelope(
        request_id=request.id,
        route=route.name,
        parts=upload.parts,
        service=route.service.name,
        answered=answered,
        each_file=each_file,
    )
    outcomes = [one.delivery.outcome for one in answered]
    headers = {"Retry-After": "1"} if "busy" in outcomes else {}
    return Response(json.dumps(members) + "\n", reply_status(outcomes), headers, content_type="application/json")


def _answered(plan: Plan, upload: Upload, client: ClientRequest, request: UploadRequest, file: Part | None) -> Answered:
    """One delivery, and its answer in full."""
    try:
        answer = request.gateway.send(plan, upload, client, request.deliveries.append, file=file, reads_answer=True)
        content = answer.read_ahead(INLINED_ANSWER_MAX)
        answer.close()
        if content is None:
            raise ServiceAnswerTooLarge(f"{plan.service.name} answered more than {INLINED_ANSWER_MAX} bytes.")
    except ServiceError as error:
        _cut_off(request, error)
        return Answered(delivery=request.deliveries[-1])
    return Answered(
        delivery=request.deliveries[-1],
        content_type=answer.field("Content-Type") or "",
        content=content,
        encoded=(answer.field("Content-Encoding") or "identity").lower() != "identity",
    )


def _cut_off(request: UploadRequest, error: ServiceError) -> None:
    """The last delivery has no answer after all: its head was fine, perhaps, and its body is not."""
    request.deliveries[-1] = replace(request.deliveries[-1], error=error, outcome=outcome_of(error))


def passthrough(answer: Answer, environ: Mapping[str, Any]) -> Response:
    """The service's answer: status, end-to-end fields in order, and the body as it comes, undecoded.

    If the service breaks off before the first byte of the body, nothing has been sent yet, and this raises. Later,
    this breaks off as well: the client sees that the message is not whole.
    """
    blocks = answer.blocks()
    first = next(blocks, b"")
    response = _Unchanged(_unbroken(first, blocks, environ), status=answer.status)
    response.reason = answer.reason
    response.headers.clear()
    for name, value in answer_fields(answer.fields):
        response.headers.add(name, value)
    response.call_on_close(answer.close)
    return response


def _unbroken(first: bytes, rest: Iterator[bytes], environ: Mapping[str, Any]) -> Iterator[bytes]:
    """The blocks; if they break off, so does the client's connection.

    An error in the middle of the iteration makes the server close it without ending the message. That is enough
    where there is a length or chunks. Where there are none, as for HTTP/1.0, only a reset says that it is no end.
    """
    try:
        if first:
            yield first
        yield from rest
    except GatewayError:
        sock = environ.get("gunicorn.socket")
        if sock is not None and environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        raise


class _Unchanged(Response):
    """An answer that is not ours: Werkzeug would find a reason where there is none, encode a Location that is
    encoded, and thin out a 304."""

    reason = ""

    def get_wsgi_response(self, environ: WSGIEnvironment) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        headers = Headers(self.headers)
        if self.status_code == 204:
            # Not even 0 is allowed there (RFC 9110 section 8.6), and not every server drops it.
            headers.remove("Content-Length")
        return self.get_app_iter(environ), f"{self.status_code} {self.reason}", headers.to_wsgi_list()
