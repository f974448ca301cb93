"""What a person sees of `gateway send` on a real (pseudo) terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from gateway.cli.sending.progress import Rate
from gateway.testing import Connection, RecordingService, ScriptedService, answer_bytes, peers
from gateway.testing.processes import python_environment
from tests.cli.sending import command

LARGE = 20 * 2**20
"""More bytes than the kernel takes for a service that does not read."""
WIDTH = 90
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A terminal with one command on it."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self._printed = bytearray()

    @property
    def text(self) -> str:
        """All that was printed, without colours; what was taken back, too."""
        return ESCAPE.sub("", self._printed.decode())

    @property
    def is_rewritten(self) -> bool:
        """Whether anything but text was printed."""
        return "\x1b" in self._printed.decode()

    @property
    def has_cursor(self) -> bool:
        """Whether the cursor is there again."""
        printed = self._printed.decode()
        return printed.count("\x1b[?25l") == printed.count("\x1b[?25h")

    def wait_for(self, pattern: str, limit_s: float = 30.0) -> None:
        """Until what was printed has the pattern."""
        deadline = time.monotonic() + limit_s
        while not re.search(pattern, self.text):
            assert time.monotonic() < deadline, self.text[-300:]
            assert self._read(deadline), self.text[-300:]

    def finish(self, limit_s: float = 30.0) -> tuple[int, str]:
        """The exit status, and what is left to see."""
        deadline = time.monotonic() + limit_s
        while self._read(deadline):
            pass
        return self.process.wait(max(0.0, deadline - time.monotonic())), self.left()

    def left(self) -> str:
        """What a terminal shows in the end: lines that were taken back are gone."""
        lines = [""]
        for piece in re.split(r"(\r\n|\n|\r|\x1b\[1A|\x1b\[2K)", self._printed.decode()):
            if piece in ("\r\n", "\n"):
                lines.append("")
            elif piece == "\x1b[1A":
                lines.pop()
            elif piece == "\x1b[2K":
                lines[-1] = ""
            elif piece != "\r":
                lines[-1] += ESCAPE.sub("", piece)
        return "\n".join(lines)

    def _read(self, deadline: float) -> bool:
        """One more piece; False at the end."""
        ready, _, _ = select.select([self._descriptor], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, self.text[-300:]
        try:
            data = os.read(self._descriptor, 2**16)
        except OSError:
            return False  # so Linux tells that the other end is closed
        self._printed += data
        return bool(data)


@contextmanager
def terminal(*arguments: str | Path, shows: Literal["both", "errors", "output"] = "both") -> Iterator[Terminal]:
    """Starts the command with standard output and standard error on a terminal, or one of the two."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, WIDTH, 0, 0))
    environment = python_environment({"TERM": "xterm"})
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_INTERACTIVE", "TTY_COMPATIBLE"):
        environment.pop(name, None)
    process = subprocess.Popen(
        command(*arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if shows == "errors" else theirs,
        stderr=subprocess.DEVNULL if shows == "output" else theirs,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        with process:
            yield Terminal(process, ours)
            process.kill()  # if it has not ended
    finally:
        os.close(ours)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "report.pdf"
    path.write_bytes(b"content")
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large [bold].bin"
    with path.open("wb") as file:
        file.truncate(LARGE)
    return path


def test_progress_then_waiting_then_the_answer(file: Path, large: Path) -> None:
    """The file that is on its way, how much of how much, how fast and how long; all of it is gone in the end."""
    go_on, answer = threading.Event(), threading.Event()

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body(10_000)
        connection.wait(go_on)
        connection.read_body()
        connection.wait(answer)
        connection.send(answer_bytes(200, b'{"a":1}', [("Content-Type", "application/json")]))

    with (
        ScriptedService(script, receive_buffer=32 * 2**10) as service,
        terminal("-F", f"a=@{file};filename=x", large, "--to", service.url) as screen,
    ):
        screen.wait_for(r"2 of 2: large \[bold\]\.bin [━╸╺]+ [0-9.]+/21\.0 MB [1-9][0-9.]* [kM]B/s \d:\d\d:\d\d")
        assert not service.opened[0].done
        go_on.set()
        screen.wait_for(r"Sent; waiting for the answer 0:00:0\d")
        answer.set()
        code, left = screen.finish()

    assert code == 0
    assert screen.has_cursor
    summary, *lines = left.splitlines()
    assert re.fullmatch(r"Sent 21\.0 MB in [0-9.]+ m?s( \([0-9.]+ .B/s\))?; 200 OK after [0-9.]+ m?s", summary)
    assert lines == ["{", '  "a": 1', "}"]


def test_an_upload_of_unknown_length_shows_what_has_gone_out(tmp_path: Path) -> None:
    """And no time that nobody can know."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with (
        RecordingService(keep_bodies=False) as service,
        terminal(pipe, "--to", service.url) as screen,
        pipe.open("wb", buffering=0) as writer,
    ):
        writer.write(bytes(300_000))
        screen.wait_for(r"pipe [━╸╺]+ \d+\.\d kB [1-9][0-9.]* [kM]B/s")
        writer.close()
        code, _ = screen.finish()

    assert code == 0


def test_the_rate_is_that_of_the_last_seconds() -> None:
    """It falls while nothing moves, and forgets what was long ago."""
    rate = Rate(100.0)

    assert rate.at(100.0, 0) == 0
    assert rate.at(101.0, 500) == 500
    assert rate.at(102.0, 500) == 250
    assert rate.at(105.0, 5000) == 1000
    assert rate.at(115.0, 5000) == 0
    assert rate.at(116.0, 6100) == 100


def test_ctrl_c_leaves_nothing_on_the_screen(large: Path) -> None:
    """Neither a bar nor a traceback."""
    with (
        ScriptedService(peers.stall(after=1000), receive_buffer=32 * 2**10) as service,
        terminal(large, "--to", service.url) as screen,
    ):
        screen.wait_for(r"/21\.0 MB")
        screen.process.send_signal(signal.SIGINT)
        code, left = screen.finish()

    assert (code, left.strip()) == (130, "")
    assert screen.has_cursor


@pytest.mark.parametrize("arguments", [["-q"], ["-q", "-i"]], ids=" ".join)
def test_quiet_is_the_answer_alone(file: Path, arguments: list[str]) -> None:
    with (
        ScriptedService(peers.answer_garbage(answer_bytes(200, b"text", [("Content-Type", "text/plain")]))) as service,
        terminal(file, *arguments, "--to", service.url) as screen,
    ):
        code, left = screen.finish()

    head = "HTTP/1.1 200 OK\nContent-Type: text/plain\nContent-Length: 4\n\n" if "-i" in arguments else ""
    assert (code, left) == (0, f"{head}text\n")
    assert not screen.is_rewritten


def test_a_pipe_has_no_progress(file: Path) -> None:
    """Whatever the environment says about colours."""
    with RecordingService() as service:
        done = subprocess.run(
            command(file, "--to", service.url),
            check=False,
            capture_output=True,
            timeout=60,
            env=python_environment({"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"}),
        )

    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["length"] > 7


ANSWERS = [
    # JSON is laid out; numbers and texts stay what they are
    ("application/json", b'[1,{"a":"Zo\xc3\xab"}]', '[\n  1,\n  {\n    "a": "Zoë"\n  }\n]\n'),
    ("application/ld+json; charset=utf-8", b"{}", "{}\n"),
    ("application/json", b"{no json", "{no json\n"),
    ("text/plain", "Zoë\r\nb\n".encode(), "Zoë\nb\n"),
    ("text/plain; charset=latin1", b"Zo\xeb", "Zoë\n"),
    ("text/event-stream", b"data: 1\n\ndata: 2", "data: 1\n\ndata: 2\n"),
    ("text/plain", b"\xff[bold]:smile:", "\ufffd[bold]:smile:\n"),
    # what is not named is looked at
    ("application/x-own", b"some text", "some text\n"),
    # nothing that a service sends reaches the terminal as a command to it
    ("text/plain", b"\x1b[31mred\x07\x9b", "\\u001b[31mred\\u0007\ufffd\n"),
    ("application/json", b'"\\u001b[2J\xc2\x9b"', '"\\u001b[2J\\u009b"\n'),
]


@pytest.mark.parametrize(("content_type", "body", "shown"), ANSWERS)
def test_an_answer_is_shown_as_what_it_is(file: Path, content_type: str, body: bytes, shown: str) -> None:
    answer = answer_bytes(200, body, [("Content-Type", content_type)])
    with (
        ScriptedService(peers.answer_garbage(answer)) as service,
        terminal(file, "--to", service.url, shows="output") as screen,
    ):
        code, left = screen.finish()

    assert (code, left) == (0, shown)


@pytest.mark.parametrize(
    ("fields", "body", "said"),
    [
        ([("Content-Type", "application/pdf")], b"%PDF\0\xff", "The answer is 6 bytes of application/pdf, nothing for"),
        ([], b"\xff\xfe", "The answer is 2 bytes of no named type, nothing for a terminal"),
        ([("Content-Type", "text/plain"), ("Content-Encoding", "gzip")], b"x", "The answer is 1 bytes of text/plain"),
        ([("Content-Type", "application/json")], b" " * 2**20 + b"{}", "bytes of application/json, too much for"),
        ([("Content-Type", "image/png")], bytes(2**20 + 1), "The answer is 1,048,577 bytes of image/png, nothing for"),
    ],
)
def test_an_answer_that_is_nothing_for_a_terminal(
    file: Path, fields: list[tuple[str, str]], body: bytes, said: str
) -> None:
    """It is said what it is, and how to get it; the terminal gets none of it."""
    with (
        ScriptedService(peers.answer_garbage(answer_bytes(200, body, fields))) as service,
        terminal(file, "-q", "--to", service.url) as screen,
    ):
        code, left = screen.finish()

    assert code == 0
    assert said in left
    assert left.endswith(": save it with -o FILE, or pipe it.\n")
    assert len(left.splitlines()) == 1


def test_a_terminal_may_be_given_the_very_bytes(file: Path) -> None:
    with (
        ScriptedService(peers.answer_garbage(answer_bytes(200, b"\x01raw"))) as service,
        terminal(file, "-q", "-o", "-", "--to", service.url) as screen,
    ):
        code, left = screen.finish()

    assert (code, left) == (0, "\x01raw")


def test_a_problem_is_told_once(file: Path) -> None:
    """In words; its JSON adds nothing to them."""
    problem = json.dumps({"title": "No.", "hint": "Do not."}).encode()
    answer = answer_bytes(422, problem, [("Content-Type", "application/problem+json")])
    with (
        ScriptedService(peers.answer_garbage(answer)) as service,
        terminal(file, "--to", service.url) as screen,
    ):
        code, left = screen.finish()

    assert (code, left) == (1, "Error: 422 Unprocessable Entity\n  No.\n  Hint: Do not.\n")


def test_another_error_has_its_body(file: Path) -> None:
    answer = answer_bytes(500, b'{"detail":"boom"}', [("Content-Type", "application/json")])
    with (
        ScriptedService(peers.answer_garbage(answer)) as service,
        terminal(file, "--to", service.url) as screen,
    ):
        code, left = screen.finish()

    assert (code, left) == (1, 'Error: 500 Internal Server Error\n{\n  "detail": "boom"\n}\n')


def test_saving_is_shown_and_told(file: Path, tmp_path: Path) -> None:
    """A large answer has a bar of its own."""
    target, go_on = tmp_path / "out.bin", threading.Event()

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + bytes(10**6))
        connection.wait(go_on)
        connection.send(bytes(10**6))

    with (
        ScriptedService(script) as service,
        terminal(file, "-o", target, "--to", service.url) as screen,
    ):
        screen.wait_for(r"Saving .*1\.0/2\.0 MB")
        go_on.set()
        code, left = screen.finish()

    assert code == 0
    assert left.splitlines()[1:] == [f"Saved 2,000,000 bytes in {target}"]
    assert target.stat().st_size == 2_000_000
