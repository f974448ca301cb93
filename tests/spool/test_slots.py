"""Slots keep offsets and memory together; the pool gives out only what can be used for any upload."""

from __future__ import annotations

import pytest

from gateway.spool.slots import Slot, SlotPool


def test_a_slot_holds_a_run_of_the_upload() -> None:
    slot = Slot(8, 4)
    slot.place(100, b"")
    slot.room()[:3] = b"abc"
    slot.end += 3

    assert (slot.start, slot.base, slot.end, slot.free) == (100, 100, 103, 5)
    assert bytes(slot.between(100, 103)) == b"abc"
    assert bytes(slot.between(101, 102)) == b"b"
    assert len(slot.room()) == 5


@pytest.mark.parametrize("tail", [b"", b"x", b"wxyz"])
def test_a_tail_lies_in_front_in_one_piece_with_what_comes(tail: bytes) -> None:
    slot = Slot(8, 4)
    slot.place(100, tail)
    slot.room()[:2] = b"ab"
    slot.end += 2

    assert slot.start == 100 - len(tail)
    assert bytes(slot.between(slot.start, slot.end)) == tail + b"ab"
    assert slot.free == 6


def test_a_slot_can_be_filled_to_its_last_byte() -> None:
    slot = Slot(3, 0)
    slot.room()[:] = b"abc"
    slot.end += 3

    assert slot.free == 0
    assert len(slot.room()) == 0


def test_a_slot_that_is_placed_again_has_forgotten() -> None:
    slot = Slot(4, 4)
    slot.place(0, b"")
    slot.end += 4
    slot.stored = True

    slot.place(4, b"d")

    assert (slot.start, slot.base, slot.end, slot.stored, slot.pins) == (3, 4, 4, False, 0)


def test_slots_are_used_again() -> None:
    pool = SlotPool(reserve=4, slot_bytes=8)
    slot = pool.take()
    pool.give(slot)

    assert pool.take() is slot
    assert pool.take() is not slot


def test_the_pool_keeps_no_more_than_it_should() -> None:
    pool = SlotPool(reserve=4, slot_bytes=8, keep=2)
    slots = [pool.take() for _ in range(3)]
    for slot in slots:
        pool.give(slot)

    again = [pool.take() for _ in range(3)]

    assert sum(slot in slots for slot in again) == 2


@pytest.mark.parametrize(("size", "reserve"), [(7, 4), (9, 4), (8, 0), (8, 3)])
def test_a_slot_of_another_shape_does_not_come_into_the_pool(size: int, reserve: int) -> None:
    """The first slot of a small upload is made to measure and has no reserve, also if it happens to be as large."""
    pool = SlotPool(reserve=4, slot_bytes=8)

    pool.give(Slot(size, reserve))

    taken = pool.take()
    assert (taken.size, taken.reserve) == (8, 4)
