"""Requests that gunicorn cannot read, and so never hands to an application; told like everything else.

gunicorn answers them with a page for browsers.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from gunicorn.http import errors as unread

from gateway.errors import GatewayError, HeaderTooLarge, RequestInvalid, TargetTooLong
from gateway.web.problems import MEDIA_TYPE, document

__all__ = ["answer_to", "refusal_of"]

_SHOWN = 80
"""Characters of what was received that an answer repeats."""
_TLS_HANDSHAKE = "\x16\x03"

_EXPECTED = {
    "HOST": "Expected one Host, without control characters.",
    "CONTENT-TYPE": "Expected one Content-Type, without control characters: two name two boundaries.",
    "CONTENT-LENGTH": "Expected one Content-Length, a number, and none beside Transfer-Encoding.",
    "TRANSFER-ENCODING": "Expected `chunked` alone in Transfer-Encoding, and HTTP/1.1.",
}


def refusal_of(error: Exception, config: Any) -> GatewayError | None:
    """What is wrong with the request, by what gunicorn raised and its configuration; None if it is not the request."""
    if isinstance(error, unread.LimitRequestLine):
        return TargetTooLong(f"Expected at most {config.limit_request_line} bytes in the request line.")
    if isinstance(error, unread.LimitRequestHeaders):
        return HeaderTooLarge(
            f"Expected at most {config.limit_request_fields} headers of at most {config.limit_request_field_size} "
            "bytes each."
        )
    detail = _complaint(error)
    return None if detail is None else RequestInvalid(detail)


def _complaint(error: Exception) -> str | None:
    match error:
        case unread.InvalidResponseHeader() | unread.InvalidResponseHeaderName() | unread.ConfigurationProblem():
            return None
        case unread.InvalidRequestLine() if str(error.req).startswith(_TLS_HANDSHAKE):
            return "Expected HTTP; found the beginning of TLS: the gateway is spoken to with http, not https."
        case unread.InvalidRequestLine():
            return f"Expected `POST /path HTTP/1.1`; found {_shown(error.req)}."
        case unread.InvalidRequestMethod():
            return f"Expected a method such as POST; found {_shown(error.method)}."
        case unread.InvalidHTTPVersion():
            return f"Expected HTTP/1.1; {error}."
        case unread.ObsoleteFolding():
            return f"The header {_shown(error.hdr)} goes on in a second line (RFC 9112 section 5.2)."
        case unread.InvalidHeader():
            return _EXPECTED.get(
                error.hdr,
                f"Expected `Name: value`, and each name once where only one makes sense; found {_shown(error.hdr)}.",
            )
        case unread.InvalidHeaderName():
            return f"Expected a header name of letters, digits and hyphens; found {_shown(error.hdr)}."
        case unread.ParseException():
            return f"{error}."
    return None


def _shown(received: object) -> str:
    return repr(str(received)[:_SHOWN])


def answer_to(error: GatewayError, request_id: str) -> bytes:
    """The whole answer, after which the connection is of no use."""
    body = json.dumps(document(error, request_id)) + "\n"
    head = [
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}",
        "Connection: close",
        f"Content-Type: {MEDIA_TYPE}",
        f"Content-Length: {len(body)}",
        f"X-Request-Id: {request_id}",
    ]
    return "\r\n".join([*head, "", body]).encode("ascii")
