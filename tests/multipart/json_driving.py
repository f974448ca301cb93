"""Drives a JSON scanner with a body in pieces, and puts together what comes out."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.core.uploads import Limits, Part
from gateway.errors import GatewayError
from gateway.multipart.json_scanner import JSONScanner

DEFAULT = Limits()

Found = tuple[str, str | None, str | None, bytes]
"""Name, filename, type and content of a part."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What came of one scan."""

    parts: tuple[Found, ...]
    fault: tuple[str, int | None, str] | None
    """Class, offset and detail of the error that ended it."""

    @property
    def error(self) -> tuple[str, int | None] | None:
        return None if self.fault is None else self.fault[:2]


def scan(body: bytes, cuts: Iterable[int] = (), limits: Limits = DEFAULT, *, end_apart: bool = False) -> Scan:
    """Scan `body`, cut at these offsets; with `end_apart`, its end becomes known only after its last byte."""
    scanner = JSONScanner(limits)
    content = bytearray()
    parts: list[Found] = []
    edges = [0, *cuts, len(body), *([len(body)] if end_apart else [])]
    already = 0
    try:
        for number in range(1, len(edges)):
            piece = body[edges[number - 1] : edges[number]]
            for event in scanner.feed(piece, last=number == len(edges) - 1):
                if not isinstance(event, Part):
                    assert event, "an empty piece"
                    content += event
                    continue
                assert event.number == len(parts)
                # Each part follows the one before it, and comes when all of its content is in.
                assert event.content_start == already
                assert event.content.stop == len(content)
                assert event.headers == b""
                already = event.content.stop
                whole = bytes(content[event.content.start : event.content.stop])
                parts.append((event.name, event.filename, event.content_type, whole))
    except GatewayError as error:
        return Scan((), (type(error).__name__, error.offset, error.detail))
    assert already == len(content), "content of no part"
    return Scan(tuple(parts), None)


def scan_in_all_ways(body: bytes, limits: Limits = DEFAULT) -> Scan:
    """Scan whole, byte by byte, with every single cut, and with some more; all must agree."""
    whole = scan(body, (), limits)
    ways = [scan(body, range(1, len(body)), limits, end_apart=apart) for apart in (False, True)]
    ways += [scan(body, (cut,), limits, end_apart=cut % 2 == 1) for cut in range(1, len(body))]
    ways += [scan(body, range(step, len(body), step), limits) for step in (2, 3, 7)]
    for way in ways:
        assert way == whole
    return whole


def random_cuts(body: bytes, choices: random.Random) -> list[int]:
    return sorted(choices.randint(0, len(body)) for _ in range(choices.randint(0, 12)))
