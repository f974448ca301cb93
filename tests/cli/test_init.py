"""`gateway init`: it writes a configuration that works, and nothing over what is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.settings.load import load


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["init", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), "a traceback"
    return result


def test_the_default_file() -> None:
    """It is the one that `gateway serve` reads; its directory is made, and the next commands are named."""
    result = init()

    assert result.exit_code == 0
    assert load(environment={}).gateway.bind == "127.0.0.1:8080"
    assert result.stdout.splitlines() == [
        "config/gateway.yaml is written. Put the URL of your service into it, then:",
        "  gateway check                                        # is it right, and what will it do?",
        "  gateway serve                                        # take uploads, until Ctrl-C",
        "  curl -F file=@report.pdf http://127.0.0.1:8080/file  # send one",
    ]
    assert CliRunner().invoke(main, ["check"]).stdout.startswith("config/gateway.yaml is fine.\n")


def test_another_file_for_a_service() -> None:
    """Both are in what is to be done next."""
    result = init("a b.yaml", "--to", "summary=https://h/summarize")

    assert result.exit_code == 0
    (route,) = load("a b.yaml", environment={}).build_routes()
    assert (route.path, route.service.name, route.service.urls) == ("/file", "summary", ("https://h/summarize",))
    first, check, serve, _ = result.stdout.splitlines()
    assert first == "a b.yaml is written. Next:"
    assert check.startswith("  gateway check 'a b.yaml'  ")
    assert serve.startswith("  gateway serve --config 'a b.yaml'  ")


def test_standard_output() -> None:
    """The file alone, for a pipe."""
    result = init("-", "--to", "http://h/")

    assert result.exit_code == 0
    Path("x.yaml").write_text(result.stdout)
    assert load("x.yaml", environment={}).services["service"].url == ("http://h/",)
    assert [path.name for path in Path().iterdir()] == ["x.yaml"]


def test_what_is_there_stays() -> None:
    """Unless it is said to be replaced."""
    Path("mine.yaml").write_text("mine")

    refused = init("mine.yaml")

    assert refused.exit_code == 1
    assert refused.stderr == "Error: mine.yaml is there already; --force replaces it.\n"
    assert Path("mine.yaml").read_text() == "mine"
    assert init("mine.yaml", "--force").exit_code == 0
    assert load("mine.yaml", environment={})


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--to", "127.0.0.1:5001"), 2, "--to: expected a URL"),
        (("--to", "my text=http://h/"), 2, "--to: expected a name"),
        (("--too", "http://h/"), 2, "No such option"),
        (("file/x.yaml",), 1, "file/x.yaml cannot be written: "),
        (("directory", "--force"), 1, "directory cannot be written: Is a directory"),
    ],
)
def test_what_cannot_be_written(arguments: tuple[str, ...], status: int, said: str) -> None:
    """Told in a line, with nothing written."""
    Path("file").write_text("")
    Path("directory").mkdir()

    result = init(*arguments)

    assert result.exit_code == status
    assert said in result.stderr
    assert sorted(path.name for path in Path().rglob("*")) == ["directory", "file"]
