"""One exchange with one service: its phases, its limits, and how far it came.

The phases have limits of their own (core/services.py, Timeouts). Failures are told by the phase in
which they happened, not by the type of the exception: the libraries below report a stalled send as
a failed connection, and a reset as whatever was being done.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from gateway.core.services import Timeouts
from gateway.errors import ServiceFirstByteTimeout, ServiceStalled, ServiceTimeout, ServiceTotalTimeout

__all__ = ["Attempt", "Phase"]


class Phase(Enum):
    """What an attempt is doing, and which failure it is if that takes too long."""

    CONNECTING = "connecting"
    SENDING = "sending"
    WAITING = "waiting for the answer"
    READING = "reading the answer"


class Attempt:
    """Belongs to the thread that sends; nothing here blocks."""

    def __init__(self, service: str, timeouts: Timeouts, clock: Callable[[], float]) -> None:
        self.service = service
        self.timeouts = timeouts
        self.phase = Phase.CONNECTING
        self.sent = 0
        """Bytes handed to the kernel, the request's header included. The service need not have read them."""
        self.early = False
        """Whether the service answered, or closed, before it had the whole request."""
        self.began_at = clock()
        self.upload_completed_at: Callable[[], float | None] = lambda: None
        self._clock = clock
        self._sent_at: float | None = None
        self._pauses_s = 0.0
        self._paused_at: float | None = None

    def enter(self, phase: Phase) -> None:
        """Go on to the next phase."""
        self.phase = phase
        if phase is Phase.WAITING:
            self._sent_at = self._clock()

    def settle(self) -> None:
        """The answer is there: the upload is as complete as it gets, and need not be remembered with the connection."""
        completed_at = self.upload_completed_at()
        self.upload_completed_at = lambda: completed_at

    def pause(self) -> None:
        """The one who reads the answer is busy with what it got: that time is not the service's."""
        self._paused_at = self._clock()

    def resume(self) -> None:
        """The answer is wanted again."""
        if self._paused_at is not None:
            self._pauses_s += self._clock() - self._paused_at
            self._paused_at = None

    def limit_s(self) -> float:
        """How long this phase may wait now, in seconds; raises if the time is already over."""
        now = self._clock()
        remaining_s = self._total_remaining_s(now)
        if remaining_s is not None and remaining_s <= 0:
            raise self.timed_out()
        limit_s = None
        if self.phase is Phase.SENDING:
            limit_s = self.timeouts.stall
        elif self.phase is Phase.WAITING and self._sent_at is not None:
            limit_s = self._sent_at + self.timeouts.first_byte - now
            if limit_s <= 0:
                raise self.timed_out()
        known = [seconds for seconds in (limit_s, remaining_s) if seconds is not None]
        return min(known, default=self.timeouts.total)

    def _total_remaining_s(self, now: float) -> float | None:
        """None while the upload is still coming in: until then it is the client who takes the time.

        After an early answer it may never be in; then the time begins where sending ended.
        """
        completed_at = self.upload_completed_at()
        since = self._sent_at if completed_at is None else max(completed_at, self.began_at)
        return None if since is None else since + self.timeouts.total + self._pauses_s - now

    def timed_out(self) -> ServiceTimeout:
        """The failure that it is when the current phase has waited its limit."""
        remaining_s = self._total_remaining_s(self._clock())
        if self.phase is Phase.READING or (remaining_s is not None and remaining_s <= 0):
            return ServiceTotalTimeout(
                f"{self.service} was not done after {self.timeouts.total:g} s, while {self.phase.value}."
            )
        if self.phase is Phase.SENDING:
            return ServiceStalled(
                f"{self.service} took no byte for {self.timeouts.stall:g} s, after {self.sent} bytes."
            )
        return ServiceFirstByteTimeout(f"{self.service} did not answer within {self.timeouts.first_byte:g} s.")
