"""A request along a route: the upload goes out, the service's answer comes back as it is."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from flask import Response
from werkzeug.datastructures import Headers

from gateway.core.headers import answer_fields, request_fields
from gateway.core.services import Route
from gateway.errors import GatewayError
from gateway.relay.transport import Answer
from gateway.web.requests import UploadRequest

if TYPE_CHECKING:
    # Typing names that do not exist at run time.
    from _typeshed.wsgi import WSGIEnvironment

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
    return passthrough(answer, request.environ)


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
