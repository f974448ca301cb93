"""The entrance: a file or flags become settings, or a ConfigError that says everything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.settings.checks import check, foresee
from gateway.settings.document import Document, read_document
from gateway.settings.load import DEFAULT_FILE, Flags, Problem, count_cores, examine, from_flags, load
from gateway.settings.schema import Settings
from gateway.settings.sections import every_key
from gateway.settings.validation import validated
from tests.e2e.tls import make_certificate

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "config/examples").glob("*.yaml"))

GOOD = """\
gateway: {bind: "127.0.0.1:1", workers: 3, limits: {concurrent: 30}}
services:
  text: {url: "http://127.0.0.1:8811/extract", headers: {X-Key: "${KEY}"}}
routes:
  relay: {path: /file, to: text}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(GOOD)
    return path


def detail_of(call: object, *arguments: object, **keywords: object) -> str:
    assert callable(call)
    with pytest.raises(ConfigError) as caught:
        call(*arguments, **keywords)
    assert caught.value.__context__ is None
    return caught.value.detail


def test_a_file(file: Path) -> None:
    """What it says, and defaults for the rest."""
    settings = load(file, environment={"KEY": "hunter2"})

    assert settings.gateway.bind == "127.0.0.1:1"
    assert settings.gateway.stop == 60
    assert settings.build_services()["text"].headers == {"X-Key": "hunter2"}


def test_the_environment_is_looked_up(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is given."""
    monkeypatch.setenv("KEY", "hunter2")

    assert load(str(file)).services["text"].headers == {"X-Key": "hunter2"}


def test_the_file_of_the_project() -> None:
    """`gateway serve` finds this one when it is started in a checkout; it needs nothing from outside."""
    settings = load(ROOT / DEFAULT_FILE, environment={})

    assert [(route.path, route.service.urls) for route in settings.build_routes()] == [
        ("/file", ("http://127.0.0.1:8811/extract",))
    ]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples(example: Path, credentials: Path) -> None:
    """Every example is a file that works as it is, given the secrets that it names, and leaves no doubts."""
    environment = dict.fromkeys(("SUMMARY_TOKEN", "CONVERT_KEY", "VISION_TOKEN"), "hunter3")

    settings = load(example, environment=environment | {"CREDENTIALS_DIRECTORY": str(credentials)})

    assert check(settings) == ()
    assert foresee(settings)
    assert "hunter" not in repr(settings)


@pytest.fixture(scope="session")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the examples expect to find in the directory of credentials."""
    directory = tmp_path_factory.mktemp("credentials")
    (directory / "scan-key").write_text("hunter2\n")
    certificate, key = make_certificate(directory)
    (directory / "authority.pem").write_bytes(certificate.read_bytes())
    (directory / "gateway.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
    return directory


def test_the_examples_show_every_section() -> None:
    """Somebody who looks for a key finds it in use."""
    shown = "\n".join(path.read_text("utf-8") for path in EXAMPLES)
    names = {key.rpartition(".")[2] for key in every_key(Settings)}

    # What the defaults are right for, almost always.
    rare = {"<name>", "log", "format", "uploads", "parts", "part_headers", "field", "failed", "key"}
    assert {name for name in names - rare if f"{name}:" not in shown} == set()


def test_no_such_file(tmp_path: Path) -> None:
    """The name, and the two ways to go on."""
    detail = detail_of(load, tmp_path / "nosuch.yaml")

    assert detail.startswith(f"{tmp_path / 'nosuch.yaml'}: there is no such file")
    assert "gateway init" in detail
    assert "--to" in detail


@pytest.mark.parametrize("name", [".", "gateway.yaml/x", "x\0y"])
def test_what_cannot_be_read(name: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told in one line, and different from a file with mistakes."""
    monkeypatch.chdir(file.parent)

    examined = examine(name)

    assert not examined.readable
    assert [(problem.file, problem.line) for problem in examined.problems] == [(name, None)]


def test_what_is_not_text(file: Path) -> None:
    """The line is that of the first byte that does not fit."""
    file.write_bytes(b"# one\n# two \xff\n")

    assert detail_of(load, file) == f"{file}:2: expected UTF-8 text, found other bytes"


def test_a_byte_order_mark_is_no_mistake(file: Path) -> None:
    """Some editors write one."""
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())

    assert load(file, environment={"KEY": "x"}).gateway.workers == 3


def test_flags_go_before_the_file(file: Path) -> None:
    """What they do not say stays as the file has it."""
    flags = Flags(bind="127.0.0.1:2", workers="2", threads=7)

    gateway = load(file, flags=flags, environment={"KEY": "x"}).gateway

    assert (gateway.bind, gateway.workers, gateway.uploads_per_worker(cores=64)) == ("127.0.0.1:2", 2, 7)
    assert load(file, flags=Flags(), environment={"KEY": "x"}).gateway.bind == "127.0.0.1:1"


def test_threads_count_in_each_worker(file: Path) -> None:
    """Also when their number depends on the machine; the count is exact on the one that was asked about."""
    gateway = load(file, flags=Flags(workers="auto", threads=5), environment={"KEY": "x"}, cores=4).gateway

    assert (gateway.count_workers(4), gateway.uploads_per_worker(4)) == (4, 5)


def test_flags_fill_an_empty_section(tmp_path: Path) -> None:
    """A file need not have a section for the flags to have a place."""
    file = tmp_path / "gateway.yaml"
    file.write_text('gateway:\nservices: {a: {url: "http://h/"}}\nroutes: {a: {path: /a, to: a}}')

    assert load(file, flags=Flags(bind="127.0.0.1:5")).gateway.bind == "127.0.0.1:5"


def test_flags_are_told_by_their_names(file: Path) -> None:
    """And together with what is wrong with the file."""
    detail = detail_of(load, file, flags=Flags(bind="8080", workers="x", threads=0), environment={})

    assert detail.splitlines() == [
        "--bind: expected HOST:PORT such as 127.0.0.1:8080 (0.0.0.0:8080: reachable from other machines), found '8080'",
        "--threads: expected a whole number from 1 on, found 0",
        "--workers: expected auto (one per core) or a whole number from 1 on, found 'x'",
        f"{file}:3: services.text.headers.X-Key: expected the environment variable KEY to be set",
    ]


@pytest.mark.parametrize("text", ["- a", "gateway: 5", "", "gateway: ["])
def test_flags_do_not_hide_what_is_wrong_with_the_file(text: str, file: Path) -> None:
    """A file that has no place for flags is reported as such."""
    file.write_text(text)

    assert detail_of(load, file, flags=Flags(bind="127.0.0.1:1")).startswith(f"{file}:1: ")


@pytest.mark.parametrize(
    ("to", "name", "url"),
    [
        ("text=http://127.0.0.1:5001/text/api", "text", "http://127.0.0.1:5001/text/api"),
        ("http://127.0.0.1:5001/text/api", "service", "http://127.0.0.1:5001/text/api"),
        ("http://127.0.0.1:5001/api?a=b", "service", "http://127.0.0.1:5001/api?a=b"),
        ("text=http://127.0.0.1:5001/api?a=b=c", "text", "http://127.0.0.1:5001/api?a=b=c"),
    ],
)
def test_to(to: str, name: str, url: str) -> None:
    """One service, on every path, for forms and for bare files."""
    (route,) = from_flags([to]).build_routes()

    assert (route.path, route.service.name, route.service.urls) == (None, name, (url,))
    assert route.accept.bodies == {"multipart", "raw"}


def test_to_with_other_flags() -> None:
    """They mean what they mean with a file."""
    gateway = from_flags(["http://h/"], flags=Flags(bind="127.0.0.1:0", workers="2", threads=3)).gateway

    assert (gateway.bind, gateway.workers, gateway.limits.concurrent) == ("127.0.0.1:0", 2, 6)


@pytest.mark.parametrize(
    ("to", "detail"),
    [
        ([], "--to: expected one NAME=URL, found 0"),
        (["a=http://h/", "b=http://h/"], "--to: expected one service: fan-out is not available yet, found 2"),
        (
            ["text=127.0.0.1:5001"],
            "--to: expected a URL with http:// or https:// and a host, such as http://127.0.0.1:8811/extract, "
            "found '127.0.0.1:5001'",
        ),
        (["my text=http://h/"], "--to: expected a name of letters, digits, - and _, found 'my text'"),
        (
            ["http://me:hunter2@h/"],
            "--to: expected a URL without user and password; put them in `headers`, as Authorization",
        ),
    ],
)
def test_to_that_cannot_be(to: list[str], detail: str) -> None:
    """Told as the flag that it is, one line for each mistake."""
    assert detail_of(from_flags, to) == detail


def test_variables_in_flags_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell has put them in already."""
    monkeypatch.setenv("HOME_URL", "http://h/")

    assert "found '${HOME_URL}'" in detail_of(from_flags, ["${HOME_URL}"])


def test_lines_of_keys(file: Path) -> None:
    """What checks say about right settings can be shown where it stands."""
    examined = examine(file, environment={"KEY": "x"})

    assert examined.problems == ()
    assert examined.line_of(("services", "text", "url")) == 3
    assert examined.line_of(("gateway", "spool", "quota")) == 1
    assert examined.line_of(()) == 1


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem(file="f", line=3, key="a.b", message="m"), "f:3: a.b: m"),
        (Problem(file="f", line=3, key="", message="m"), "f:3: m"),
        (Problem(file="f", line=None, key="", message="m"), "f: m"),
        (Problem(file=None, line=None, key="--to", message="m"), "--to: m"),
    ],
)
def test_problems_are_written_for_editors(problem: Problem, text: str) -> None:
    """File and line first, as far as there are any."""
    assert str(problem) == text


def test_cores() -> None:
    """At least the one that asks."""
    assert 1 <= count_cores() <= (os.cpu_count() or 1)


PIECES = [
    *"{}[]:,-#&*!|>'\"%@`?~\n\t \\a5é",
    "${A}",
    "${",
    ": ",
    "\n  ",
    "url",
    "services:",
    "<<",
    "\0",
    "\x85",
    "!!int ",
]
YAML_LIKE = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@trials(deadline=None)
@given(YAML_LIKE | st.text())
def test_any_text_is_settings_or_a_list_of_problems(text: str) -> None:
    """No exception of a library comes out, whatever is in the file."""
    document = read_document(text, Settings, environment={"A": "x"}, read_file=lambda path: b"")
    settings, findings = validated(document)

    assert (settings is None) == bool(findings)
    assert all("\n" not in finding.message for finding in findings)


@trials(deadline=None)
@given(
    key=st.sampled_from([key.replace("<name>", "text") for key in every_key(Settings)]),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    ),
)
def test_any_value_anywhere_is_told_about(key: str, value: object) -> None:
    """A value of a wrong shape is a problem of that key, not a failure of the check."""
    routes = {"text": {"path": "/", "to": "text"}}
    data: dict[str, object] = {"services": {"text": {"url": "http://h/"}}, "routes": routes}
    inner: dict[str, object] = data
    *above, name = key.split(".")
    for step in above:
        below = inner.setdefault(step, {})
        assert isinstance(below, dict)
        inner = below
    inner[name] = value

    settings, findings = validated(Document(data=data, places={}, mistakes=(), spoiled=frozenset()))

    assert (settings is None) == bool(findings)
