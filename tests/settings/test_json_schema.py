"""The schema for editors: whatever `gateway check` takes passes, and what an editor can find is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from gateway.settings.json_schema import json_schema
from gateway.settings.load import examine
from gateway.settings.starter import starter

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "golden"
FILES = sorted((ROOT / "config").rglob("*.yaml"))
EVERYTHING = """\
gateway:
  bind: 0.0.0.0:8080
  workers: "4"
  state: {file: state}
  spool: {memory: 1 MiB, quota: 0}
  limits: {body: "${BODY}", parts: 10, json: 1.5kb, concurrent: {file: number}}
  client:
  log: {format: "${FORMAT}", uploads: false}
  stop: 1.5
services:
  1:
    url: {file: url}
    headers: {X-Key: {file: key}, X-Other: "5"}
    query: {a: 1, b: 1.5, c: true, d: text, e: {file: key}}
    forward: {headers: [Authorization], query: all, path: rest}
    send:
      as: json
      rename: {a: b, c: {file: name}}
      only: [b]
      add: {a: 1, b: true, c: x, d: {json: {any: [thing, {file: x}]}}, e: {file: key}, f: {json: }}
      each: file
      filename: "{stem}.pdf"
      content_type: text/plain; charset=utf-8
    expect: {ok: [2xx, 304, "400-404"], ok_if: a}
    timeout: {connect: 5, total: 10m}
  two:
    url: [https://a/, "${URL}", {file: url}]
    tls: {ca: "${CA}"}
    send: {file_last: "true", drop: [a], filename: "${FILENAME}"}
    headers:
    method: same
routes:
  a: {path: /a/<rest>, to: "1", accept: {bodies: [raw, "${KIND}"], types: [image/*], body: 1MiB}, reply: json}
  b: {path: {file: path}, to: two, accept: }
"""


def mistakes(text: str) -> list[str]:
    """The places of what an editor would underline."""
    data = YAML(typ="safe", pure=True).load(text)
    # Keys are text for the gateway, whatever they look like.
    found = Draft202012Validator(json_schema()).iter_errors(textual(data))
    return sorted(".".join(map(str, error.absolute_path)) for error in found)


def textual(data: Any) -> Any:
    if isinstance(data, dict):
        return {str(key): textual(value) for key, value in data.items()}
    return [textual(item) for item in data] if isinstance(data, list) else data


def test_it_is_a_schema() -> None:
    """Of the draft that it names."""
    schema = json_schema()

    Draft202012Validator.check_schema(schema)
    assert "2020-12" in schema["$schema"]


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_files_of_the_project(file: Path) -> None:
    """Every configuration that the project has is right for editors, too."""
    assert mistakes(file.read_text("utf-8")) == []


def test_every_form_of_a_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the gateway takes passes: variables and files in the place of any value, keys without a value."""
    monkeypatch.chdir(tmp_path)
    files = {"state": "var", "number": "5", "url": "https://h/", "key": "k", "name": "n", "path": "/b"}
    for name, content in files.items():
        Path(name).write_text(content)
    Path("all.yaml").write_text(EVERYTHING)
    environment = {"BODY": "5MB", "FORMAT": "json", "URL": "https://h/", "FILENAME": "ascii", "KIND": "multipart"}

    examined = examine("all.yaml", environment=environment | {"CA": "state"})

    # Nothing is wrong but that the certificate is none.
    assert [problem.key for problem in examined.problems] == ["services.two.tls.ca"]
    assert mistakes(EVERYTHING) == []


def test_the_starter() -> None:
    """So is the one to begin with."""
    assert mistakes(starter("text", "http://127.0.0.1:5001/")) == []


@pytest.mark.parametrize(
    "golden",
    ["unknown-keys", "misspelt-section", "missing-keys", "wrong-shapes", "values", "send", "expect", "forward"],
)
def test_mistakes_are_found(golden: str) -> None:
    """In each file where `gateway check` finds mistakes that do not depend on other keys or the machine."""
    assert mistakes((GOLDEN / f"{golden}.txt").read_text("utf-8").partition("---- expected")[0]) != []


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("gateway: {binds: x}", "gateway"),
        ("services: {a: {url: http://h/, nothing: 1}}", "services.a"),
        ("services: {a: {}}", "services.a"),
        ("services: {a b: {url: http://h/}}", "services"),
        ("services: {a: {url: ftp://h/}}", "services.a.url"),
        ("services: {a: {url: http://h/, headers: {X: 5}}}", "services.a.headers.X"),
        ("services: {a: {url: http://h/, send: {as: form}}}", "services.a.send.as"),
        ("services: {a: {url: http://h/, send: {only: a}}}", "services.a.send.only"),
        ("services: {a: {url: http://h/, send: {add: {a: [b]}}}}", "services.a.send.add.a"),
        ("services: {a: {url: http://h/, timeout: {connect: soon}}}", "services.a.timeout.connect"),
        ("services: {a: {url: http://h/, expect: {ok: [99]}}}", "services.a.expect.ok.0"),
        ("routes: {a: {path: file, to: a}}", "routes.a.path"),
        ("routes: {a: {path: /a, to: a, accept: {types: [pdf]}}}", "routes.a.accept.types.0"),
        ("gateway: {limits: {body: 1x}}", "gateway.limits.body"),
        ("gateway: {log: {uploads: 1}}", "gateway.log.uploads"),
    ],
)
def test_a_mistake_is_found_at_its_place(written: str, place: str) -> None:
    """An editor underlines the value, or the section that has one key too many or too few."""
    sections = {"services": "services: {z: {url: http://h/}}\n", "routes": "routes: {z: {path: /z, to: z}}\n"}
    rest = "".join(text for name, text in sections.items() if not written.startswith(name))

    assert mistakes(f"{written}\n{rest}") == [place]


def test_every_key_says_what_it_means() -> None:
    """Editors show it beside the key."""
    keys = properties(json_schema())

    assert len(keys) > 50
    assert [name for name, schema in keys if not schema.get("description", "").endswith(".")] == []


def test_defaults_are_as_they_are_written() -> None:
    """A size as a size, not as a number of bytes."""
    defaults = {name: schema["default"] for name, schema in properties(json_schema()) if "default" in schema}

    assert {key: defaults[key] for key in ("memory", "stall", "parts", "workers", "bodies", "as", "uploads")} == {
        "memory": "1MiB",
        "stall": "30s",
        "parts": 1000,
        "workers": "auto",
        "bodies": ["multipart"],
        "as": "multipart",
        "uploads": True,
    }


def properties(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """All keys with their schemas, whatever they stand in."""
    found = []
    for key, below in schema.get("properties", {}).items():
        found += [(key, below), *properties(below)]
    below = schema.get("additionalProperties")
    return found + (properties(below) if isinstance(below, dict) else [])
