"""What is in the repository holds anywhere: it names no package index, no download and no machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

# Written with classes such as [.] so that this file does not contain what it looks for.
FORBIDDEN = re.compile(
    r"""
      (?:pypi|pythonhosted|npmjs|golang|crates|anaconda)[.](?:org|com|io)     # package indexes
    | bootstrap[.]pypa[.]io | (?:deb|security|archive)[.](?:debian|ubuntu)[.]
    | (?<![\w-])--(?:extra-)?index-url | (?<![\w-])--find[-]links | \bindex[-_]url[ ]*[=:]
    | \b(?:PIP|UV)_(?:EXTRA_|DEFAULT_)?INDEX | \b(?:PIP|UV)_FIND_LINKS
    | https?://[^\s/]+[^\s"'`)>]*[.](?:whl|tar[.]gz|tgz|deb|rpm|dmg|AppImage)\b # a package's file
    | /releases[/]download/ | raw[.]githubusercontent
    | (?<![\w.)\]}/])/(?:root|work|home|Users)/                                # paths of somebody's machine
    """,
    re.VERBOSE | re.IGNORECASE,
)

# With stand-ins for the same reason.
FOUND = [
    "https://pypi·org/simple",
    "https://files·pythonhosted·org/packages/",
    "registry·npmjs·org",
    "pip install --index¬url http://localhost:3141",
    "--extra-index¬url",
    "index¬url = http://mirror",
    "PIP÷INDEX÷URL=x",
    "--find¬links wheels",
    "see https://mirror.test/files/flask-3.1.3-py3-none-any·whl for it",
    "https://host.test/tool-1.0·tar·gz",
    "https://code.test/a/b/releases¦download/v1/tool",
    "open('¦home¦me/report.pdf')",
    "prefix=¦root¦.venv",
    "¦work¦main",
    "cd ¦Users¦me",
]

ALLOWED = [
    "uv pip compile --no-emit-index-url",
    "http://127.0.0.1:8080/file",
    "http://localhost:5001/home/api",
    "{root}/home/",
    "docs/home/index.md",
    "PIP_USER=0",
    "archive.zip",
]


def plain(sample: str) -> str:
    return sample.replace("·", ".").replace("¦", "/").replace("¬", "-").replace("÷", "_")


def files_of_the_checkout(root: Path) -> list[Path]:
    """What is in the repository, or would be after `git add`."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={root}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
    ).stdout
    paths = [root / name.decode() for name in listed.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


@pytest.mark.parametrize("sample", FOUND)
def test_the_rule_finds(sample: str) -> None:
    """The search would notice each of these."""
    assert FORBIDDEN.search(plain(sample))


@pytest.mark.parametrize("sample", ALLOWED)
def test_the_rule_leaves(sample: str) -> None:
    """The search leaves alone what a project may well contain."""
    assert not FORBIDDEN.search(sample)


def test_no_index_no_download_no_machine(root: Path) -> None:
    """Where packages come from is the reader's business, and so is where the checkout lies."""
    found = []
    for path in files_of_the_checkout(root):
        content = path.read_bytes()
        if b"\0" in content[:8192]:
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
            if match := FORBIDDEN.search(line):
                found.append(f"{path.relative_to(root)}:{number}: {match.group().strip()}")

    assert found == []
