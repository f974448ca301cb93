"""Files that `gateway send` reads: large ones, many, and such as change meanwhile."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli.sending.inputs import open_input
from gateway.errors import FileChanged, FileUnreadable
from gateway.testing import Connection, RecordingService, ScriptedService, boundary_of
from gateway.testing.processes import python_environment
from tests.cli.sending import command, parts_of, received_of, run

LARGE = 20 * 2**20
"""More bytes than the kernel takes for a service that does not read."""

PEAK = """
import sys
from gateway.cli.main import main
code = main(sys.argv[1:], standalone_mode=False)
with open("/proc/self/status") as status:
    peak = next(line.split()[1] for line in status if line.startswith("VmHWM:"))
sys.stderr.write(peak)
sys.exit(code)
"""
"""Runs the command and tells the most memory that it had, in KiB. (What the kernel tells about a child counts what
its parent had.)"""


def peak_bytes(*arguments: str | Path) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PEAK, "send", *map(str, arguments)],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=100,
        env=python_environment(),
    )
    assert done.returncode == 0, done.stderr
    return int(done.stderr) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is told by /proc")
@pytest.mark.parametrize("kind", ["multipart", "raw", "json"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, kind: str) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"x")
    with large.open("wb") as file:
        file.truncate(200 * 2**20)
    with RecordingService(keep_bodies=False) as service:
        peaks = [peak_bytes(path, "--as", kind, "--json", "--to", service.url) for path in (small, large)]

        assert service.received[1].length >= 200 * 2**20
        assert service.received[1].complete
    assert peaks[1] - peaks[0] < 10 * 2**20


def test_there_may_be_more_files_than_can_be_open(tmp_path: Path) -> None:
    """Each is opened when its turn comes."""
    paths = [tmp_path / str(number) for number in range(300)]
    for path in paths:
        path.write_bytes(path.name.encode())
    with RecordingService() as service:
        done = subprocess.run(
            ["sh", "-c", 'ulimit -n 100 && exec "$@"', "sh", *command(*paths, "--to", service.url)],
            check=False,
            capture_output=True,
            timeout=60,
            env=python_environment(),
        )

        assert (done.returncode, done.stderr) == (0, b"")
        assert [content for _, content in parts_of(service.received[0])] == [path.name.encode() for path in paths]


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, LARGE // 2)


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(LARGE - 10)
        file.write(b"other")


def remove(path: Path) -> None:
    path.unlink()


CHANGES = [
    (grow, f"it had {LARGE} bytes, and has {LARGE + 4} now."),
    (shrink, f"it had {LARGE} bytes, and has {LARGE // 2} now."),
    (overwrite, "somebody wrote to it."),
]


@pytest.mark.parametrize(
    ("change", "said"),
    [*CHANGES, (remove, "No such file or directory.")],
    ids=lambda value: value.__name__ if callable(value) else "",
)
@pytest.mark.parametrize("kind", ["multipart", "json"])
def test_a_file_that_changes_before_its_turn_is_an_error(
    tmp_path: Path, change: Callable[[Path], None], said: str, kind: str
) -> None:
    """While another one is being sent: it is not what was looked at."""
    first, second = tmp_path / "first", tmp_path / "second"
    for path in (first, second):
        with path.open("wb") as file:
            file.truncate(LARGE)

    done = send_and_change(["-F", f"a=@{first}", "-F", f"b=@{second}", "--as", kind], lambda: change(second))

    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"Error: {second}: {said}\n  Hint: The request was not completed.")


@pytest.mark.parametrize(("change", "said"), CHANGES, ids=lambda value: value.__name__ if callable(value) else "")
@pytest.mark.parametrize("kind", ["multipart", "raw", "json"])
def test_a_file_that_changes_while_it_is_read_is_an_error(
    tmp_path: Path, change: Callable[[Path], None], said: str, kind: str
) -> None:
    """Also where the file is the whole body: the last of its bytes stay here."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(LARGE)

    done = send_and_change([str(path), "--as", kind], lambda: change(path))

    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"Error: {path}: {said}\n  Hint: The request was not completed.")


def send_and_change(arguments: list[str], change: Callable[[], None]) -> subprocess.CompletedProcess[bytes]:
    """Sends to a service that makes the change when the first bytes are there, and never has a complete request."""

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_exactly(1000)
        change()
        connection.read_to_end()

    with ScriptedService(script, receive_buffer=32 * 2**10) as service:
        done = run(*arguments, "--to", service.url)
        service.wait_until(lambda service: service.opened[0].done)
        (connection,) = service.opened
    assert connection.head is not None
    assert connection.taken < int(connection.head.headers.get("content-length") or 0)
    return done


def test_a_file_that_was_empty_may_not_grow_either(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    source = open_input(str(path), hashes=False)
    grow(path)

    with pytest.raises(FileChanged, match="it had 0 bytes, and has 4 now"):
        source.read()
    source.close()


def test_what_cannot_be_read_to_its_end_is_told(tmp_path: Path) -> None:
    """As an error of ours, not as an OSError, which the transport would take for the service's."""
    path = tmp_path / "f"
    path.write_bytes(b"content")
    source = open_input(str(path), hashes=False)
    path.unlink()

    with pytest.raises(FileUnreadable, match="No such file or directory"):
        source.read()


def test_the_hash_is_that_of_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"content")
    source = open_input(str(path), hashes=True)

    assert source.read(3) == b"con"
    assert source.sha256 is None
    assert source.read() == b"tent"
    assert source.sha256 == hashlib.sha256(b"content").hexdigest()
    assert source.read() == b""


def test_the_same_file_twice(tmp_path: Path) -> None:
    """Each time from its beginning."""
    path = tmp_path / "f"
    path.write_bytes(b"content")

    received = received_of(path, path, "-F", f"a=@{path}")

    assert [content for _, content in parts_of(received)] == [b"content"] * 3


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc is Linux's")
def test_a_file_that_is_made_up_while_it_is_read(tmp_path: Path) -> None:
    """It says that it is empty, and is not: it goes out as a pipe does."""
    received = received_of("/proc/version")

    assert received.chunked
    assert parts_of(received)[0][1] == Path("/proc/version").read_bytes()


def test_a_named_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe.txt"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"through it",))
    writer.start()
    received = received_of(path)
    writer.join(10)

    assert received.chunked
    (headers, content) = parts_of(received)[0]
    assert (b'filename="pipe.txt"' in headers, content) == (True, b"through it")


def test_every_upload_has_a_boundary_of_its_own(tmp_path: Path) -> None:
    """Content cannot have been made to hold it."""
    path = tmp_path / "f"
    path.touch()

    boundaries = {boundary_of(received_of(path).headers.get("content-type")) for _ in range(3)}

    assert len(boundaries) == 3
