"""What is under `/-/` and is not public is for the machine itself: one row for every way in which a request is not."""

from __future__ import annotations

import pytest

from gateway.errors import LocalOnly
from gateway.web.guard import check_local

HERE = {"SERVER_NAME": "127.0.0.1", "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1:8080"}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"HTTP_HOST": "localhost:8080"},
        {"SERVER_NAME": "::1", "REMOTE_ADDR": "::1", "HTTP_HOST": "[::1]:8080"},
        {"SERVER_NAME": "localhost", "REMOTE_ADDR": "127.0.0.9"},
        # a browser on the page itself, or its address bar
        {"HTTP_SEC_FETCH_SITE": "none"},
        {"HTTP_SEC_FETCH_SITE": "same-origin", "HTTP_ORIGIN": "http://127.0.0.1:8080"},
    ],
    ids=str,
)
def test_the_machine_itself_is_let_in(more: dict[str, str]) -> None:
    check_local({**HERE, **more})


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"SERVER_NAME": "0.0.0.0"}, "others can reach"),
        ({"SERVER_NAME": "::"}, "others can reach"),
        ({"SERVER_NAME": "192.0.2.1"}, "others can reach"),
        ({"SERVER_NAME": ""}, "others can reach"),
        ({"REMOTE_ADDR": "192.0.2.9"}, "another machine"),
        ({"REMOTE_ADDR": ""}, "another machine"),
        # a name of an attacker that resolves to this machine
        ({"HTTP_HOST": "evil.test"}, "Host"),
        ({"HTTP_HOST": "127.0.0.1.evil.test"}, "Host"),
        ({"HTTP_HOST": "localhost.evil.test:8080"}, "Host"),
        ({"HTTP_HOST": "127.0.0.1@evil.test"}, "Host"),
        ({"HTTP_HOST": "[::1"}, "Host"),
        ({"HTTP_HOST": ""}, "Host"),
        ({"HTTP_FORWARDED": "for=192.0.2.9"}, "proxy"),
        ({"HTTP_VIA": "1.1 proxy"}, "proxy"),
        ({"HTTP_X_FORWARDED_FOR": "192.0.2.9"}, "proxy"),
        ({"HTTP_X_FORWARDED_HOST": "a.test"}, "proxy"),
        ({"HTTP_SEC_FETCH_SITE": "cross-site"}, "another site"),
        ({"HTTP_SEC_FETCH_SITE": "same-site"}, "another site"),
        ({"HTTP_ORIGIN": "http://evil.test"}, "another site"),
        ({"HTTP_ORIGIN": "null"}, "another site"),
        ({"HTTP_ORIGIN": "http://127.0.0.1:9999"}, "another site"),
    ],
    ids=str,
)
def test_nobody_else_is(more: dict[str, str], reason: str) -> None:
    with pytest.raises(LocalOnly, match=reason):
        check_local({**HERE, **more})
