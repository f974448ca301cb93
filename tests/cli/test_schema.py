"""`gateway schema`: what a configuration may say, printed for editors and for the documentation."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.settings.json_schema import json_schema
from gateway.settings.reference import BEGIN, END, reference


def schema(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["schema", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), "a traceback"
    return result


def test_for_editors() -> None:
    """One JSON document."""
    result = schema()

    assert result.exit_code == 0
    assert json.loads(result.stdout) == json_schema()


def test_for_readers() -> None:
    """The tables."""
    assert schema("--markdown").stdout == reference() + "\n"


def test_renewing_a_page(tmp_path: Path) -> None:
    """Only what is between the markers."""
    page = tmp_path / "page.md"
    page.write_text(f"# Mine\n{BEGIN}\nold\n{END}\n")

    result = schema("--into", str(page))

    assert (result.exit_code, result.output) == (0, "")
    assert page.read_text() == f"# Mine\n{BEGIN}\n\n{reference()}\n\n{END}\n"


def test_a_page_without_markers(tmp_path: Path) -> None:
    """It stays as it is."""
    page = tmp_path / "page.md"
    page.write_text("# Mine\n")

    result = schema("--into", str(page))

    assert result.exit_code == 1
    assert BEGIN in result.stderr
    assert page.read_text() == "# Mine\n"


def test_no_page() -> None:
    """That is wrong use."""
    assert schema("--into", "nosuch.md").exit_code == 2
