"""Which header fields are for the other end; order and repeats are kept."""

from __future__ import annotations

import pytest

from gateway.core.headers import Fields, answer_fields, end_to_end

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


def test_date_and_server_of_a_request_are_end_to_end() -> None:
    assert end_to_end([("Date", "x"), ("Connection", "y"), ("Server", "z")]) == [("Date", "x"), ("Server", "z")]
