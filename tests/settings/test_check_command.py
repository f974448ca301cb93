"""`gateway check`, as it is called: what it prints, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main

GOOD = """\
services:
  text: {url: "http://127.0.0.1:8811/extract"}
  raw: {url: "http://127.0.0.1:8812/[bold]x", send: {as: raw}}
routes:
  relay: {path: /file, to: text}
  other: {path: "/:smile:", to: raw}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and a terminal whose width is known and that has no colours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    return tmp_path


def check(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["check", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), "a traceback"
    return result


def test_a_file_that_is_right(here: Path) -> None:
    """Where uploads come in, where they go, and whether live; names appear as they are written."""
    Path("my.yaml").write_text(GOOD)

    result = check("my.yaml")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "my.yaml is fine.",
        "",
        "route relay: a form sent to /file",
        "  to service text at http://127.0.0.1:8811/extract",
        "  live, while it is still arriving, unless the upload has no Content-Length, and",
        "  the service is not known to take chunked bodies",
        "",
        "route other: a form sent to /:smile:",
        "  to service raw at http://127.0.0.1:8812/[bold]x, as a bare file",
        "  not live: the service takes one bare file, and that the form has only one",
        "  shows at its end",
    ]


def test_everything_that_is_said_of_a_delivery(here: Path) -> None:
    """Kinds of bodies that fare differently apart; method, machines and shape where they are not the usual ones."""
    Path("my.yaml").write_text(
        """\
services:
  dav: {url: ["http://a/dav", "http://b/dav/"], method: PUT, forward: {path: rest}, send: {as: raw, each: file}}
  notes: {url: "http://c/", method: same, send: {as: json}}
routes:
  dav: {path: /dav/<rest>, to: dav, accept: {bodies: [raw]}}
  notes: {path: /notes, to: notes, accept: {bodies: [json, multipart, raw], require: [file]}}
"""
    )

    result = check("my.yaml")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "my.yaml is fine.",
        "",
        "route dav: a bare file sent to /dav/<rest>",
        "  to service dav by PUT at http://a/dav/<rest> or http://b/dav/<rest>, in turn,",
        "  each file by itself",
        "  live, while it is still arriving, unless the upload has no Content-Length, and",
        "  the service is not known to take chunked bodies",
        "",
        "route notes: a form sent to /notes",
        "  to service notes by the client's method at http://c/, as a JSON object",
        "  not live: the service takes JSON with one file, and that the form has only one",
        "  shows at its end",
        "",
        "route notes: a bare file sent to /notes",
        "  to service notes by the client's method at http://c/, as a JSON object",
        "  live, while it is still arriving, unless the upload has no Content-Length, and",
        "  the service is not known to take chunked bodies",
        "",
        "route notes: a JSON object sent to /notes",
        "  to service notes by the client's method at http://c/",
        "  not live: the upload is JSON, and its decoded length shows at its end",
    ]


def test_the_default_file(here: Path) -> None:
    """It is the one that `gateway serve` reads."""
    Path("config").mkdir()
    Path("config/gateway.yaml").write_text(GOOD)

    assert check().stdout.startswith("config/gateway.yaml is fine.\n")


def test_a_file_with_mistakes(here: Path) -> None:
    """Every line begins with the place, however long it is."""
    Path("my.yaml").write_text("services:\n  text: {uri: 'http://h/'}\nroutes:\n  a: {path: a, to: text}\n")

    result = check("my.yaml")

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "my.yaml:2: services.text.uri: unknown key; did you mean `url`?",
        "my.yaml:4: routes.a.path: expected a path that begins with /, such as /file, found 'a'",
    ]


def test_a_file_with_something_odd(here: Path) -> None:
    """It is fine, and yet said where to look again."""
    Path("my.yaml").write_text(GOOD + "gateway: {bind: '127.0.0.1:8811'}\n")

    result = check("my.yaml")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[:2] == [
        "my.yaml:2: services.text.url: warning: this is the gateway itself, which listens on 127.0.0.1:8811: "
        "uploads would go round in a circle",
        "my.yaml can be used; see the warnings above.",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "config/gateway.yaml: there is no such file"),
        (("nosuch.yaml",), "nosuch.yaml: there is no such file"),
        ((".",), ".: the file cannot be read: Is a directory"),
        (("a", "b"), "unexpected extra argument"),
        (("--jsn",), "No such option"),
    ],
)
def test_wrong_use(here: Path, arguments: tuple[str, ...], said: str) -> None:
    """Nothing was checked: that is another status than a file with mistakes."""
    result = check(*arguments)

    assert result.exit_code == 2
    assert said in result.output


def test_json(here: Path) -> None:
    """One object for programs, with the same facts."""
    Path("my.yaml").write_text(GOOD + "gateway: {bind: '127.0.0.1:8811'}\n")

    result = check("my.yaml", "--json")

    assert result.exit_code == 0
    said = json.loads(result.stdout)
    assert (said["ok"], said["file"], said["problems"]) == (True, "my.yaml", [])
    assert [(w["code"], w["line"], w["key"]) for w in said["warnings"]] == [("loop", 2, "services.text.url")]
    assert [(d["route"], d["path"], d["bodies"], d["service"], d["live"]) for d in said["deliveries"]] == [
        ("relay", "/file", ["multipart"], "text", True),
        ("other", "/:smile:", ["multipart"], "raw", False),
    ]


def test_json_of_mistakes(here: Path) -> None:
    """Each with its place in parts."""
    Path("my.yaml").write_text("services:\n  text: {url: 5}\n")

    result = check("--json", "my.yaml")

    assert result.exit_code == 1
    said = json.loads(result.stdout)
    assert (said["ok"], said["deliveries"]) == (False, [])
    assert [(p["file"], p["line"], p["key"]) for p in said["problems"]] == [
        ("my.yaml", 1, "routes"),
        ("my.yaml", 2, "services.text.url"),
    ]


def test_json_of_no_file(here: Path) -> None:
    """Programs get an object in this case, too."""
    result = check("nosuch.yaml", "--json")

    assert result.exit_code == 2
    assert json.loads(result.stdout)["problems"][0]["line"] is None


def test_secrets_are_not_printed(here: Path) -> None:
    """Neither for people nor for programs, whether the file is right or wrong."""
    Path("key").write_text("hunter2")
    Path("my.yaml").write_text(
        "services: {a: {url: 'http://h/${KEY}', headers: {X: {file: key}, Y: hunter2}}}\n"
        "routes: {a: {path: '/${KEY}', to: a}}\ngateway: {state: '${KEY}'}\n"
    )
    Path("wrong.yaml").write_text(Path("my.yaml").read_text().replace("to: a", "to: '${KEY}'"))

    for arguments in (["my.yaml"], ["my.yaml", "--json"], ["wrong.yaml"], ["wrong.yaml", "--json"]):
        result = CliRunner().invoke(main, ["check", *arguments], env={"KEY": "hunter2"})

        assert result.exit_code == int(arguments[0] == "wrong.yaml")
        assert "${KEY}" in result.output
        assert "hunter2" not in result.output
