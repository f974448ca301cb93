"""Whatever is written in whatever steps, every reader gets exactly its span, or one error."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import ClientGone, GatewayError, SpoolFailed, SpoolFull
from gateway.spool import spool as module
from gateway.spool.files import SpoolFiles
from gateway.spool.slots import SlotPool
from gateway.spool.spool import RING_SLOTS, Reader, Spool
from tests.spool.sources import CountingPool, spool_files

SLOT = 32
RESERVE = 16
LIMIT_S = 20.0
"""No wait in these tests is longer: then something hangs."""


class Writer:
    """Writes known bytes into a spool; never the same step twice."""

    def __init__(self, spool: Spool, size: int, seed: int = 1) -> None:
        self.spool = spool
        self.data = random.Random(seed).randbytes(size)
        self._decided = 0

    @property
    def left(self) -> int:
        return len(self.data) - self.spool.received

    def write(self, count: int, *, undecided: int = 0, hidden: int = 0) -> None:
        """Up to `count` bytes in one go; of all that came, the last are undecided, and of those before some are hidden.

        What is undecided is presented again in front of what comes: it must lie there in one piece. What was decided
        stays so, and what is visible is decided.
        """
        spool = self.spool
        start = self._decided = max(self._decided, spool.visible, spool.received - min(undecided, RESERVE))
        slot = spool.slot(start)
        assert bytes(slot.between(start, spool.received)) == self.data[start : spool.received]
        room = slot.room()
        count = min(count, len(room), self.left)
        assert count > 0
        room[:count] = self.data[spool.received : spool.received + count]
        spool.commit(count, spool.received + count - hidden)

    def write_all(self, step: int = SLOT) -> None:
        while self.left:
            self.write(step)
        self.spool.finish()


class Follower:
    """A reader that remembers what it was shown, and that what it holds does not change under it."""

    def __init__(self, spool: Spool, start: int, stop: int | None) -> None:
        self.start, self.stop = start, stop
        self.reader = spool.reader(start, stop)
        self.got = bytearray()
        self.done = False
        self._view = memoryview(b"")
        self._shown = b""

    def check(self) -> None:
        assert bytes(self._view) == self._shown, "overwritten while somebody reads it"

    def step(self, size: int) -> None:
        self.check()
        view = self.reader.read(size, wait=False)
        self._view, self._shown = (view, bytes(view)) if view is not None else (memoryview(b""), b"")
        assert len(self._shown) <= size
        self.got += self._shown
        self.done = view is not None and not view

    def read_rest(self) -> bytes:
        while not self.done:
            self.step(7)
        return bytes(self.got)


def new_spool(files: SpoolFiles, *, keep: bool, memory: int = SLOT, expected: int | None = None) -> Spool:
    pool = CountingPool(reserve=RESERVE, slot_bytes=SLOT)
    return Spool(keep=keep, pool=pool, files=files, memory=memory, expected=expected)


def pool_of(spool: Spool) -> CountingPool:
    assert isinstance(spool._pool, CountingPool)
    return spool._pool


def read_all(reader: Reader, size: int = SLOT) -> bytes:
    """To the end of its span, as a thread of its own does."""
    got = bytearray()
    while True:
        block = reader.read(size)
        if block is None:
            continue
        if not block:
            reader.close()
            return bytes(got)
        got += block


@contextmanager
def threads(spool: Spool) -> Iterator[Callable[..., Future[Any]]]:
    """Starts threads; if the test fails meanwhile, none of them waits on."""
    with ThreadPoolExecutor(16) as executor:
        try:
            yield executor.submit
        except BaseException:
            spool.close()
            raise


@pytest.fixture
def slow_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait that nobody wakes lasts longer than any test: whoever does not hang was woken."""
    monkeypatch.setattr(module, "TICK_S", 10 * LIMIT_S)


@contextmanager
def impatience() -> Iterator[None]:
    """Where the writer would wait for a reader, it raises at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PATIENCE_S", 0.0)
        yield


@pytest.fixture
def no_patience() -> Iterator[None]:
    with impatience():
        yield


# --- one reader after the other, in one thread -------------------------------------------------

spans = st.tuples(st.integers(0, 600), st.none() | st.integers(0, 600))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 60), st.integers(0, RESERVE), st.integers(0, 40)),
        st.tuples(st.just("read"), st.integers(0, 9), st.integers(1, 80), st.just(0)),
        st.tuples(st.just("join"), st.integers(0, 600), st.integers(-1, 600), st.just(0)),
        st.tuples(st.just("leave"), st.integers(0, 9), st.just(0), st.just(0)),
    ),
    max_size=80,
)


@settings(max_examples=300, deadline=None)
@given(
    size=st.integers(0, 500),
    known=st.booleans(),
    memory=st.sampled_from([0, SLOT, 3 * SLOT, 12 * SLOT, 10_000]),
    beginning=st.lists(spans, max_size=4),
    script=steps,
)
def test_every_reader_gets_exactly_its_span(
    files: SpoolFiles,
    size: int,
    known: bool,
    memory: int,
    beginning: list[tuple[int, int | None]],
    script: list[tuple[str, int, int, int]],
) -> None:
    """Kept: readers may start anywhere at any time, also behind what is there; the writer waits for none of them."""
    spool = new_spool(files, keep=True, memory=memory, expected=size if known else None)
    writer = Writer(spool, size)
    followers = [Follower(spool, *span) for span in beginning]

    with impatience():
        for kind, number, amount, hidden in script:
            if kind == "write" and writer.left:
                writer.write(number, undecided=amount, hidden=hidden)
            elif kind == "join":
                followers.append(Follower(spool, number, amount if amount >= 0 else None))
            elif followers and kind == "read":
                followers[number % len(followers)].step(amount)
            elif followers and kind == "leave":
                followers.pop(number % len(followers)).reader.close()
            for follower in followers:
                follower.check()
                assert not follower.got or follower.start + len(follower.got) <= spool.visible
        while writer.left:
            writer.write(SLOT)
        spool.finish()

    for follower in followers:
        assert follower.read_rest() == writer.data[follower.start : follower.stop]
    assert read_all(spool.reader(0)) == writer.data
    spool.close()


@settings(max_examples=200, deadline=None)
@given(
    size=st.integers(0, 700),
    starts=st.lists(st.integers(0, 40), min_size=1, max_size=4),
    choices=st.randoms(use_true_random=False),
)
def test_a_ring_gives_every_reader_what_it_follows(
    files: SpoolFiles, size: int, starts: list[int], choices: random.Random
) -> None:
    """Not kept: whoever was there from the beginning gets all of its span, in a few slots."""
    spool = new_spool(files, keep=False)
    writer = Writer(spool, size)
    followers = [Follower(spool, start, None) for start in starts]

    while writer.left:
        slowest = min(follower.reader.position for follower in followers)
        if writer.spool.received - slowest < (RING_SLOTS - 2) * SLOT - RESERVE and choices.random() < 0.6:
            writer.write(choices.randint(1, 40), undecided=choices.randint(0, RESERVE), hidden=choices.randint(0, 20))
        else:
            for follower in followers:
                follower.step(choices.randint(1, 50))
                follower.step(choices.randint(1, 50))
        if spool.received - spool.visible > SLOT:
            spool.commit(0, spool.received)
        for follower in followers:
            follower.check()
    spool.finish()

    assert [follower.read_rest() for follower in followers] == [writer.data[start:] for start in starts]
    assert pool_of(spool).out_most <= RING_SLOTS
    spool.close()


# --- what is visible ---------------------------------------------------------------------------


def test_nothing_is_handed_out_before_it_is_released(files: SpoolFiles) -> None:
    spool = new_spool(files, keep=True)
    writer = Writer(spool, 20)
    reader = spool.reader(0)

    writer.write(10, hidden=4)
    first = reader.read(wait=False)
    assert first is not None
    assert bytes(first) == writer.data[:6]
    assert reader.read(wait=False) is None
    writer.write(10, hidden=16)
    assert reader.read(wait=False) is None
    assert spool.visible == 6, "what was visible stays so, and no more than that"
    spool.finish()

    rest = reader.read(wait=False)
    assert rest is not None
    assert bytes(rest) == writer.data[6:]
    end = reader.read(wait=False)
    assert end is not None
    assert len(end) == 0
    reader.close()
    spool.close()


def test_a_span_can_end_before_the_upload_does(files: SpoolFiles) -> None:
    spool = new_spool(files, keep=True)
    writer = Writer(spool, 20)
    reader = spool.reader(2, 5)
    writer.write(20, hidden=10)

    assert read_all(reader) == writer.data[2:5]
    spool.close()


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (5, 5), (5, 3), (30, 20), (500, 500)])
def test_an_empty_span_waits_for_nothing(files: SpoolFiles, start: int, stop: int) -> None:
    spool = new_spool(files, keep=True)

    assert read_all(spool.reader(start, stop)) == b""
    spool.close()


def test_a_reader_that_starts_behind_the_end_gets_nothing(files: SpoolFiles) -> None:
    spool = new_spool(files, keep=True)
    reader = spool.reader(50)
    Writer(spool, 20).write_all()

    assert read_all(reader) == b""
    spool.close()


def test_a_spool_shows_its_state(files: SpoolFiles) -> None:
    spool = new_spool(files, keep=True)
    writer = Writer(spool, 3 * SLOT)
    assert repr(spool) == "<Spool open: 0 of 0 visible, 0 slots, 0 readers>"

    reader = spool.reader(0)
    writer.write(10, hidden=2)
    assert repr(spool) == "<Spool open: 8 of 10 visible, 1 slots, 1 readers>"

    writer.write_all()
    reader.close()
    assert repr(spool) == "<Spool complete: 96 of 96 visible, 0 slots, a file of 96, 0 readers>"
    spool.close()
    assert repr(spool) == "<Spool closed: 96 of 96 visible, 0 slots, 0 readers>"


# --- memory ------------------------------------------------------------------------------------


def test_a_small_upload_makes_no_file(files: SpoolFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SpoolFiles, "create", lambda _: pytest.fail("made a file"))
    spool = new_spool(files, keep=True, memory=4 * SLOT)

    writer = Writer(spool, 4 * SLOT)
    writer.write_all()

    assert read_all(spool.reader(0)) == writer.data
    spool.close()
    assert pool_of(spool).out == []


def test_an_upload_of_known_size_gets_a_slot_to_measure(files: SpoolFiles) -> None:
    """Many small uploads at once cost what they are, not a slot each."""
    spool = new_spool(files, keep=True, expected=10)

    writer = Writer(spool, 10)
    writer.write_all()

    assert pool_of(spool).out_most == 0
    assert read_all(spool.reader(0)) == writer.data
    spool.close()


def test_an_upload_of_the_very_size_of_a_slot_does_not_disturb_the_next(files: SpoolFiles) -> None:
    """Its slot looks like one of the pool's but has no room for an undecided tail."""
    spool = new_spool(files, keep=True, expected=SLOT)
    pool = pool_of(spool)
    Writer(spool, SLOT).write_all()
    spool.close()
    spool = Spool(keep=False, pool=pool, files=files)

    writer = Writer(spool, 3 * SLOT, seed=2)
    while writer.left:
        writer.write(SLOT, undecided=5, hidden=5)

    spool.close()


@pytest.mark.parametrize("memory", [0, SLOT, 3 * SLOT])
def test_a_kept_upload_of_any_size_needs_little_memory(files: SpoolFiles, memory: int) -> None:
    spool = new_spool(files, keep=True, memory=memory)
    writer = Writer(spool, 40 * SLOT)
    late = spool.reader(0)

    writer.write_all()

    assert pool_of(spool).out_most <= memory // SLOT + 2
    assert pool_of(spool).out == [], "when all is in the file no slot is needed"
    assert read_all(late) == writer.data
    spool.close()
    assert pool_of(spool).out == []


@pytest.mark.usefixtures("no_patience")
@pytest.mark.parametrize("memory", [SLOT, 20 * SLOT])
def test_a_kept_upload_waits_for_nobody(files: SpoolFiles, memory: int) -> None:
    """A reader that stands still with a block in its hands costs that one slot."""
    spool = new_spool(files, keep=True, memory=memory)
    writer = Writer(spool, 40 * SLOT)
    reader = spool.reader(0)
    writer.write(SLOT)
    block = reader.read()
    assert block is not None

    while writer.left:
        writer.write(SLOT)
    spool.finish()

    assert bytes(block) == writer.data[:SLOT]
    assert pool_of(spool).out_most <= max(RING_SLOTS, memory // SLOT) + 1
    assert bytes(block) + read_all(reader) == writer.data
    spool.close()


def test_a_slot_in_somebodys_hands_does_not_come_back(files: SpoolFiles) -> None:
    """Its memory would be written on by another upload while it is being sent."""
    spool = new_spool(files, keep=True, memory=10 * SLOT)
    pool = pool_of(spool)
    writer = Writer(spool, 2 * SLOT)
    reader = spool.reader(0)
    writer.write_all()
    block = reader.read()
    assert block is not None

    spool.close()

    assert len(pool.out) == 1
    other = Spool(keep=True, pool=pool, files=files, memory=10 * SLOT)
    Writer(other, 4 * SLOT, seed=2).write_all()
    assert bytes(block) == writer.data[:SLOT]
    reader.close()
    other.close()


def test_a_reader_of_the_file_gives_its_buffer_back(files: SpoolFiles) -> None:
    spool = new_spool(files, keep=True)
    writer = Writer(spool, 10 * SLOT)
    writer.write_all()
    reader = spool.reader(3)
    block = reader.read(5)
    assert block is not None
    assert bytes(block) == writer.data[3:8]
    assert len(pool_of(spool).out) == 1

    reader.close()

    assert pool_of(spool).out == []
    spool.close()


# --- the ring ----------------------------------------------------------------------------------


def fill_ring(writer: Writer) -> None:
    while writer.spool.received < RING_SLOTS * SLOT:
        writer.write(SLOT)


@pytest.mark.usefixtures("no_patience")
def test_a_ring_waits_for_the_slowest_reader_and_only_for_it(
    files: SpoolFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And never has more than its slots; no file is made."""
    monkeypatch.setattr(SpoolFiles, "create", lambda _: pytest.fail("made a file"))
    pool = CountingPool(reserve=RESERVE, slot_bytes=SLOT)
    spool = Spool(keep=False, pool=pool, files=files)
    writer = Writer(spool, 100 * SLOT)
    fast, slow = spool.reader(0), spool.reader(0)
    fill_ring(writer)
    for _ in range(RING_SLOTS):
        assert fast.read(SLOT) is not None

    with pytest.raises(SpoolFailed, match="No reader went on"):
        writer.write(SLOT)
    assert slow.read(SLOT) is not None
    with pytest.raises(SpoolFailed, match="No reader went on"):
        writer.write(SLOT)  # the slot is still in its hands
    assert slow.read(SLOT) is not None
    writer.write(SLOT)
    with pytest.raises(SpoolFailed, match="No reader went on"):
        writer.write(SLOT)

    slow.close()
    writer.write(SLOT)
    assert pool.out_most == RING_SLOTS
    spool.close()
    assert len(pool.out) == 1, "the one in the fast reader's hands"


@pytest.mark.usefixtures("slow_ticks")
def test_a_full_ring_wakes_when_a_reader_goes_on(files: SpoolFiles) -> None:
    """Each block that the reader is done with lets the writer write one more, and no more than that."""
    spool = new_spool(files, keep=False)
    writer = Writer(spool, 20 * SLOT)
    reader = spool.reader(0)
    written = threading.Condition()
    got = bytearray()

    def write() -> None:
        while writer.left:
            writer.write(SLOT)
            with written:
                written.notify_all()
        spool.finish()

    with ThreadPoolExecutor(1) as executor:
        writing = executor.submit(write)
        for done_with in range(20 - RING_SLOTS):
            full = (RING_SLOTS + done_with) * SLOT
            with written:
                assert written.wait_for(lambda full=full: spool.received >= full, LIMIT_S)
            if done_with == 0:
                got += reader.read(SLOT) or b""
            assert (spool.received, writing.done()) == (full, False)
            got += reader.read(SLOT) or b""
        writing.result(LIMIT_S)

    assert bytes(got) + read_all(reader) == writer.data
    assert pool_of(spool).out_most == RING_SLOTS
    spool.close()


@pytest.mark.usefixtures("no_patience")
def test_a_ring_without_readers_keeps_nothing(files: SpoolFiles) -> None:
    spool = new_spool(files, keep=False)
    writer = Writer(spool, 20 * SLOT)

    writer.write_all()

    assert pool_of(spool).out_most == 1
    assert not spool.has(0)
    assert spool.has(19 * SLOT)
    spool.close()


def test_who_comes_too_late_to_a_ring_is_told(files: SpoolFiles) -> None:
    spool = new_spool(files, keep=False)
    writer = Writer(spool, 20 * SLOT)
    assert spool.has(0)
    writer.write_all()

    with pytest.raises(SpoolFailed, match="The byte at 5 is gone"):
        spool.reader(5).read()
    assert read_all(spool.reader(19 * SLOT)) == writer.data[19 * SLOT :]
    spool.close()


def test_a_kept_upload_has_all_of_it(files: SpoolFiles) -> None:
    spool = new_spool(files, keep=True)
    Writer(spool, 20 * SLOT).write_all()

    assert spool.has(0)
    assert read_all(spool.reader(0, 1)) != b""
    spool.close()


# --- readers in threads ------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "ring"])
@pytest.mark.parametrize("seed", range(4))
def test_readers_in_threads_get_what_one_in_this_thread_gets(files: SpoolFiles, keep: bool, seed: int) -> None:
    choices = random.Random(seed)
    spool = new_spool(files, keep=keep)
    writer = Writer(spool, 200 * SLOT, seed)
    asked = [(choices.randint(0, SLOT), choices.choice([None, choices.randint(0, 200 * SLOT)])) for _ in range(6)]
    readers = [spool.reader(*span) for span in asked]
    with threads(spool) as start:
        running = [start(read_all, reader, choices.randint(1, 2 * SLOT)) for reader in readers]
        late = []

        while writer.left:
            writer.write(choices.randint(1, SLOT), undecided=choices.randint(0, RESERVE), hidden=choices.randint(0, 8))
            if keep and choices.random() < 0.02:
                asked.append((choices.randint(0, spool.received), None))
                late.append(start(read_all, spool.reader(*asked[-1])))
        spool.finish()

        results = [future.result(LIMIT_S) for future in [*running, *late]]
    assert results == [writer.data[start:stop] for start, stop in asked]
    spool.close()
    if not keep:
        # Of a kept upload, slots that somebody was reading when they were given up do not come back.
        assert pool_of(spool).out_most <= RING_SLOTS
        assert pool_of(spool).out == []


@pytest.mark.usefixtures("slow_ticks")
def test_whoever_waits_is_woken_by_every_byte(files: SpoolFiles) -> None:
    """Many times in turn, so that the reader has most often begun to wait."""
    spool = new_spool(files, keep=True)
    writer = Writer(spool, 200)
    reader, read = spool.reader(0), threading.Semaphore(0)

    def read_on() -> bytes:
        got = bytearray()
        while block := reader.read():
            got += block
            read.release()
        return bytes(got)

    with threads(spool) as start:
        reading = start(read_on)
        while writer.left:
            writer.write(1)
            assert read.acquire(timeout=LIMIT_S)
        spool.finish()

        assert reading.result(LIMIT_S) == writer.data
    reader.close()
    spool.close()


@pytest.mark.usefixtures("slow_ticks")
@pytest.mark.parametrize("keep", [True, False], ids=["kept", "ring"])
def test_whoever_waits_is_woken_by_the_end(files: SpoolFiles, keep: bool) -> None:
    spool = new_spool(files, keep=keep)
    writer = Writer(spool, 10)
    with threads(spool) as start:
        waiting = [start(read_all, spool.reader(0)) for _ in range(3)]
        writer.write(10, hidden=1)
        spool.finish()

        assert [future.result(LIMIT_S) for future in waiting] == [writer.data] * 3
    spool.close()


# --- the end of it -----------------------------------------------------------------------------


@pytest.mark.usefixtures("slow_ticks")
@pytest.mark.parametrize("keep", [True, False], ids=["kept", "ring"])
@pytest.mark.parametrize(
    ("end", "error"),
    [
        (lambda spool: spool.abort(ClientGone("gone after 7", offset=7)), ClientGone),
        (lambda spool: spool.close(), SpoolFailed),
    ],
    ids=["abort", "close"],
)
def test_whoever_waits_is_told_at_once(
    files: SpoolFiles, keep: bool, end: Callable[[Spool], None], error: type[GatewayError]
) -> None:
    spool = new_spool(files, keep=keep)
    writer = Writer(spool, 20)
    writer.write(7)
    with threads(spool) as start:
        behind = spool.reader(0)
        waiting = [start(read_all, spool.reader(0)) for _ in range(3)]

        end(spool)

        errors = [future.exception(LIMIT_S) for future in waiting]
        with pytest.raises(error):
            behind.read()
    assert {type(raised) for raised in errors} == {error}
    assert len({id(raised) for raised in errors}) == 3, "one object in several threads would collect their tracebacks"
    with pytest.raises(error):
        spool.reader(0, 3).read()
    spool.close()


@pytest.mark.usefixtures("slow_ticks")
@pytest.mark.parametrize(
    ("end", "error"),
    [(lambda spool: spool.abort(ClientGone("gone")), ClientGone), (lambda spool: spool.close(), SpoolFailed)],
    ids=["abort", "close"],
)
def test_a_writer_that_waits_for_readers_is_told_at_once(
    files: SpoolFiles, end: Callable[[Spool], None], error: type[GatewayError]
) -> None:
    spool = new_spool(files, keep=False)
    writer = Writer(spool, 20 * SLOT)
    spool.reader(0)
    fill_ring(writer)
    with threads(spool) as start:
        waiting = start(writer.write, SLOT)

        end(spool)

        assert type(waiting.exception(LIMIT_S)) is error
    spool.close()


@pytest.mark.usefixtures("slow_ticks")
@pytest.mark.timeout(LIMIT_S)
def test_who_comes_after_the_error_does_not_wait_for_it(files: SpoolFiles) -> None:
    spool = new_spool(files, keep=True)
    spool.abort(ClientGone("gone"))

    with pytest.raises(ClientGone):
        spool.reader(0).read()
    spool.close()


def test_an_error_says_in_every_thread_what_it_says(files: SpoolFiles) -> None:
    spool = new_spool(files, keep=True)
    spool.abort(ClientGone("after 7 of 20 bytes", offset=7))
    spool.abort(SpoolFull("a second one"))

    with pytest.raises(ClientGone) as raised:
        spool.reader(0).read()

    assert (raised.value.detail, raised.value.offset) == ("after 7 of 20 bytes", 7)
    spool.close()


def test_what_is_complete_cannot_be_spoilt(files: SpoolFiles) -> None:
    spool = new_spool(files, keep=True)
    writer = Writer(spool, 20)
    writer.write_all()

    spool.abort(ClientGone("too late"))

    assert read_all(spool.reader(0)) == writer.data
    spool.close()


def test_what_was_aborted_cannot_be_completed(files: SpoolFiles) -> None:
    spool = new_spool(files, keep=True)
    writer = Writer(spool, 5 * SLOT)
    writer.write(2 * SLOT)
    spool.abort(ClientGone("gone"))

    with pytest.raises(ClientGone):
        spool.finish()

    assert not spool.complete
    spool.close()


def test_a_full_disk_ends_in_the_writer(tmp_path: Path) -> None:
    with spool_files(tmp_path, 0) as no_room:
        spool = new_spool(no_room, keep=True)
        writer = Writer(spool, 5 * SLOT)

        with pytest.raises(SpoolFull):
            writer.write_all()

        spool.close()


def test_closing_gives_back_the_share_of_the_quota(tmp_path: Path) -> None:
    with spool_files(tmp_path, 20 * 2**20) as little_room:
        for _ in range(3):
            spool = new_spool(little_room, keep=True)
            Writer(spool, 5 * SLOT).write_all()
            spool.close()
            spool.close()


def test_a_reader_can_be_closed_twice_and_after_the_spool(files: SpoolFiles) -> None:
    spool = new_spool(files, keep=True)
    reader = spool.reader(0)
    reader.close()
    reader.close()
    other = spool.reader(0)
    spool.close()
    other.close()


def test_a_pool_is_shared_by_uploads_in_threads(files: SpoolFiles) -> None:
    """Slots go from upload to upload; none is ever in two hands."""
    pool = SlotPool(reserve=RESERVE, slot_bytes=SLOT)

    def move(number: int, keep: bool) -> bool:
        spool = Spool(keep=keep, pool=pool, files=files, memory=SLOT)
        writer = Writer(spool, 50 * SLOT, number)
        reader = spool.reader(0)
        got = bytearray()
        while writer.left:
            writer.write(SLOT)
            while block := reader.read(wait=False):
                got += block
        spool.finish()
        while block := reader.read():
            got += block
        reader.close()
        spool.close()
        return bytes(got) == writer.data

    with ThreadPoolExecutor(4) as executor:
        moved = [executor.submit(move, *each) for each in itertools.product(range(8), (True, False))]

        assert all(future.result(LIMIT_S) for future in moved)
