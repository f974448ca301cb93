"""What the tests of honesty share: uploads whose every structural byte is known, and looks into the gateway.

An upload is the bytes that a client writes behind its request's head, framing included; an offset is a
place in those. Whether something is over is never guessed from the time: the kernel's own tables are
asked until they say so, and not for ever.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from gateway.testing import (
    Answer,
    Connection,
    RawClient,
    Received,
    RecordingService,
    Script,
    ScriptedService,
    boundary_of,
    field_part,
    file_part,
    multipart,
)
from gateway.testing.gateways import RunningGateway
from gateway.testing.listening import HOST

__all__ = [
    "BOUNDARY",
    "Client",
    "Play",
    "Upload",
    "Witness",
    "as_chunks",
    "assert_problem",
    "at_rest",
    "configuration",
    "consumed",
    "cuts_of",
    "descriptors_of",
    "eventually",
    "form",
    "form_of",
    "in_parallel",
    "ledgers_of",
    "noise",
    "opened",
    "raw",
    "remote_ports_of",
    "threads_of",
    "usual_parts",
]

Item = TypeVar("Item")

BOUNDARY = b"----honest0123456789honest"
LIMIT_S = 20.0
POLL_S = 0.01


# --- uploads -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One request body on the wire."""

    content_type: str
    body: bytes
    """Without framing."""
    wire: bytes
    """As it is written behind the head: the body, or its chunks."""
    chunked: bool
    landmarks: tuple[int, ...]
    """Offsets in `wire` where something begins or ends."""

    def head(self, path: str, *, length: int | None = None, version: str = "1.1") -> bytes:
        """The request's head; `length` lies about the body."""
        size = len(self.wire) if length is None else length
        framing = "Transfer-Encoding: chunked" if self.chunked else f"Content-Length: {size}"
        lines = [f"POST {path} HTTP/{version}", "Host: gateway", f"Content-Type: {self.content_type}", framing]
        return "\r\n".join([*lines, "", ""]).encode()


def form(parts: Iterable[tuple[bytes, bytes]] | None = None) -> Upload:
    """A form of these parts, or of the usual ones."""
    return form_of(multipart(usual_parts() if parts is None else parts, BOUNDARY))


def usual_parts() -> list[tuple[bytes, bytes]]:
    """A field, a file that is full of near delimiters, an empty file, and a last file: too much to be sent whole."""
    near = b"\r\n--" + BOUNDARY[:-1] + b"\r\n-\r\n--" + BOUNDARY + b"x\n--" + BOUNDARY + b"--\r\n\r\r\n--"
    return [
        field_part("language", b"en"),
        file_part("file", "first.bin", noise(20_000) + near * 20 + noise(20_000, 2)),
        file_part("file", "empty.bin", b""),
        file_part("file", "last.bin", noise(30_000, 3)),
    ]


def form_of(body: bytes) -> Upload:
    """Any bytes as a form, whether they are one or not."""
    marks = {0, len(body), *_every(body, b"\r\n--" + BOUNDARY + b"\r\n"), *_every(body, b"\r\n\r\n")}
    marks |= {*_every(body, b"\r\n--" + BOUNDARY + b"--\r\n")}
    content_type = f"multipart/form-data; boundary={BOUNDARY.decode()}"
    return Upload(content_type=content_type, body=body, wire=body, chunked=False, landmarks=tuple(sorted(marks)))


def raw(size: int = 80_000) -> Upload:
    """A bare file."""
    body = noise(size)
    return Upload(content_type="application/pdf", body=body, wire=body, chunked=False, landmarks=(0, size))


def as_chunks(upload: Upload, size: int = 9_000) -> Upload:
    """The same upload in chunks."""
    wire = bytearray()
    marks = set()
    for start in range(0, len(upload.body), size):
        piece = upload.body[start : start + size]
        head = b"%x\r\n" % len(piece)
        place = len(wire) + len(head)
        marks |= {len(wire), place, place + len(piece)}
        marks |= {place + mark - start for mark in upload.landmarks if start <= mark < start + len(piece)}
        wire += head + piece + b"\r\n"
    marks |= {len(wire), len(wire) + 5}
    wire += b"0\r\n\r\n"
    return replace(upload, wire=bytes(wire), chunked=True, landmarks=tuple(sorted(marks)))


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes without a pattern, the same in every run."""
    return random.Random(seed).randbytes(size)


def cuts_of(upload: Upload, *, edge: int = 100, steps: int = 32) -> list[int]:
    """Where to cut: round every landmark, byte by byte at both ends, and at every 1/`steps` of the rest."""
    size = len(upload.wire)
    near = {mark + off for mark in upload.landmarks for off in range(-2, 3)}
    ends = {*range(edge), *range(size - edge, size)}
    return sorted(cut for cut in {*near, *ends, *(size * step // steps for step in range(steps))} if 0 <= cut < size)


def _every(body: bytes, mark: bytes) -> Iterator[int]:
    """Where the mark begins and ends, each time."""
    found = body.find(mark)
    while found >= 0:
        yield from (found, found + len(mark))
        found = body.find(mark, found + 1)


# --- services ----------------------------------------------------------------------------------


class Witness(RecordingService):
    """A service that can say what it was made to believe."""

    @property
    def open_connections(self) -> int:
        """Connections that it has accepted and not closed."""
        with self._changed:
            return len(self._open)

    @property
    def under_way(self) -> int:
        """Requests that have begun and not ended."""
        with self._changed:
            return len(self._running)

    def wait_for_length(self, length: int) -> None:
        """Until so many bytes of the body that is under way have come."""
        self.wait_until(lambda _: self.heard_length >= length, LIMIT_S)

    def testimony(self) -> list[Received]:
        """All that has come since it was last asked. Nothing may be under way in the gateway any more."""
        # Connections are accepted in order: when this one has its answer, all earlier ones have been accepted.
        with RawClient(HOST, self.port) as probe:
            probe.post("/probe", b"")
        eventually(lambda: self.open_connections == _connections_to(self.port), lambda: self)
        received = [each for each in self.received if each.target != "/probe"]
        self.forget()
        return received

    def assert_nothing_whole(self) -> list[Received]:
        """Nothing that came can be taken for a whole upload; returns the pieces that came."""
        pieces = self.testimony()
        for piece in pieces:
            assert not piece.complete, f"taken for whole, with {piece.length} bytes of body: {piece.head!r}"
            content_type = piece.headers.get("content-type") or ""
            if content_type.startswith("multipart/"):
                assert b"--" + boundary_of(content_type) + b"--" not in piece.heard
        return pieces


class Play(ScriptedService):
    """A service that plays another script for each test."""

    def __init__(self, *, receive_buffer: int | None = None) -> None:
        self._script_now: Script = Connection.hold
        super().__init__(self._perform, receive_buffer=receive_buffer)

    def play(self, script: Script) -> int:
        """On every connection from now on; returns the number of the next one."""
        self._script_now = script
        return self.connections

    def wait_for(self, number: int, reached: Callable[[Connection], bool]) -> None:
        """Waits until the connection with this number is there and has got that far."""
        self.wait_until(lambda _: any(each.number == number and reached(each) for each in self._opened), LIMIT_S)

    def _perform(self, connection: Connection) -> None:
        self._script_now(connection)


def configuration(services: Mapping[str, Mapping[str, object]], gateway: Mapping[str, object] | None = None) -> str:
    """The text of a configuration with one route for each service, at the path of that name."""
    routes = {name: {"path": f"/{name}", "to": name, "accept": {"bodies": ["multipart", "raw"]}} for name in services}
    # JSON is YAML as well.
    return json.dumps({"gateway": dict(gateway or {}), "services": dict(services), "routes": routes})


# --- clients -----------------------------------------------------------------------------------


class Client(RawClient):
    """A client that can also look at an answer while it comes."""

    def hear(self, end: bytes) -> bytes:
        """What comes, up to something that ends like this."""
        heard = b""
        while not heard.endswith(end):
            block = bytes(self._wire.read_some(2**16))
            assert block, f"the connection ended behind {heard!r}"
            heard += block
        return heard


def opened(gateway: RunningGateway, *, timeout: float = LIMIT_S) -> Client:
    """A client, to be used with `with`."""
    return Client(HOST, gateway.port, timeout=timeout)


def assert_problem(answer: Answer, status: int, *codes: str) -> dict[str, object]:
    """The answer is a whole problem document with that status and one of these codes; returns it."""
    assert answer.complete
    assert (answer.status, answer.headers.get("content-type")) == (status, "application/problem+json"), answer
    document: dict[str, object] = json.loads(answer.body)
    assert document["code"] in codes, document
    assert document["status"] == status
    return document


def in_parallel(items: Iterable[Item], do: Callable[[Item], None], *, threads: int = 8) -> None:
    """Does it with every item; the first failure is raised at the end."""
    with ThreadPoolExecutor(threads) as executor:
        list(executor.map(do, items))


# --- looks into processes and the kernel -----------------------------------------------------------


def eventually(holds: Callable[[], bool], show: Callable[[], object] = str, limit_s: float = LIMIT_S) -> None:
    """Asks again and again until it holds."""
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {limit_s} s: {show()}"
        time.sleep(POLL_S)


def at_rest(gateway: RunningGateway) -> None:
    """Waits until no worker has a client's connection any more, in whatever state."""
    pids, port = gateway.worker_pids(), gateway.port
    eventually(lambda: not _busy_sockets(pids, port), lambda: (_busy_sockets(pids, port), gateway.log()[-2000:]))


def consumed(gateway: RunningGateway) -> None:
    """Waits until the gateway has read whatever its clients have sent."""
    eventually(lambda: not any(each.unread for each in _sockets().values() if each.local_port == gateway.port))


def descriptors_of(pid: int) -> list[str]:
    """What the process has open."""
    shown = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            shown.append(str(link.readlink()))
        except FileNotFoundError:  # closed meanwhile
            continue
    return shown


def remote_ports_of(pid: int) -> set[int]:
    """The ports that the process's connections lead to."""
    inodes = {link.removeprefix("socket:[").removesuffix("]") for link in descriptors_of(pid)}
    return {each.remote_port for inode, each in _sockets().items() if inode in inodes and each.state != _LISTENING}


def threads_of(pid: int) -> int:
    """How many threads the process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def ledgers_of(gateway: RunningGateway) -> list[int]:
    """What the workers have reserved of the quota, in bytes."""
    return [int.from_bytes(path.read_bytes(), "little") for path in gateway.directory.glob("**/*.ledger")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Socket:
    local_port: int
    remote_port: int
    state: str
    unread: int
    """Bytes that have arrived and were not read; for one that listens, connections."""


_ESTABLISHED, _LISTENING = "01", "0A"
_OVER = " 06 "
"""Of connections that are over the table remembers thousands."""


def _busy_sockets(pids: Iterable[int], port: int) -> list[object]:
    """Sockets of the processes that neither listen nor are connections to services.

    A connection that was reset is in no table any more, but its descriptor is still there until it is closed.
    """
    links = [link for pid in pids for link in descriptors_of(pid) if link.startswith("socket:")]
    held = [link.removeprefix("socket:[").removesuffix("]") for link in links]
    table = _sockets()
    return [
        table.get(inode, inode)
        for inode in held
        if inode not in table or (table[inode].state != _LISTENING and table[inode].local_port == port)
    ]


def _connections_to(port: int) -> int:
    return sum(each.remote_port == port and each.state == _ESTABLISHED for each in _sockets().values())


def _sockets() -> dict[str, _Socket]:
    """The TCP sockets of this machine that a process holds, by inode."""
    found = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        if _OVER not in line:
            _, local, remote, state, queues, _, _, _, _, inode, *_ = line.split()
            local_port, remote_port, unread = (int(each.rpartition(":")[2], 16) for each in (local, remote, queues))
            found[inode] = _Socket(local_port=local_port, remote_port=remote_port, state=state, unread=unread)
    return found
