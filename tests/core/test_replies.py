"""The JSON reply: one envelope, whatever the services said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.outcomes import Delivery
from gateway.core.replies import Answered, envelope
from gateway.core.uploads import Part
from gateway.errors import ServiceReset


def part(name: str, filename: str | None, size: int, content_type: str | None = None) -> Part:
    return Part(
        number=0,
        name=name,
        filename=filename,
        content_type=content_type,
        headers=b"",
        content_start=10,
        content_stop=10 + size,
    )


def reply(*answered: Answered, each_file: bool = False, parts: tuple[Part, ...] = ()) -> dict[str, Any]:
    members = envelope(
        request_id="id-1", route="documents", parts=parts, service="text", answered=answered, each_file=each_file
    )
    # It must be JSON whatever is in it.
    return json.loads(json.dumps(members))


def ok(**options: Any) -> Delivery:
    return Delivery(service="text", outcome="ok", status=200, sent=7, duration_s=0.01234, **options)


@pytest.mark.parametrize(
    ("content_type", "content", "encoded", "expected"),
    [
        ("application/json", b'{"a": [1]}', False, {"json": {"a": [1]}}),
        ("application/problem+json; charset=utf-8", b'{"a": 1}', False, {"json": {"a": 1}}),
        ("text/plain; charset=utf-8", "ä".encode(), False, {"text": "ä"}),
        ("application/xml", b"<a/>", False, {"text": "<a/>"}),
        ("application/pdf", b"%PDF\xff", False, {"base64": "JVBERv8="}),
        ("", b"", False, {"base64": ""}),
        # it is not what it says
        ("application/json", b"oops", False, {"base64": "b29wcw=="}),
        ("text/plain", b"\xff", False, {"base64": "/w=="}),
        # compressed although nobody has asked for that
        ("application/json", b"{}", True, {"base64": "e30="}),
    ],
)
def test_an_answer_is_shown_as_what_it_is(
    content_type: str, content: bytes, encoded: bool, expected: dict[str, Any]
) -> None:
    members = reply(Answered(delivery=ok(), content_type=content_type, content=content, encoded=encoded))

    described = members["services"]["text"]
    assert {key: described[key] for key in ("json", "text", "base64") if key in described} == expected
    assert described["content_type"] == (content_type or None)


def test_an_envelope_says_what_arrived_and_how_it_went() -> None:
    parts = (part("lang", None, 2), part("f\udcff", "r\udcff.pdf", 9, "application/pdf"))

    members = reply(Answered(delivery=ok(attempts=2), content_type="text/plain", content=b"hi"), parts=parts)

    assert members == {
        "id": "id-1",
        "route": "documents",
        "ok": True,
        "parts": [
            {"name": "lang", "filename": None, "content_type": None, "size": 2},
            {"name": "f\ufffd", "filename": "r\ufffd.pdf", "content_type": "application/pdf", "size": 9},
        ],
        "services": {
            "text": {
                "outcome": "ok",
                "status": 200,
                "content_type": "text/plain",
                "text": "hi",
                "attempts": 2,
                "ms": 12.3,
                "bytes_sent": 7,
            }
        },
    }


def test_a_failure_is_told_with_its_code_and_hint() -> None:
    error = ServiceReset("text closed the connection.")

    members = reply(Answered(delivery=Delivery(service="text", outcome="failed", error=error)))

    assert members["ok"] is False
    assert members["services"]["text"]["error"] == {
        "code": "service_reset",
        "title": error.title,
        "detail": "text closed the connection.",
        "hint": error.hint,
    }
    assert "json" not in members["services"]["text"]


@pytest.mark.parametrize(
    ("outcomes", "worst"),
    [
        (["ok"], "ok"),
        (["ok", "rejected", "ok"], "rejected"),
        (["busy", "failed", "timeout"], "failed"),
    ],
)
def test_one_delivery_for_each_file_is_listed(outcomes: list[Any], worst: str) -> None:
    deliveries = [
        Delivery(service="text", outcome=outcome, status=200, file=f"{number}.pdf")
        for number, outcome in enumerate(outcomes)
    ]

    members = reply(*(Answered(delivery=each, content=b"") for each in deliveries), each_file=True)

    assert members["ok"] is (worst == "ok")
    assert members["services"]["text"]["outcome"] == worst
    listed = [(each["filename"], each["outcome"]) for each in members["services"]["text"]["deliveries"]]
    assert listed == [(f"{number}.pdf", outcome) for number, outcome in enumerate(outcomes)]
