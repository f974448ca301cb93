"""What is wrong between keys that are each right is found, at the key to change."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.settings.contradictions import contradictions
from gateway.settings.values import Secret

PLAIN = {"url": "http://h/"}


def found(service: dict[str, Any], *paths: str | None, **route: Any) -> list[str]:
    """The keys, with dots, that are found for one service and routes with these paths to it."""
    routes = {f"r{number}": {"path": path, "to": "a", **route} for number, path in enumerate(paths or ("/a",))}
    data = {"services": {"a": service}, "routes": routes}
    return [".".join(map(str, key)) for key, _ in contradictions(data)]


@pytest.mark.parametrize(
    ("service", "keys"),
    [
        ({}, []),
        ({"headers": {"X-A": "1", "X-B": "2", "x-a": "3"}}, ["headers.x-a"]),
        # certificates
        ({"url": "https://h/", "tls": {"ca": "f"}}, []),
        ({"url": "http://h/", "tls": {"ca": "f"}}, ["tls"]),
        ({"url": "http://h/", "tls": {}}, []),
        ({"url": ["https://h/", "HTTP://i/"], "tls": {"ca": "f"}}, ["tls"]),
        ({"url": "https://h/", "tls": {"key": "f"}}, ["tls.key"]),
        ({"url": "https://h/", "tls": {"cert": "f", "key": "f"}}, []),
        # shapes
        ({"send": {"only": ["a"], "drop": ["b"]}}, ["send.drop"]),
        ({"send": {"only": ["a"], "drop": []}}, []),
        ({"send": {"as": "raw", "file_last": True, "repeat": "index"}}, ["send.file_last", "send.repeat"]),
        ({"send": {"as": "json", "file_last": True, "repeat": "index"}}, ["send.file_last", "send.repeat"]),
        ({"send": {"as": "raw", "file_last": False, "repeat": "keep"}}, []),
        ({"send": {"as": "raw", "rename": {"a": "b"}, "add": {"a": "b"}}}, ["send.rename", "send.add"]),
        ({"send": {"as": "json", "rename": {"a": "b"}, "add": {"a": "b"}}}, []),
        ({"send": {"as": "raw", "only": ["a"], "each": "file", "filename": "ascii"}}, []),
        # statuses
        ({"expect": {"ok": [200, "200-204", "2xx"]}}, []),
        ({"expect": {"ok": ["2xx"], "rejected": [404, 201]}}, ["expect.rejected.1"]),
        ({"expect": {"busy": ["500-503"], "failed": ["503-504", "5xx"]}}, ["expect.failed.0", "expect.failed.1"]),
    ],
)
def test_services(service: dict[str, Any], keys: list[str]) -> None:
    """Each contradiction once, at the later one of the keys."""
    assert found(service) == [f"services.a.{key}" for key in keys]


@pytest.mark.parametrize(
    ("paths", "keys"),
    [
        (["/x", "/y"], []),
        (["/x", "/x"], ["routes.r1.path"]),
        (["/x", "/x/"], []),
        (["/x/<filename>", "/x/<filename>"], ["routes.r1.path"]),
        (["/x/<rest>", "/x/<rest>"], ["routes.r1.path"]),
        # The more precise one takes what both could take.
        (["/x/<rest>", "/x/<filename>", "/x/a", "/<rest>"], []),
        # `<rest>` may stand for nothing.
        (["/x/<rest>", "/x/"], ["routes.r1.path"]),
        (["/x/", "/x/<rest>"], ["routes.r1.path"]),
        ([None, None], ["routes.r1.path"]),
        ([None, "/x"], []),
    ],
)
def test_paths(paths: list[str | None], keys: list[str]) -> None:
    """Of two routes that take the same requests, one would never get any."""
    assert found(PLAIN, *paths) == keys


def test_several_answers_cannot_be_passed_through() -> None:
    """There is one answer for each file."""
    each = PLAIN | {"send": {"each": "file"}}

    assert found(each, reply="passthrough") == ["routes.r0.reply"]
    assert found(each, reply="json") == found(each) == found(PLAIN, reply="passthrough") == []


def test_services_that_are_not_there() -> None:
    """What a route leads to must be described."""
    assert [
        key for key, _ in contradictions({"services": {"a": PLAIN}, "routes": {"r": {"path": "/", "to": "b"}}})
    ] == [("routes", "r", "to")]


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"services": [], "routes": 5},
        {"services": {"a": None, "b": {"headers": [], "tls": 5, "send": "raw", "expect": []}}, "routes": {"r": None}},
        {"services": {"a": {"expect": {"ok": 5, "busy": ["x", None]}}}, "routes": {"r": {"path": 5, "to": ["a"]}}},
    ],
)
def test_other_mistakes_are_passed_over(data: object) -> None:
    """They are reported for themselves."""
    assert list(contradictions(data)) == []


def test_contradictions_tell_no_secrets() -> None:
    """Not even of what is compared."""
    path, status = Secret("/hunter2/<rest>", source="${PATH}"), Secret("466", source="${STATUS}")
    data = {
        "services": {"a": PLAIN | {"send": {"each": "file"}, "expect": {"ok": [status], "failed": [status]}}},
        "routes": {
            "x": {"path": "/hunter2/", "to": "a"},
            "y": {"path": path, "to": Secret("a"), "reply": "passthrough"},
        },
    }

    messages = [str(expected) for _, expected in contradictions(data)]

    assert len(messages) == 3
    assert [message for message in messages if "hunter2" in message or "466" in message] == []
