"""What the tests need of the machine and pip cannot bring. A test that lacks it says so, and never passes silently."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

__all__ = ["find_program", "give_up"]


def find_program(name: str, *, package: str) -> str:
    """Where the program is; without it the test is skipped, or fails in continuous integration.

    `package` is what installs it on Debian and Ubuntu.
    """
    return shutil.which(name) or give_up(f"`{name}` is missing: on Debian and Ubuntu `apt-get install {package}`")


def give_up(reason: str) -> NoReturn:
    """Skips the test; where CI is set nobody would see that, so there it fails."""
    if "CI" in os.environ:
        pytest.fail(f"{reason} (a skip anywhere but in continuous integration)", pytrace=False)
    pytest.skip(f"NOT TESTED: {reason}")
