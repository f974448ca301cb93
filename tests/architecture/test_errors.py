"""The catalogue of errors is complete: programs rely on the codes, people on the hints."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from pathlib import Path

import pytest

from gateway import errors

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and value.__module__ == errors.__name__]
LEAVES = [each for each in CLASSES if not each.__subclasses__()]


def test_there_are_errors() -> None:
    """The rest of this file does not pass for want of anything to look at."""
    assert errors.GatewayError in CLASSES
    assert len(LEAVES) > 10


def test_codes_are_unique() -> None:
    """A program that sees a code knows which error it was."""
    counts = Counter(each.code for each in CLASSES)

    assert [code for code, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_an_error_is_described(error: type[errors.GatewayError]) -> None:
    """Every error, families included, has a code and a title of its own, and is exported."""
    assert "code" in vars(error), "inherits its code"
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", error.code)
    assert error.__doc__
    assert error("detail").title.endswith(".")
    assert 400 <= error.status <= 599
    assert error.__name__ in errors.__all__


@pytest.mark.parametrize("error", LEAVES, ids=lambda error: error.__name__)
def test_an_error_says_what_to_change(error: type[errors.GatewayError]) -> None:
    """Whatever is raised tells the reader how to make it work; a family alone need not."""
    assert error.hint.endswith("."), "has no hint, or one that is not a sentence"


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_no_error_is_taken_for_the_transports(error: type[errors.GatewayError]) -> None:
    """An OSError raised inside a request body would be swallowed, or blamed on the service."""
    assert issubclass(error, errors.GatewayError)
    assert not issubclass(error, OSError)


@pytest.mark.parametrize("error", [each for each in CLASSES if each.hint], ids=lambda error: error.__name__)
def test_an_error_is_documented(error: type[errors.GatewayError], root: Path) -> None:
    """docs/errors.md has the row that users look for when they have met a code."""
    row = f"| `{error.code}` | {error.status} | {error('').title} | {error.hint} |"

    assert row in (root / "docs" / "errors.md").read_text("utf-8").splitlines()


def test_no_other_error_is_documented(root: Path) -> None:
    """Each code has one row, and what was renamed or given up leaves none behind."""
    rows = re.findall(r"^\| `(\w+)` \| [0-9]{3} \|", (root / "docs" / "errors.md").read_text("utf-8"), re.MULTILINE)

    assert sorted(rows) == sorted(each.code for each in CLASSES if each.hint)
