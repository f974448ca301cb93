"""How modules look: short, introduced, with an explicit public face; and a core that does no I/O.

import-linter keeps the layers (pyproject.toml). Here stands what it cannot see.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from types import ModuleType

LINES = 350
CATALOGUES = {"gateway.errors"}  # tables: one entry more does not make them harder to read

VAGUE_NAMES = {"common", "helpers", "misc", "util", "utils"}

PURE = ("gateway.core", "gateway.multipart", "gateway.doctor", "gateway.errors")
IMPURE_CALLS = {"__import__", "breakpoint", "eval", "exec", "input", "open", "print"}
IMPURE_MODULES = {"importlib", "io", "urllib.request", "urllib.error"}


def definitions(tree: ast.Module) -> list[str]:
    """The names of the public classes and functions that a module defines."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]


def imported(tree: ast.Module) -> set[str]:
    """The dotted names of all modules that a module imports, at its top or later."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def called(tree: ast.Module) -> set[str]:
    """The plain names that a module calls."""
    return {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


def importable(sources: dict[str, Path]) -> dict[str, ModuleType]:
    """The modules, imported; a `__main__` is for running only."""
    return {name: importlib.import_module(name) for name in sources if not name.endswith("__main__")}


def test_modules_are_short(sources: dict[str, Path]) -> None:
    """A file holds one idea; what has grown beyond a few screens holds two."""
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in sources.items()}

    assert lengths
    assert {name: length for name, length in lengths.items() if length > LINES and name not in CATALOGUES} == {}


def test_modules_open_with_their_rule(sources: dict[str, Path]) -> None:
    """Every module that holds anything says first what it is for."""
    silent = []
    for name, path in sources.items():
        tree = ast.parse(path.read_text("utf-8"))
        if tree.body and not ast.get_docstring(tree):
            silent.append(name)

    assert silent == []


def test_modules_have_telling_names(sources: dict[str, Path]) -> None:
    """A module is called after what it defines, not after being useful."""
    assert [name for name in sources if VAGUE_NAMES & set(name.split("."))] == []


def test_what_is_exported_exists(sources: dict[str, Path]) -> None:
    """Every name in `__all__` is there, once. (That the lists are sorted is ruff's rule RUF022.)"""
    wrong = {}
    for name, module in importable(sources).items():
        exported = getattr(module, "__all__", [])
        faults = [each for each in exported if not hasattr(module, each) or exported.count(each) > 1]
        if faults:
            wrong[name] = faults

    assert wrong == {}


def test_what_is_meant_for_others_is_said(sources: dict[str, Path]) -> None:
    """A module that defines anything public says in `__all__` what of it other modules may use."""
    silent = []
    for name, module in importable(sources).items():
        if definitions(ast.parse(sources[name].read_text("utf-8"))) and not getattr(module, "__all__", ()):
            silent.append(name)

    assert silent == []


def test_the_core_does_no_input_or_output(sources: dict[str, Path]) -> None:
    """The core runs on bytes and numbers: nothing is opened, printed or loaded by name."""
    wrong = {}
    for name, path in sources.items():
        if not name.startswith(PURE):
            continue
        tree = ast.parse(path.read_text("utf-8"))
        faults = (called(tree) & IMPURE_CALLS) | (imported(tree) & IMPURE_MODULES)
        if faults:
            wrong[name] = sorted(faults)

    assert wrong == {}
