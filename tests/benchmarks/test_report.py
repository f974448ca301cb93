"""The pure half of the benchmark: what counts as whole, the order of rounds, medians and ratios."""

from __future__ import annotations

import pytest

from benchmarks.machine import Machine
from benchmarks.native import BenchmarkError
from benchmarks.peers import PEERS
from benchmarks.report import Run, as_markdown
from benchmarks.rounds import Measurement, rotate
from benchmarks.verification import find_overhead
from benchmarks.workloads import WORKLOADS, Extent
from benchmarks.workloads.small_uploads import percentile

HEADER = b'POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary="b1"\r\n\r\n'
BODY = b'--b1\r\nContent-Disposition: form-data; name="file"; filename="content.bin"\r\n\r\nabc\r\n--b1--\r\n'


def test_overhead_is_what_the_body_has_beside_the_content() -> None:
    """Delimiters and part headers count, the content does not."""
    assert find_overhead(HEADER + BODY, b"abc") == len(BODY) - 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"abc", b"abd", id="a byte changed"),
        pytest.param(b"abc", b"abc\r", id="a byte added"),
        pytest.param(b"abc", b"", id="content lost"),
        pytest.param(b'"b1"', b'"b2"', id="another boundary in the header"),
        pytest.param(b"; boundary", b"; border", id="no boundary in the header"),
        pytest.param(b"--b1--", b"--b1", id="no closing delimiter"),
        pytest.param(b'"content.bin"', b'"content"', id="another filename"),
    ],
)
def test_what_is_not_the_upload_is_refused(old: bytes, new: bytes) -> None:
    """A peer that changes anything that matters gets no figures."""
    with pytest.raises(BenchmarkError):
        find_overhead((HEADER + BODY).replace(old, new), b"abc")


def test_every_peer_is_first_once() -> None:
    """As many rounds as peers, and each has had every place."""
    orders = [rotate(PEERS, number) for number in range(len(PEERS))]

    for place in range(len(PEERS)):
        assert {order[place].name for order in orders} == {peer.name for peer in PEERS}


def test_percentiles_are_values_that_were_measured() -> None:
    """Nothing is interpolated."""
    values = [float(number) for number in range(1, 101)]

    assert (percentile(values, 50), percentile(values, 99), percentile([7.0], 99)) == (50.0, 99.0, 7.0)


def measurement(peer: str, number: int, rate: float, failure: str | None = None) -> Measurement:
    figures = {} if failure else {"rate": rate, "first_byte_ms": 1.0, "peak_mb": None, "cpu_s_per_gib": 0.5}
    return Measurement(
        workload="w1", peer=peer, round=number, figures=figures, foreign=0.0, load_before=0.0, failure=failure
    )


def page(*measurements: Measurement) -> str:
    return as_markdown(
        Run(
            started="2001-01-01T00:00:00+00:00",
            command="python -m benchmarks",
            revision="",
            machine=Machine(processor="p", cores=2, memory_bytes=2**30, kernel="k", python="y", compiler="c"),
            rounds=3,
            sender="memory",
            workloads={"w1": WORKLOADS["w1"](Extent(size=2**30, seconds=1.0))},
            peers=PEERS,
            absent={},
            measurements=measurements,
        )
    )


def test_ratios_are_made_round_by_round() -> None:
    """The ratio of the medians would be 4 here; within the rounds it is 2, 4 and 1."""
    gateway = [measurement("gateway", number, rate) for number, rate in enumerate((200.0, 400.0, 800.0))]
    haproxy = [measurement("haproxy", number, rate) for number, rate in enumerate((100.0, 100.0, 800.0))]

    assert "| haproxy | 100 (100-800) | 1.0 | - | 0.50 | 2.00 | 0% |" in page(*gateway, *haproxy)


def test_a_peer_that_failed_shows_no_figures() -> None:
    """Neither what it reached before, nor a ratio."""
    rows = page(measurement("haproxy", 0, 100.0), measurement("haproxy", 1, 0.0, "it broke\nat length"))

    assert "| haproxy | failed: it broke |" in rows
    assert "100" not in rows.partition("### W1")[2].replace("1024", "")


@pytest.mark.parametrize(
    ("direct", "verdict"),
    [pytest.param(2000.0, "NOT clearly faster", id="too slow"), pytest.param(8000.0, "clearly faster", id="fast")],
)
def test_client_and_service_must_be_clearly_faster(direct: float, verdict: str) -> None:
    """Otherwise they, and not the peers, are what was measured."""
    assert f": {verdict}" in page(measurement("direct", 0, direct), measurement("haproxy", 0, 1500.0))
