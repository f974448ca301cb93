"""`Server-Timing`: where the time went, in the answer's header (W3C Server Timing). Pure.

Browsers show it beside the request, curl with `-i`. The header goes out before the answer's body, so what is told
ends with the heads of the services' answers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.core.outcomes import Delivery
from gateway.telemetry.records import noteworthy

__all__ = ["METRICS_MAX", "server_timing"]

METRICS_MAX = 16
"""Deliveries that are told: an upload of a thousand files must not make a header that no client takes."""
_NAME_MAX = 64
# RFC 9110 section 5.6.2: what a metric's name cannot hold.
_NO_TOKEN = re.compile(r"[^!#$%&'*+.^_`|~0-9A-Za-z-]")


def server_timing(received_s: float | None, deliveries: Sequence[Delivery]) -> str:
    """The header's value, milliseconds after `dur`; empty if there is nothing to tell.

    `received_s` is how long it took until the upload was in; None if it is not.
    """
    metrics = [] if received_s is None else [f"upload;dur={_ms(received_s)}"]
    metrics += [
        f'{_token(delivery.service)};dur={_ms(delivery.duration_s)};desc="{delivery.outcome}"'
        for delivery in noteworthy(deliveries, METRICS_MAX)
    ]
    return ", ".join(metrics)


def _ms(seconds: float) -> str:
    return f"{max(0.0, seconds) * 1000:.1f}"


def _token(name: str) -> str:
    return _NO_TOKEN.sub("_", name[:_NAME_MAX]) or "_"
