"""The upload that every client sends: two fields, and three files of which each has its difficulty."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.sending import noise

__all__ = ["HUGE_BYTES", "PARTS", "Part", "bare_file", "form_of", "write_files"]

HUGE_BYTES = 20 * 2**20
"""More than every buffer on the way holds: those of clients, sockets, the gateway's memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the form."""

    name: str
    text: str = ""
    """The content of a field."""
    type: str | None = None
    filename: str | None = None
    """None: it is a field."""
    file: str | None = None
    """The name of the file in the directory that holds the content; an ASCII one, unlike `filename`."""

    def content(self, directory: Path) -> bytes:
        return directory.joinpath(self.file).read_bytes() if self.file else self.text.encode()


PARTS = (
    Part(name="title", text='Größe "x"\tand more'),
    Part(name="options", text=json.dumps({"pages": [1, 2], "brief": True}), type="application/json"),
    Part(name="document", file="large.bin", filename='a "quoted" name.bin', type="application/pdf"),
    Part(name="document", file="small.txt", filename="Übersicht 日本.txt", type="text/plain"),
    Part(name="empty", file="empty.bin", filename="empty.bin", type="a/b"),
)
HUGE = Part(name="document", file="huge.bin", filename="huge.bin", type="application/octet-stream")


def form_of(*, huge: bool) -> tuple[Part, ...]:
    """The parts in their order; with a file of 20 MiB if asked for."""
    return (*PARTS, HUGE) if huge else PARTS


def bare_file(directory: Path) -> Path:
    """The file that is sent without a form."""
    return directory / "large.bin"


def write_files(directory: Path) -> None:
    """Makes what the parts hold."""
    for name, content in (
        ("large.bin", noise(300_000)),
        ("small.txt", b"The quick brown fox.\r\n--jumps\r\n"),
        ("empty.bin", b""),
        ("huge.bin", noise(HUGE_BYTES, seed=2)),
    ):
        directory.joinpath(name).write_bytes(content)
