"""Drives a scanner the way the spool does: whatever is undecided comes again, in front of what follows.

The bytes lie in the middle of a larger buffer, between delimiters that do not belong to the body: a
scanner that looks beyond its run finds them and gives itself away.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from hypothesis import settings

from gateway.core.uploads import Limits, Part
from gateway.errors import GatewayError
from gateway.multipart.scanner import Delimiter, Event, Scanner, undecided_max

DEFAULT = Limits()


def budget(examples: int) -> Callable[[Any], Any]:
    """A small, repeatable number of examples. TEST_BUDGET=20 in the environment: 20 times as many, at random."""
    factor = int(os.environ.get("TEST_BUDGET", "1"))
    return settings(max_examples=examples * factor, deadline=None, derandomize=factor == 1, database=None)


@dataclass(frozen=True, slots=True)
class Scan:
    """What came of one scan."""

    events: tuple[Event, ...]
    closed: bool
    fault: tuple[str, int | None, str] | None
    """Class, offset and detail of the error that ended it."""

    @property
    def error(self) -> str | None:
        return self.fault[0] if self.fault else None


def scan(
    body: bytes, boundary: bytes, cuts: Iterable[int] = (), limits: Limits = DEFAULT, *, end_apart: bool = False
) -> Scan:
    """Scan `body`, cut at these offsets; with `end_apart`, its end becomes known only after its last byte."""
    scanner = Scanner(boundary, limits)
    before = b"\r\n--" + boundary + b"\r"
    afters = (b"\n--" + boundary + b"--\r\n", b"\r\n--" + boundary + b"--\r\n", b"--\r\n", b"-\r\n", b"\r\n\r\n")
    events: list[Event] = []
    undecided = b""
    edges = [0, *cuts, len(body), *([len(body)] if end_apart else [])]
    try:
        for number in range(1, len(edges)):
            run = undecided + body[edges[number - 1] : edges[number]]
            already = scanner.decided
            after = afters[(number + edges[number]) % len(afters)]
            count, found = scanner.feed(
                bytearray(before + run + after), len(before), len(before) + len(run), last=number == len(edges) - 1
            )
            assert 0 <= count <= len(run)
            assert scanner.decided == already + count
            _check_released(found, already, scanner.decided)
            events += found
            undecided = run[count:]
            assert len(undecided) <= undecided_max(boundary, limits)
    except GatewayError as error:
        return Scan(tuple(events), scanner.closed, (type(error).__name__, error.offset, error.detail))
    assert not undecided
    return Scan(tuple(events), scanner.closed, None)


def _check_released(found: list[Event], already: int, decided: int) -> None:
    """Readers see what is decided: a delimiter or a header must be known before its first byte is shown."""
    for event in found:
        if isinstance(event, Delimiter):
            assert event.start == 0 or already <= event.start - 2
        else:
            assert already <= event.content_start - len(event.headers)
            # Its last CR LF may still turn out to belong to a delimiter.
            assert decided >= event.content_start - 2


def scan_in_all_ways(body: bytes, boundary: bytes, limits: Limits = DEFAULT, *, single_cuts: bool = True) -> Scan:
    """Scan whole, byte by byte, and with every single cut; all must agree. Gives the finest of them."""
    finest = scan(body, boundary, range(1, len(body)), limits, end_apart=True)
    ways = [scan(body, boundary, (), limits), scan(body, boundary, range(1, len(body)), limits)]
    if single_cuts:
        ways += [scan(body, boundary, (cut,), limits, end_apart=cut % 2 == 1) for cut in range(1, len(body))]
    for way in ways:
        assert_same(way, finest)
    return finest


def assert_same(coarse: Scan, fine: Scan) -> None:
    """The same fault, or none and the same events. What is found in the run with the fault is not handed out."""
    assert coarse.fault == fine.fault
    assert coarse.events == (fine.events[: len(coarse.events)] if fine.fault else fine.events)
    if fine.error != "EpilogueTooLarge":
        assert coarse.closed is (fine.fault is None)


def parts_of(body: bytes, found: Scan) -> list[tuple[Part, bytes]]:
    """The parts of a good scan with their contents."""
    assert found.fault is None, found.fault
    parts: list[tuple[Part, bytes]] = []
    current: Part | None = None
    for event in found.events:
        if isinstance(event, Part):
            assert current is None
            current = event
        elif current is not None:
            parts.append((current, body[current.content_start : max(current.content_start, event.start - 2)]))
            current = None
    assert current is None
    return parts


def contents_of(body: bytes, found: Scan) -> list[bytes]:
    return [content for _, content in parts_of(body, found)]
