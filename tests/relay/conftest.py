"""What every test of deliveries has: spool files, and a look round when it is done."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from gateway.spool.files import SpoolFiles
from tests.spool.sources import spool_files


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) - before == set()


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpoolFiles]:
    with spool_files(tmp_path_factory.mktemp("spool")) as files:
        yield files
