"""Nothing is left of an upload, however it ended: no thread, no descriptor, no file, no bytes of the quota, no place.

And nothing is left of a gateway: one that is stopped lets the uploads under way end, and one that was killed
is cleaned up after by the next.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.testing import (
    Connection,
    ConnectionEnded,
    RawClient,
    Script,
    ScriptedService,
    answer_bytes,
    peers,
    refused_port,
)
from gateway.testing.gateways import RunningGateway, running_gateway
from gateway.testing.listening import HOST
from tests.e2e.honesty import (
    Client,
    Upload,
    Witness,
    as_chunks,
    assert_problem,
    at_rest,
    configuration,
    consumed,
    descriptors_of,
    eventually,
    form,
    form_of,
    in_parallel,
    ledgers_of,
    opened,
    raw,
    remote_ports_of,
    threads_of,
)

PLACES = 12
"""Uploads at once."""
SPARE_THREADS = 8

WAYS: dict[str, dict[str, object]] = {
    "length": {},
    "chunked": {"body": "chunked"},
    "whole": {"deliver": "whole"},
    "bare": {"send": {"as": "raw"}},
}
FAULTS: dict[str, Script] = {
    "closes": peers.close_without_answer(after=1000),
    "resets": peers.reset_in_body(after=1000),
    "answers-and-closes": peers.answer_early_and_close(after=1000),
    "answers-and-half-closes": peers.answer_early_and_half_close(after=1000),
    "answers-and-stops": peers.answer_early_and_stop(after=1000),
    "answers-and-reads-on": peers.answer_early_and_read_on(after=1000),
    "stalls": peers.stall(after=1000),
    "says-nothing": peers.never_answer(),
    "dribbles": peers.answer_dribbled(answer_bytes(200, bytes(100)), interval=0.02),
    "garbage": peers.answer_garbage(),
    "cut-in-length": peers.answer_cut_in_length(),
    "cut-in-chunks": peers.answer_cut_in_chunks(),
    "redirects": peers.redirect(307, "/again"),
    "redirects-away": peers.redirect(302, "http://127.0.0.1:1/"),
}
IMPATIENCE = {"timeout": {"stall": "200ms", "first_byte": "200ms", "total": "400ms"}}
SETTINGS = {"client": {"stall": "300ms"}, "spool": {"memory": 0}}


@pytest.fixture(scope="module")
def all_witnessed() -> Iterator[Witness]:
    with Witness() as service:
        yield service


@pytest.fixture
def witness(all_witnessed: Witness) -> Witness:
    """With nothing in mind of earlier tests."""
    all_witnessed.forget()
    return all_witnessed


def services_of(witness: Witness) -> dict[str, dict[str, object]]:
    return {name: {"url": f"{witness.url}/{name}", **more} for name, more in WAYS.items()}


@pytest.fixture(scope="module")
def gateway(all_witnessed: Witness) -> Iterator[RunningGateway]:
    """With services of every kind, and a limit for everything."""
    services = services_of(all_witnessed)
    with ExitStack() as stack:
        for name, script in FAULTS.items():
            faulty = stack.enter_context(ScriptedService(script, receive_buffer=32 * 2**10))
            services[name] = {"url": f"{faulty.url}/{name}", **IMPATIENCE}
        services["refuses"] = {"url": f"http://{HOST}:{stack.enter_context(refused_port())}/"}
        yield stack.enter_context(running_gateway(config=configuration(services, SETTINGS), threads=PLACES))


# --- what can go wrong with one upload -----------------------------------------------------------

UPLOADS = [form(), as_chunks(form()), raw(200_000), as_chunks(raw(200_000)), form_of(form().body[:-10])]
LARGE = raw(6 * 2**20)

Task = Callable[[RunningGateway], None]


def goes_through(way: str, upload: Upload) -> Task:
    def task(gateway: RunningGateway) -> None:
        with opened(gateway) as client:
            client.send(upload.head(f"/{way}") + upload.wire)
            client.read_response()

    return task


def breaks_off(way: str, upload: Upload, sent: int, end: Callable[[Client], None]) -> Task:
    def task(gateway: RunningGateway) -> None:
        with opened(gateway) as client:
            client.send(upload.head(f"/{way}") + upload.wire[:sent])
            end(client)

    return task


def leaves_before_the_answer(way: str, upload: Upload) -> Task:
    return breaks_off(way, upload, len(upload.wire), Client.close)


def listens(client: Client) -> None:
    """Waits for what the gateway has to say."""
    client.read_response()


def half_closes(client: Client) -> None:
    client.half_close()
    client.read_response()


def meets(fault: str, upload: Upload) -> Task:
    def task(gateway: RunningGateway) -> None:
        with opened(gateway) as client:
            client.post(f"/{fault}", upload.body, [("Content-Type", upload.content_type)])

    return task


def storm() -> list[Task]:
    """A few hundred uploads, in an order that is the same in every run."""
    chance = random.Random(7)
    tasks: list[Task] = []
    for way, upload in itertools.product(WAYS, UPLOADS):
        tasks += [goes_through(way, upload), leaves_before_the_answer(way, upload)]
        for end in (Client.close, Client.abort, half_closes, listens):
            tasks += [breaks_off(way, upload, chance.randrange(len(upload.wire)), end) for _ in range(3)]
    for fault in [*FAULTS, "refuses"]:
        tasks += [meets(fault, upload) for upload in (UPLOADS[0], UPLOADS[2], LARGE)]
        tasks += [breaks_off(fault, UPLOADS[0], 70_000, end) for end in (Client.close, Client.abort)]
    chance.shuffle(tasks)
    return tasks


def tolerant(task: Task, gateway: RunningGateway) -> None:
    """What the client hears is the business of other tests; here it may be anything but silence."""
    try:
        task(gateway)
    except ConnectionEnded:
        return


# --- what must not be left -------------------------------------------------------------------------


def spool_files_of(pid: int) -> list[str]:
    """Files without a name that the process has open."""
    return [link for link in descriptors_of(pid) if "/spool/" in link and "(deleted)" in link]


def assert_nothing_left(gateway: RunningGateway, witness: Witness, descriptors: int) -> None:
    """`descriptors` are those that are no sockets, before anything had happened."""
    at_rest(gateway)
    [pid] = gateway.worker_pids()
    eventually(lambda: spool_files_of(pid) == [], lambda: spool_files_of(pid))
    eventually(lambda: ledgers_of(gateway) == [0], lambda: ledgers_of(gateway))
    assert len([link for link in descriptors_of(pid) if not link.startswith("socket:")]) == descriptors
    # Connections that can be used again: only to the service that has not broken any, and not more than were needed.
    pooled = remote_ports_of(pid)
    assert pooled <= {witness.port}
    assert threads_of(pid) <= 1 + PLACES + SPARE_THREADS


def test_a_storm_of_failures_leaves_nothing(gateway: RunningGateway, witness: Witness) -> None:
    [pid] = gateway.worker_pids()
    tolerant(goes_through("whole", LARGE), gateway)
    at_rest(gateway)
    eventually(lambda: spool_files_of(pid) == [], lambda: descriptors_of(pid))
    before = len([link for link in descriptors_of(pid) if not link.startswith("socket:")])
    tasks = storm()
    assert len(tasks) > 300

    in_parallel(tasks, lambda task: tolerant(task, gateway))

    assert_nothing_left(gateway, witness, before)
    assert gateway.worker_pids() == [pid]
    assert "unexpected_failure" not in gateway.log()
    witness.testimony()
    assert_all_places_are_free(gateway, witness)
    assert_nothing_left(gateway, witness, before)


def assert_all_places_are_free(gateway: RunningGateway, witness: Witness) -> None:
    """As many uploads as may be can be under way; one more is refused, and the gateway still says how it is."""
    upload = raw(400_000)
    half = len(upload.wire) // 2
    with ExitStack() as stack:
        clients = [stack.enter_context(opened(gateway)) for _ in range(PLACES)]
        for client in clients:
            client.send(upload.head("/bare") + upload.wire[:half])
        witness.wait_until(lambda _: witness.under_way == PLACES, 20)

        with opened(gateway) as late:
            answer = late.post("/bare", upload.body)
            assert_problem(answer, 503, "saturated")
            assert int(answer.headers.get("retry-after") or "") > 0
        with opened(gateway) as curious:
            assert curious.post("/-/health", method="GET").status == 200

        for client in clients:
            client.send(upload.wire[half:])
            assert client.read_response().status == 200


def test_a_refused_upload_that_is_not_sent_takes_no_place(gateway: RunningGateway) -> None:
    """Not while its client stays, either."""
    with ExitStack() as stack:
        for path, length in [("/no-such-route", 10), ("/length", 2**50), ("/bare", 2**50)] * PLACES:
            client = stack.enter_context(opened(gateway))
            client.send(UPLOADS[0].head(path, length=length))
            assert client.read_response().status in (404, 413)
        with opened(gateway) as client:
            client.send(UPLOADS[0].head("/length") + UPLOADS[0].wire)
            assert client.read_response().status == 200


def test_clients_that_do_not_close_hold_up_nobody(gateway: RunningGateway) -> None:
    """They were told that the connection is over. One after the other, each would take two seconds of the worker."""
    with ExitStack() as stack:
        clients = [stack.enter_context(opened(gateway, timeout=10)) for _ in range(PLACES)]
        for client in clients:
            client.send(b"GET /-/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        for client in clients:
            assert client.read_response(method="GET").closed
        with opened(gateway, timeout=10) as client:
            client.send(UPLOADS[0].head("/length") + UPLOADS[0].wire)
            assert client.read_response().status == 200


def test_a_kept_upload_gives_its_file_and_its_share_of_the_quota_back(gateway: RunningGateway) -> None:
    """Here it is seen to have them; elsewhere, that nothing is left."""
    [pid] = gateway.worker_pids()
    for end in (Client.close, Client.abort, half_closes, listens):
        with opened(gateway) as client:
            client.send(LARGE.head("/whole") + LARGE.wire[: len(LARGE.wire) // 2])
            eventually(lambda: len(spool_files_of(pid)) == 1, lambda: descriptors_of(pid))
            eventually(lambda: sum(ledgers_of(gateway)) > 0, lambda: ledgers_of(gateway))
            end(client)
        eventually(lambda: spool_files_of(pid) == [], lambda: descriptors_of(pid))
        eventually(lambda: ledgers_of(gateway) == [0], lambda: ledgers_of(gateway))


def test_a_full_spool_refuses_and_forgets(witness: Witness) -> None:
    """What does not fit is refused before a service hears of it, and fits when the others are done."""
    settings = {"spool": {"memory": 0, "quota": "8MiB"}}
    with running_gateway(config=configuration(services_of(witness), settings), threads=4) as gateway:
        with opened(gateway) as first:
            first.send(LARGE.head("/whole") + LARGE.wire[:-1])
            eventually(lambda: sum(ledgers_of(gateway)) >= 5 * 2**20, lambda: ledgers_of(gateway))
            for _ in range(3):
                with opened(gateway) as second:
                    assert_problem(second.post("/whole", LARGE.body), 507, "spool_full")
            first.send(LARGE.wire[-1:])
            assert first.read_response().status == 200
        at_rest(gateway)
        with opened(gateway) as second:
            assert second.post("/whole", LARGE.body).status == 200
        at_rest(gateway)
        eventually(lambda: ledgers_of(gateway) == [0], lambda: ledgers_of(gateway))
    assert [each.complete for each in witness.testimony()] == [True, True]


def test_a_client_that_does_not_take_its_answer_does_not_keep_its_place(witness: Witness) -> None:
    """It has `client.stall` for that as well."""
    answer = answer_bytes(200, bytes(32 * 2**20))

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body()
        connection.send(answer)

    with ScriptedService(script) as talkative:
        services = services_of(witness)
        services["talkative"] = {"url": talkative.url}
        with running_gateway(config=configuration(services, SETTINGS), threads=1) as gateway, ExitStack() as stack:
            silent = stack.enter_context(RawClient(HOST, gateway.port, receive_buffer=8192))
            silent.send(UPLOADS[0].head("/talkative") + UPLOADS[0].wire)

            def goes_through_again() -> bool:
                with opened(gateway) as client:
                    return client.post("/bare", UPLOADS[2].body).status == 200

            eventually(goes_through_again)


# --- the end of a gateway ---------------------------------------------------------------------------


def test_a_gateway_that_is_stopped_lets_uploads_end(witness: Witness) -> None:
    """Also one that has had its failures. It takes no new ones, and then it is gone."""
    services = services_of(witness)
    with ScriptedService(peers.answer_cut_in_length()) as faulty, ExitStack() as stack:
        services["faulty"] = {"url": faulty.url}
        gateway = stack.enter_context(running_gateway(config=configuration(services), threads=8))
        for _ in range(6):
            with opened(gateway) as client:
                assert not client.post("/faulty", UPLOADS[2].body).complete
        uploads = {way: raw(200_000) if way == "bare" else form() for way in WAYS}
        clients = {way: stack.enter_context(opened(gateway)) for way in WAYS}
        for way, client in clients.items():
            client.send(uploads[way].head(f"/{way}") + uploads[way].wire[:70_000])
        eventually(lambda: witness.under_way == len(WAYS) - 1, lambda: witness)
        consumed(gateway)

        gateway.signal(signal.SIGTERM)
        # The parent closes its own listening socket when it begins to stop.
        eventually(lambda: not any(link.startswith("socket:") for link in descriptors_of(gateway.pid)))
        for way, client in clients.items():
            client.send(uploads[way].wire[70_000:])
            assert client.read_response().status == 200
            client.close()

        assert gateway.wait(20) == 0
    assert [each.complete for each in witness.testimony()] == [True] * len(WAYS)


def test_an_upload_that_does_not_end_is_cut_off_when_the_gateway_stops(witness: Witness) -> None:
    """After `stop`; and it is whole to nobody."""
    upload = form()
    config = configuration(services_of(witness), {"stop": "1s"})
    with running_gateway(config=config, threads=4) as gateway, opened(gateway) as client:
        client.send(upload.head("/length") + upload.wire[:-1])
        eventually(lambda: witness.under_way == 1, lambda: witness)
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(20) == 0
        with pytest.raises(ConnectionEnded):
            client.read_response()
    assert len(witness.assert_nothing_whole()) == 1


def test_what_a_killed_worker_leaves_is_cleared(witness: Witness) -> None:
    """The file of its upload is gone with it; its share of the quota when the next one starts."""
    upload = form()
    with running_gateway(config=configuration(services_of(witness), SETTINGS), threads=4) as gateway:
        [pid] = gateway.worker_pids()
        with opened(gateway) as live, opened(gateway) as kept:
            live.send(upload.head("/length") + upload.wire[:-1])
            kept.send(LARGE.head("/whole") + LARGE.wire[:-1])
            eventually(lambda: witness.under_way == 1, lambda: witness)
            eventually(lambda: sum(ledgers_of(gateway)) > 0, lambda: ledgers_of(gateway))

            os.kill(pid, signal.SIGKILL)
            for client in (live, kept):
                with pytest.raises(ConnectionEnded):
                    client.read_response()
        eventually(lambda: gateway.worker_pids() not in ([], [pid]))
        with opened(gateway) as client:
            client.send(LARGE.head("/whole") + LARGE.wire)
            assert client.read_response().status == 200
        eventually(lambda: ledgers_of(gateway) == [0], lambda: ledgers_of(gateway))
        at_rest(gateway)
        assert [each.complete for each in witness.testimony()] == [False, True]


def test_what_a_killed_gateway_leaves_is_cleared_by_the_next(witness: Witness, tmp_path: Path) -> None:
    settings = {**SETTINGS, "state": str(tmp_path)}
    config = configuration(services_of(witness), settings)
    with running_gateway(config=config, threads=4) as gateway, opened(gateway) as client:
        client.send(LARGE.head("/whole") + LARGE.wire[:-1])
        ledger = tmp_path / "spool"
        eventually(lambda: any(file.read_bytes().strip(b"\0") for file in ledger.glob("*.ledger")))
        workers = gateway.worker_pids()
        gateway.signal(signal.SIGKILL)
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        gateway.wait()
    left = list(ledger.glob("*.ledger"))
    (ledger / "of-a-system-without-unnamed-files.part").write_bytes(b"half an upload")
    assert len(left) == 1

    with running_gateway(config=config, threads=4) as gateway:
        with opened(gateway) as client:
            client.send(LARGE.head("/whole") + LARGE.wire)
            assert client.read_response().status == 200
        eventually(lambda: [file.read_bytes() for file in ledger.glob("*.ledger")] == [bytes(8)])
        assert left[0] not in ledger.glob("*")
        assert not list(ledger.glob("*.part"))
    witness.testimony()
