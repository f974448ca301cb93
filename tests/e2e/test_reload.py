"""SIGHUP and SIGTERM to a running gateway: nobody's upload is lost, and a bad configuration changes nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.testing import ConnectionEnded, RawClient, RecordingService, free_port
from gateway.testing.gateways import relay_configuration, running_gateway
from gateway.testing.listening import HOST
from gateway.testing.processes import ChildProcess, answers, is_running, python_environment
from tests.e2e.honesty import descriptors_of, eventually, form, raw

FORM = form()
HEAD = [("Content-Type", FORM.content_type)]
LARGE = raw(300_000)


class Serving:
    """A `gateway serve --config FILE`, whose file a test can change; without other flags unless told."""

    def __init__(self, process: ChildProcess, file: Path, service: RecordingService) -> None:
        self.process = process
        self.file = file
        self.port = free_port()
        self._service = service

    def write(self, *, path: str = "/file", headers: Mapping[str, object] | None = None, **gateway: object) -> None:
        """The file as it is from now on: one route to one service; the rest is the section of the gateway itself."""
        document = {
            "gateway": {"bind": f"{HOST}:{self.port}", "workers": 1, **gateway},
            "services": {"text": {"url": self._service.url + path, "headers": dict(headers or {})}},
            "routes": {"relay": {"path": path, "to": "text", "accept": {"bodies": ["multipart", "raw"]}}},
        }
        # At once: half a file would be one with mistakes.
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(document), "utf-8")
        new.replace(self.file)

    def hang_up(self) -> None:
        self.process.signal(signal.SIGHUP)

    def reload(self) -> None:
        """Sends SIGHUP and waits until the new configuration is in force, and no worker of before takes connections."""
        count, before = self.count("reloaded: "), self.process.children()
        self.hang_up()
        self.process.wait_until(lambda: self.count("reloaded: ") > count)
        # All that the parent has are the listeners, which it shares with the workers.
        listeners = sockets_of(self.process.pid)
        eventually(lambda: not any(listeners & sockets_of(pid) for pid in before))

    def refuse(self) -> str:
        """Sends SIGHUP, waits until the configuration is refused, and returns what the log has said about it."""
        place, before = len(self.process.log()), self.count("not reloaded: ")
        self.hang_up()
        self.process.wait_until(lambda: self.count("not reloaded: ") > before)
        return self.process.log()[place:]

    def count(self, text: str) -> int:
        """How many lines of the log begin like this."""
        return sum(line.startswith(text) for line in self.process.log().splitlines())

    def client(self, timeout: float = 30.0) -> RawClient:
        return RawClient(HOST, self.port, timeout=timeout)

    def post(self, path: str = "/file") -> int:
        """The status of one upload over a connection of its own."""
        with self.client() as client:
            return client.post(path, FORM.body, HEAD).status


def sockets_of(pid: int) -> set[str]:
    """Those of a process; none if it has ended."""
    try:
        return {link for link in descriptors_of(pid) if link.startswith("socket:")}
    except OSError:
        return set()


@pytest.fixture
def service() -> Iterator[RecordingService]:
    with RecordingService(keep_bodies=False) as service:
        yield service


@contextmanager
def serving(
    directory: Path,
    service: RecordingService,
    *flags: str,
    environment: Mapping[str, str] | None = None,
    **written: Any,
) -> Iterator[Serving]:
    """Starts one in the directory, with these flags, and with what `Serving.write` makes of the rest."""
    file = directory / "gateway.yaml"
    process = ChildProcess(
        [sys.executable, "-m", "gateway", "serve", "--config", str(file), *flags],
        directory=directory,
        name="serving",
        environment=python_environment(environment),
        end_limit=30,
    )
    running = Serving(process, file, service)
    running.write(**written)
    with process:
        process.wait_until(lambda: answers(running.port, "/-/health"))
        yield running


# --- a configuration that is right -------------------------------------------------------------


def test_a_new_route_is_there_and_the_old_one_gone(tmp_path: Path, service: RecordingService) -> None:
    """What the file says now is announced, and holds, in new processes."""
    with serving(tmp_path, service) as running:
        [before] = running.process.children()
        assert (running.post("/file"), running.post("/new")) == (200, 404)

        running.write(path="/new")
        running.reload()

        eventually(lambda: before not in running.process.children())
        assert (running.post("/file"), running.post("/new")) == (404, 200)
        announced = running.process.log().partition("\nreloaded: ")[2].splitlines()[1]
        assert announced == f"http://{HOST}:{running.port}/new -> text at {service.url}/new"
        assert [each.target for each in service.received] == ["/file", "/new"]


def test_no_upload_fails_while_the_gateway_reloads(tmp_path: Path, service: RecordingService) -> None:
    """Streams of them, over new connections and over kept ones, through three reloads: every one is answered."""
    over = threading.Event()

    def upload(running: Serving, kept: bool) -> int:
        count = 0
        with ExitStack() as stack:
            client = None
            while not over.is_set():
                if client is None:
                    client = stack.enter_context(running.client())
                answer = client.post("/file", FORM.body, HEAD)
                assert answer.status == 200, answer
                assert answer.complete
                count += 1
                if answer.closed or not kept:
                    client.close()
                    client = None
        return count

    with serving(tmp_path, service, workers=2) as running, ThreadPoolExecutor(4) as executor:
        try:
            streams = [executor.submit(upload, running, kept) for kept in (False, False, True, True)]
            for _ in range(3):
                before = set(running.process.children())
                running.reload()
                eventually(lambda before=before: not before & set(running.process.children()))  # type: ignore[misc]
        finally:
            over.set()
        counts = [stream.result() for stream in streams]
        assert min(counts) > 3, counts
        assert all(each.complete for each in service.received)
        assert len(service.received) == sum(counts)


def test_an_upload_under_way_ends_by_the_configuration_it_began_with(tmp_path: Path, service: RecordingService) -> None:
    """However long the client takes; its route may be gone for everybody else."""
    with serving(tmp_path, service) as running, running.client() as slow:
        [before] = running.process.children()
        slow.send(LARGE.head("/file") + LARGE.wire[:100_000])
        eventually(lambda: "1 connections" in repr(service), lambda: service)

        running.write(path="/new")
        running.reload()
        eventually(lambda: len(running.process.children()) == 2)
        assert running.post("/file") == 404
        assert running.post("/new") == 200
        assert is_running(before)
        slow.send(LARGE.wire[100_000:])

        assert slow.read_response().status == 200
        slow.close()
        eventually(lambda: not is_running(before))
    assert sorted(each.target for each in service.received) == ["/file", "/new"]
    assert all(each.complete for each in service.received)


def test_an_upload_that_does_not_end_is_cut_off(tmp_path: Path, service: RecordingService) -> None:
    """After the `stop` of the configuration that it began with; its worker is gone then."""
    with serving(tmp_path, service, stop="1s") as running, running.client() as slow:
        [before] = running.process.children()
        slow.send(LARGE.head("/file") + LARGE.wire[:100_000])
        eventually(lambda: "1 connections" in repr(service), lambda: service)

        running.write(stop="10m")
        running.reload()

        eventually(lambda: not is_running(before))
        with pytest.raises(ConnectionEnded):
            slow.read_response()
        assert running.post() == 200


@pytest.mark.parametrize(("first", "second"), [(1, 3), (3, 1)])
def test_the_number_of_workers_follows_the_file(
    tmp_path: Path, service: RecordingService, first: int, second: int
) -> None:
    """Up and down."""
    with serving(tmp_path, service, workers=first) as running:
        eventually(lambda: len(running.process.children()) == first)
        before = set(running.process.children())

        running.write(workers=second)
        running.reload()

        eventually(lambda: not before & set(running.process.children()))
        assert len(running.process.children()) == second
        assert running.post() == 200


def test_the_address_follows_the_file(tmp_path: Path, service: RecordingService) -> None:
    """The new one answers; the old one refuses, also while an upload over it goes on."""
    with serving(tmp_path, service) as running, running.client() as slow:
        slow.send(LARGE.head("/file") + LARGE.wire[:100_000])
        eventually(lambda: "1 connections" in repr(service), lambda: service)
        old = running.port

        running.port = free_port()
        running.write()
        running.reload()

        assert running.post() == 200
        eventually(lambda: is_refused(old))
        slow.send(LARGE.wire[100_000:])
        assert slow.read_response().status == 200


def is_refused(port: int) -> bool:
    try:
        with RawClient(HOST, port):
            return False
    except ConnectionEnded:
        return True


def test_secrets_are_read_again(tmp_path: Path, service: RecordingService) -> None:
    """From their files; what comes from the environment is as it was at the start, since nobody can change it."""
    secret = tmp_path / "token"
    secret.write_text("first\n")
    headers = {"Authorization": {"file": str(secret)}, "X-Environment": "${TOKEN}"}
    with serving(tmp_path, service, headers=headers, environment={"TOKEN": "constant"}) as running:
        assert running.post() == 200
        secret.write_text("second\n")
        running.reload()
        assert running.post() == 200

    sent = [(each.headers.get("authorization"), each.headers.get("x-environment")) for each in service.received]
    assert sent == [("first", "constant"), ("second", "constant")]
    assert "second" not in running.process.log()


def test_flags_stay_in_force(tmp_path: Path, service: RecordingService) -> None:
    """What was said on the command line goes before what the file says, the second time as well."""
    with serving(tmp_path, service, "--workers", "2", "--threads", "3", workers=1) as running:
        running.write(workers=1, limits={"concurrent": 50}, path="/new")
        running.reload()

        eventually(lambda: len(running.process.children()) == 2)
        assert running.post("/new") == 200
        with running.client() as client:
            ready = json.loads(client.post("/-/ready", method="GET").body)
        assert ready["uploads"]["limit"] == 3


def test_the_address_of_the_command_line_stays(tmp_path: Path, service: RecordingService) -> None:
    """The file may name another one, and then yet another: nobody ever listens there."""
    file = tmp_path / "gateway.yaml"
    elsewhere = [free_port(), free_port()]
    file.write_text(relay_configuration("text", service.url, gateway={"bind": f"{HOST}:{elsewhere[0]}"}), "utf-8")
    with running_gateway(config=file) as running:
        file.write_text(
            relay_configuration("text", service.url, path="/new", gateway={"bind": f"{HOST}:{elsewhere[1]}"}), "utf-8"
        )
        running.signal(signal.SIGHUP)

        eventually(lambda: f"{running.port}/new -> text" in running.log())

        def takes_uploads() -> bool:
            with RawClient(HOST, running.port) as client:
                return client.post("/new", FORM.body, HEAD).status == 200

        eventually(takes_uploads)
        assert all(is_refused(port) for port in elsewhere)


def test_without_a_file_the_workers_are_new(service: RecordingService) -> None:
    """`--to` cannot change; the workers are replaced all the same, and nobody notices."""
    with running_gateway(to=[f"text={service.url}"], workers=2) as running:
        before = set(running.worker_pids())
        running.signal(signal.SIGHUP)
        eventually(lambda: len(running.worker_pids()) == 2 and not before & set(running.worker_pids()))
        with RawClient(HOST, running.port) as client:
            assert client.post("/any", FORM.body, HEAD).status == 200
        assert "reloaded: " in running.log()


# --- a configuration that is not ---------------------------------------------------------------


def test_mistakes_are_told_and_nothing_is_restarted(tmp_path: Path, service: RecordingService) -> None:
    """Each at its line, as `gateway check` would; the workers are the same processes."""
    with serving(tmp_path, service, workers=2) as running:
        eventually(lambda: len(running.process.children()) == 2)
        before = running.process.children()
        running.file.write_text("gateway:\n  wrokers: 2\nservices:\n  text: {url: nowhere}\nroutes: {}\n")

        told = running.refuse().splitlines()

        assert told[-1] == "not reloaded: the running configuration stays"
        assert [line.split(": ")[0] for line in told[:-1]] == [f"{running.file}:{line}" for line in (2, 4, 5)]
        assert running.process.children() == before
        assert running.post() == 200


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda file: file.unlink(), "there is no such file"),
        (lambda file: file.write_bytes(b"\xff\xfe"), "expected UTF-8 text"),
        (lambda file: file.write_text("{"), ":1: "),
        (lambda file: file.write_text("services: {a: {url: 'http://${NO_SUCH_VARIABLE}/'}}"), "NO_SUCH_VARIABLE"),
    ],
    ids=["vanished", "no-text", "no-yaml", "no-variable"],
)
def test_a_file_that_cannot_be_used_changes_nothing(
    tmp_path: Path, service: RecordingService, spoil: Any, told: str
) -> None:
    """Whatever is wrong with it; once it is right again, it is taken."""
    with serving(tmp_path, service) as running:
        before = running.process.children()
        spoil(running.file)

        assert told in running.refuse()

        assert running.process.children() == before
        assert running.post() == 200
        running.write(path="/new")
        running.reload()
        assert running.post("/new") == 200


def test_an_address_that_is_taken_changes_nothing(tmp_path: Path, service: RecordingService) -> None:
    """The gateway does not let go of the old one before it has the new one."""
    with serving(tmp_path, service) as running:
        before = running.process.children()
        running.write(bind=f"{HOST}:{service.port}")

        assert f"cannot listen on {HOST}:{service.port}: Address already in use" in running.refuse()

        assert running.process.children() == before
        assert running.post() == 200


def test_workers_that_cannot_start_take_nobodys_place(tmp_path: Path, service: RecordingService) -> None:
    """A file can be right and its state directory unusable: the workers of before have never stopped."""
    (tmp_path / "taken").write_text("a file where a directory should be")
    with serving(tmp_path, service, workers=2) as running, running.client() as slow:
        eventually(lambda: len(running.process.children()) == 2)
        before = set(running.process.children())
        slow.send(LARGE.head("/file") + LARGE.wire[:100_000])
        eventually(lambda: "1 connections" in repr(service), lambda: service)
        running.write(state="taken", path="/new", workers=3, bind=f"{HOST}:{free_port()}")

        told = running.refuse()

        assert "taken/spool cannot be used" in told
        assert "Traceback" not in told
        eventually(lambda: set(running.process.children()) == before)
        assert running.post() == 200
        slow.send(LARGE.wire[100_000:])
        assert slow.read_response().status == 200
        # And it can still be reloaded.
        running.write(path="/new")
        running.reload()
        assert running.post("/new") == 200


# --- several signals ---------------------------------------------------------------------------


def test_many_reloads_at_once_are_as_good_as_one(tmp_path: Path, service: RecordingService) -> None:
    """The last state of the file is what holds, and no worker too many is left."""
    with serving(tmp_path, service, workers=2) as running:
        for number in range(10):
            running.write(path=f"/{number}", workers=2)
            running.hang_up()

        running.process.wait_until(lambda: f"{running.port}/9 ->" in running.process.log())
        eventually(lambda: len(running.process.children()) == 2)
        assert running.post("/9") == 200
        assert running.count("not reloaded") == 0


@pytest.mark.parametrize("workers", [1, 4])
def test_a_stop_in_the_middle_of_a_reload_is_a_stop(tmp_path: Path, service: RecordingService, workers: int) -> None:
    """Soon: also for workers that are only just starting, and would wait for the signal for ever."""
    with serving(tmp_path, service, workers=workers) as running:
        assert running.post() == 200
        running.hang_up()
        eventually(lambda: len(running.process.children()) > workers)
        running.process.signal(signal.SIGTERM)

        # Far less than `stop`, after which they would be killed.
        assert running.process.wait(20) == 0
        assert is_refused(running.port)


def test_a_stop_lets_uploads_of_both_configurations_end(tmp_path: Path, service: RecordingService) -> None:
    """SIGTERM while an old worker still has one."""
    with serving(tmp_path, service) as running, running.client() as older:
        older.send(LARGE.head("/file") + LARGE.wire[:100_000])
        eventually(lambda: "1 connections" in repr(service), lambda: service)
        running.write(path="/new")
        running.reload()
        with running.client() as newer:
            newer.send(LARGE.head("/new") + LARGE.wire[:100_000])
            eventually(lambda: "2 connections" in repr(service), lambda: service)

            running.process.signal(signal.SIGTERM)
            eventually(lambda: is_refused(running.port))
            for client in (older, newer):
                client.send(LARGE.wire[100_000:])
                assert client.read_response().status == 200
                client.close()

        assert running.process.wait(20) == 0


def test_a_supervisor_is_told_when_clients_can_connect(tmp_path: Path, service: RecordingService) -> None:
    """systemd's `Type=notify`: once, at the start, from the process that it has started."""
    name = f"gateway-{os.getpid()}-{free_port()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(f"\0{name}")
        supervisor.settimeout(20)
        supervisor.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        with serving(tmp_path, service, environment={"NOTIFY_SOCKET": f"@{name}"}) as running:
            told, ancillary, _, _ = supervisor.recvmsg(4096, 1024)
            assert told.startswith(b"READY=1\n")
            (credentials,) = [data for _, kind, data in ancillary if kind == socket.SCM_CREDENTIALS]
            assert struct.unpack("iII", credentials)[0] == running.process.pid
            running.reload()
        supervisor.setblocking(False)
        with pytest.raises(BlockingIOError):
            supervisor.recv(4096)


# --- the moment of the stop --------------------------------------------------------------------


def test_those_who_are_connected_when_a_worker_stops_are_served(tmp_path: Path, service: RecordingService) -> None:
    """A connection that the kernel has taken is not lost, although no worker has seen it yet."""
    with serving(tmp_path, service) as running, ExitStack() as stack:
        [worker] = running.process.children()
        os.kill(worker, signal.SIGSTOP)
        clients = [stack.enter_context(running.client()) for _ in range(5)]
        for client in clients:
            client.send(FORM.head("/file") + FORM.wire)
        running.process.signal(signal.SIGTERM)
        # The parent lets go of the address first; now it is the worker's.
        eventually(lambda: not sockets_of(running.process.pid))
        os.kill(worker, signal.SIGCONT)

        assert [client.read_response().status for client in clients] == [200] * 5
        assert running.process.wait(20) == 0


def test_a_gateway_that_stops_refuses_others_at_once(tmp_path: Path, service: RecordingService) -> None:
    """While its uploads go on: whoever connects goes elsewhere, instead of waiting for the end and a reset."""
    with serving(tmp_path, service, workers=2) as running, running.client() as slow:
        slow.send(LARGE.head("/file") + LARGE.wire[:100_000])
        eventually(lambda: "1 connections" in repr(service), lambda: service)

        running.process.signal(signal.SIGTERM)

        eventually(lambda: is_refused(running.port))
        slow.send(LARGE.wire[100_000:])
        assert slow.read_response().status == 200
        assert running.process.wait(20) == 0
