"""What `gateway send` makes of the answer: printed, saved or described, and an exit status that scripts can trust."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import MethodNotAllowed
from gateway.testing import Connection, RecordingService, Script, ScriptedService, answer_bytes, peers, refused_port
from gateway.testing.gateways import running_gateway
from gateway.testing.processes import python_environment
from tests.cli.sending import command, parts_of, run, send
from tests.e2e.tls import SecureWitness, make_certificate

LARGE = 20 * 2**20
"""More bytes than the kernel takes for a service that does not read."""
SMALL_BUFFER = 32 * 2**10
PROBLEM = {
    "type": "about:blank",
    "title": "The upload is larger than the gateway takes.",
    "status": 413,
    "detail": "Expected at most 10 bytes.",
    "code": "upload_too_large",
    "hint": "Send less, or raise `limits.body`.",
    "request_id": "id-1",
    "offset": 11,
    "errors": [{"field": "file"}],
}
PROBLEM_ANSWER = answer_bytes(413, json.dumps(PROBLEM).encode(), [("Content-Type", "application/problem+json")])
PROBLEM_LINES = [
    "Error: 413 Request Entity Too Large",
    "  The upload is larger than the gateway takes.",
    "  Expected at most 10 bytes.",
    "  Hint: Send less, or raise `limits.body`.",
    '  errors: [{"field": "file"}]',
    "  code upload_too_large, request id id-1, at byte 11",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "report.pdf"
    path.write_bytes(b"content")
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(LARGE)
    return path


def answering(status: int, body: bytes = b"", *fields: tuple[str, str]) -> Script:
    return peers.answer_garbage(answer_bytes(status, body, fields))


# --- printed -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code"), [(200, 0), (201, 0), (204, 0), (299, 0), (300, 1), (304, 1), (400, 1), (404, 1), (500, 1)]
)
def test_only_2xx_is_a_success(file: Path, status: int, code: int) -> None:
    answer = f"HTTP/1.1 {status} Some Reason\r\nContent-Length: 0\r\n\r\n".encode()
    with ScriptedService(peers.answer_garbage(answer)) as service:
        result = send(file, "--to", service.url)

    assert result.exit_code == code
    assert result.stderr == ("" if code == 0 else f"Error: {status} Some Reason\n")


@pytest.mark.parametrize("body", [b"", b'{"a":\t1e400}', bytes(range(256)) * 1000, b"\x1b[31m no newline"], ids=repr)
@pytest.mark.parametrize("status", [200, 500])
def test_a_pipe_gets_the_very_bytes(file: Path, body: bytes, status: int) -> None:
    """Also those of an error; what there is to say about it goes elsewhere."""
    with ScriptedService(answering(status, body, ("Content-Type", "application/json"))) as service:
        result = send(file, "--to", service.url)

    assert result.stdout_bytes == body


def test_status_and_headers_on_request(file: Path) -> None:
    fields = [("X-A", "1"), ("X-A", "Zo\xeb"), ("Content-Type", "text/plain")]
    with ScriptedService(answering(201, b"body", *fields)) as service:
        result = send(file, "-i", "--to", service.url)

    head = "HTTP/1.1 201 Created\nX-A: 1\nX-A: Zo\xeb\nContent-Type: text/plain\nContent-Length: 4\n\n"
    assert result.stdout_bytes == head.encode("latin-1") + b"body"


def test_a_pipe_that_nobody_reads_is_the_end(file: Path) -> None:
    """As with `| head`: no traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    with ScriptedService(answering(200, bytes(2**20))) as service:
        done = subprocess.run(
            command(file, "--to", service.url),
            check=False,
            stdout=writer,
            stderr=subprocess.PIPE,
            env=python_environment(),
            timeout=60,
        )
    os.close(writer)

    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is Linux's")
@pytest.mark.parametrize("arguments", [[], ["-i"], ["--json"]], ids=" ".join)
def test_an_answer_that_cannot_be_printed(file: Path, arguments: list[str]) -> None:
    """It is a failure, though the service has said yes."""
    with RecordingService() as service, Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command(file, "--to", service.url, *arguments),
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            env=python_environment(),
            timeout=60,
        )

    assert done.returncode == 1
    assert done.stderr.startswith(b"Error: standard output: No space left on device.\n")


# --- errors ------------------------------------------------------------------------------------


def test_a_problem_document_is_told_to_people(file: Path) -> None:
    """And a pipe has it as it came."""
    with ScriptedService(peers.answer_garbage(PROBLEM_ANSWER)) as service:
        result = send(file, "--to", service.url)

    assert result.exit_code == 1
    assert result.stderr.splitlines() == PROBLEM_LINES
    assert json.loads(result.stdout) == PROBLEM


@pytest.mark.parametrize("document", [b"[]", b"{", b'{"title": 1, "hint": null}', b"[" * 100_000])
def test_a_problem_document_that_is_none(file: Path, document: bytes) -> None:
    with ScriptedService(answering(500, document, ("Content-Type", "application/problem+json"))) as service:
        result = send(file, "--to", service.url)

    assert (result.exit_code, result.stderr) == (1, "Error: 500 Internal Server Error\n")
    assert result.stdout_bytes == document


def test_a_terminal_is_not_deceived(file: Path) -> None:
    """Control characters that a service sends are shown, not sent to the terminal."""
    document = json.dumps({"title": "red \x1b[31m", "detail": "back\rover\x9b", "x": "\u202e"}, ensure_ascii=False)
    with ScriptedService(answering(500, document.encode(), ("Content-Type", "application/problem+json"))) as service:
        result = send(file, "--to", service.url)

    assert result.stderr.splitlines()[1:] == [
        "  red \\u001b[31m",
        "  back\\u000dover\\u009b",
        '  x: "\\u202e"',
    ]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_told_and_not_followed(file: Path, status: int) -> None:
    with ScriptedService(peers.redirect(status, "/else?a=1")) as service:
        result = send(file, "--to", f"{service.url}/x")

        assert service.connections == 1
    assert result.exit_code == 1
    assert f"  The upload was not sent there. To do so: --to {service.url}/else?a=1\n" in result.stderr


@pytest.mark.parametrize(
    "script",
    [
        peers.answer_early_and_stop(PROBLEM_ANSWER, after=1000),
        peers.answer_early_and_half_close(PROBLEM_ANSWER, after=1000),
    ],
    ids=["stops", "half-closes"],
)
@pytest.mark.parametrize("kind", ["multipart", "raw", "json"])
def test_an_early_answer_is_heard(large: Path, script: Script, kind: str) -> None:
    """At once, and it is said that the rest was not sent."""
    with ScriptedService(script, receive_buffer=SMALL_BUFFER) as service:
        result = send(large, "--as", kind, "--to", service.url)

        assert service.opened[0].taken < LARGE
    assert result.exit_code == 1
    *lines, last = result.stderr.splitlines()
    assert lines == PROBLEM_LINES
    assert last.startswith("  The answer came after ")
    assert last.endswith(" bytes; the rest was not sent.")


def test_an_early_answer_is_heard_while_a_pipe_is_waited_for() -> None:
    """Nothing more comes out of the pipe, and nobody closes it."""
    reader, writer = os.pipe()
    os.write(writer, b"some")
    with ScriptedService(peers.answer_early_and_stop(PROBLEM_ANSWER)) as service:
        done = run("-", "--as", "raw", "--to", service.url, stdin=reader)
    os.close(writer)
    os.close(reader)

    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[: len(PROBLEM_LINES)] == PROBLEM_LINES


def test_a_service_that_does_not_run(file: Path) -> None:
    with refused_port() as port:
        result = send(file, "--to", f"http://127.0.0.1:{port}/x")

    assert result.exit_code == 1
    first, hint = result.stderr.splitlines()
    assert first.startswith(f"Error: the service at 'http://127.0.0.1:{port}/x': ")
    assert hint == "  Hint: Check that the service runs, and host and port in --to."


@pytest.mark.parametrize(
    ("script", "arguments", "said", "hint"),
    [
        (peers.never_answer(), ["--timeout", "200ms"], "did not answer within 0.2 s", "Raise --timeout"),
        (peers.stall(), ["--timeout", "200ms"], "took no byte for 0.2 s", "raise --timeout"),
        (peers.close_without_answer(), [], "closed the connection", "Look into the service's log"),
        (peers.answer_garbage(), [], "gave no valid HTTP answer", "Check that --to names an HTTP service"),
    ],
    ids=["no answer", "stalls", "closes", "garbage"],
)
def test_a_service_that_fails(large: Path, script: Script, arguments: list[str], said: str, hint: str) -> None:
    """The hint speaks of the command's own options."""
    with ScriptedService(script, receive_buffer=SMALL_BUFFER) as service:
        result = send(large, "--to", service.url, *arguments)

    assert result.exit_code == 1
    first, second = result.stderr.splitlines()
    assert first.startswith("Error: the service ")
    assert said in first
    assert hint in second


def test_certificates(file: Path, tmp_path: Path) -> None:
    """With --ca a service is trusted that nobody knows; without, it is refused."""
    certificate, key = make_certificate(tmp_path)
    with SecureWitness(certificate, key) as service:
        result = send(file, "--to", service.url)
        assert result.exit_code == 1
        assert "--ca names certificates to trust" in result.stderr

        result = send(file, "--to", service.url, "--ca", certificate, "--cert", certificate, "--key", key)
        assert (result.exit_code, result.stderr) == (0, "")


def test_through_a_gateway(file: Path) -> None:
    """An upload arrives, and what the gateway refuses is told in its words."""
    with RecordingService() as service, running_gateway(to=[f"text={service.url}/in"]) as gateway:
        sent = send(file, "-F", "a=1", "--to", f"{gateway.url}/x")
        refused = send(file, "-X", "GET", "--to", f"{gateway.url}/x")

        (received,) = service.received
    assert (sent.exit_code, sent.stderr) == (0, "")
    assert [content for _, content in parts_of(received)] == [b"1", b"content"]
    assert refused.exit_code == 1
    status, *lines = refused.stderr.splitlines()
    assert status.lower() == "error: 405 method not allowed"
    assert f"  Hint: {MethodNotAllowed.hint}" in lines
    # How much had gone out by then may be told as well.
    assert any(line.startswith("  code method_not_allowed, request id ") for line in lines)


# --- saved -------------------------------------------------------------------------------------


def leftovers(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if path.name.startswith(".gateway-")]


@pytest.mark.parametrize("existing", [False, True])
def test_an_answer_is_saved(file: Path, tmp_path: Path, existing: bool) -> None:
    """In the place of what was there, with its permissions; nothing is printed."""
    target, body = tmp_path / "out.bin", os.urandom(300_000)
    if existing:
        target.write_bytes(b"old")
        target.chmod(0o640)
    with ScriptedService(answering(200, body)) as service:
        result = send(file, "-o", target, "--to", service.url)

    assert (result.exit_code, result.output) == (0, "")
    assert target.read_bytes() == body
    if existing:
        assert target.stat().st_mode & 0o777 == 0o640
    assert leftovers(tmp_path) == []


def test_a_link_stays_one(file: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there/out", tmp_path / "link"
    link.symlink_to(target)
    with ScriptedService(answering(200, b"new")) as service:
        assert send(file, "-o", link, "--to", service.url).exit_code == 0

    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_device_is_written_to_as_it_is(file: Path) -> None:
    """It is not replaced by a file."""
    with ScriptedService(answering(200, b"new")) as service:
        assert send(file, "-o", "/dev/null", "--to", service.url).exit_code == 0

    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize(
    "script",
    [peers.answer_cut_in_length(), peers.answer_cut_in_chunks(), peers.answer_cut_in_length(b"")],
    ids=["length", "chunks", "nothing"],
)
@pytest.mark.parametrize("existing", [False, True])
def test_half_an_answer_is_never_saved(file: Path, tmp_path: Path, script: Script, existing: bool) -> None:
    """What was there stays, whole."""
    target = tmp_path / "out.bin"
    if existing:
        target.write_bytes(b"old")
    with ScriptedService(script) as service:
        result = send(file, "-o", target, "--to", service.url)

    assert result.exit_code == 1
    assert "in the middle of its answer" in result.stderr
    assert target.exists() == existing
    assert not existing or target.read_bytes() == b"old"
    assert leftovers(tmp_path) == []


def test_half_an_answer_is_no_success_in_a_pipe(file: Path) -> None:
    with ScriptedService(peers.answer_cut_in_length()) as service:
        result = send(file, "--to", service.url)

    assert result.exit_code == 1
    assert "in the middle of its answer" in result.stderr


def test_an_error_is_not_saved(file: Path, tmp_path: Path) -> None:
    """The file is for what was asked for; the error is shown as without -o."""
    target = tmp_path / "out.bin"
    with ScriptedService(answering(500, b"broken")) as service:
        result = send(file, "-o", target, "--to", service.url)

    assert result.exit_code == 1
    assert not target.exists()
    assert result.stdout_bytes == b"broken"
    assert result.stderr.splitlines() == ["Error: 500 Internal Server Error", f"  {target} was not written."]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is Linux's")
def test_a_full_disk_is_told(file: Path) -> None:
    with ScriptedService(answering(200, bytes(2**20))) as service:
        result = send(file, "-o", "/dev/full", "--to", service.url)

    assert result.exit_code == 1
    assert result.stderr.splitlines()[0] == "Error: /dev/full: No space left on device."


def endless(begun: threading.Event) -> Callable[[Connection], None]:
    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nsome of it")
        begun.set()
        connection.read_to_end()

    return script


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_ends_it_quietly(file: Path, tmp_path: Path, number: signal.Signals) -> None:
    """No traceback, no half of the answer, and the exit status that shells know."""
    begun = threading.Event()
    with (
        ScriptedService(endless(begun)) as service,
        subprocess.Popen(
            command(file, "-o", tmp_path / "out", "--to", service.url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=python_environment(),
        ) as process,
    ):
        assert begun.wait(30)
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)

    assert (process.returncode, output, errors) == (128 + number, b"", b"")
    assert not (tmp_path / "out").exists()
    assert leftovers(tmp_path) == []


# --- for programs ------------------------------------------------------------------------------


def told(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
    """The exit status and the object, without what differs from run to run."""
    result = send(*arguments, "--json")
    assert result.stderr == ""
    document: dict[str, Any] = json.loads(result.stdout)
    if "ms" in document:
        assert document.pop("ms") >= 0
    return result.exit_code, document


def test_json(file: Path) -> None:
    """All that is known of both directions: the promise to programs."""
    body = b'{"text": "Zo\xc3\xab"}'
    fields = [("Content-Type", "application/json"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2")]
    with ScriptedService(answering(201, body, *fields)) as service:
        code, document = told(file, "-F", "lang=dé", "-X", "PUT", "--to", f"{service.url}/x")

        sent = int(service.opened[0].head.headers.get("content-length") or 0)  # type: ignore[union-attr]
    assert code == 0
    assert document == {
        "ok": True,
        "method": "PUT",
        "url": f"{service.url}/x",
        "status": 201,
        "reason": "Created",
        "headers": {
            "content-type": ["application/json"],
            "set-cookie": ["a=1", "b=2"],
            "content-length": [str(len(body))],
        },
        "early": False,
        "bytes_sent": sent,
        "parts": [
            {"name": "lang", "filename": None, "content_type": None, "size": 3},
            {
                "name": "file",
                "filename": "report.pdf",
                "content_type": "application/pdf",
                "size": 7,
                "sha256": hashlib.sha256(b"content").hexdigest(),
            },
        ],
        "answer": {"content_type": "application/json", "size": len(body), "json": {"text": "Zoë"}},
    }


@pytest.mark.parametrize(
    ("content_type", "body", "members"),
    [
        ("application/json", b"[1]", {"json": [1]}),
        ("application/problem+json; charset=utf-8", b"null", {"json": None}),
        ("application/json", b"{", {"text": "{"}),
        ("application/json", b"NaN", {"text": "NaN"}),
        ("application/json", b"[" * 100_000, {"text": "[" * 100_000}),
        ("application/json", b"\xff", {"base64": "/w=="}),
        ("text/plain", "Zoë".encode(), {"text": "Zoë"}),
        ("text/plain; charset=latin1", b"Zo\xeb", {"text": "Zoë"}),
        ("text/plain; charset=no-such", "Zoë".encode(), {"text": "Zoë"}),
        ("text/plain; charset=zlib", b"abc", {"text": "abc"}),
        ("text/plain; charset=UTF-16", "Zoë".encode("utf-16"), {"text": "Zoë"}),
        ("image/svg+xml", b"<svg/>", {"text": "<svg/>"}),
        ("application/pdf", b"%PDF", {"base64": "JVBERg=="}),
        (None, b"abc", {"base64": "YWJj"}),
        ("text/plain", b"", {"text": ""}),
    ],
)
def test_json_has_the_answer_as_what_it_is(
    file: Path, content_type: str | None, body: bytes, members: dict[str, Any]
) -> None:
    fields = [("Content-Type", content_type)] if content_type else []
    with ScriptedService(answering(200, body, *fields)) as service:
        _, document = told(file, "--to", service.url)

    assert document["answer"] == {"content_type": content_type, "size": len(body), **members}


def test_json_has_a_compressed_answer_as_it_is(file: Path) -> None:
    with ScriptedService(answering(200, b"x", ("Content-Encoding", "gzip"), ("Content-Type", "text/plain"))) as service:
        _, document = told(file, "--to", service.url)

    assert document["answer"]["base64"] == base64.b64encode(b"x").decode()


def test_json_of_an_error(file: Path) -> None:
    with ScriptedService(peers.answer_garbage(PROBLEM_ANSWER)) as service:
        code, document = told(file, "--to", service.url, "-o", "never-written")

    assert (code, document["ok"], document["status"]) == (1, False, 413)
    assert document["answer"]["json"] == PROBLEM
    assert "error" not in document
    assert not Path("never-written").exists()


def test_json_of_no_answer(file: Path) -> None:
    with refused_port() as port:
        code, document = told(file, "--to", f"http://127.0.0.1:{port}")

    assert code == 1
    error = document.pop("error")
    assert document == {
        "ok": False,
        "method": "POST",
        "url": f"http://127.0.0.1:{port}",
        "bytes_sent": 0,
        "parts": [
            {"name": "file", "filename": "report.pdf", "content_type": "application/pdf", "size": 7, "sha256": None}
        ],
    }
    assert (error["code"], error["title"]) == ("service_unreachable", "No connection to the service could be made.")
    assert error["hint"] == "Check that the service runs, and host and port in --to."


def test_json_of_half_an_answer(file: Path) -> None:
    """Its status is known, and it is no success."""
    with ScriptedService(peers.answer_cut_in_length()) as service:
        code, document = told(file, "--to", service.url)

    assert (code, document["ok"], document["status"]) == (1, False, 200)
    assert document["error"]["code"] == "service_answer_invalid"
    assert "answer" not in document


def test_json_of_an_early_answer(large: Path) -> None:
    """What was not sent has no hash."""
    script = peers.answer_early_and_stop(PROBLEM_ANSWER, after=1000)
    with ScriptedService(script, receive_buffer=SMALL_BUFFER) as service:
        code, document = told(large, "--to", service.url)

    assert (code, document["early"]) == (1, True)
    assert document["bytes_sent"] < LARGE
    assert document["parts"][0]["sha256"] is None


def test_json_of_a_saved_answer(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.pdf"
    with ScriptedService(answering(200, b"%PDF", ("Content-Type", "application/pdf"))) as service:
        code, document = told(file, "-o", target, "--to", service.url)

    assert code == 0
    assert document["answer"] == {"content_type": "application/pdf", "size": 4, "path": str(target)}
    assert target.read_bytes() == b"%PDF"


def test_json_does_not_hold_what_is_too_large(file: Path) -> None:
    with ScriptedService(answering(200, bytes(32 * 2**20 + 1))) as service:
        code, document = told(file, "--to", service.url)

    assert (code, document["ok"], document["status"]) == (1, False, 200)
    assert (document["error"]["code"], document["error"]["hint"]) == (
        "service_answer_too_large",
        "Save it with -o FILE.",
    )
