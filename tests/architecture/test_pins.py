"""The pins are those of pyproject.toml, and `./run` installs of them what a command needs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

TEST_SET = ("demo", "interop", "test", "lint")


@pytest.fixture(scope="module")
def pins(run_script: ModuleType, root: Path) -> dict[str, tuple[str, set[str]]]:
    found: dict[str, tuple[str, set[str]]] = run_script.read_pins((root / "constraints.txt").read_text("utf-8"))
    return found


def requirements(root: Path) -> list[Requirement]:
    """Everything that pyproject.toml asks for, except for the extra that means all others."""
    data = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    asked = data["build-system"]["requires"] + data["project"]["dependencies"]
    for name, extra in data["project"]["optional-dependencies"].items():
        asked += extra if name != "all" else []
    return [Requirement(each) for each in asked]


def test_every_requirement_has_a_pin_that_fits(
    run_script: ModuleType, pins: dict[str, tuple[str, set[str]]], root: Path
) -> None:
    """After a change of pyproject.toml, `./run pins` is not forgotten."""
    wrong = []
    for requirement in requirements(root):
        lines, _ = pins.get(run_script.normal(requirement.name), ("", set()))
        pinned = re.findall(r"^[\w.-]+==([^ ]+)", lines, re.MULTILINE)
        if not pinned or not all(requirement.specifier.contains(version) for version in pinned):
            wrong.append(f"{requirement}: {', '.join(pinned) or 'no pin'}")

    assert wrong == []


def test_every_pin_has_hashes(pins: dict[str, tuple[str, set[str]]], root: Path) -> None:
    """Each pin is one exact version with hashes, and none was overlooked when the file was read."""
    text = (root / "constraints.txt").read_text("utf-8")
    each = [pin for lines, _ in pins.values() for pin in re.split(r"^(?=\w)", lines, flags=re.MULTILINE) if pin]

    assert len(each) == len(re.findall(r"^[A-Za-z0-9]", text, re.MULTILINE)) > 30
    assert [pin for pin in each if not re.match(r"[\w.-]+==[^ ]", pin) or "--hash=sha256:" not in pin] == []


def test_the_extra_all_takes_every_one(root: Path) -> None:
    """`all` does not lag behind when an extra is added."""
    extras = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    (everything,) = extras.pop("all")

    assert Requirement(everything).extras == set(extras)


def test_the_demo_installs_no_tools(run_script: ModuleType, pins: dict[str, tuple[str, set[str]]]) -> None:
    """The demo gets the gateway, what that needs indirectly, and the service; not the linters."""
    chosen = run_script.closure(run_script.roots(("demo",)), pins)

    assert {"flask", "jinja2", "pydantic-core", "hatchling", "pypdf", "kreuzberg"} <= chosen
    assert not {"ruff", "mypy", "pytest", "uv"} & chosen


def test_the_tests_install_everything_but_uv(run_script: ModuleType, pins: dict[str, tuple[str, set[str]]]) -> None:
    """No pin is left that no command would ever install."""
    chosen = run_script.closure(run_script.roots(TEST_SET), pins)

    assert pins.keys() - chosen == {"uv"}


def test_a_set_is_closed_over_what_it_needs(run_script: ModuleType) -> None:
    """Needs are followed through any number of steps, under any spelling; other packages stay out."""
    pins = run_script.read_pins(
        "# a comment\n"
        "top_one==1 \\\n    --hash=sha256:00\n    # via project (pyproject.toml)\n"
        "middle==2 ; sys_platform == 'linux' \\\n    --hash=sha256:11\n    # via Top.One\n"
        "bottom==3 \\\n    --hash=sha256:22 \\\n    --hash=sha256:33\n    # via\n    #   middle\n    #   other\n"
        "other==4 \\\n    --hash=sha256:44\n"
        "twice==5 ; python_full_version < '3.12' \\\n    --hash=sha256:55\n    # via other\n"
        "twice==6 ; python_full_version >= '3.12' \\\n    --hash=sha256:66\n    # via bottom\n"
    )

    assert run_script.closure({"top-one"}, pins) == {"top-one", "middle", "bottom", "twice"}
    assert pins["bottom"][0].count("--hash") == 2
    assert (pins["twice"][0].count("=="), pins["twice"][1]) == (2, {"other", "bottom"})
