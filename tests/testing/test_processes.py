"""What was started is ended with all that it started, and trouble is told with the end of the log."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from gateway.testing import ProcessFailed, RecordingService, refused_port
from gateway.testing.processes import ChildProcess, answers, is_running, python_environment

FOREVER = "import threading, sys; print('up', flush=True); threading.Event().wait()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + FOREVER
PARENT = (
    "import subprocess, sys; print('child', subprocess.Popen([sys.executable, '-c', sys.argv[1]]).pid, flush=True); "
)


def running(
    directory: Path, code: str, *more: str, end_limit: float = 10, children_first: bool = False
) -> ChildProcess:
    return ChildProcess(
        [sys.executable, "-c", code, *more],
        directory=directory,
        name="subject",
        end_limit=end_limit,
        children_first=children_first,
    )


def test_a_process_is_ended_at_the_end(tmp_path: Path) -> None:
    with running(tmp_path, FOREVER) as process:
        process.wait_until(lambda: "up" in process.log())
        pid = process.pid
        assert is_running(pid)
        assert os.getsid(pid) == pid != os.getsid(0)

    assert not is_running(pid)
    assert process.wait() == -signal.SIGTERM


@pytest.mark.parametrize("children_first", [True, False])
def test_children_are_ended_as_well(tmp_path: Path, children_first: bool) -> None:
    """Those that end with their parent are ended in order."""
    code = PARENT + "import signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit()); signal.pause()"
    if children_first:
        code = "import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', sys.argv[1]]).returncode)"
    process = running(tmp_path, code, FOREVER, children_first=children_first)

    def use() -> list[int]:
        with process:
            process.wait_until(lambda: bool(process.children()) and "up" in process.log())
            return process.children()

    if children_first:
        (child,) = use()
        assert not is_running(child)
    else:
        with pytest.raises(ProcessFailed, match="left 1 processes behind"):
            use()
        assert not is_running(int(process.log().split("child ")[1].split()[0]))


def test_a_process_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    process = running(tmp_path, DEAF, end_limit=0.1)

    def use() -> None:
        with process:
            process.wait_until(lambda: "up" in process.log())

    with pytest.raises(ProcessFailed, match=r"did not end within 0\.1 s of SIGTERM and was killed"):
        use()
    assert not is_running(process.pid)


def test_a_process_that_ends_too_soon_is_told_with_its_log(tmp_path: Path) -> None:
    process = running(tmp_path, "import sys; sys.exit('no luck today')")

    with pytest.raises(ProcessFailed, match=r"exit code 1 instead of starting; .*\n  no luck today"), process:
        process.wait_until(lambda: False)


def test_a_process_that_ends_by_itself_fails_the_test(tmp_path: Path) -> None:
    process = running(tmp_path, "print('bye')")

    with pytest.raises(ProcessFailed, match="ended by itself with exit code 0"), process:
        process.wait()


def test_a_process_that_is_told_to_end_may(tmp_path: Path) -> None:
    with running(tmp_path, FOREVER) as process:
        process.signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def test_a_process_that_is_not_ready_is_waited_for_only_so_long(tmp_path: Path) -> None:
    process = running(tmp_path, FOREVER)

    with pytest.raises(ProcessFailed, match=r"not ready within 0\.1 s"), process:
        process.wait_until(lambda: False, timeout=0.1)
    with pytest.raises(ProcessFailed, match="did not end within"), running(tmp_path, FOREVER) as other:
        other.wait(0.01)


def test_a_command_that_does_not_exist_is_told(tmp_path: Path) -> None:
    process = ChildProcess([str(tmp_path / "missing")], directory=tmp_path, name="subject")

    with pytest.raises(ProcessFailed, match="cannot be started"), process:
        pass
    with pytest.raises(ProcessFailed, match="not running"):
        process.children()


def test_asking_whether_somebody_answers() -> None:
    with RecordingService() as service, refused_port() as refused:
        assert answers(service.port, "/health")
        assert not answers(refused, "/health")


def test_another_python_finds_the_same_gateway(tmp_path: Path) -> None:
    code = "import gateway, os; print(gateway.__file__, os.environ['COLOUR'])"
    environment = python_environment({"COLOUR": "green"})
    process = ChildProcess([sys.executable, "-c", code], directory=tmp_path, name="subject", environment=environment)

    with process:
        process.signal(signal.SIGCONT)
        process.wait()

    import gateway

    assert process.log().split() == [gateway.__file__, "green"]
