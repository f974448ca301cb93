"""What gunicorn cannot read is refused in the gateway's own words, and what is its own trouble is left to it.

On a real socket: tests/e2e/test_bad_input.py.
"""

from __future__ import annotations

import inspect
import json
from types import SimpleNamespace

import pytest
from gunicorn.http import errors as unread

from gateway.errors import GatewayError, HeaderTooLarge, RequestInvalid, TargetTooLong
from gateway.testing.messages import Framing, answer_framing, parse_answer_head
from gateway.web.refusals import answer_to, refusal_of

CONFIG = SimpleNamespace(limit_request_line=4094, limit_request_fields=100, limit_request_field_size=8190)

REFUSED: list[tuple[Exception, type[GatewayError], str]] = [
    (unread.InvalidRequestLine("hello"), RequestInvalid, "'hello'"),
    (unread.InvalidRequestLine("\x16\x03\x01\x02"), RequestInvalid, "TLS"),
    (unread.InvalidRequestMethod("PO ST"), RequestInvalid, "'PO ST'"),
    (unread.InvalidHTTPVersion((3, 0)), RequestInvalid, "(3, 0)"),
    (unread.InvalidHeader("nonsense"), RequestInvalid, "'nonsense'"),
    (unread.InvalidHeader("HOST"), RequestInvalid, "one Host"),
    (unread.InvalidHeader("CONTENT-TYPE"), RequestInvalid, "one Content-Type"),
    (unread.InvalidHeader("CONTENT-LENGTH"), RequestInvalid, "one Content-Length"),
    (unread.InvalidHeader("TRANSFER-ENCODING"), RequestInvalid, "`chunked` alone"),
    (unread.InvalidHeaderName("X A"), RequestInvalid, "'X A'"),
    (unread.ObsoleteFolding("X-A"), RequestInvalid, "'X-A'"),
    (unread.UnsupportedTransferCoding("br"), RequestInvalid, "'br'"),
    (unread.ExpectationFailed("fun"), RequestInvalid, "'fun'"),
    (unread.InvalidChunkSize(b"zz"), RequestInvalid, "zz"),
    (unread.ChunkMissingTerminator(b"o\r"), RequestInvalid, "terminator"),
    (unread.InvalidChunkExtension("bare CR"), RequestInvalid, "bare CR"),
    (unread.InvalidSchemeHeaders(), RequestInvalid, "scheme"),
    (unread.InvalidProxyLine("PROXY x"), RequestInvalid, "PROXY x"),
    (unread.InvalidProxyHeader("x"), RequestInvalid, "x"),
    (unread.ForbiddenProxyRequest("192.0.2.1"), RequestInvalid, "192.0.2.1"),
    (unread.InvalidH2CPreface(b"PRI"), RequestInvalid, "PRI"),
    (unread.LimitRequestLine(5000, 4094), TargetTooLong, "4094 bytes"),
    (unread.LimitRequestHeaders("limit request headers fields"), HeaderTooLarge, "100 headers of at most 8190 bytes"),
]
NOT_THE_REQUEST: list[Exception] = [
    unread.InvalidResponseHeader("X"),
    unread.InvalidResponseHeaderName("X"),
    unread.ConfigurationProblem("x"),
    ValueError("x"),
]


@pytest.mark.parametrize(("error", "kind", "says"), REFUSED, ids=lambda value: repr(value)[:40])
def test_what_is_wrong_with_a_request(error: Exception, kind: type[GatewayError], says: str) -> None:
    """By its kind, with what was found."""
    refusal = refusal_of(error, CONFIG)

    assert type(refusal) is kind
    assert says in refusal.detail
    assert refusal.detail.endswith(".")


@pytest.mark.parametrize("error", NOT_THE_REQUEST, ids=lambda error: type(error).__name__)
def test_what_is_not_the_fault_of_the_request(error: Exception) -> None:
    assert refusal_of(error, CONFIG) is None


def test_every_error_of_gunicorns_parser_is_known() -> None:
    """A newer gunicorn may have another one."""
    found = {each for _, each in inspect.getmembers(unread, inspect.isclass) if issubclass(each, unread.ParseException)}

    known = {type(error) for error in (*[error for error, _, _ in REFUSED], *NOT_THE_REQUEST)}
    assert found - {unread.ParseException} <= known


def test_what_was_received_is_shown_within_limits() -> None:
    """What somebody sends who does not speak HTTP may be long, and is no text."""
    refusal = refusal_of(unread.InvalidRequestLine("\0\xff" * 5000), CONFIG)

    assert refusal is not None
    assert len(refusal.detail) < 500
    assert refusal.detail.isprintable()


def test_the_answer() -> None:
    """A whole message, after which the connection ends."""
    answer = answer_to(HeaderTooLarge("because"), "id-1")

    head, _, body = answer.partition(b"\r\n\r\n")
    parsed = parse_answer_head(head + b"\r\n\r\n")
    assert (parsed.status, parsed.persistent) == (431, False)
    assert answer_framing(parsed, "POST") == Framing(length=len(body))
    assert parsed.headers.get("Content-Type") == "application/problem+json"
    document = json.loads(body)
    assert (document["code"], document["detail"], document["request_id"]) == ("header_too_large", "because", "id-1")
    assert parsed.headers.get("X-Request-Id") == "id-1"
