"""`Server-Timing`: the syntax that browsers read, and never more of it than a client takes."""

from __future__ import annotations

import re

import pytest

from gateway.core.outcomes import Delivery, Outcome
from gateway.telemetry.timings import METRICS_MAX, server_timing

# W3C Server Timing section 4: `#server-timing-metric`, each a token with parameters.
TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
METRIC = re.compile(rf'{TOKEN}(?:;{TOKEN}=(?:{TOKEN}|"[^"\\]*"))*')


def delivery(service: str = "text", outcome: Outcome = "ok", duration_s: float = 0.25) -> Delivery:
    return Delivery(service=service, outcome=outcome, duration_s=duration_s)


@pytest.mark.parametrize(
    ("received_s", "deliveries", "value"),
    [
        (None, [], ""),
        (0.0312, [], "upload;dur=31.2"),
        (None, [delivery(outcome="timeout")], 'text;dur=250.0;desc="timeout"'),
        (0.0312, [delivery()], 'upload;dur=31.2, text;dur=250.0;desc="ok"'),
        (
            1.0,
            [delivery(), delivery("b", "busy", 1e-5)],
            'upload;dur=1000.0, text;dur=250.0;desc="ok", b;dur=0.0;desc="busy"',
        ),
        # The same name twice is allowed: one delivery for each file.
        (0.0, [delivery(), delivery()], 'upload;dur=0.0, text;dur=250.0;desc="ok", text;dur=250.0;desc="ok"'),
        # A clock that was set back.
        (-1.0, [delivery(duration_s=-1.0)], 'upload;dur=0.0, text;dur=0.0;desc="ok"'),
    ],
)
def test_the_header_says_where_the_time_went(received_s: float | None, deliveries: list[Delivery], value: str) -> None:
    """Milliseconds until the upload was in, and for each service with what came of it."""
    assert server_timing(received_s, deliveries) == value


@pytest.mark.parametrize(
    "name", ["text", "Text_2-b", "a b", 'x";dur=1', "x,y", "x\r\nSet-Cookie: a", "日本", "", "n" * 500]
)
def test_any_name_is_a_token(name: str) -> None:
    """A service may be called anything in an application of your own; the field stays well-formed."""
    value = server_timing(0.001, [delivery(name), delivery("last")])

    metrics = value.split(", ")
    assert len(metrics) == 3
    assert all(METRIC.fullmatch(metric) for metric in metrics)
    assert metrics[2] == 'last;dur=250.0;desc="ok"'
    assert len(value) < 200


def test_a_thousand_files_make_no_header_of_a_thousand_metrics() -> None:
    """Failures are told first."""
    deliveries = [*[delivery("fine")] * 1000, delivery("bad", "failed")]

    metrics = server_timing(0.001, deliveries).split(", ")

    assert len(metrics) == 1 + METRICS_MAX
    assert metrics[1] == 'bad;dur=250.0;desc="failed"'
