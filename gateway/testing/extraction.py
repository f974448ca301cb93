"""A real text-extraction service on the loopback interface: kreuzberg, or our own where that has no wheel."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from gateway.testing.errors import ProcessFailed
from gateway.testing.listening import HOST, free_port
from gateway.testing.processes import ChildProcess, answers, python_environment

__all__ = ["HANDBOOK", "Extraction", "extraction_service"]

HANDBOOK = Path(__file__).parent / "documents" / "handbook.pdf"
"""A real PDF of three pages, about the gateway."""

_KREUZBERG = Path(sys.executable).parent / "kreuzberg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """A text-extraction service that is running."""

    name: str
    """For people: the program, with its version if it has one."""
    port: int
    path: str
    """Where it takes forms whose file parts are named `files`."""
    process: ChildProcess

    @property
    def url(self) -> str:
        """Where it takes forms, whole."""
        return f"http://{HOST}:{self.port}{self.path}"


@contextmanager
def extraction_service(use: Literal["auto", "kreuzberg", "extractor"] = "auto") -> Iterator[Extraction]:
    """Starts the service, waits until it answers, and ends it with every process that it started.

    `auto` takes kreuzberg if it is installed, else our own extractor. Either gives the text of each page
    when the form has the field `config` with `{"pages": {"extract_pages": true}}`.
    """
    port = free_port()
    if use == "kreuzberg" or (use == "auto" and _KREUZBERG.exists()):
        name, path = f"kreuzberg {_version('kreuzberg')}", "/extract"
        arguments = [str(_KREUZBERG), "serve", "--host", HOST, "--port", str(port)]
    elif util.find_spec("pypdf") is not None:
        name, path = "the gateway's own extractor", "/text/api"
        arguments = [sys.executable, "-m", "gateway.testing.extractor", "--port", str(port)]
    else:
        raise ProcessFailed("no text-extraction service is installed: pip install 'upload-gateway[demo]'")
    # Configuration that lies about or is in the environment would make it another service than the one shown.
    environment = {key: value for key, value in python_environment().items() if not key.startswith("KREUZBERG_")}
    with (
        TemporaryDirectory(prefix="extraction-") as directory,
        ChildProcess(
            arguments,
            directory=Path(directory),
            name="extraction",
            environment=environment,
            # kreuzberg's command starts its server as a child, and waits for it.
            children_first=path == "/extract",
        ) as process,
    ):
        process.wait_until(lambda: answers(port, "/health"), timeout=30)
        yield Extraction(name=name, port=port, path=path, process=process)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
