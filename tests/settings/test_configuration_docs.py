"""docs/configuration.md and the schema say the same."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gateway.settings.schema import Settings, every_key

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/configuration.md").read_text("utf-8")
ROW = re.compile(r"^\| `([a-z_.<>]+)` \| (`[^`]+`|required|none) \|", re.MULTILINE)

MINIMAL: dict[str, Any] = {
    "services": {"text": {"url": "http://127.0.0.1/"}},
    "routes": {"relay": {"path": "/file", "to": "text"}},
}
PLACES = {"services.<name>": "services.text", "routes.<name>": "routes.relay"}


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


@pytest.mark.parametrize("key", list(every_key()))
def test_every_key_is_documented(key: str) -> None:
    """Whatever may stand in a file is named on the page, with all that it stands in."""
    assert f"`{key}`" in PAGE or key in {"services", "routes", "gateway"}


def test_only_keys_that_exist_are_documented() -> None:
    """A row of a table is about a key that a file may have."""
    assert [key for key, _ in ROW.findall(PAGE) if key not in set(every_key())] == []


@pytest.mark.parametrize(("key", "default"), ROW.findall(PAGE))
def test_defaults_are_those_of_the_schema(key: str, default: str) -> None:
    """Writing a documented default out changes nothing."""
    if default == "required":
        return
    value = {} if default == "none" else YAML(typ="safe", pure=True).load(default.strip("`"))

    assert with_value(key, value) == Settings.model_validate(MINIMAL)


def test_the_smallest_file_works() -> None:
    """The first example of the page is a whole configuration."""
    example = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None

    settings = Settings.model_validate(YAML(typ="safe", pure=True).load(example[1]))

    assert [route.path for route in settings.build_routes()] == ["/file"]
