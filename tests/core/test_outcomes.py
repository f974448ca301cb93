"""Which answers send an upload elsewhere, and which of them are followed."""

from __future__ import annotations

import pytest

from gateway.core.outcomes import Redirect, redirect_of

HERE = "http://text.test:5001/text/api"


def to(url: str, *, follow: bool) -> Redirect:
    return Redirect(url=url, follow=follow)


@pytest.mark.parametrize(
    ("status", "location", "expected"),
    [
        # no redirect
        (200, HERE, None),
        (201, "/made/1", None),
        (300, "/choose", None),
        (304, "/", None),
        (305, "/proxy", None),
        (306, "/", None),
        (309, "/", None),
        (404, "/", None),
        # a redirect that does not say where to is an answer like any other
        (307, None, None),
        (308, "", None),
        (302, None, None),
        # the upload goes again to the same origin
        (307, HERE, to(HERE, follow=True)),
        (308, "/v2/api", to("http://text.test:5001/v2/api", follow=True)),
        (307, "api2", to("http://text.test:5001/text/api2", follow=True)),
        (307, "../", to("http://text.test:5001/", follow=True)),
        (307, "?again=1", to("http://text.test:5001/text/api?again=1", follow=True)),
        (307, "//text.test:5001/x", to("http://text.test:5001/x", follow=True)),
        (307, "HTTP://TEXT.test:5001/x", to("http://TEXT.test:5001/x", follow=True)),
        # never: the POST would become a GET
        (301, "/v2/api", to("http://text.test:5001/v2/api", follow=False)),
        (302, "/v2/api", to("http://text.test:5001/v2/api", follow=False)),
        (303, "/result/1", to("http://text.test:5001/result/1", follow=False)),
        # never: another origin
        (307, "https://text.test:5001/x", to("https://text.test:5001/x", follow=False)),
        (307, "http://text.test/x", to("http://text.test/x", follow=False)),
        (307, "http://text.test:5002/x", to("http://text.test:5002/x", follow=False)),
        (308, "http://other.test:5001/x", to("http://other.test:5001/x", follow=False)),
        (307, "//other.test:5001/x", to("http://other.test:5001/x", follow=False)),
        (307, "http://text.test:5001@other.test/x", to("http://text.test:5001@other.test/x", follow=False)),
        (307, "file:///etc/passwd", to("file:///etc/passwd", follow=False)),
        # never: not a URL that can be read
        (307, "http://text.test:port/x", to("http://text.test:port/x", follow=False)),
        (307, "http://text.test:99999/x", to("http://text.test:99999/x", follow=False)),
        (307, "http://[::1/x", to("http://[::1/x", follow=False)),
        (302, "//[::1/x", to("//[::1/x", follow=False)),
    ],
)
def test_a_redirect_is_followed_within_the_origin_only(
    status: int, location: str | None, expected: Redirect | None
) -> None:
    assert redirect_of(status, location, HERE) == expected


@pytest.mark.parametrize(
    ("url", "location", "follow"),
    [
        ("http://a.test/x", "http://a.test:80/y", True),
        ("http://a.test:80/x", "http://a.test/y", True),
        ("https://a.test/x", "https://a.test:443/y", True),
        ("https://a.test/x", "https://a.test:80/y", False),
        ("http://a.test/x", "http://a.test:443/y", False),
        ("http://[::1]:80/x", "http://[::1]/y", True),
        ("http://[::1]/x", "http://[::2]/y", False),
        ("http://a.test/x", "http://b.a.test/y", False),
    ],
)
def test_the_default_port_is_a_port_like_any_other(url: str, location: str, follow: bool) -> None:
    redirect = redirect_of(307, location, url)

    assert redirect == Redirect(url=location, follow=follow)
