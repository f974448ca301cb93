"""`twine upload` to a real package index through the gateway: with credentials, because the configuration says so."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.testing import Tap
from gateway.testing.gateways import running_gateway
from gateway.testing.listening import HOST
from tests.interop.services import (
    PASSWORD,
    USER,
    ThirdParty,
    configuration_for,
    gateway_for,
    private_environment,
    pypiserver,
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThirdParty]:
    with pypiserver(tmp_path_factory.mktemp("index")) as service:
        yield service


@pytest.fixture(autouse=True)
def nothing_stored(index: ThirdParty) -> None:
    """Each test begins with an empty index, whatever became of the one before."""
    index.take_all()


@pytest.fixture(scope="module")
def gateway(index: ThirdParty) -> Iterator[str]:
    """Where twine is sent to."""
    with gateway_for("pypiserver", index.port) as running:
        yield f"{running.url}/packages"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A real project's wheel and source distribution."""
    project = tmp_path_factory.mktemp("project")
    project.joinpath("pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "a-small-package"\nversion = "1.2.3"\ndescription = "Größe: klein"\nreadme = "README.md"\n'
        '[tool.hatch.build.targets.wheel]\npackages = ["a_small_package"]\n'
    )
    project.joinpath("README.md").write_text("# A small package\n\n日本\n", "utf-8")
    project.joinpath("a_small_package").mkdir()
    project.joinpath("a_small_package", "__init__.py").write_text("SIZE = 'small'\n")
    command = [sys.executable, "-m", "hatchling", "build", "-d", "dist"]
    environment = private_environment(project)
    subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=60, env=environment)
    built = sorted((project / "dist").iterdir())
    assert [path.suffix for path in built] == [".whl", ".gz"]
    return built


def twine(url: str, packages: list[Path], *, password: str = PASSWORD) -> tuple[int, str]:
    """Uploads; the exit status, and what it printed, without the address."""
    command = [sys.executable, "-m", "twine", "upload", "--non-interactive", "--disable-progress-bar", "--verbose"]
    command += ["--repository-url", url, "--username", USER, "--password", password, *map(str, packages)]
    # Lines that are not broken, and addresses that stay whole with them.
    environment = {**private_environment(packages[0].parent), "COLUMNS": "1000"}
    done = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, env=environment
    )
    # The index shows the gateway's address as its own (X-Forwarded-Host), with the path that it was asked for itself.
    printed = done.stdout.decode().replace(url, "URL").replace(f"{url.rpartition('/')[0]}/", "URL")
    return done.returncode, re.sub(r" +", " ", printed)


def test_upload(index: ThirdParty, gateway: str, packages: list[Path]) -> None:
    """The index has the very files that twine was given, and twine says the same."""
    direct, stored_directly = twine(f"{index.url}/", packages), index.take_all()

    through, stored = twine(gateway, packages), index.take_all()

    assert stored == {path.name: path.read_bytes() for path in packages} == stored_directly
    assert through == direct
    assert through[0] == 0, through[1]


def test_a_second_time(index: ThirdParty, gateway: str, packages: list[Path]) -> None:
    """The index takes no file twice, and tells twine so in the way that it has for twine."""
    assert twine(gateway, packages)[0] == 0
    stored = index.contents()

    direct, through = twine(f"{index.url}/", packages), twine(gateway, packages)

    assert through == direct
    assert through[0] == 1
    assert "400 Bad Request" in through[1]
    assert index.take_all() == stored


def test_a_wrong_password(index: ThirdParty, gateway: str, packages: list[Path]) -> None:
    """The index's refusal is twine's failure; nothing is stored."""
    direct, through = (twine(url, packages, password="wrong") for url in (f"{index.url}/", gateway))

    assert through == direct
    assert through[0] == 1
    assert "403" in through[1]
    assert index.contents() == {}


@pytest.mark.parametrize("forwards", [True, False])
def test_credentials_go_on_only_if_the_configuration_says_so(
    index: ThirdParty, packages: list[Path], forwards: bool
) -> None:
    """What twine has for the index is not shown to it unasked."""
    with Tap(HOST, index.port) as tap:
        config = configuration_for("pypiserver", tap.port)
        if not forwards:
            config, count = re.subn(r"^ +forward: .*\n", "", config, flags=re.MULTILINE)
            assert count == 1
        with running_gateway(config=config) as gateway:
            code, printed = twine(f"{gateway.url}/packages", packages)

    sent = [passage.sent for passage in tap.passages if passage.sent]
    assert sent
    assert all((b"\r\nAuthorization: Basic " in each) == forwards for each in sent)
    assert len(index.take_all()) == (2 if forwards else 0)
    assert (code, "401" in printed) == ((0, False) if forwards else (1, True))
