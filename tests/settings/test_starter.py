"""The configuration to begin with works as it stands, and so does every key that it suggests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.settings.checks import check
from gateway.settings.load import Examined, examine
from gateway.settings.starter import starter

TEXT = starter("text", "http://127.0.0.1:5001/text/api")
SUGGESTIONS = [number for number, line in enumerate(TEXT.splitlines()) if re.match(r" *#\S", line)]


def with_suggestions(*numbers: int) -> str:
    lines = TEXT.splitlines()
    for number in numbers:
        lines[number] = lines[number].replace("#", "", 1)
    return "\n".join(lines)


def examined(text: str, directory: Path) -> Examined:
    file = directory / "gateway.yaml"
    file.write_text(text)
    return examine(file, environment={"SERVICE_TOKEN": "hunter2"})


def test_as_it_stands(tmp_path: Path) -> None:
    """It needs nothing from outside, and nothing in it is doubtful."""
    file = tmp_path / "gateway.yaml"
    file.write_text(TEXT)

    found = examine(file, environment={})

    assert found.problems == ()
    assert found.settings is not None
    assert check(found.settings) == ()


def test_there_are_suggestions() -> None:
    """The tests below do not pass for want of any."""
    assert len(SUGGESTIONS) >= 15


@pytest.mark.parametrize("number", SUGGESTIONS, ids=lambda number: TEXT.splitlines()[number].split(":")[0].strip(" #"))
def test_each_suggestion_works(number: int, tmp_path: Path) -> None:
    """Its # taken away, it is a key that says something, and nothing is wrong."""
    found = examined(with_suggestions(number), tmp_path)

    assert found.problems == ()
    assert found.settings is not None
    assert check(found.settings) == ()
    assert len(found.lines) > len(examined(TEXT, tmp_path).lines)


def test_all_suggestions_work_together(tmp_path: Path) -> None:
    """None contradicts another."""
    assert examined(with_suggestions(*SUGGESTIONS), tmp_path).problems == ()


@pytest.mark.parametrize("name", ["text", "NAME", "URL", "1", "null", "true", "-x", "a_b"])
@pytest.mark.parametrize("url", ["http://h/", "https://h:1/a?b=c&d=[e]'f'", "http://[::1]:8080/NAME/URL", "http://h:"])
def test_any_service(name: str, url: str, tmp_path: Path) -> None:
    """Whatever YAML would make of its name and URL."""
    found = examined(starter(name, url), tmp_path)

    assert found.settings is not None
    assert [(route.service.name, route.service.urls) for route in found.settings.build_routes()] == [(name, (url,))]
