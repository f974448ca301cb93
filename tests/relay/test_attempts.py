"""How long an attempt may take, phase by phase, and which failure it is: tables over a clock that stands still."""

from __future__ import annotations

import pytest

from gateway.core.services import Timeouts
from gateway.errors import ServiceFirstByteTimeout, ServiceStalled, ServiceTimeout, ServiceTotalTimeout
from gateway.relay.attempts import Attempt, Phase

LIMITS = Timeouts(connect=5, stall=30, first_byte=60, total=600)
PHASES = list(Phase)
BEGAN = 1000.0


class Clock:
    def __init__(self) -> None:
        self.now = BEGAN

    def __call__(self) -> float:
        return self.now


def attempt_in(phase: Phase, *, at: float = 0.0, upload_at: float | None = None) -> tuple[Attempt, Clock]:
    """An attempt that came as far as `phase`, the last step `at` seconds after its beginning."""
    clock = Clock()
    attempt = Attempt("text", LIMITS, clock)
    attempt.upload_completed_at = lambda: None if upload_at is None else BEGAN + upload_at
    clock.now = BEGAN + at
    for step in PHASES[1 : PHASES.index(phase) + 1]:
        attempt.enter(step)
    return attempt, clock


@pytest.mark.parametrize(
    ("phase", "phase_at", "upload_at", "now", "limit"),
    [
        # while the upload comes in, the client takes the time: no total
        (Phase.CONNECTING, 0, None, 0, 600),
        (Phase.SENDING, 0, None, 0, 30),
        (Phase.SENDING, 0, None, 5000, 30),
        # total begins when the upload is in
        (Phase.SENDING, 0, 100, 100, 30),
        (Phase.SENDING, 0, 100, 669, 30),
        (Phase.SENDING, 0, 100, 671, 29),
        (Phase.SENDING, 0, 100, 699, 1),
        (Phase.CONNECTING, 0, 100, 200, 500),
        # or with the attempt, if the upload was in before: a second try, a later stage
        (Phase.SENDING, 0, -5000, 0, 30),
        (Phase.SENDING, 0, -5000, 590, 10),
        (Phase.READING, 0, -5000, 0, 600),
        # the first byte counts from the last one sent
        (Phase.WAITING, 100, 100, 100, 60),
        (Phase.WAITING, 100, 100, 159, 1),
        (Phase.WAITING, 690, 100, 695, 5),
        (Phase.WAITING, 670, 100, 675, 25),
        # an answer has what is left of the total
        (Phase.READING, 150, 100, 150, 550),
        (Phase.READING, 150, 100, 699, 1),
        # an early answer: the upload is never in, the total begins where sending ended
        (Phase.WAITING, 100, None, 100, 60),
        (Phase.READING, 100, None, 100, 600),
        (Phase.READING, 100, None, 699, 1),
    ],
)
def test_a_phase_may_wait_so_long(
    phase: Phase, phase_at: float, upload_at: float | None, now: float, limit: float
) -> None:
    attempt, clock = attempt_in(phase, at=phase_at, upload_at=upload_at)
    clock.now = BEGAN + now

    assert attempt.limit_s() == pytest.approx(limit)


@pytest.mark.parametrize(
    ("phase", "phase_at", "upload_at", "now", "error", "message"),
    [
        (Phase.SENDING, 0, 100, 700, ServiceTotalTimeout, "text was not done after 600 s, while sending."),
        (Phase.SENDING, 0, -10, 600, ServiceTotalTimeout, "text was not done after 600 s, while sending."),
        (Phase.WAITING, 100, 100, 160, ServiceFirstByteTimeout, "text did not answer within 60 s."),
        (Phase.WAITING, 100, None, 160, ServiceFirstByteTimeout, "text did not answer within 60 s."),
        (
            Phase.WAITING,
            690,
            100,
            700,
            ServiceTotalTimeout,
            "text was not done after 600 s, while waiting for the answer.",
        ),
        (Phase.READING, 100, 100, 700, ServiceTotalTimeout, "text was not done after 600 s, while reading the answer."),
        (
            Phase.READING,
            100,
            None,
            700,
            ServiceTotalTimeout,
            "text was not done after 600 s, while reading the answer.",
        ),
    ],
)
def test_a_time_that_is_over_is_told_without_waiting(
    phase: Phase, phase_at: float, upload_at: float | None, now: float, error: type[ServiceTimeout], message: str
) -> None:
    attempt, clock = attempt_in(phase, at=phase_at, upload_at=upload_at)
    clock.now = BEGAN + now

    with pytest.raises(error) as raised:
        attempt.limit_s()

    assert type(raised.value) is error
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("phase", "upload_at", "error", "message"),
    [
        (Phase.SENDING, None, ServiceStalled, "text took no byte for 30 s, after 12345 bytes."),
        (Phase.SENDING, 0, ServiceStalled, "text took no byte for 30 s, after 12345 bytes."),
        (Phase.WAITING, 0, ServiceFirstByteTimeout, "text did not answer within 60 s."),
        (Phase.READING, 0, ServiceTotalTimeout, "text was not done after 600 s, while reading the answer."),
        (Phase.READING, None, ServiceTotalTimeout, "text was not done after 600 s, while reading the answer."),
    ],
)
@pytest.mark.parametrize("short_s", [0.0, 0.001])
def test_a_wait_that_was_too_long_is_told_by_its_phase(
    phase: Phase, upload_at: float | None, error: type[ServiceTimeout], message: str, short_s: float
) -> None:
    """Also where the system woke us a moment early."""
    attempt, clock = attempt_in(phase, upload_at=upload_at)
    attempt.sent = 12345
    clock.now += attempt.limit_s() - short_s

    failure = attempt.timed_out()

    assert type(failure) is error
    assert str(failure) == message


def test_waits_for_whoever_takes_the_answer_do_not_count() -> None:
    """The client reads slowly: that is not the service's time."""
    attempt, clock = attempt_in(Phase.READING, upload_at=0)
    for _ in range(3):
        attempt.pause()
        clock.now += 1000
        attempt.resume()
        clock.now += 100

    assert attempt.limit_s() == pytest.approx(300)

    clock.now += 300
    with pytest.raises(ServiceTotalTimeout):
        attempt.limit_s()


def test_a_pause_ends_once() -> None:
    attempt, clock = attempt_in(Phase.READING, upload_at=0)
    attempt.resume()
    attempt.pause()
    clock.now += 50
    attempt.resume()
    clock.now += 100
    attempt.resume()

    assert attempt.limit_s() == pytest.approx(500)


def test_a_new_attempt_has_done_nothing() -> None:
    attempt, _ = attempt_in(Phase.CONNECTING)

    assert (attempt.phase, attempt.sent, attempt.early, attempt.began_at) == (Phase.CONNECTING, 0, False, BEGAN)
