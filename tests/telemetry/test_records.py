"""One line for each request: everything that an operator asks for, one line whatever a client sends, and never long."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.outcomes import Delivery
from gateway.errors import ServiceStalled
from gateway.telemetry.records import JSON_MAX, TEXT_MAX, UploadRecord, json_line, noteworthy, rfc3339

AT = 1_790_000_000.0415

REFUSED = UploadRecord(
    ended_at=AT,
    duration_s=0.0042,
    id="4f1c",
    route=None,
    peer="192.0.2.7",
    method="POST",
    path="/nowhere",
    protocol="HTTP/1.1",
    status=404,
    error="route_unknown",
    declared=12,
    answered=301,
)
"""Nothing was taken."""

OK = Delivery(service="text", outcome="ok", status=200, sent=1_048_739, duration_s=0.2401)
STALLED = Delivery(
    service="scan", outcome="timeout", error=ServiceStalled("x"), sent=65_536, duration_s=30.0, attempts=2
)

TAKEN = replace(
    REFUSED,
    duration_s=30.25,
    route="documents",
    path="/documents",
    status=502,
    error=None,
    declared=1_048_739,
    kind="multipart",
    received=1_048_739,
    received_s=0.0312,
    parts=3,
    files=("report.pdf", "a b.pdf"),
    deliveries=(OK, STALLED),
)
"""An upload to two services."""


def in_json(record: UploadRecord) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(json_line(record))
    return members


def test_a_refusal_as_text() -> None:
    """What was not read is not mentioned."""
    assert str(REFUSED) == (
        "2026-09-21T14:13:20.041Z 404 POST /nowhere id=4f1c route=- peer=192.0.2.7 ms=4.2 error=route_unknown "
        "declared=12 answered=301"
    )


def test_an_upload_as_text() -> None:
    """Sizes, times, and what each service said, in one line."""
    assert str(TAKEN) == (
        "2026-09-21T14:13:20.041Z 502 POST /documents id=4f1c route=documents peer=192.0.2.7 ms=30250.0 "
        "declared=1048739 body=multipart received=1048739 received_ms=31.2 parts=3 "
        'files="report.pdf","a b.pdf" '
        'to="text ok 200 240.1ms 1048739B; scan timeout service_stalled 30000.0ms 65536B 2 attempts" answered=301'
    )


def test_an_answer_that_broke_off_says_who_did_it() -> None:
    """It is the last word of the line, and a member of the object."""
    record = replace(TAKEN, broken="client")

    assert str(record).endswith(" answered=301 broken=client")
    assert in_json(record)["broken"] == "client"


def test_a_refusal_as_json() -> None:
    """Every member is always there, so that queries need not ask."""
    assert in_json(REFUSED) == {
        "time": "2026-09-21T14:13:20.041Z",
        "level": "info",
        "logger": "gateway.access",
        "id": "4f1c",
        "route": None,
        "peer": "192.0.2.7",
        "method": "POST",
        "path": "/nowhere",
        "protocol": "HTTP/1.1",
        "status": 404,
        "error": "route_unknown",
        "ms": 4.2,
        "declared": 12,
        "upload": None,
        "deliveries": [],
        "answered": 301,
        "broken": None,
    }


def test_an_upload_as_json() -> None:
    """The names are those of the JSON reply, where it has the same things."""
    members = in_json(TAKEN)

    assert members["upload"] == {
        "body": "multipart",
        "received": 1_048_739,
        "ms": 31.2,
        "parts": 3,
        "files": 2,
        "filenames": ["report.pdf", "a b.pdf"],
    }
    assert members["deliveries"] == [
        {
            "service": "text",
            "outcome": "ok",
            "status": 200,
            "ms": 240.1,
            "bytes_sent": 1_048_739,
            "attempts": 1,
            "error": None,
        },
        {
            "service": "scan",
            "outcome": "timeout",
            "status": None,
            "ms": 30000.0,
            "bytes_sent": 65_536,
            "attempts": 2,
            "error": "service_stalled",
        },
    ]


def test_an_upload_that_never_was_in_has_no_time_for_it() -> None:
    """A client that went away has received bytes, and no moment at which they were all there."""
    record = replace(TAKEN, received=70_000, received_s=None)

    assert "received=70000 parts=3" in str(record)
    assert in_json(record)["upload"]["ms"] is None


def test_a_delivery_of_one_file_names_it() -> None:
    """Where each file has a delivery of its own, JSON says which is which."""
    record = replace(TAKEN, deliveries=(replace(OK, file="report.pdf"),))

    assert [each["filename"] for each in in_json(record)["deliveries"]] == ["report.pdf"]


# --- what clients may send ---------------------------------------------------------------------

HOSTILE = {
    "a forged line": "x\n2026-09-21T14:13:20.041Z 200 POST /nowhere",
    "carriage return": "x\ry",
    "nul": "x\0y",
    "an escape sequence": "\x1b[2J\x1b[31m",
    "one of eight bits": "\x9b31m",
    "delete": "x\x7fy",
    "next line": "x\x85y",
    "line separator": "x\u2028y",
    "paragraph separator": "x\u2029y",
    "right to left": "\u202efdp.exe",
    "no-break blank": "x\xa0y",
    "a quote": 'x" status=200',
    "a backslash": "x\\",
    "bytes that are not UTF-8": "caf\udce9.pdf",
    "half of a character": "x\ud83dy",
    "another alphabet": "日本.pdf",
    "two words": "a b",
    "nothing": "",
    "an equals sign": "ms=1",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_that_a_client_sends_can_end_a_line(text: str) -> None:
    """In no field: not in text, not in JSON, not for a terminal, not for a program that splits lines at anything."""
    hostile = replace(
        TAKEN,
        id=text,
        route=text,
        peer=text,
        method=text,
        path=text,
        protocol=text,
        files=(text, text),
        deliveries=(replace(OK, service=text, file=text),),
    )

    for line in (str(hostile), json_line(hostile)):
        assert line.isprintable()
        assert line.splitlines() == [line]
        line.encode("utf-8")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_name_does_not_leave_its_quotes(text: str) -> None:
    """What follows a file's name in the line is the gateway's own word again."""
    plain, hostile = (str(replace(TAKEN, files=(name,))) for name in ("name", text))
    before, _, after = plain.partition('"name"')

    assert hostile.startswith(before + '"')
    assert hostile.endswith('"' + after)
    quoted = hostile[len(before) + 1 : len(hostile) - len(after) - 1]
    assert '"' not in quoted.replace("\\\\", "").replace('\\"', "")


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/file", "/file"),
        ("/a=b/~x@y", "/a=b/~x@y"),
        ("/a b", '"/a b"'),
        ("", '""'),
        ('/"', r'"/\""'),
        ("/\\", r'"/\\"'),
        ("/\n", r'"/\n"'),
        ("/日本", '"/日本"'),
        ("/caf\udce9", '"/caf\ufffd"'),
        ("/\u202e", r'"/\u202e"'),
    ],
)
def test_a_path_is_one_word_or_in_quotes(path: str, word: str) -> None:
    """Columns stay columns, and names that people can read stay readable."""
    assert str(replace(REFUSED, path=path)) == str(REFUSED).replace("/nowhere", word)


def test_json_says_exactly_what_the_name_was() -> None:
    """Escapes of JSON, not of the text, with what is no text replaced."""
    files = ('a"b\n\u2028.pdf', "日本.pdf", "caf\udce9.pdf")

    assert in_json(replace(TAKEN, files=files))["upload"]["filenames"] == [
        'a"b\n\u2028.pdf',
        "日本.pdf",
        "caf\ufffd.pdf",
    ]


# --- how long it gets --------------------------------------------------------------------------

LONG = {
    "names": "n" * 10_000,
    "names that are escaped": "\x00" * 10_000,
    "names of other planes": "\U000e0001" * 10_000,
    "names of other alphabets": "語" * 10_000,
}


@pytest.mark.parametrize("name", LONG.values(), ids=LONG)
@pytest.mark.parametrize("count", [1, 1000])
def test_a_line_has_an_end(name: str, count: int) -> None:
    """However many files with whatever names: no line is longer than a reader, or a pipe, takes at once."""
    record = replace(
        TAKEN,
        id="i" * 10_000,
        path="/" + name,
        method=name,
        files=(name,) * count,
        deliveries=(replace(STALLED, file=name),) * count,
    )

    assert len(str(record)) <= TEXT_MAX
    assert len(json_line(record).encode()) <= JSON_MAX
    assert in_json(record)["upload"]["files"] == count


def test_what_is_left_out_is_counted() -> None:
    """Twenty names and no more; the rest is a number."""
    record = replace(TAKEN, files=tuple(f"{number}.pdf" for number in range(30)), deliveries=())

    assert '"19.pdf",+10 ' in str(record)
    assert in_json(record)["upload"]["files"] == 30
    assert len(in_json(record)["upload"]["filenames"]) == 20


def test_a_long_name_shows_that_it_was_cut() -> None:
    """A name that is not whole does not look as if it were."""
    record = replace(TAKEN, files=("x" * 500 + ".pdf",))

    (shown,) = in_json(record)["upload"]["filenames"]
    assert shown == "x" * 199 + "…"
    assert f'files="{shown}"' in str(record)


def test_the_failures_are_what_is_kept() -> None:
    """Of a hundred deliveries the few that were not ok are in the line."""
    deliveries = [replace(OK, service=f"ok-{number}") for number in range(100)]
    deliveries[40:40] = [STALLED]
    deliveries[90:90] = [replace(STALLED, service="late")]

    assert [each.service for each in noteworthy(deliveries, 4)] == ["scan", "late", "ok-0", "ok-1"]
    assert noteworthy(deliveries, 102) == deliveries
    assert 'to="scan timeout' in str(replace(TAKEN, deliveries=tuple(deliveries)))


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (AT, "2026-09-21T14:13:20.041Z"),
        (1_790_000_000.0, "2026-09-21T14:13:20.000Z"),
        (1_790_000_000.9996, "2026-09-21T14:13:20.999Z"),
    ],
)
def test_times_are_in_utc_with_milliseconds(at: float, text: str) -> None:
    """RFC 3339, also for a whole second."""
    assert rfc3339(at) == text
