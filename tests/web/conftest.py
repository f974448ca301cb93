"""What every test of the front has: a gateway without routes, and a look round when it is done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.gateway import Gateway
from tests.web.sites import new_gateway


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) - before == set()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """One that lets in one upload at a time: a request that does not let go of its upload fails the next."""
    with new_gateway(tmp_path) as gateway:
        yield gateway
        # Whatever the test did, the place is free again.
        assert gateway.status().uploads == 0


@pytest.fixture(params=["flask", "gateway"])
def usual(request: pytest.FixtureRequest) -> Gateway | None:
    """For what must be the same with and without the gateway: None is plain Flask."""
    gateway: Gateway | None = request.getfixturevalue("gateway") if request.param == "gateway" else None
    return gateway
