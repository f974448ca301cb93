"""What is right and probably not meant is pointed out; of each delivery is said whether it is live."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.settings.checks import check, foresee
from gateway.settings.load import from_flags
from gateway.settings.schema import Settings
from gateway.settings.values import Secret


def settings(gateway: dict[str, Any] | None = None, *, accept: list[str] | None = None, **service: Any) -> Settings:
    return Settings.model_validate(
        {
            "gateway": gateway or {},
            "services": {"text": {"url": "http://127.0.0.1:8811/extract", **service}},
            "routes": {"relay": {"path": "/file", "to": "text", "accept": {"bodies": accept or ["multipart"]}}},
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
    ],
)
def test_which_deliveries_are_live(
    accept: list[str], service: dict[str, Any], fates: list[tuple[tuple[str, ...], bool, bool]]
) -> None:
    """Kinds of bodies that fare alike are told together; what is not live has a reason."""
    prospects = foresee(settings(accept=accept, **service))

    assert [(each.bodies, each.live, each.live and each.unless is None) for each in prospects] == fates
    assert all(each.live == (each.because is None) for each in prospects)


def test_a_prospect_names_what_it_is_about() -> None:
    """As it may be shown to anybody."""
    (prospect,) = foresee(settings(url=Secret("http://127.0.0.1/hunter2", source="${URL}")))

    assert (prospect.route, prospect.path, prospect.service, prospect.url) == ("relay", "/file", "text", "${URL}")


def test_every_path() -> None:
    """What `--to` makes has no path of its own."""
    assert {prospect.path for prospect in foresee(from_flags(["http://h/"]))} == {None}
