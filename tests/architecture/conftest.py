"""What the architecture tests look at: the checkout itself, never an installed copy."""

from __future__ import annotations

import importlib.util
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def root() -> Path:
    """The top directory of the checkout."""
    return Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def sources(root: Path) -> dict[str, Path]:
    """Every module of the gateway by its dotted name."""
    found = {}
    for path in sorted((root / "gateway").rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


@pytest.fixture(scope="session")
def run_script(root: Path) -> ModuleType:
    """The `run` script as a module; loading it starts nothing."""
    spec = importlib.util.spec_from_loader("run_script", SourceFileLoader("run_script", str(root / "run")))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
