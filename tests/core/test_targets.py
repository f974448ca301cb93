"""Where a delivery goes: URL, method and header fields, by the configuration and by what the client asked for."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.headers import Fields
from gateway.core.services import Forward, Service
from gateway.core.targets import ClientRequest, in_turn, target_of
from gateway.errors import PathInvalid

URL = "http://text.test:5001/api"

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


def service(**options: Any) -> Service:
    return Service(name="text", urls=(URL,), **options)


def client(fields: Fields = (), **options: Any) -> ClientRequest:
    values = {"id": "id-1", "method": "POST", "peer": "192.0.2.7", "scheme": "https", "host": "up.test", **options}
    return ClientRequest(fields=list(fields), **values)


# --- header fields -----------------------------------------------------------------------------


def told(received: Fields, *, headers: Any = None, forward: Any = "none", **options: Any) -> Fields:
    asked = service(headers=headers or {}, forward=Forward(headers=forward))
    return target_of(asked, URL, client(received, **options)).fields


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
    fields = told([(spelled(name), "value")])

    assert [field for field in fields if field[0].lower() == name.lower()] == [(spelled(name), "value")]


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
    fields = told([(name, "x") for name in ("Accept", "Forwarded", "X-Forwarded-For", "X-Request-Id")], forward="all")
    names = [name.lower() for name, _ in fields]

    assert len(names) == len(set(names))


def test_named_headers_go_on_as_they_came() -> None:
    """Repeats, order and spelling too; nothing that was not named."""
    received = [("authorization", "Basic x"), ("X-Tag", "a"), ("Cookie", "c"), ("x-tag", "b"), ("Accept", "*/*")]
    fields = told(received, forward=frozenset({"authorization", "x-tag"}))

    assert fields[:4] == [("authorization", "Basic x"), ("X-Tag", "a"), ("x-tag", "b"), ("Accept", "*/*")]
    assert "Cookie" not in dict(fields)


NEVER = [
    *HOP_BY_HOP,
    "Accept-Encoding",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Expect",
    "Host",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Request-Id",
]


@pytest.mark.parametrize("name", NEVER)
def test_all_headers_are_all_but_those_of_the_connection_and_the_body(name: str) -> None:
    """The body is another, or at least in another shape, and the connection is another in any case."""
    fields = told([(name, "theirs"), ("Cookie", "c"), ("User-Agent", "curl/8")], forward="all")

    assert (name, "theirs") not in fields or name == "Accept-Encoding"
    assert ("Cookie", "c") in fields
    assert ("User-Agent", "curl/8") in fields


def test_what_connection_names_never_goes_on() -> None:
    assert "X-Hop" not in dict(told([("Connection", "x-hop"), ("X-Hop", "1")], forward="all"))


def test_the_configured_headers_win() -> None:
    """A client must not be able to replace the gateway's own credentials."""
    fields = told([("Authorization", "client"), ("Accept", "a/b")], headers={"authorization": "own"}, forward="all")

    assert [value for name, value in fields if name.lower() == "authorization"] == ["own"]
    assert ("Accept", "a/b") in fields


def test_an_answer_that_is_looked_into_must_not_be_encoded() -> None:
    target = target_of(service(), URL, client([("Accept-Encoding", "gzip")]), reads_answer=True)

    assert ("Accept-Encoding", "identity") in target.fields


# --- method and URL ----------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "sent"), [("POST", "POST"), ("PUT", "PUT"), ("same", "PATCH")])
def test_the_method_is_configured_or_the_clients(method: str, sent: str) -> None:
    assert target_of(service(method=method), URL, client(method="PATCH")).method == sent


@pytest.mark.parametrize(
    ("url", "forward", "query", "received", "expected"),
    [
        # the URL stays as it is, character for character
        ("http://a.test", Forward(), {}, "x=1", "http://a.test"),
        ("http://a.test/b?c=%20d", Forward(), {}, "x=1", "http://a.test/b?c=%20d"),
        ("http://a.test/b?", Forward(), {}, "", "http://a.test/b?"),
        # all, some, none of the client's, as the client wrote it
        ("http://a.test/b", Forward(query="all"), {}, "x=%41&y", "http://a.test/b?x=%41&y"),
        ("http://a.test/b?c=d", Forward(query="all"), {}, "x=1&x=2", "http://a.test/b?c=d&x=1&x=2"),
        ("http://a.test/b", Forward(query=frozenset({"y", "\u00e4 b"})), {}, "x=1&y=2&y&%C3%A4+b=%2B", "http://a.test/b?y=2&y&%C3%A4+b=%2B"),
        ("http://a.test/b", Forward(query=frozenset({"z"})), {}, "x=1&y=2", "http://a.test/b"),
        ("http://a.test/b", Forward(query="all"), {}, "", "http://a.test/b"),
        # what no request line can hold is encoded, not handed on
        ("http://a.test/b", Forward(query="all"), {}, 'a="\x00 \xe4#', "http://a.test/b?a=%22%00%20%C3%A4%23"),
        # configured ones, encoded
        ("http://a.test/b", Forward(), {"lang": "en", "q": "a b&c=\u00e4/?"}, "x=1", "http://a.test/b?lang=en&q=a%20b%26c%3D%C3%A4%2F%3F"),
        ("http://a.test/b?c", Forward(query="all"), {"l": ""}, "x", "http://a.test/b?c&x&l="),
    ],
)  # fmt: skip
def test_the_query_is_that_of_the_url_the_client_and_the_configuration(
    url: str, forward: Forward, query: dict[str, str], received: str, expected: str
) -> None:
    assert target_of(service(forward=forward, query=query), url, client(query=received)).url == expected


@pytest.mark.parametrize(
    ("url", "rest", "expected"),
    [
        ("http://a.test", "x/y.bin", "http://a.test/x/y.bin"),
        ("http://a.test/", "x", "http://a.test/x"),
        ("http://a.test/dav", "x", "http://a.test/dav/x"),
        ("http://a.test/dav/", "na%C3%AFve%20name.bin", "http://a.test/dav/na%C3%AFve%20name.bin"),
        ("http://a.test/dav?k=1", "x", "http://a.test/dav/x?k=1"),
        ("http://a.test/dav", "", "http://a.test/dav/"),
        ("http://a.test/dav", None, "http://a.test/dav/"),
        ("http://a.test/dav", "a%2Fb", "http://a.test/dav/a%2Fb"),
        ("http://a.test/dav", "...", "http://a.test/dav/..."),
        ("http://a.test/dav", "a b\u00e4?#", "http://a.test/dav/a%20b%C3%A4%3F%23"),
    ],
)
def test_the_rest_of_the_path_follows_that_of_the_url(url: str, rest: str | None, expected: str) -> None:
    assert target_of(service(forward=Forward(path="rest")), url, client(rest=rest)).url == expected


@pytest.mark.parametrize(
    "rest",
    ["..", "../x", "a/../../x", ".", "a/./b", "%2e%2E/x", "a/%2E", "a%2f..%2fb", "..%5Cx", "a\\..\\b", "x%00.pdf"],
)
def test_a_path_cannot_leave_the_configured_one(rest: str) -> None:
    """Nothing is sent anywhere but to configured services: not by any spelling of a way up."""
    with pytest.raises(PathInvalid):
        target_of(service(forward=Forward(path="rest")), URL, client(rest=rest))


# --- several URLs ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("turn", "failed_at", "order"),
    [
        (0, {}, "abc"),
        (1, {}, "bca"),
        (2, {}, "cab"),
        (3, {}, "abc"),
        # what has failed of late comes last, but is not given up
        (0, {"a": 95.0}, "bca"),
        (1, {"a": 95.0}, "bca"),
        (2, {"a": 95.0}, "cba"),
        (0, {"a": 95.0, "b": 99.0}, "cab"),
        (0, {"a": 95.0, "b": 99.0, "c": 100.0}, "abc"),
        # that was long enough ago
        (0, {"a": 90.0}, "abc"),
    ],
)
def test_urls_take_turns(turn: int, failed_at: dict[str, float], order: str) -> None:
    assert in_turn("abc", turn, failed_at, 100.0, rest_s=10.0) == list(order)


def test_messages_name_the_url_as_it_is_configured() -> None:
    """What `query` adds is as secret as headers are, and what the client adds says nothing of the service."""
    target = target_of(service(query={"token": "s"}, forward=Forward(query="all")), URL, client(query="x=1"))

    assert target.url == f"{URL}?x=1&token=s"
    assert target.address == URL


def test_a_host_cannot_add_to_what_is_said_of_the_client() -> None:
    """Servers let much pass as a Host; quoted, it stays one value."""
    fields = dict(told([], host='a";for=10.0.0.1;x="\\'))

    assert fields["Forwarded"] == 'for=192.0.2.7;host="a\\";for=10.0.0.1;x=\\"\\\\";proto=https'
