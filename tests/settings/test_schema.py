"""Settings are frozen, agree with themselves, and build the values that the gateway works with."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.core.services import Route, Service, Timeouts
from gateway.core.uploads import Limits
from gateway.settings.schema import SPARE_THREADS, Settings, contradictions, every_key, keys_of, type_below
from gateway.settings.values import Secret


def settings(gateway: dict[str, Any] | None = None, **service: Any) -> Settings:
    return Settings.model_validate(
        {
            "gateway": gateway or {},
            "services": {"text": {"url": "http://127.0.0.1:8811/extract", **service}},
            "routes": {"relay": {"path": "/file", "to": "text"}},
        }
    )


def test_defaults_are_those_of_the_core() -> None:
    """Two places know the defaults: code that builds values itself, and the file. They agree."""
    service = Service(name="text", url="http://127.0.0.1:8811/extract")

    assert settings().build_limits() == Limits()
    assert settings().build_services() == {"text": service}
    assert settings().build_services()["text"].timeouts == Timeouts()
    assert settings().build_routes() == (Route(name="relay", path="/file", service=service),)


def test_everything_said_is_built() -> None:
    """Each key ends in the value it is about."""
    built = settings(
        {"limits": {"body": "1MiB", "parts": 2, "part_headers": "1KiB", "field": 3}},
        headers={"X-Key": "abc"},
        send={"as": "raw"},
        body="chunked",
        deliver="whole",
        timeout={"connect": "1s", "stall": "2s", "first_byte": "3s", "total": "4s"},
    )

    assert built.build_limits() == Limits(body=2**20, parts=2, part_headers=2**10, field=3)
    assert built.build_services()["text"] == Service(
        name="text",
        url="http://127.0.0.1:8811/extract",
        headers={"X-Key": "abc"},
        send="raw",
        body="chunked",
        deliver="whole",
        timeouts=Timeouts(connect=1, stall=2, first_byte=3, total=4),
    )


def test_routes_keep_their_order() -> None:
    """The order of the file is the order of what is shown."""
    names = ["b", "a", "c"]
    many = Settings.model_validate(
        {
            "services": {"text": {"url": "http://127.0.0.1/"}},
            "routes": {name: {"path": f"/{name}", "to": "text", "accept": {"bodies": ["raw"]}} for name in names},
        }
    )

    assert [route.name for route in many.build_routes()] == names
    assert {route.bodies for route in many.build_routes()} == {frozenset({"raw"})}


@pytest.mark.parametrize(
    ("written", "cores", "workers", "uploads"),
    [
        # workers, concurrent
        (("auto", 200), 2, 2, 100),
        (("auto", 200), 3, 3, 66),  # never more than allowed
        (("auto", 1), 8, 1, 1),  # no worker that could take nothing
        ((4, 200), 2, 4, 50),
        ((4, 2), 2, 4, 1),  # more than allowed, which `check` warns of
    ],
)
def test_uploads_are_divided(written: tuple[str | int, int], cores: int, workers: int, uploads: int) -> None:
    """Each worker has its share of the uploads, and threads for them and a few more."""
    gateway = settings({"workers": written[0], "limits": {"concurrent": written[1]}}).gateway

    assert gateway.count_workers(cores) == workers
    assert gateway.uploads_per_worker(cores) == uploads
    assert gateway.threads_per_worker(cores) == uploads + SPARE_THREADS


@pytest.mark.parametrize("key", ["stop", "bind", "nothing"])
def test_settings_are_frozen(key: str) -> None:
    """Whoever holds settings holds what was checked."""
    with pytest.raises(ValidationError):
        setattr(settings().gateway, key, 5)


def test_secrets_do_not_show() -> None:
    """Neither the settings nor what is built from them tell a secret by being printed."""
    secret = Secret("http://127.0.0.1/hunter2", source="${URL}")
    held = settings({"state": secret}, url=secret, headers={"X-Key": Secret("hunter2"), "X-Written": "hunter2"})

    shown = f"{held!r} {held} {held.build_services()!r} {held.build_routes()!r}"

    assert "hunter2" not in shown
    assert "${URL}" in shown


def test_settings_made_by_hand_are_checked_too() -> None:
    """A route without its service is never built, however it was written."""
    with pytest.raises(ValidationError, match="expected the name of a service"):
        Settings.model_validate(
            {"services": {"text": {"url": "http://h/"}}, "routes": {"relay": {"path": "/x", "to": "txt"}}}
        )


def test_contradictions() -> None:
    """What is wrong between keys, each at the key to change; None is every path, and also taken once."""
    found = contradictions(
        {"text": ["X-Key", "X-Other", "x-key"], "other": []},
        {"a": ("/x", "text"), "b": ("/x", "txt"), "c": (None, "text"), "d": (None, "text"), "e": (5, ["text"])},
    )

    assert [key for key, _ in found] == [
        ("services", "text", "headers", "x-key"),
        ("routes", "b", "to"),
        ("routes", "b", "path"),
        ("routes", "d", "path"),
    ]


def test_the_shape_can_be_asked_for() -> None:
    """Reading a document needs to know where text is expected and which keys there are."""
    assert set(keys_of(Settings) or ()) == {"gateway", "services", "routes"}
    assert keys_of(str) is None
    service = type_below(type_below(Settings, "services"), "any name")
    assert type_below(service, "url") is str
    assert type_below(type_below(service, "headers"), "X-Key") is str
    assert type_below(type_below(service, "send"), "as") is not None
    assert type_below(service, "nothing") is None
    assert type_below(type_below(type_below(Settings, "routes"), "any name"), "path") is str
    assert {"gateway.limits.body", "services.<name>.send.as", "routes.<name>.accept.bodies"} < set(every_key())


def test_every_key_says_what_it_means() -> None:
    """Each key that holds a value has its meaning under it in the schema, where editors find it."""
    schema = Settings.model_json_schema()

    silent = [
        f"{name}.{key}"
        for name, section in schema["$defs"].items()
        for key, value in section["properties"].items()
        if "description" not in value and "$ref" not in value
    ]

    assert silent == []
