"""Every mistake of a file is told at once, each at its place, in words; and no secret with it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.errors import ConfigError
from gateway.settings.load import load
from gateway.settings.schema import Settings
from gateway.settings.validation import MEANINGS, dotted, upwards
from tests.e2e.tls import make_certificate

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.txt"))
RULER = "---- expected ----\n"

SECRETS = ("hunter2", "hunter3", "t0ken-of-the-environment", "t0ken-of-the-file")
ENVIRONMENT = {"TOKEN": "t0ken-of-the-environment", "LINES": "t0ken-of-the-environment\nX: y", "PORT": "3"}


def errors_of(file: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(file, environment=ENVIRONMENT)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None, "a traceback would show the library's exception, and its input"
    return caught.value.detail.splitlines()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a certificate, its key, both in one file, another key, and the key with a password."""
    directory, other = tmp_path_factory.mktemp("certificates"), tmp_path_factory.mktemp("other")
    certificate, key = make_certificate(directory)
    (directory / "both.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
    make_certificate(other)[1].rename(directory / "other-key.pem")
    locked = ["openssl", "pkey", "-in", str(key), "-aes256", "-passout", "pass:hunter2"]
    subprocess.run([*locked, "-out", str(directory / "locked-key.pem")], check=True, capture_output=True)
    return directory


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
def test_the_messages(golden: Path, tmp_path: Path, certificates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of golden/ is a configuration, a ruler line, and exactly what is said about it."""
    shutil.copytree(certificates, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    Path("token").write_text("t0ken-of-the-file\n")
    Path("binary").write_bytes(b"\xff\xfe")
    Path("large").write_bytes(b"x" * 65537)
    written, expected = golden.read_text("utf-8").split(RULER)
    Path("config.yaml").write_text(written, "utf-8")

    lines = errors_of(Path("config.yaml"))

    assert lines == expected.splitlines()
    assert [secret for secret in SECRETS if secret in "\n".join(lines)] == []


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ((), ""),
        (("gateway", "bind"), "gateway.bind"),
        (("routes", "relay", "accept", "bodies", 0), "routes.relay.accept.bodies[0]"),
        (("services", "a b\n"), r"services.'a b\n'"),
    ],
)
def test_keys_are_written_with_dots(key: tuple[str | int, ...], text: str) -> None:
    """As a reader would name them; what cannot be a key is quoted, on one line."""
    assert dotted(key) == text


def test_upwards() -> None:
    """From the key itself to the whole document."""
    assert list(upwards(("a", 0))) == [("a", 0), ("a",), ()]


def test_every_meaning_is_used() -> None:
    """Kinds of pydantic's findings that the schema can cause are all told in our words."""
    bad = {
        "gateway": {"limits": 1, "nothing": 1},
        "services": {"text": {"deliver": "x", "headers": []}},
        "routes": {"a": {}, "b": {"accept": {"bodies": []}}},
    }

    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(bad)

    assert {detail["type"] for detail in caught.value.errors()} == {*MEANINGS, "extra_forbidden"}
