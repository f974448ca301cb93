"""Bytes out are bytes in, for every size of an upload.

Each test is one lane (who reads the client's socket, how the service is sent to, how the client frames its
body) and one flight of sizes, all over one kept-alive connection. With LADDER=full in the environment the
rungs are closer, the sizes go further, and every chunked upload is sent with every size of chunk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from gateway.core.plans import SMALL_BODY
from gateway.core.uploads import Limits
from gateway.errors import GatewayError
from gateway.relay.blocks import SMALL
from gateway.relay.connections import LOOK_BYTES
from gateway.spool.slots import SLOT_BYTES
from gateway.spool.spool import RING_SLOTS
from gateway.testing import RawClient, file_part
from gateway.web.intake import READ_BYTES
from tests.e2e.sending import (
    BOUNDARY,
    Front,
    Service,
    Upload,
    assert_unchanged,
    bare,
    form,
    head,
    noise,
    send,
    single_file,
)

FULL = os.environ.get("LADDER") == "full"
pytestmark = pytest.mark.timeout(900 if FULL else 120)
KIB, MIB = 2**10, 2**20


def near(size: int) -> Iterable[int]:
    """A size and its neighbours."""
    reach = 4 if FULL else 1
    return range(max(0, size - reach), size + reach + 1)


THRESHOLDS = (
    SMALL,  # pieces below this are joined before they are sent
    SMALL_BODY,  # bodies up to this are read whole first
    LOOK_BYTES,
    Limits().preamble,
    READ_BYTES,  # asked of a server's own input at once
    SLOT_BYTES * 15 // 16,  # a slot with less room than 1/16 is left for the next one
    SLOT_BYTES,
    SLOT_BYTES * 2 * 15 // 16,
    SLOT_BYTES * RING_SLOTS * 15 // 16,
    SLOT_BYTES * RING_SLOTS,  # the ring is full
)
POWERS = [2**exponent for exponent in range(23)]
BLOCKS = [count * 65536 + rest for count in range(1, 21) for rest in (2, 3, 4) if FULL or count < 4 or rest == 3]
HIGH = [*near(16 * MIB), *near(40 * MIB)] if FULL else []
LADDER = sorted(
    {
        *range(64),
        *range(64, 301, 1 if FULL else 5),
        *(size for rung in (*THRESHOLDS, *POWERS) for size in near(rung)),
        *BLOCKS,
        *HIGH,
    }
)
FLIGHTS = {
    "to 300": [size for size in LADDER if size <= 300],
    "to 256 KiB": [size for size in LADDER if 300 < size <= 256 * KIB],
    "to 2 MiB": [size for size in LADDER if 256 * KIB < size <= 2 * MIB],
    "beyond": [size for size in LADDER if size > 2 * MIB],
}

CHUNK_SIZES = (8192, 7, 65536, 1000, 1, MIB, 16384 + 1)
"""Taken in turn; small ones only for small bodies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One way through the gateway."""

    path: str
    chunked: bool
    """How the client frames its body."""

    def __str__(self) -> str:
        return f"{self.path[1:]}, {'chunks' if self.chunked else 'length'}"


LANES = [
    Lane(path="/live", chunked=False),
    Lane(path="/live", chunked=True),
    Lane(path="/whole", chunked=False),
    Lane(path="/whole", chunked=True),
    Lane(path="/chunked", chunked=True),
]
BARE_LANES = [Lane(path="/raw", chunked=False), Lane(path="/raw-chunked", chunked=True)]

CONTENT = noise(max(LADDER) + 1)


def file_of(size: int) -> Upload:
    """A form whose one file has this size."""
    return single_file(CONTENT[:size])


def form_of(size: int) -> Upload:
    """A form whose whole body has this size: with a file, or a field, or nothing in it."""
    field = b'Content-Disposition: form-data; name=""'
    for least in (single_file(b""), form([(field, b"")])):
        if size >= len(least.body):
            content = CONTENT[: size - len(least.body)]
            return single_file(content) if least.body.count(b"file.bin") else form([(field, content)])
    boundary = BOUNDARY if size >= len(BOUNDARY) + 4 else b"b"
    return Upload(
        content_type=f"multipart/form-data; boundary={boundary.decode()}",
        # Blanks may follow a delimiter.
        body=(b"--" + boundary + b"--").ljust(size),
        boundary=boundary,
        delimiters=[0],
    )


SMALLEST_FORM = len(b"--b--")


def chunk_sizes(number: int, body: bytes) -> list[int]:
    """The sizes of chunks to send a body with: one, or all that make sense."""
    sizes = [size for size in CHUNK_SIZES if len(body) // size < 2000]
    return sizes if FULL else [sizes[number % len(sizes)]]


def climb(front: Front, service: Service, lane: Lane, uploads: Iterable[Upload]) -> None:
    """Sends all of them over one connection."""
    with front.client() as client:
        for number, upload in enumerate(uploads):
            for chunk_size in chunk_sizes(number, upload.body) if lane.chunked else [None]:
                rung = f"{front.kind}, {lane}: a body of {len(upload.body)} bytes"
                try:
                    step(client, service, lane, upload, chunk_size)
                except (AssertionError, GatewayError) as error:
                    raise AssertionError(f"{rung}, in chunks of {chunk_size}: {error}") from error
                service.forget()


def step(client: RawClient, service: Service, lane: Lane, upload: Upload, chunk_size: int | None) -> None:
    answer = send(client, lane.path, upload, chunk_size=chunk_size)
    assert (answer.status, answer.complete, answer.closed) == (200, True, False), answer
    found = assert_unchanged(service, upload)
    if len(upload.body) > SMALL_BODY:
        # The length of smaller ones may be known before they are begun to be sent.
        assert found.chunked == (lane.path.endswith("chunked") and lane.chunked)


@pytest.mark.parametrize("flight", FLIGHTS)
@pytest.mark.parametrize("lane", LANES, ids=str)
def test_content_of_every_size(own: Front, service: Service, lane: Lane, flight: str) -> None:
    """A file of any size arrives as it was sent. (What reads for others knows only bodies, which follow.)"""
    climb(own, service, lane, map(file_of, FLIGHTS[flight]))


@pytest.mark.parametrize("flight", FLIGHTS)
@pytest.mark.parametrize("lane", LANES, ids=str)
def test_bodies_of_every_size(front: Front, service: Service, lane: Lane, flight: str) -> None:
    """A form of any size arrives as it was sent."""
    climb(front, service, lane, (form_of(size) for size in FLIGHTS[flight] if size >= SMALLEST_FORM))


@pytest.mark.parametrize("flight", FLIGHTS)
@pytest.mark.parametrize("lane", BARE_LANES, ids=str)
def test_bare_files_of_every_size(front: Front, service: Service, lane: Lane, flight: str) -> None:
    """A bare file of any size arrives as it was sent."""
    climb(front, service, lane, (bare(CONTENT[:size]) for size in FLIGHTS[flight]))


@pytest.mark.parametrize("lane", [LANES[0], LANES[-1]], ids=str)
def test_every_size_through_another_server(cheroot: Front, service: Service, lane: Lane) -> None:
    """What reads through `wsgi.input` owes nothing to gunicorn."""
    climb(cheroot, service, lane, (upload for size in LADDER[::9] for upload in (file_of(size), form_of(size + 5))))


@pytest.mark.parametrize("lane", [LANES[0], LANES[-1]], ids=str)
def test_what_lies_across_the_end_of_a_slot(own: Front, service: Service, lane: Lane) -> None:
    """A delimiter and the headers behind it may be cut anywhere by the end of a slot."""
    first = SLOT_BYTES - 1000  # so little room is left that the next read goes into a new slot
    parts = [file_part("first", "first.bin", b""), file_part("second", "second.bin", CONTENT[:1000])]
    start, stop = form(parts).delimiters[1:]
    straddling = range(start - 4, stop - 1000 + 4)
    with own.client() as client:
        for cut in straddling:
            content = CONTENT[: first - cut]
            upload = form([(parts[0][0], content), *parts[1:]])
            whole = (head(lane.path, upload, chunked=lane.chunked), upload.body)
            client.send(whole[0] + (b"%x\r\n" % len(upload.body) if lane.chunked else b"") + upload.body[:first])
            service.wait_for(lambda service: service.heard_length > first - 2 * (stop - start))
            client.send(upload.body[first:] + (b"\r\n0\r\n\r\n" if lane.chunked else b""))

            assert client.read_response().status == 200, cut
            try:
                assert_unchanged(service, upload)
            except AssertionError as error:
                raise AssertionError(
                    f"the slot ends {cut - start} bytes behind the delimiter's start: {error}"
                ) from error
            service.forget()


@pytest.mark.parametrize("lane", LANES, ids=str)
def test_many_parts_across_slots(front: Front, service: Service, lane: Lane) -> None:
    """Wherever slots end among a thousand parts: a growing preamble pushes them on, by two parts in all."""
    parts = [file_part(f"file{number}", f"{number}.bin", CONTENT[: 2100 + number]) for number in range(1000)]
    period = form(parts).delimiters[1]
    for shift in range(0, 2 * period, 7 if FULL else 311):
        with front.client() as client:
            step(
                client,
                service,
                lane,
                form(parts, around=(b"." * (shift - 2) + b"\r\n" if shift > 1 else b"", b"")),
                16384,
            )
        service.forget()
