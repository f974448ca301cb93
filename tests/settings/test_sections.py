"""The shape of the schema can be asked for before anything is validated."""

from __future__ import annotations

from gateway.settings.forms import Form
from gateway.settings.schema import Settings
from gateway.settings.sections import every_key, form_of, keys_of, type_below


def form_at(*key: str | int) -> Form | None:
    below: object = Settings
    for step in key:
        below = type_below(below, step)
    return form_of(below)


def kind_at(*key: str | int) -> str | None:
    form = form_at(*key)
    return None if form is None else form.kind


def test_keys() -> None:
    """Sections have them, nothing else has."""
    assert set(keys_of(Settings) or ()) == {"gateway", "services", "routes"}
    assert keys_of(str) is None
    assert type_below(type_below(type_below(Settings, "services"), "any name"), "nothing") is None


def test_every_key() -> None:
    """Names that the user gives have a stand-in."""
    assert {
        "gateway.limits.json",
        "services.<name>.send.as",
        "services.<name>.forward.headers",
        "routes.<name>.accept.bodies",
    } < set(every_key(Settings))


def test_where_text_may_stand() -> None:
    """Reading a document needs to know where a file may take the place of a value, and where a number is text."""
    service = ("services", "any name")

    assert kind_at(*service, "url") == kind_at(*service, "url", 0) == "text"
    assert kind_at(*service, "headers", "X-Key") == "text"
    assert kind_at(*service, "tls", "ca") == "text"
    assert kind_at(*service, "query", "n") == kind_at(*service, "send", "add", "n") == "scalar"
    assert kind_at(*service, "send", "add", "n", "json") is None  # anything may stand there
    assert kind_at(*service, "send", "only", 0) == "text"
    assert kind_at(*service, "send", "only") is None
    assert kind_at(*service, "forward", "headers") == "other"
    assert kind_at(*service, "forward", "headers", 0) == "text"
    assert kind_at(*service, "deliver") is None
    assert kind_at("routes", "any name", "path") == "text"
