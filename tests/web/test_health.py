"""`/-/health` and `/-/ready`: ready is who would take an upload now, and whoever is not says why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from gateway.core.uploads import UploadHead
from gateway.errors import SpoolError, SpoolFailed, SpoolFull
from gateway.gateway import Gateway, GatewayStatus
from gateway.spool.files import GRAINS_MIN
from gateway.web.app import create_app
from gateway.web.health import readiness
from tests.web.sites import new_gateway


def status(uploads: int = 0, error: SpoolError | None = None, used: int | None = 0) -> GatewayStatus:
    return GatewayStatus(uploads=uploads, uploads_limit=2, spool_used=used, spool_quota=1000, spool_error=error)


@pytest.mark.parametrize(
    ("found", "stopping", "reasons"),
    [
        (status(), False, []),
        (status(uploads=1), False, []),
        (status(uploads=2), False, ["saturated"]),
        (status(error=SpoolFull("x"), used=1000), False, ["spool_full"]),
        (status(error=SpoolFailed("x"), used=None), False, ["spool_unusable"]),
        (status(), True, ["stopping"]),
        (status(uploads=2, error=SpoolFull("x")), True, ["stopping", "saturated", "spool_full"]),
    ],
)
def test_readiness(found: GatewayStatus, stopping: bool, reasons: list[str]) -> None:
    """Every reason against it is told, and the numbers in any case."""
    assert readiness(found, stopping=stopping) == {
        "status": "not ready" if reasons else "ready",
        "reasons": reasons,
        "uploads": {"running": found.uploads, "limit": 2},
        "spool": {"used": found.spool_used, "quota": 1000},
    }


def ask(gateway: Gateway, path: str, method: str = "GET", *, stopping: bool = False) -> tuple[int, Any]:
    answer = create_app(gateway, stopping=lambda: stopping).test_client().open(path, method=method)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-Id"]
    if method == "HEAD":
        assert answer.data == b""
        return answer.status_code, None
    assert answer.content_type == "application/json"
    return answer.status_code, json.loads(answer.data)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/-/health", "/-/ready"])
def test_a_gateway_that_does_nothing_is_well(gateway: Gateway, path: str, method: str) -> None:
    """By both methods, and nothing in between may remember it."""
    assert ask(gateway, path, method)[0] == 200


def test_health_says_that_the_process_answers(gateway: Gateway) -> None:
    """Nothing else: one that stops, or is full, is not to be killed for it."""
    assert ask(gateway, "/-/health", stopping=True) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/-/health", "/-/ready"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_sent_there(gateway: Gateway, path: str, method: str) -> None:
    """They are for looking."""
    assert create_app(gateway).test_client().open(path, method=method).status_code in (404, 405)


class Silent:
    """A client of which nothing has come yet."""

    def read_into(self, view: memoryview, watch: object) -> int:
        raise AssertionError("nobody reads")


def test_a_gateway_whose_places_are_taken_is_not_ready(gateway: Gateway) -> None:
    """Until one of its uploads is over."""
    upload = gateway.open(UploadHead(boundary=None, length=10), Silent(), keep=False)

    code, members = ask(gateway, "/-/ready")
    assert (code, members["reasons"], members["uploads"]) == (503, ["saturated"], {"running": 1, "limit": 1})

    upload.release()
    assert ask(gateway, "/-/ready")[1]["uploads"] == {"running": 0, "limit": 1}
    assert ask(gateway, "/-/ready")[0] == 200


def test_a_worker_that_stops_is_not_ready(gateway: Gateway) -> None:
    """Whoever asks over a connection of before is told to go elsewhere."""
    code, members = ask(gateway, "/-/ready", stopping=True)

    assert (code, members["reasons"]) == (503, ["stopping"])


def test_a_full_spool_is_not_ready(tmp_path: Path) -> None:
    """When not even the next piece would fit; what all workers have counts."""
    quota = GRAINS_MIN * 100
    with new_gateway(tmp_path, quota=quota) as gateway, new_gateway(tmp_path, quota=quota) as other:
        other._quota.reserve(quota - 100)
        assert ask(gateway, "/-/ready") == (
            200,
            {
                "status": "ready",
                "reasons": [],
                "uploads": {"running": 0, "limit": 1},
                "spool": {"used": quota - 100, "quota": quota},
            },
        )

        other._quota.reserve(1)

        code, members = ask(gateway, "/-/ready")
        assert (code, members["reasons"], members["spool"]["used"]) == (503, ["spool_full"], quota - 99)
        other._quota.release(1)
        assert ask(gateway, "/-/ready")[0] == 200


def test_a_disk_without_room_is_not_ready(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the quota says."""

    class Space:
        f_bavail = 10
        f_frsize = 1

    monkeypatch.setattr("gateway.spool.files.os.statvfs", lambda _: Space)

    assert ask(gateway, "/-/ready")[1]["reasons"] == ["spool_full"]


def test_a_spool_that_has_gone_is_not_ready(tmp_path: Path) -> None:
    """Its directory was removed, or cannot be written to: the next large upload would fail."""
    with new_gateway(tmp_path) as gateway:
        shutil.move(tmp_path / "spool", tmp_path / "moved")

        code, members = ask(gateway, "/-/ready")
        assert (code, members["reasons"]) == (503, ["spool_unusable"])

        shutil.move(tmp_path / "moved", tmp_path / "spool")
        assert ask(gateway, "/-/ready")[0] == 200


def test_a_gateway_without_files_is_ready_without_room_for_them(tmp_path: Path) -> None:
    """`spool.quota: 0` is meant so."""
    with new_gateway(tmp_path, quota=0) as gateway:
        assert ask(gateway, "/-/ready")[1]["reasons"] == []


def test_asking_takes_nothing(gateway: Gateway) -> None:
    """No file is left, and no byte of the quota."""
    directory = gateway.setup.state / "spool"
    before = sorted(directory.iterdir())
    for _ in range(3):
        ask(gateway, "/-/ready")

    assert sorted(directory.iterdir()) == before
    assert gateway.status().spool_used == 0
