"""From a file or from flags to settings, or to every problem at once, each with its place.

A problem reads `file:line: path.to.key: what was expected, found what`. All that settings look up is looked
up here: files, the environment, the number of cores; certificates by certificates.py.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.errors import ConfigError
from gateway.settings.certificates import wrong_certificates
from gateway.settings.document import LARGEST_SECRET, Document, Place, quote, read_document
from gateway.settings.schema import Settings
from gateway.settings.sections import Key
from gateway.settings.validation import Finding, dotted, upwards, validated

__all__ = [
    "DEFAULT_FILE",
    "Examined",
    "Flags",
    "Problem",
    "count_cores",
    "examine",
    "from_flags",
    "load",
    "name_and_url",
]

DEFAULT_FILE = Path("config/gateway.yaml")

NO_SUCH_FILE = (
    "there is no such file; write one with `gateway init`, or run without: "
    "gateway serve --to text=http://127.0.0.1:5001/text/api"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What the command line says about the gateway itself; it goes before the file. None: nothing."""

    bind: str | None = None
    workers: str | None = None
    threads: int | None = None
    """Uploads at once in each worker; takes the place of `limits.concurrent`, which counts those of all workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong, and where."""

    file: str | None
    """None for a flag."""
    line: int | None
    """From 1; None for a flag, or where the file cannot be read at all."""
    key: str
    """With dots, or the flag; empty for the whole file."""
    message: str

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        return ": ".join(part for part in (place, self.key, self.message) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A configuration that was looked at: its settings, or what is wrong with it."""

    settings: Settings | None
    problems: tuple[Problem, ...]
    lines: Mapping[Key, int] = field(default_factory=dict)
    """The line of each key."""
    readable: bool = True
    """Whether there was a file to examine at all."""

    def line_of(self, key: Key) -> int | None:
        """The line of the key, or of what it would stand in."""
        return next((self.lines[above] for above in upwards(key) if above in self.lines), None)


def load(
    file: Path | str = DEFAULT_FILE,
    *,
    flags: Flags = Flags(),
    environment: Mapping[str, str] | None = None,
    cores: int | None = None,
) -> Settings:
    """Raises ConfigError with all problems in its detail, one on each line."""
    return _settings(examine(file, flags=flags, environment=environment, cores=cores))


def from_flags(to: Sequence[str], *, flags: Flags = Flags(), cores: int | None = None) -> Settings:
    """The settings of `gateway serve --to NAME=URL`: everything that is not under `/-/` goes to one service.

    Raises ConfigError with all problems in its detail, one on each line.
    """
    if len(to) != 1:
        expected = "expected one NAME=URL" if not to else "expected one service: fan-out is not available yet"
        raise ConfigError(f"--to: {expected}, found {len(to)}")
    name, url = name_and_url(to[0])
    route = {"path": None, "to": name, "accept": {"bodies": ["multipart", "raw"]}}
    places: dict[Key, Place] = {
        ("services", name): Place(line=None, flag="--to", found=quote(name)),
        ("services", name, "url"): Place(line=None, flag="--to", found=quote(url)),
    }
    data = {"services": {name: {"url": url}}, "routes": {"relay": route}}
    # The route names the service, too; what is wrong with the name is said once.
    document = Document(data=data, places=places, mistakes=(), spoiled=frozenset({("routes", "relay", "to")}))
    return _settings(_examined(None, document, flags, cores))


def examine(
    file: Path | str,
    *,
    flags: Flags = Flags(),
    environment: Mapping[str, str] | None = None,
    cores: int | None = None,
) -> Examined:
    """Like `load`, for those who want the problems as values. Looks up what is not given."""
    name = str(file)
    try:
        content = Path(file).read_bytes()
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        return _unreadable(name, NO_SUCH_FILE)
    except OSError as error:
        return _unreadable(name, f"the file cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problem = Problem(file=name, line=line, key="", message="expected UTF-8 text, found other bytes")
        return Examined(settings=None, problems=(problem,))
    except ValueError:
        return _unreadable(name, "this cannot be the name of a file")
    document = read_document(
        text,
        Settings,
        environment=os.environ if environment is None else environment,
        read_file=_read_secret,
    )
    return _examined(name, document, flags, cores)


def count_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _settings(examined: Examined) -> Settings:
    if examined.settings is None:
        raise ConfigError("\n".join(str(problem) for problem in examined.problems))
    return examined.settings


def _unreadable(file: str, message: str) -> Examined:
    problem = Problem(file=file, line=None, key="", message=message)
    return Examined(settings=None, problems=(problem,), readable=False)


def _read_secret(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(LARGEST_SECRET + 1)


def name_and_url(to: str) -> tuple[str, str]:
    """What `--to` says; the name is `service` if there is none."""
    # A URL may have = signs too, but none before its first colon.
    name, equals, url = to.partition("=")
    return (name, url) if equals and ":" not in name else ("service", to)


def _examined(file: str | None, document: Document, flags: Flags, cores: int | None) -> Examined:
    document = _with_flags(document, flags)
    settings, findings = validated(document, wrong_certificates(document.data))
    problems = [_problem(file, finding, document.places) for finding in findings]
    if flags.threads is not None and flags.threads < 1:
        reason = f"expected a whole number from 1 on, found {flags.threads}"
        problems.append(Problem(file=None, line=None, key="--threads", message=reason))
    elif flags.threads is not None and settings is not None:
        settings = _with_threads(settings, flags.threads, cores or count_cores())
    lines = {key: place.line for key, place in document.places.items() if place.line is not None}
    problems.sort(key=lambda problem: (problem.line or 0, problem.key))
    return Examined(settings=None if problems else settings, problems=tuple(problems), lines=lines)


def _with_flags(document: Document, flags: Flags) -> Document:
    """With the flags in the place of what the file says under the same key."""
    gateway = document.data.get("gateway", {}) if isinstance(document.data, dict) else None
    given = {key: value for key in ("bind", "workers") if (value := getattr(flags, key)) is not None}
    if not isinstance(document.data, dict) or not isinstance(gateway, dict) or not given:
        return document
    places = dict(document.places)
    for key, value in given.items():
        places["gateway", key] = Place(line=None, flag=f"--{key}", found=quote(value))
    return replace(document, data={**document.data, "gateway": {**gateway, **given}}, places=places)


def _with_threads(settings: Settings, threads: int, cores: int) -> Settings:
    # `auto` never starts more workers than there may be uploads; here the uploads follow from the workers.
    workers = cores if settings.gateway.workers == "auto" else settings.gateway.workers
    limits = settings.gateway.limits.model_copy(update={"concurrent": threads * workers})
    gateway = settings.gateway.model_copy(update={"limits": limits})
    return settings.model_copy(update={"gateway": gateway})


def _problem(file: str | None, finding: Finding, places: Mapping[Key, Place]) -> Problem:
    place = next((places[above] for above in upwards(finding.key) if above in places), None)
    if place is not None and place.flag is not None:
        return Problem(file=None, line=None, key=place.flag, message=finding.message)
    line = finding.line or (place.line if place is not None else 1)
    return Problem(file=file, line=line, key=dotted(finding.key), message=finding.message)
