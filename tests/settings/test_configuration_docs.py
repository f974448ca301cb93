"""docs/configuration.md and the schema say the same."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gateway.settings.reference import BEGIN, END, reference, with_reference
from gateway.settings.schema import Settings
from gateway.settings.sections import every_key, keys_of, type_below

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/configuration.md").read_text("utf-8")
ROW = re.compile(r"^\| `([a-z_.<>]+)` \| (`[^`]+`|required|none) \| (.+) \|$", re.MULTILINE)
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)

MINIMAL: dict[str, Any] = {
    "services": {"text": {"url": "http://127.0.0.1/"}},
    "routes": {"relay": {"path": "/file", "to": "text"}},
}
PLACES = {"services.<name>": "services.text", "routes.<name>": "routes.relay"}


def loaded(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def is_section(key: str) -> bool:
    below: object = Settings
    for step in key.split("."):
        below = type_below(below, step)
    return keys_of(below) is not None or key in {"services", "routes"}


def with_value(dotted: str, value: object) -> Settings:
    """The minimal settings, with a value at this key."""
    for pattern, place in PLACES.items():
        dotted = dotted.replace(pattern, place)
    *above, name = dotted.split(".")
    data: dict[str, Any] = copy.deepcopy(MINIMAL)
    inner = data
    for key in above:
        inner = inner.setdefault(key, {})
    inner[name] = value
    return Settings.model_validate(data)


def test_the_page_is_of_today() -> None:
    """Its tables are those of the schema."""
    same = with_reference(PAGE) == PAGE

    assert same, "renew the tables: .venv/bin/gateway schema --into docs/configuration.md"


def test_every_key_has_a_row() -> None:
    """Each key of the schema that holds a value, with a default and a meaning; and no other."""
    keys = {key for key in every_key(Settings) if not is_section(key)}

    assert {key for key, _, _ in ROW.findall(reference())} == keys
    assert len(keys) > 40


def test_every_section_has_a_heading() -> None:
    """And says what it is about."""
    sections = {key for key in every_key(Settings) if is_section(key)}
    headings = re.findall(r"^##+ `?([a-z_.<>]+)`?\n\n\w.+\.$", reference(), re.MULTILINE)

    assert set(headings) == sections


@pytest.mark.parametrize(("key", "default"), [(key, default) for key, default, _ in ROW.findall(PAGE)])
def test_defaults_are_those_of_the_schema(key: str, default: str) -> None:
    """Writing a documented default out changes nothing."""
    if default in ("required", "none"):
        return

    assert with_value(key, loaded(default.strip("`"))) == Settings.model_validate(MINIMAL)


def test_a_page_without_markers() -> None:
    """It is left alone."""
    for page in ("", BEGIN, f"{END} {BEGIN}"):
        with pytest.raises(ValueError, match="expected"):
            with_reference(page)


def test_what_stands_outside_the_markers_stays() -> None:
    """It is written by hand."""
    renewed = with_reference(f"before\n{BEGIN}\nold\n{END}\nafter\n")

    assert renewed.startswith(f"before\n{BEGIN}\n\n## gateway\n")
    assert renewed.endswith(f"\n\n{END}\nafter\n")
    assert "old\n" not in renewed
    assert with_reference(renewed) == renewed


def test_the_smallest_file_works() -> None:
    """The first example of the page is a whole configuration."""
    settings = Settings.model_validate(loaded(EXAMPLES[0]))

    assert [route.path for route in settings.build_routes()] == ["/file"]


@pytest.mark.parametrize("example", [text for text in EXAMPLES[1:] if not text.startswith("#")])
def test_the_examples_of_services_work(example: str) -> None:
    """Together with a route that leads there."""
    services = loaded(example)["services"]
    routes = {name: {"path": f"/{name}", "to": name} for name in services}

    assert Settings.model_validate({"services": services, "routes": routes}).build_routes()
