"""Which header fields go on, in both directions; order and repeats are kept."""

from __future__ import annotations

import pytest

from gateway.core.headers import Fields, answer_fields, request_fields

HOP_BY_HOP = [
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
]


@pytest.mark.parametrize("name", [*HOP_BY_HOP, "Date", "Server"])
@pytest.mark.parametrize("spelled", [str, str.lower, str.upper], ids=["usual", "lower", "upper"])
def test_an_answer_loses_what_belongs_to_its_connection(name: str, spelled: type[str]) -> None:
    fields = [("Content-Type", "text/plain"), (spelled(name), "value"), ("Content-Length", "3")]

    assert answer_fields(fields) == [("Content-Type", "text/plain"), ("Content-Length", "3")]


@pytest.mark.parametrize(
    ("received", "kept"),
    [
        ([], []),
        # order, repeats and spelling stay
        (
            [("set-cookie", "a=1"), ("X-A", "1"), ("Set-Cookie", "b=2"), ("set-cookie", "a=1")],
            [("set-cookie", "a=1"), ("X-A", "1"), ("Set-Cookie", "b=2"), ("set-cookie", "a=1")],
        ),
        # what Connection names goes too, wherever it stands, however it is written
        (
            [("X-Hop", "1"), ("Connection", "close, x-hop"), ("X-Other", "2"), ("x-HOP", "3")],
            [("X-Other", "2")],
        ),
        ([("X-A", "1"), ("X-B", "2"), ("connection", " x-a ,,"), ("Connection", "X-B")], []),
        # names that only begin alike stay
        ([("Connection", "x"), ("X-Y", "1"), ("Dated", "2")], [("X-Y", "1"), ("Dated", "2")]),
        # end-to-end fields that look technical stay
        (
            [("ETag", '"1"'), ("Content-Encoding", "gzip"), ("Vary", "*"), ("WWW-Authenticate", "Basic")],
            [("ETag", '"1"'), ("Content-Encoding", "gzip"), ("Vary", "*"), ("WWW-Authenticate", "Basic")],
        ),
        ([("X-Empty", "")], [("X-Empty", "")]),
    ],
)
def test_an_answer_keeps_its_end_to_end_fields(received: Fields, kept: Fields) -> None:
    assert answer_fields(received) == kept


def told(received: Fields, *, peer: str | None = "192.0.2.7", scheme: str = "https", host: str = "up.test") -> Fields:
    return request_fields(received, request_id="id-1", peer=peer, scheme=scheme, host=host)


def test_a_service_is_told_who_asked_and_how() -> None:
    assert told([]) == [
        ("Accept-Encoding", "identity"),
        ("X-Request-Id", "id-1"),
        ("Forwarded", 'for=192.0.2.7;host="up.test";proto=https'),
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-Host", "up.test"),
        ("X-Forwarded-Proto", "https"),
    ]


@pytest.mark.parametrize(
    ("peer", "forwarded"),
    [
        ("192.0.2.7", 'for=192.0.2.7;host="up.test";proto=https'),
        # RFC 7239 section 6: quoted, in brackets
        ("2001:db8::7", 'for="[2001:db8::7]";host="up.test";proto=https'),
        ("::1", 'for="[::1]";host="up.test";proto=https'),
        ("::ffff:192.0.2.7", 'for="[::ffff:192.0.2.7]";host="up.test";proto=https'),
    ],
)
def test_an_address_is_written_as_forwarded_wants_it(peer: str, forwarded: str) -> None:
    fields = dict(told([], peer=peer))

    assert fields["Forwarded"] == forwarded
    assert fields["X-Forwarded-For"] == peer


@pytest.mark.parametrize("peer", [None, ""], ids=["none", "empty"])
def test_a_peer_without_address_is_not_mentioned(peer: str | None) -> None:
    """A client on a Unix socket has none."""
    names = [name for name, _ in told([], peer=peer)]

    assert names == ["Accept-Encoding", "X-Request-Id", "X-Forwarded-Host", "X-Forwarded-Proto"]


def test_a_host_with_a_port_is_quoted() -> None:
    """A colon is not allowed in a token (RFC 7239 section 4)."""
    assert dict(told([], host="[::1]:8080"))["Forwarded"] == 'for=192.0.2.7;host="[::1]:8080";proto=https'


def test_chains_go_on() -> None:
    """What proxies in front of the gateway have written stays, in front."""
    fields = dict(told([("forwarded", "for=10.0.0.1, for=10.0.0.2"), ("X-FORWARDED-FOR", "10.0.0.1, 10.0.0.2")]))

    assert fields["Forwarded"] == 'for=10.0.0.1, for=10.0.0.2, for=192.0.2.7;host="up.test";proto=https'
    assert fields["X-Forwarded-For"] == "10.0.0.1, 10.0.0.2, 192.0.2.7"


@pytest.mark.parametrize("name", ["Accept", "Accept-Language", "Idempotency-Key", "Traceparent", "Tracestate"])
@pytest.mark.parametrize("spelled", [str, str.lower, str.upper], ids=["usual", "lower", "upper"])
def test_what_is_forwarded_goes_on_once(name: str, spelled: type[str]) -> None:
    assert [field for field in told([(spelled(name), "value")]) if field[0] == name] == [(name, "value")]


@pytest.mark.parametrize(
    "name",
    [
        *HOP_BY_HOP,
        "Authorization",
        "Content-Disposition",
        "Content-Encoding",
        "Content-Length",
        "Content-Type",
        "Cookie",
        "Expect",
        "Host",
        "Origin",
        "Referer",
        "User-Agent",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Request-Id",
        "X-Whatever",
    ],
)
def test_nothing_else_of_the_client_goes_on(name: str) -> None:
    """Credentials and cookies are the gateway's, not the service's; framing belongs to the body that is sent."""
    assert "theirs" not in [value for _, value in told([(name, "theirs")])]


@pytest.mark.parametrize(
    ("received", "expected"), [([], "identity"), ([("accept-encoding", "gzip, br")], "gzip, br")], ids=["none", "given"]
)
def test_an_answer_is_encoded_only_as_the_client_asked(received: Fields, expected: str) -> None:
    assert [value for name, value in told(received) if name == "Accept-Encoding"] == [expected]


def test_no_field_is_written_twice() -> None:
    """A service reads two of the same as a list, or takes whichever it likes."""
    fields = told([(name, "x") for name in ("Accept", "accept", "Forwarded", "X-Forwarded-For", "X-Request-Id")])
    names = [name.lower() for name, _ in fields]

    assert len(names) == len(set(names))
