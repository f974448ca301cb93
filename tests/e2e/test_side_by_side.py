"""Uploads that are under way at the same time do not mix, whatever becomes of their neighbours.

They share slots, buffers, connections to the service and threads; each of these is reused thousands of times.
"""

from __future__ import annotations

import hashlib
import json
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.testing import boundary_of, file_part
from tests.e2e.sending import BOUNDARY, Front, Service, Upload, bare, chunks, form, head, noise, send

CONTENT = noise(5 * 2**20, seed=7)
FORM_PATHS = ("/live", "/whole", "/chunked")
BARE_PATHS = ("/raw", "/raw-chunked", "/live", "/whole", "/chunked")


def some_size(chance: random.Random) -> int:
    """Mostly small; some need more than one slot, some a file."""
    return chance.randrange(chance.choice([10, 1000, 70_000, 70_000, 300_000, 2_500_000]))


def some_form(chance: random.Random) -> Upload:
    parts = []
    for number in range(chance.randrange(1, 4)):
        start = chance.randrange(2**20)
        parts.append(file_part(f"f{number}", f"{number}.bin", CONTENT[start : start + some_size(chance)]))
    return form(parts)


def sent_on(upload: Upload, content_type: str) -> str:
    """The hash of what the service should have got, under the boundary that it got."""
    if upload.boundary is None:
        return hashlib.sha256(upload.body).hexdigest()
    # The contents are noise, and the boundary is not in it.
    return hashlib.sha256(upload.body.replace(BOUNDARY, boundary_of(content_type))).hexdigest()


def one_client(front: Front, service: Service, seed: int, count: int) -> None:
    """Sends one upload after the other; some neighbours of theirs break off in the middle."""
    chance = random.Random(seed)
    with front.client() as client:
        for _ in range(count):
            start, bare_one = chance.randrange(2**20), chance.random() < 0.3
            if bare_one:
                upload, path = bare(CONTENT[start : start + some_size(chance)]), chance.choice(BARE_PATHS[:2])
            else:
                upload, path = some_form(chance), chance.choice(FORM_PATHS)
            chunk_size = chance.choice([None, None, 1000, 70_000])
            if chance.random() < 0.15:
                break_off(front, path, upload, chance, chunk_size)

            answer = send(client, path, upload, chunk_size=chunk_size)

            assert (answer.status, answer.closed) == (200, False), (path, chunk_size, len(upload.body), answer)
            got = json.loads(answer.body)
            assert got["sha256"] == sent_on(upload, got["content_type"]), (path, chunk_size, len(upload.body))
            service.forget()


def break_off(front: Front, path: str, upload: Upload, chance: random.Random, chunk_size: int | None) -> None:
    """Begins an upload and goes away."""
    body = upload.body if chunk_size is None else chunks(upload.body, chunk_size)
    with front.client() as client:
        client.send(head(path, upload, chunked=chunk_size is not None) + body[: chance.randrange(len(body) + 1)])
        if chance.random() < 0.5:
            client.abort()


@pytest.mark.parametrize("seed", [1, 2])
def test_uploads_side_by_side(front: Front, service: Service, seed: int) -> None:
    """Each arrives as it was sent, and each client gets its own answer."""
    clients = 8
    with ThreadPoolExecutor(clients) as executor:
        running = [executor.submit(one_client, front, service, seed * 100 + number, 25) for number in range(clients)]
    for each in running:
        each.result()
