"""Settings are frozen, agree with themselves, and build the values that the gateway works with."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.core.services import TLS, Accept, AddedField, Expect, Forward, Route, Send, Service, Timeouts
from gateway.core.uploads import Limits
from gateway.settings.schema import SPARE_THREADS, Settings
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
    service = Service(name="text", urls=("http://127.0.0.1:8811/extract",))

    assert settings().build_limits() == Limits()
    assert settings().build_services() == {"text": service}
    assert settings().build_services()["text"].timeouts == Timeouts()
    assert settings().build_routes() == (Route(name="relay", path="/file", service=service),)


def test_everything_said_is_built() -> None:
    """Each key ends in the value it is about."""
    built = settings(
        {"limits": {"body": "1MiB", "parts": 2, "part_headers": "1KiB", "field": 3, "json": 4}},
        url=["https://a/", "https://b/"],
        method="PUT",
        headers={"X-Key": "abc"},
        query={"lang": "en", "n": 5, "deep": True},
        forward={"headers": ["Authorization", "X-Trace"], "query": ["page"], "path": "rest"},
        tls={"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"},
        send={
            "as": "json",
            "rename": {"file": "document"},
            "only": ["document", "lang"],
            "add": {"lang": "en", "n": 5, "deep": False, "options": {"json": {"brief": True}}},
            "each": "file",
            "filename": "{stem}-{n}{suffix}",
            "content_type": "text/plain; charset=utf-8",
        },
        body="chunked",
        deliver="whole",
        expect={"ok": [200, "202-204"], "rejected": ["4xx"], "busy": [503], "failed": ["500-502"], "ok_if": "ok"},
        timeout={"connect": "1s", "stall": "2s", "first_byte": "3s", "total": "4s"},
    )

    assert built.build_limits() == Limits(body=2**20, parts=2, part_headers=2**10, field=3, json=4)
    assert built.build_services()["text"] == Service(
        name="text",
        urls=("https://a/", "https://b/"),
        method="PUT",
        headers={"X-Key": "abc"},
        query={"lang": "en", "n": "5", "deep": "true"},
        forward=Forward(headers=frozenset({"authorization", "x-trace"}), query=frozenset({"page"}), path="rest"),
        tls=TLS(ca="ca.pem", cert="cert.pem", key="key.pem"),
        send=Send(
            kind="json",
            rename={"file": "document"},
            only=frozenset({"document", "lang"}),
            add=(
                AddedField(name="lang", content=b"en"),
                AddedField(name="n", content=b"5"),
                AddedField(name="deep", content=b"false"),
                AddedField(name="options", content=b'{"brief": true}', content_type="application/json"),
            ),
            each="file",
            filename="{stem}-{n}{suffix}",
            content_type="text/plain; charset=utf-8",
        ),
        body="chunked",
        deliver="whole",
        expect=Expect(
            ok=(range(200, 201), range(202, 205)),
            rejected=(range(400, 500),),
            busy=(range(503, 504),),
            failed=(range(500, 503),),
            ok_if="ok",
        ),
        timeouts=Timeouts(connect=1, stall=2, first_byte=3, total=4),
    )


def test_the_rest_of_what_can_be_said_is_built() -> None:
    """Keys that exclude some of those above."""
    built = settings(
        method="same",
        forward={"headers": "all", "query": "all"},
        send={"drop": ["token"], "file_last": True, "repeat": "brackets"},
    )

    service = built.build_services()["text"]
    assert (service.method, service.forward) == ("same", Forward(headers="all", query="all"))
    assert service.send == Send(drop=frozenset({"token"}), file_last=True, repeat="brackets")


def test_what_a_route_takes_is_built() -> None:
    """Media types are compared in lower case."""
    accept = {"bodies": ["json", "raw"], "require": ["file"], "types": ["Image/*", "text/plain"], "body": "1KiB"}
    built = Settings.model_validate(
        {
            "services": {"text": {"url": "http://h/"}},
            "routes": {"files": {"path": "/files/<filename>", "to": "text", "accept": accept, "reply": "json"}},
        }
    )

    (route,) = built.build_routes()
    assert (route.path, route.reply) == ("/files/<filename>", "json")
    assert route.accept == Accept(
        bodies=frozenset({"json", "raw"}), require=("file",), types=("image/*", "text/plain"), body=1024
    )


@pytest.mark.parametrize(
    ("each", "reply", "built"),
    [
        ("upload", None, "passthrough"),
        ("upload", "json", "json"),
        ("file", None, "json"),  # there are several answers, and only one can be passed on
        ("file", "json", "json"),
    ],
)
def test_the_reply_follows_from_the_number_of_answers(each: str, reply: str | None, built: str) -> None:
    """Unless the route says it."""
    route = {"path": "/", "to": "text"} | ({} if reply is None else {"reply": reply})
    many = Settings.model_validate(
        {"services": {"text": {"url": "http://h/", "send": {"each": each}}}, "routes": {"a": route}}
    )

    assert [route.reply for route in many.build_routes()] == [built]


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
    assert {route.accept.bodies for route in many.build_routes()} == {frozenset({"raw"})}


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
    url, secret = Secret("https://127.0.0.1/hunter2", source="${URL}"), Secret("hunter2", source="${KEY}")
    held = settings(
        {"state": url},
        url=[url, url],
        headers={"X-Key": secret, "X-Written": "hunter2"},
        query={"key": secret, "written": "hunter2"},
        tls={"ca": secret},
        forward={"headers": [Secret("X-Hunter2", source="${KEY}")]},
        send={"add": {"key": secret, "options": {"json": {"keys": ["x", secret]}}}},
    )

    shown = f"{held!r} {held} {held.build_services()!r} {held.build_routes()!r}"

    assert "hunter2" not in shown.lower()
    assert "${URL}" in shown
    assert held.build_services()["text"].send.add[0].content == b"hunter2"


def test_settings_made_by_hand_are_checked_too() -> None:
    """A route without its service is never built, however it was written."""
    with pytest.raises(ValidationError, match="expected the name of a service"):
        Settings.model_validate(
            {"services": {"text": {"url": "http://h/"}}, "routes": {"relay": {"path": "/x", "to": "txt"}}}
        )
    with pytest.raises(ValidationError, match="expected each status once"):
        settings(expect={"ok": [200], "failed": ["2xx"]})
