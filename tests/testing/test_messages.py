"""Heads and framing are read strictly: tables of what is taken and what is not."""

from __future__ import annotations

import pytest

from gateway.testing.errors import MessageInvalid
from gateway.testing.messages import (
    Framing,
    Headers,
    answer_bytes,
    answer_framing,
    parse_answer_head,
    parse_chunk_size,
    parse_request_head,
    request_framing,
)


def head(*lines: bytes) -> bytes:
    return b"\r\n".join([*lines, b"", b""])


def test_a_request_head_is_kept_as_it_was_sent() -> None:
    raw = head(b"POST /a?b=c HTTP/1.1", b"Host: there", b"x-ONE:  1 ", b"X-One:2", b"X-Bytes: \xff\xfe", b"Empty:")

    request = parse_request_head(raw)

    assert (request.method, request.target, request.persistent) == ("POST", "/a?b=c", True)
    assert request.headers == (
        (b"Host", b"there"),
        (b"x-ONE", b"1"),
        (b"X-One", b"2"),
        (b"X-Bytes", b"\xff\xfe"),
        (b"Empty", b""),
    )
    assert request.raw == raw


@pytest.mark.parametrize(
    "raw",
    [
        head(b"POST / HTTP/2", b"Host: a"),
        head(b"POST  / HTTP/1.1", b"Host: a"),
        head(b"POST / HTTP/1.1 ", b"Host: a"),
        head(b"POST / x HTTP/1.1", b"Host: a"),
        head(b"P(ST / HTTP/1.1", b"Host: a"),
        head(b"", b"POST / HTTP/1.1", b"Host: a"),
        head(b"POST / HTTP/1.1"),
        head(b"POST / HTTP/1.1", b"Host: a", b"Host: a"),
        head(b"POST / HTTP/1.1", b"Host: a", b"Name : value"),
        head(b"POST / HTTP/1.1", b"Host: a", b"Name: value", b" folded"),
        head(b"POST / HTTP/1.1", b"Host: a", b"Name"),
        head(b"POST / HTTP/1.1", b"Host: a", b": value"),
        head(b"POST / HTTP/1.1", b"Host: a", b"Name: a\nb"),
        head(b"POST / HTTP/1.1", b"Host: a", b"Name: a\rb"),
        head(b"POST / HTTP/1.1", b"Host: a", b"Name: a\0b"),
        b"POST / HTTP/1.1\r\nHost: a\r\n",
    ],
)
def test_a_request_head_that_bends_the_rules_is_refused(raw: bytes) -> None:
    with pytest.raises(MessageInvalid):
        parse_request_head(raw)


@pytest.mark.parametrize(
    ("lines", "framing"),
    [
        ([], Framing(length=0)),
        ([b"Content-Length: 0"], Framing(length=0)),
        ([b"content-length: 12"], Framing(length=12)),
        ([b"Transfer-Encoding: Chunked"], Framing(length=None, chunked=True)),
    ],
)
def test_the_framing_of_a_request(lines: list[bytes], framing: Framing) -> None:
    request = parse_request_head(head(b"POST / HTTP/1.1", b"Host: a", *lines))

    assert request_framing(request) == framing


@pytest.mark.parametrize(
    "lines",
    [
        [b"Content-Length: 1", b"Content-Length: 1"],
        [b"Content-Length: 1, 1"],
        [b"Content-Length: +1"],
        [b"Content-Length: 0x1"],
        [b"Content-Length:"],
        [b"Content-Length: 1", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: gzip, chunked"],
        [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: identity"],
    ],
)
def test_framing_that_two_readers_could_read_differently_is_refused(lines: list[bytes]) -> None:
    request = parse_request_head(head(b"POST / HTTP/1.1", b"Host: a", *lines))

    with pytest.raises(MessageInvalid):
        request_framing(request)


@pytest.mark.parametrize(
    ("method", "status_line", "lines", "framing"),
    [
        ("POST", b"HTTP/1.1 200 OK", [b"Content-Length: 3"], Framing(length=3)),
        ("POST", b"HTTP/1.1 200 OK", [b"Transfer-Encoding: chunked"], Framing(length=None, chunked=True)),
        ("POST", b"HTTP/1.1 200 ", [], Framing(length=None)),
        ("POST", b"HTTP/1.1 204 No Content", [], Framing(length=0)),
        ("POST", b"HTTP/1.1 103 Early Hints", [], Framing(length=0)),
        ("GET", b"HTTP/1.1 304 Not Modified", [b"Content-Length: 3"], Framing(length=0)),
        ("HEAD", b"HTTP/1.1 200 OK", [b"Content-Length: 3"], Framing(length=0)),
    ],
)
def test_the_framing_of_an_answer(method: str, status_line: bytes, lines: list[bytes], framing: Framing) -> None:
    assert answer_framing(parse_answer_head(head(status_line, *lines)), method) == framing


@pytest.mark.parametrize("line", [b"HTTP/1.1 20 OK", b"HTTP/1.1 200", b"HTTP/2 200 OK", b"220 ready", b""])
def test_a_status_line_that_is_none_is_refused(line: bytes) -> None:
    with pytest.raises(MessageInvalid):
        parse_answer_head(head(line))


@pytest.mark.parametrize(("line", "size"), [(b"0", 0), (b"1F", 31), (b"ff", 255), (b"3;name=value", 3)])
def test_chunk_sizes(line: bytes, size: int) -> None:
    assert parse_chunk_size(line) == size


@pytest.mark.parametrize("line", [b"", b"-1", b"0x1", b" 1", b"1 ", b"g", b"+1", b"1" * 16])
def test_a_chunk_size_that_is_none_is_refused(line: bytes) -> None:
    with pytest.raises(MessageInvalid):
        parse_chunk_size(line)


def test_headers_are_looked_up_without_regard_to_case() -> None:
    headers = Headers([(b"Via", b"a"), (b"VIA", b"b, Close"), (b"Name", b"caf\xe9")])

    assert headers.all("via") == ("a", "b, Close")
    assert headers.get("name") == "caf\xe9"
    assert headers.get("other") is None
    assert headers.has_token("via", "close")
    with pytest.raises(MessageInvalid, match="expected one via header"):
        headers.get("via")


def test_an_answer_is_written_with_its_length_unless_it_can_have_none() -> None:
    assert answer_bytes(200, b"abc", [("A", "b")]) == b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 3\r\n\r\nabc"
    assert answer_bytes(204) == b"HTTP/1.1 204 No Content\r\n\r\n"
    assert answer_bytes(103) == b"HTTP/1.1 103 Early Hints\r\n\r\n"
    assert answer_bytes(200, b"abc", with_length=False) == b"HTTP/1.1 200 OK\r\n\r\nabc"
