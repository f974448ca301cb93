"""docs/services.md: its configurations are right, and there is a test with the service for each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from tests.interop.services import PAGE, ROOT, configuration_for, documented

HERE = Path(__file__).parent


@pytest.mark.parametrize("heading", documented())
def test_the_configurations_are_right(heading: str, tmp_path: Path) -> None:
    """`gateway check` finds no mistake in any of them, and nothing to warn of."""
    file = tmp_path / "gateway.yaml"
    file.write_text(documented()[heading], "utf-8")

    result = CliRunner().invoke(main, ["check", str(file)])

    assert result.exit_code == 0, result.output
    assert "warning" not in result.output


def test_each_is_run() -> None:
    """The page shows nothing that is not tested: the heading of each configuration is in a test of the service."""
    tests = "".join(path.read_text("utf-8") for path in HERE.glob("test_*.py") if path != Path(__file__))

    assert len(documented()) >= 7
    assert [heading for heading in documented() if f'"{heading}"' not in tests] == []


def test_the_commands_name_paths_that_are_there() -> None:
    """What a command on the page posts to is a route of the configuration above it."""
    blocks = re.split(r"^```yaml\n", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    commands = {
        address: re.findall(r"path: (/[^ ,}]+)", block)
        for block in blocks
        for address in re.findall(r"http://127\.0\.0\.1:8080(/\S*)", block)
    }

    assert len(commands) >= 5
    assert [each for each, (path, *_) in commands.items() if not each.startswith(path.removesuffix("<rest>"))] == []


def test_the_port_of_a_service_can_be_another() -> None:
    """So that the tests' services can be anywhere, while all else is as it stands."""
    found = configuration_for("pypiserver", 12345)

    assert found.replace("12345", "8081") == documented()["pypiserver"]


def test_the_page_can_be_found() -> None:
    """From where people begin to read about the configuration."""
    assert "services.md" in (ROOT / "docs" / "configuration.md").read_text("utf-8")
