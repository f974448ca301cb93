"""What answers mean, and none; which of them send an upload elsewhere, and which of those are followed."""

from __future__ import annotations

import pytest

from gateway.core.outcomes import Outcome, Redirect, is_true_of, judge, outcome_of, redirect_of, reply_status
from gateway.core.services import Expect
from gateway.errors import (
    ClientGone,
    GatewayError,
    ServiceConnectTimeout,
    ServiceReset,
    ServiceTotalTimeout,
    ServiceUnreachable,
    SpoolFull,
    UploadTooLarge,
)

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


# --- what an answer means ----------------------------------------------------------------------

OWN = Expect(
    ok=(range(200, 202), range(304, 305)),
    rejected=(range(406, 407),),
    busy=(range(500, 501),),
    failed=(range(422, 423),),
)


@pytest.mark.parametrize(
    ("status", "by_itself", "as_expected"),
    [
        (200, "ok", "ok"),
        (201, "ok", "ok"),
        # who says which 2xx are ok says that the others are not
        (204, "ok", "failed"),
        (302, "failed", "failed"),
        (304, "failed", "ok"),
        (400, "rejected", "rejected"),
        # the gateway's own credentials, URL, method or framing are wrong: not the upload
        (401, "failed", "failed"),
        (403, "failed", "failed"),
        (404, "failed", "failed"),
        (405, "failed", "failed"),
        (406, "rejected", "rejected"),
        (407, "failed", "failed"),
        (411, "failed", "failed"),
        (413, "rejected", "rejected"),
        (415, "rejected", "rejected"),
        (422, "rejected", "failed"),
        (429, "busy", "busy"),
        (500, "failed", "busy"),
        (503, "busy", "busy"),
        (599, "failed", "failed"),
    ],
)
def test_a_status_means_what_http_says_unless_configured(status: int, by_itself: str, as_expected: str) -> None:
    assert judge(status, Expect()) == by_itself
    assert judge(status, OWN) == as_expected


@pytest.mark.parametrize(
    ("expression", "answer", "expected"),
    [
        ("summary != null", {"summary": "x"}, True),
        ("summary != null", {"summary": None}, False),
        ("summary", {"summary": ""}, False),
        ("summary", {"summary": []}, False),
        ("summary", {"other": 1}, False),
        ("count", {"count": 0}, True),
        ("clean", {"clean": False}, False),
        ("data.result[?is_infected] | length(@) == `0`", {"data": {"result": [{"is_infected": False}]}}, True),
        ("data.result[?is_infected] | length(@) == `0`", {"data": {"result": [{"is_infected": True}]}}, False),
        # no JSON at all, or not of the form that the expression wants
        ("summary", None, False),
        ("length(count) == `0`", {"count": 7}, False),
    ],
)
def test_an_expression_is_true_of_an_answer_or_not(expression: str, answer: object, expected: bool) -> None:
    assert is_true_of(expression, answer) is expected


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ServiceTotalTimeout("x"), "timeout"),
        (ServiceConnectTimeout("x"), "timeout"),
        (ServiceReset("x"), "failed"),
        (ServiceUnreachable("x"), "failed"),
        # not the service's
        (ClientGone("x"), "cancelled"),
        (UploadTooLarge("x"), "cancelled"),
        (SpoolFull("x"), "cancelled"),
    ],
)
def test_no_answer_means_what_kept_it(error: GatewayError, outcome: str) -> None:
    assert outcome_of(error) == outcome


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        (["ok"], 200),
        (["ok", "ok"], 200),
        (["rejected"], 422),
        (["ok", "rejected", "rejected"], 422),
        (["timeout", "ok"], 504),
        (["timeout", "rejected"], 502),
        (["busy"], 502),
        (["failed"], 502),
        (["rejected", "failed"], 502),
    ],
)
def test_a_reply_has_the_status_of_what_went_wrong(outcomes: list[Outcome], status: int) -> None:
    assert reply_status(outcomes) == status
