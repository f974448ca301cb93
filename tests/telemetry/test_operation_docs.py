"""docs/operation.md is about this log: its examples are what is written, and every member has its row."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.outcomes import Delivery, Outcome
from gateway.errors import SpoolFailed, SpoolFull
from gateway.telemetry.records import JSON_MAX, TEXT_MAX, UploadRecord, json_line
from gateway.telemetry.timings import server_timing
from gateway.web.health import SATURATED, STOPPING

EXAMPLE = UploadRecord(
    ended_at=1_795_372_949.308,
    duration_s=0.252,
    id="5f1c5a1b23c0d2e4",
    route="documents",
    peer="192.0.2.7",
    method="POST",
    path="/documents",
    protocol="HTTP/1.1",
    status=200,
    declared=1_048_739,
    kind="multipart",
    received=1_048_739,
    received_s=0.0312,
    parts=2,
    files=("report.pdf",),
    deliveries=(Delivery(service="text", outcome="ok", status=200, sent=1_048_739, duration_s=0.2401),),
    answered=5120,
)
OUTCOMES: tuple[Outcome, ...] = ("ok", "rejected", "busy", "failed", "timeout", "cancelled")


@pytest.fixture(scope="module")
def text() -> str:
    return (Path(__file__).resolve().parents[2] / "docs" / "operation.md").read_text("utf-8")


@pytest.fixture(scope="module")
def rows(text: str) -> list[list[str]]:
    """The names in the first two columns of the table of the log."""
    table = text.partition("| text | JSON | meaning |")[2].partition("\n\n")[0]
    return [re.findall(r"`([^`]+)`", cell) for row in table.splitlines()[2:] for cell in row.split("|")[1:3]]


def test_the_line_of_the_example_is_a_line(text: str) -> None:
    """What the reader sees there is what the reader will see."""
    assert f"\n{EXAMPLE}\n" in text


def test_the_object_of_the_example_is_the_same(text: str) -> None:
    """The same upload."""
    (example,) = re.findall(r'```json\n(\{"time".*?)```', text, re.DOTALL)

    assert json.loads(example) == json.loads(json_line(EXAMPLE))


def members(record: UploadRecord) -> Iterator[str]:
    for name, value in json.loads(json_line(record)).items():
        yield from [f"upload.{below}" for below in value] if isinstance(value, dict) else [name]


def test_every_member_has_its_row(rows: list[list[str]]) -> None:
    """`level` and `logger` are the same in all lines."""
    described = {name for names in rows[1::2] for name in names}

    assert described == set(members(EXAMPLE)) - {"level", "logger"}


def test_every_key_has_its_row(rows: list[list[str]]) -> None:
    """Those of the line of text."""
    line = str(UploadRecord(**{**_fields(EXAMPLE), "broken": "client", "error": "client_gone"}))
    described = {name for names in rows[0::2] for name in names}

    assert described == set(re.findall(r" ([a-z_]+)=", line))


def _fields(record: UploadRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def test_words_and_numbers_are_explained(text: str) -> None:
    """Outcomes, reasons, limits, and the header's example."""
    reasons = [SATURATED, STOPPING, SpoolFull.code, SpoolFailed.code]

    assert [outcome for outcome in OUTCOMES if f"`{outcome}`" not in text] == []
    assert [reason for reason in reasons if f"\n| `{reason}` | " not in text] == []
    assert f"at most {TEXT_MAX} characters, one of JSON at most {JSON_MAX} bytes" in text
    assert f"Server-Timing: {server_timing(EXAMPLE.received_s, EXAMPLE.deliveries)}\n" in text
