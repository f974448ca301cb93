"""What an answer, or none, means for the delivery. Pure: numbers and strings in, a decision out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

from gateway.core.services import Expect, StatusRanges
from gateway.errors import GatewayError, ServiceError, ServiceTimeout

__all__ = ["Delivery", "Outcome", "Redirect", "is_true_of", "judge", "outcome_of", "redirect_of", "reply_status"]

Outcome = Literal["ok", "rejected", "busy", "failed", "timeout", "skipped", "cancelled", "unknown"]
"""How a delivery ended. `rejected`: the service does not want this upload. `busy`: not now. `failed`: it could not."""

_BUSY = (429, 503)
# The gateway's own mistake, not the upload's: its credentials, its URL, its method, its framing.
_MISCONFIGURED = (401, 403, 404, 405, 407, 411)

_REPLAYED = (307, 308)
_REFUSED = (301, 302, 303)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """An answer that sends the upload elsewhere."""

    url: str
    """Where to, absolute."""
    follow: bool
    """Whether the same request may be sent there: 307 or 308 (RFC 9110 section 15.4), same origin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How the delivery of one upload, or of one file of it, to one service ended."""

    service: str
    outcome: Outcome
    url: str = ""
    """The URL that was tried last, as it is configured."""
    status: int | None = None
    """Of the answer; None if there was none."""
    error: GatewayError | None = None
    """Why there was none."""
    attempts: int = 1
    sent: int = 0
    """Bytes of the last attempt's body that were handed over; the service need not have read them."""
    duration_s: float = 0.0
    """From the first attempt's beginning to the head of the answer, or to the failure."""
    file: str | None = None
    """The name of the file, where each has a delivery of its own."""


def judge(status: int, expect: Expect) -> Outcome:
    """What an answer with this status means."""
    named: tuple[tuple[StatusRanges, Outcome], ...] = (
        (expect.ok, "ok"),
        (expect.rejected, "rejected"),
        (expect.busy, "busy"),
        (expect.failed, "failed"),
    )
    for ranges, outcome in named:
        if any(status in each for each in ranges):
            return outcome
    if 200 <= status <= 299:
        # Who says which of them are ok says that the others are not.
        return "failed" if expect.ok else "ok"
    if status in _BUSY:
        return "busy"
    return "rejected" if 400 <= status <= 499 and status not in _MISCONFIGURED else "failed"


def is_true_of(expression: str, answer: Any) -> bool:
    """Whether a JMESPath expression is true of decoded JSON; null, "", [] and {} are not (JMESPath, "or expressions").

    0 is true, as there. An expression whose functions do not fit the answer is not true of it.
    """
    # Not needed by most.
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        found = jmespath.search(expression, answer)
    except JMESPathError:
        return False
    return found not in (None, False, "", [], {}) or (found == 0 and found is not False)


def outcome_of(error: GatewayError) -> Outcome:
    """What it means that there is no answer."""
    if isinstance(error, ServiceTimeout):
        return "timeout"
    # Whatever else it is, it is not the service's.
    return "failed" if isinstance(error, ServiceError) else "cancelled"


def reply_status(outcomes: Collection[Outcome]) -> int:
    """The status of a reply about these deliveries, all of which were needed."""
    decisive = {outcome for outcome in outcomes if outcome != "ok"}
    if not decisive:
        return 200
    if decisive == {"rejected"}:
        return 422
    return 504 if decisive == {"timeout"} else 502


def redirect_of(status: int, location: str | None, url: str) -> Redirect | None:
    """The redirect in an answer to a request for `url`; None if it is none.

    301, 302 and 303 are never followed: clients turn the POST into a GET, which loses the upload. Another
    origin is never followed: nothing is sent anywhere but to configured services.
    """
    if status not in _REPLAYED + _REFUSED or not location:
        return None
    try:
        target = urljoin(url, location)
        follow = status in _REPLAYED and _origin(target) == _origin(url)
    except ValueError:
        # Not a URL: the report shows it as it came.
        return Redirect(url=location, follow=False)
    return Redirect(url=target, follow=follow)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
