"""`gateway demo` shows a real document going through, and leaves nothing behind, however it is ended."""

from __future__ import annotations

import re
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.demo import demo
from gateway.testing import RawClient, extraction, file_part, multipart
from gateway.testing.extraction import HANDBOOK
from gateway.testing.listening import HOST, is_free
from gateway.testing.processes import ChildProcess, python_environment
from gateway.testing.services import RecordingService

COMMAND = [sys.executable, "-m", "gateway", "demo"]
MARK = "GATEWAY_DEMO_TEST"


def marked(value: str) -> list[str]:
    """The commands of the processes that were started with this mark in their environment (Linux shows it)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={value}\0".encode() in entry.joinpath("environ").read_bytes():
                found.append(entry.joinpath("cmdline").read_text())
        except OSError:
            continue  # it has ended meanwhile, or is somebody else's
    return found


def ports_of(output: str) -> list[int]:
    """Those of the gateway and of the service."""
    ports = [int(port) for port in re.findall(rf"^(?:gateway|service) .*http://{re.escape(HOST)}:(\d+)", output, re.M)]
    assert len(ports) == 2
    return ports


def row(output: str, label: str) -> list[str]:
    """The two cells of a row of the table."""
    (line,) = [line for line in output.splitlines() if line.strip().startswith(f"{label} ")]
    return re.split(r"  +", line.strip().removeprefix(label).strip())


def test_the_document_goes_through_and_nothing_is_left(tmp_path: Path) -> None:
    """What is printed is what a reader of the README is promised."""
    environment = python_environment({MARK: str(tmp_path)})

    done = subprocess.run(
        [*COMMAND, "--once"], check=False, env=environment, cwd=tmp_path, capture_output=True, timeout=90
    )

    output = done.stdout.decode()
    assert (done.returncode, done.stderr.decode()) == (0, "")
    assert re.search(r"^answer +200 OK after \d+ ms", output, re.M)
    for line in (
        "page 1  The upload gateway in three pages / ",
        "page 2  How an upload",
        "page 3  What you can rely on",
    ):
        assert line in output
    target = "/text/api" if "own extractor" in output else "/extract"
    assert row(output, "request") == ["POST /file HTTP/1.1", f"POST {target} HTTP/1.1"]
    assert row(output, "Content-Type") == ["multipart/form-data"] * 2
    boundaries = row(output, "boundary")
    assert len(set(boundaries)) == 2
    lengths = row(output, "Content-Length")
    assert lengths[0] == lengths[1]
    assert output.count("Content-Disposition: form-data;") == 4
    assert output.count('filename="handbook.pdf"') == 2
    assert re.search(r"^Same file in and out, sha256 [0-9a-f]{64}$", output, re.M)
    assert "Try it yourself: curl -F files=@" in output
    assert output.endswith("Everything that was started has been ended.\n")
    assert len(output.splitlines()) <= 40
    assert not any(line != line.rstrip() for line in output.splitlines())
    assert marked(str(tmp_path)) == []
    assert all(is_free(port) for port in ports_of(output))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_it_goes_on_serving_until_it_is_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    environment = python_environment({MARK: str(tmp_path)})
    form = multipart([file_part("files", "again.pdf", HANDBOOK.read_bytes(), "application/pdf")], b"edge")

    with ChildProcess(COMMAND, directory=tmp_path, name="demo", environment=environment) as process:
        process.wait_until(lambda: "Serving until Ctrl-C" in process.log(), timeout=60)
        ports = ports_of(process.log())
        with RawClient(HOST, ports[0], timeout=30) as client:
            answer = client.post("/file", form, [("Content-Type", "multipart/form-data; boundary=edge")])
        assert not any(is_free(port) for port in ports)
        process.signal(number)
        code = process.wait(30)

    assert answer.status == 200
    assert "façade.pdf" in answer.body.decode()
    assert code == 0
    assert process.log().endswith("Everything that was started has been ended.\n")
    assert all(is_free(port) for port in ports)
    assert marked(str(tmp_path)) == []


def test_a_signal_while_it_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = python_environment({MARK: str(tmp_path)})

    with ChildProcess(COMMAND, directory=tmp_path, name="demo", environment=environment) as process:
        process.wait_until(lambda: bool(process.children()), timeout=60)
        process.signal(signal.SIGTERM)
        code = process.wait(30)

    assert code == 130
    assert process.log().startswith("Stopped before the document was through.")
    assert marked(str(tmp_path)) == []


def test_a_port_that_is_taken_is_told() -> None:
    with RecordingService() as service:
        result = CliRunner().invoke(demo, ["--once", "--port", str(service.port)])

    assert result.exit_code == 1
    assert (
        result.output
        == f"Error: port {service.port} on {HOST} is taken or not allowed: choose another one with --port, or none\n"
    )


def test_without_kreuzberg_our_own_extractor_serves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(extraction, "_KREUZBERG", tmp_path / "missing")
    before = set(threading.enumerate())

    result = CliRunner().invoke(demo, ["--once"])

    assert result.exit_code == 0
    assert "the gateway's own extractor" in result.output
    assert row(result.output, "request") == ["POST /file HTTP/1.1", "POST /text/api HTTP/1.1"]
    assert "page 3  What you can rely on" in result.output
    assert set(threading.enumerate()) <= before


def test_a_service_that_does_not_start_is_told_with_its_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "kreuzberg"
    broken.write_text("#!/bin/sh\necho no such instruction on this processor\nexit 3\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(extraction, "_KREUZBERG", broken)

    result = CliRunner().invoke(demo, ["--once"])

    assert result.exit_code == 1
    assert "ended with exit code 3 instead of starting" in result.output
    assert "  no such instruction on this processor" in result.output
    assert "Traceback" not in result.output


def test_what_is_missing_is_told_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(extraction, "_KREUZBERG", tmp_path / "missing")
    monkeypatch.setattr(extraction.util, "find_spec", lambda name: None)

    result = CliRunner().invoke(demo, ["--once"])

    assert result.exit_code == 1
    assert "pip install 'upload-gateway[demo]'" in result.output


def test_the_signals_are_as_before_when_it_has_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(extraction, "_KREUZBERG", tmp_path / "missing")
    monkeypatch.setattr(extraction.util, "find_spec", lambda name: None)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

    CliRunner().invoke(demo, ["--once"])

    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
