"""What is right and probably not meant is pointed out; of each delivery is said whether it is live."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.settings.checks import check, foresee
from gateway.settings.load import from_flags
from gateway.settings.schema import Settings
from gateway.settings.values import Secret


def settings(
    gateway: dict[str, Any] | None = None,
    *,
    accept: list[str] | None = None,
    route: dict[str, Any] | None = None,
    **service: Any,
) -> Settings:
    relay = {"path": "/file", "to": "text", "accept": {"bodies": accept or ["multipart"]}}
    return Settings.model_validate(
        {
            "gateway": gateway or {},
            "services": {"text": {"url": "http://127.0.0.1:8811/extract", **service}},
            "routes": {"relay": relay | (route or {})},
        }
    )


def codes(of: Settings) -> list[str]:
    return [concern.code for concern in check(of)]


def test_nothing_to_say() -> None:
    """The defaults raise no doubts."""
    assert check(settings()) == ()


@pytest.mark.parametrize(
    ("bind", "url", "is_loop"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080/file", True),
        ("127.0.0.1:8080", "http://localhost:8080/file", True),
        ("127.0.0.1:8080", "http://LOCALHOST:8080/file", True),
        ("127.0.0.1:8080", "http://0.0.0.0:8080/file", True),
        ("127.0.0.1:8080", "http://127.0.0.1:8081/file", False),
        ("127.0.0.1:8080", "http://127.0.0.2:8080/file", False),
        ("127.0.0.1:8080", "http://service.example:8080/file", False),
        ("localhost:8080", "http://[::1]:8080/file", True),
        ("[::1]:8080", "http://localhost:8080/file", True),
        ("[::1]:8080", "http://[::1]:8080/file", True),
        ("0.0.0.0:8080", "http://127.0.0.2:8080/file", True),
        ("0.0.0.0:8080", "http://localhost:8080/file", True),
        ("0.0.0.0:8080", "http://10.0.0.1:8080/file", False),  # whose address that is, is not known here
        ("[::]:8080", "http://[::1]:8080/file", True),
        ("gateway.example:80", "http://gateway.example/file", True),
        ("gateway.example:443", "https://gateway.example/file", True),
        ("gateway.example:443", "http://gateway.example/file", False),
        ("127.0.0.1:0", "http://127.0.0.1/file", False),
    ],
)
def test_a_service_that_is_the_gateway(bind: str, url: str, is_loop: bool) -> None:
    """An upload that comes back is taken again, until nothing is left to take it with."""
    concerns = check(settings({"bind": bind}, url=url))

    assert [(concern.code, concern.key) for concern in concerns] == (
        [("loop", ("services", "text", "url"))] if is_loop else []
    )


def test_one_of_several_machines_is_the_gateway() -> None:
    """Each URL is looked at."""
    concerns = check(settings({"bind": "127.0.0.1:8080"}, url=["http://127.0.0.1:8081/", "http://127.0.0.1:8080/"]))

    assert [(concern.code, concern.key) for concern in concerns] == [("loop", ("services", "text", "url", 1))]


def test_a_service_without_a_route() -> None:
    """Nothing can ever be sent to it."""
    unused = Settings.model_validate(
        {
            "services": {"text": {"url": "http://h/"}, "txt": {"url": "http://h/"}},
            "routes": {"relay": {"path": "/file", "to": "text"}},
        }
    )

    assert [(concern.code, concern.key) for concern in check(unused)] == [("service_unused", ("services", "txt"))]


@pytest.mark.parametrize(
    ("gateway", "expected"),
    [
        ({"limits": {"body": "20GiB"}}, []),
        ({"limits": {"body": "21GiB"}}, ["body_over_quota"]),
        ({"spool": {"quota": 0}}, ["body_over_quota"]),
        ({"workers": 4, "limits": {"concurrent": 4}}, []),
        ({"workers": 4, "limits": {"concurrent": 3}}, ["workers_over_concurrent"]),
        ({"workers": "auto", "limits": {"concurrent": 1}}, []),
    ],
)
def test_limits_that_do_not_fit(gateway: dict[str, Any], expected: list[str]) -> None:
    """Numbers that are each right, and together are not what they say."""
    assert codes(settings(gateway)) == expected


@pytest.mark.parametrize(
    ("route", "concerned"),
    [
        ({"path": "/file"}, True),
        ({"path": "/file/<rest>"}, False),
        ({"path": "/<filename>"}, False),
    ],
)
def test_a_path_of_which_nothing_is_left(route: dict[str, Any], concerned: bool) -> None:
    """What follows the path can be handed on only where something may follow."""
    found = check(settings(route=route, forward={"path": "rest"}))

    assert [(concern.code, concern.key) for concern in found] == (
        [("no_rest", ("routes", "relay", "path"))] if concerned else []
    )


def test_the_whole_path_may_be_handed_on() -> None:
    """A route that takes every path needs no placeholder."""
    anywhere = settings(route={"path": None}, forward={"path": "rest"})

    assert check(anywhere) == ()
    assert [prospect.urls for prospect in foresee(anywhere)] == [("http://127.0.0.1:8811/extract/<rest>",)]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ({"body": "5GiB"}, []),
        ({"body": "6GiB"}, ["body_over_limit"]),
        ({"bodies": ["raw"], "require": ["file"]}, []),
        ({"bodies": ["multipart"], "require": ["title"]}, []),
        ({"bodies": ["multipart", "raw"], "require": ["file", "title"]}, ["required_of_raw"]),
    ],
)
def test_conditions_that_cannot_be_met(accept: dict[str, Any], expected: list[str]) -> None:
    """Of a limit above the limit, and of bare files without what they can never have."""
    assert codes(settings(route={"accept": accept})) == expected


def test_concerns_tell_no_secrets() -> None:
    """What came from the environment is shown as it was written."""
    (concern,) = check(settings({"bind": Secret("127.0.0.1:9", source="${BIND}")}, url="http://127.0.0.1:9/"))

    assert "${BIND}" in concern.message
    assert "127.0.0.1:9" not in concern.message


@pytest.mark.parametrize(
    ("accept", "service", "fates"),
    [
        # bodies; whether an ordinary upload is live; whether one without Content-Length is
        (["multipart"], {}, [(("multipart",), True, False)]),
        (["multipart", "raw"], {}, [(("multipart", "raw"), True, False)]),
        (["multipart", "raw"], {"body": "chunked"}, [(("multipart", "raw"), True, True)]),
        (["multipart", "raw"], {"deliver": "whole"}, [(("multipart", "raw"), False, False)]),
        (["multipart"], {"send": {"as": "raw"}}, [(("multipart",), False, False)]),
        (["raw"], {"send": {"as": "raw"}}, [(("raw",), True, False)]),
        (
            ["raw", "multipart"],
            {"send": {"as": "raw"}, "body": "chunked"},
            [(("multipart",), False, False), (("raw",), True, True)],
        ),
        (["json", "raw"], {}, [(("raw",), True, False), (("json",), False, False)]),
        # Rules that need to know what is behind.
        (["multipart", "raw"], {"send": {"each": "file"}}, [(("multipart",), False, False), (("raw",), True, False)]),
        (["multipart"], {"send": {"rename": {"a": "b"}}}, [(("multipart",), False, False)]),
        (["multipart"], {"send": {"rename": {"a": "b"}}, "body": "chunked"}, [(("multipart",), True, True)]),
        (["multipart"], {"send": {"add": {"a": "b"}}}, [(("multipart",), True, False)]),
    ],
)
def test_which_deliveries_are_live(
    accept: list[str], service: dict[str, Any], fates: list[tuple[tuple[str, ...], bool, bool]]
) -> None:
    """Kinds of bodies that fare alike are told together; what is not live has a reason."""
    prospects = foresee(settings(accept=accept, **service))

    assert [(each.bodies, each.live, each.live and each.unless is None) for each in prospects] == fates
    assert all(each.live == (each.because is None) for each in prospects)


def test_a_live_delivery_waits_for_required_parts() -> None:
    """Only for them, and only where they come one after another."""
    wanting = settings(route={"accept": {"bodies": ["multipart", "raw"], "require": ["lang", "file"]}})

    assert [(each.bodies, each.once) for each in foresee(wanting)] == [
        (("multipart",), "lang and file have begun"),
        (("raw",), None),
    ]


@pytest.mark.parametrize(
    ("path", "url", "shown"),
    [
        ("/dav/<rest>", "http://h/dav", "http://h/dav/<rest>"),
        ("/dav/<rest>", "http://h/dav/", "http://h/dav/<rest>"),
        ("/in/<filename>", "http://h/?a=b", "http://h/<filename>?a=b"),
        ("/in/<filename>", Secret("http://h/hunter2", source="${URL}"), "${URL}/<filename>"),
    ],
)
def test_what_follows_the_url_is_shown(path: str, url: str, shown: str) -> None:
    """Where the path is handed on."""
    (prospect,) = foresee(settings(route={"path": path}, url=url, forward={"path": "rest"}))

    assert prospect.urls == (shown,)


def test_a_prospect_names_what_it_is_about() -> None:
    """As it may be shown to anybody."""
    (prospect,) = foresee(settings(url=Secret("http://127.0.0.1/hunter2", source="${URL}")))

    assert (prospect.route, prospect.path, prospect.service, prospect.urls) == ("relay", "/file", "text", ("${URL}",))


def test_every_path() -> None:
    """What `--to` makes has no path of its own."""
    assert {prospect.path for prospect in foresee(from_flags(["http://h/"]))} == {None}
