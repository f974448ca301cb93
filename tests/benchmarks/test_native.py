"""Client and service build, and what one sends the other counts. Nothing here looks at times."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.native import CONTENT_BYTES, BenchmarkError, Programs, Service, build, find_compiler
from benchmarks.verification import find_overhead
from tests.machine import give_up

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"),
    reason="the benchmark's client and service need Linux: NOTHING of them is tested here",
)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    if find_compiler() is None:
        give_up("the benchmark's client and service need a C compiler: on Debian and Ubuntu `apt-get install gcc`")
    return build(tmp_path_factory.mktemp("build"))


@pytest.fixture
def service(programs: Programs, tmp_path: Path) -> Iterator[Service]:
    with programs.serve(tmp_path) as service:
        yield service


def converse(port: int, request: bytes) -> bytes:
    """Sends the request, half-closes, and returns all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while received := connection.recv(65536):
            answer += received
        return answer


def refuse_one(listener: socket.socket, answer: bytes) -> None:
    """Answers the first upload after its header, and reads on until the client has seen it and left."""
    connection, _ = listener.accept()
    with connection:
        connection.recv(1024)
        connection.sendall(answer)
        with contextlib.suppress(ConnectionError):
            while connection.recv(65536):
                pass


@pytest.mark.parametrize("sendfile", [False, True], ids=["memory", "sendfile"])
def test_the_upload_that_the_service_keeps_is_the_content(programs: Programs, service: Service, sendfile: bool) -> None:
    """The client writes a form whose only file is the known content."""
    service.keep()

    replace(programs, sendfile=sendfile).send(service.port, size=CONTENT_BYTES)

    overhead = find_overhead(service.kept.read_bytes(), programs.content.read_bytes())
    assert service.account().body_bytes == CONTENT_BYTES + overhead


@pytest.mark.parametrize(
    ("size", "connections", "uploads"),
    [
        pytest.param(0, 1, 1, id="an empty file"),
        pytest.param(10 * 1024, 1, 20, id="one after another on one connection"),
        pytest.param(10 * 1024, 8, 100, id="several connections"),
        pytest.param(CONTENT_BYTES * 2 + 17, 2, 3, id="larger than the content"),
    ],
)
def test_all_bytes_arrive(programs: Programs, service: Service, size: int, connections: int, uploads: int) -> None:
    """What the client sends straight to the service is what the service counts."""
    programs.send(service.port, size=0)
    overhead = service.account().body_bytes
    service.begin()

    sending = programs.send(service.port, size=size, connections=connections, uploads=uploads)

    account = service.account()
    assert (sending.uploads, account.uploads) == (uploads, uploads)
    assert len(sending.latencies_s) == uploads
    assert account.body_bytes == uploads * (size + overhead)
    assert (account.incomplete, account.malformed) == (0, 0)
    assert sending.first_byte < account.first_byte < sending.end


CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
EMPTY = CHUNKED + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "body_bytes", "uploads"),
    [
        pytest.param(CHUNKED + b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", 13, 1, id="chunked"),
        pytest.param(CHUNKED + b"1\r\na\r\n0\r\nA: b\r\n\r\n" + EMPTY, 1, 2, id="trailer, pipelined"),
        pytest.param(b"PUT / HTTP/1.1\r\ncontent-length: 2\r\n\r\nab", 2, 1, id="length"),
    ],
)
def test_bodies_are_counted_without_their_framing(
    service: Service, request_bytes: bytes, body_bytes: int, uploads: int
) -> None:
    """The service counts content, however it is framed."""
    answer = converse(service.port, request_bytes)

    account = service.account()
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == uploads
    assert (account.uploads, account.body_bytes) == (uploads, body_bytes)


@pytest.mark.parametrize(
    ("request_bytes", "incomplete", "malformed"),
    [
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcd", 1, 0, id="one byte short"),
        pytest.param(CHUNKED + b"3\r\nabc\r\n", 1, 0, id="no final chunk"),
        pytest.param(CHUNKED + b"3\r\nabc\r\n0\r\n", 1, 0, id="no end of the trailer"),
        pytest.param(b"POST / HTTP/1.1\r\n\r\n", 0, 1, id="neither length nor chunked"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n" + CHUNKED[17:] + b"0\r\n\r\n", 0, 1, id="both"),
    ],
)
def test_what_is_not_whole_is_never_answered_with_200(
    service: Service, request_bytes: bytes, incomplete: int, malformed: int
) -> None:
    """A peer that cuts an upload off is found out."""
    answer = converse(service.port, request_bytes)

    account = service.account()
    assert b" 200 " not in answer
    assert (account.uploads, account.incomplete, account.malformed) == (0, incomplete, malformed)


def test_an_answer_that_is_not_200_is_an_error(programs: Programs) -> None:
    """The client reports a refusal in words, also one that comes before the upload is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        refusal = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"
        server = threading.Thread(target=refuse_one, args=(listener, refusal))
        server.start()
        with pytest.raises(BenchmarkError, match="413 Content Too Large"):
            programs.send(listener.getsockname()[1], size=CONTENT_BYTES * 4)
        server.join()
