"""Every limit of the scanner: at its value all is well, one beyond it is a fault, for every cut of the bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.core.uploads import Limits
from gateway.errors import GatewayError, LimitExceeded, MalformedUpload
from gateway.multipart.scanner import Scanner, undecided_max
from tests.multipart.driving import contents_of, scan_in_all_ways
from tests.multipart.test_scanner import FIELD, FILE

LIMITS = Limits(parts=3, part_headers=90, field=10, preamble=9, epilogue=7, padding=4, near_delimiters=2)


def field(content: bytes) -> bytes:
    return b"--b\r\n" + FIELD + content + b"\r\n"


def file(content: bytes) -> bytes:
    return b"--b\r\n" + FILE + content + b"\r\n"


def with_headers(size: int) -> bytes:
    """A part whose headers, the empty line included, are `size` bytes long."""
    start, end = b'Content-Disposition: form-data; name="', b'"\r\n\r\n'
    return b"--b\r\n" + start + b"n" * (size - len(start + end)) + end + b"x\r\n"


END = b"--b--\r\n"
BEHIND_END = len(field(b"x")) + len(END)

# Which limit, a body of that much, and the fault and its offset at one more. Each body is tried with
# amounts from two below the limit to two above it.
CASES = [
    pytest.param("parts", lambda n: field(b"x") * n + END, "TooManyParts", 3 * len(field(b"x")) + 5, id="parts"),
    pytest.param("part_headers", lambda n: with_headers(n) + END, "PartHeadersTooLarge", 5, id="headers"),
    pytest.param(
        "part_headers", lambda n: field(b"x") + with_headers(n) + END, "PartHeadersTooLarge",
        len(field(b"x")) + 5, id="headers of the second part",
    ),
    pytest.param("field", lambda n: field(b"x" * n) + END, "FieldTooLarge", 5 + len(FIELD), id="a field"),
    pytest.param(
        "field", lambda n: field(b"\r\n--bX\r\n--"[:n].ljust(n, b"\r")) + END, "FieldTooLarge", 5 + len(FIELD),
        id="a field of near delimiters",
    ),
    pytest.param(
        "field", lambda n: file(b"x" * 20) + field(b"\r" * n) + END, "FieldTooLarge",
        len(file(b"x" * 20)) + 5 + len(FIELD), id="a field behind a file",
    ),
    pytest.param("preamble", lambda n: b"x" * n + b"\r\n" + field(b"x") + END, "BoundaryNotFound", 0, id="preamble"),
    pytest.param("preamble", lambda n: b"-" * n + b"\r\n" + END, "BoundaryNotFound", 0, id="preamble of dashes"),
    pytest.param("epilogue", lambda n: field(b"x") + END + b"x" * n, "EpilogueTooLarge", BEHIND_END, id="epilogue"),
    pytest.param(
        "epilogue", lambda n: field(b"x") + END + b"\r\n--b--\r\n"[:n], "EpilogueTooLarge", BEHIND_END,
        id="an epilogue like an end",
    ),
    pytest.param(
        "near_delimiters", lambda n: file(b"\r\n--bX" * n) + END, "NearDelimiters", 5 + len(FILE) + 2 * 6 + 2,
        id="near",
    ),
    pytest.param(
        "near_delimiters", lambda n: file(b"\r\n--b-" + b"\r\n--b     \r\n") + file(b"\r\n--b x" * (n - 2)) + END,
        "NearDelimiters", len(file(b"\r\n--b-\r\n--b     \r\n")) + 5 + len(FILE) + 2, id="near, in two parts",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("limit", "body_of", "error", "offset"), CASES)
def test_at_the_limit_and_beyond(limit: str, body_of: Callable[[int], bytes], error: str, offset: int) -> None:
    """As much as the limit says is taken; one more is refused, with the place where the excess began."""
    value = getattr(LIMITS, limit)

    for amount in (value - 2, value - 1, value):
        assert scan_in_all_ways(body_of(amount), b"b", LIMITS).fault is None, amount
    for amount in (value + 1, value + 2):
        found = scan_in_all_ways(body_of(amount), b"b", LIMITS)
        assert found.fault is not None, amount
        assert found.fault[:2] == (error, offset), amount


@pytest.mark.parametrize("limit", ["parts", "field", "preamble", "epilogue", "padding", "near_delimiters"])
def test_zero_means_none(limit: str) -> None:
    """A limit of 0 takes forms that have nothing of it."""
    limits = replace(LIMITS, **{limit: 0})
    body = END if limit == "parts" else field(b"") + END

    assert scan_in_all_ways(body, b"b", limits).fault is None


def test_padding_beyond_its_limit_makes_content() -> None:
    """Blanks behind a delimiter are not a fault; too many of them make it something else than a delimiter."""
    at, beyond = b"\r\n--b" + b" " * 4, b"\r\n--b" + b" " * 5
    parts = [field(b"x")[:-2], at + b"\r\n" + FIELD + b"y", beyond + b"\r\n", at + b"--"]
    body = b"".join(parts) + b"\r\n--b--    \r\n"

    found = scan_in_all_ways(body, b"b", replace(LIMITS, field=99))

    assert contents_of(body, found) == [b"x", b"y" + beyond + b"\r\n" + at + b"--"]


@pytest.mark.parametrize("start", [b"--b", b"--b--"])
def test_padding_beyond_its_limit_at_the_ends(start: bytes) -> None:
    """The first delimiter must be one, and so must the last."""
    assert scan_in_all_ways(start + b"     \r\n" + FIELD, b"b", LIMITS).error == "BoundaryNotFound"
    assert scan_in_all_ways(file(b"x") + b"--b--     ", b"b", LIMITS).error == "ClosingDelimiterMissing"


def test_the_field_limit_is_not_for_files() -> None:
    """What has a filename, an empty one too, is a file and may be as large as the body."""
    for name in (b"f", b""):
        headers = b'Content-Disposition: form-data; name="a"; filename="%s"\r\n\r\n' % name
        body = b"--b\r\n" + headers + b"x" * 99 + b"\r\n" + END
        assert scan_in_all_ways(body, b"b", LIMITS).fault is None


def test_headers_that_never_end() -> None:
    """Refused as soon as the limit is used up, not at the end of the body."""
    for size, error, offset in [(89, "PartHeadersUnterminated", 94), (90, "PartHeadersTooLarge", 5)]:
        found = scan_in_all_ways(b"--b\r\n" + b"A: ".ljust(size, b"x"), b"b", LIMITS)

        assert found.fault is not None
        assert found.fault[:2] == (error, offset)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(field(b"x" * 50)[:-2], "FieldTooLarge", id="field"),
        pytest.param(b"x" * 50, "BoundaryNotFound", id="preamble"),
        pytest.param(field(b"x") + END + b"x" * 50, "EpilogueTooLarge", id="epilogue"),
        pytest.param(file(b"\r\n--bX" * 9), "NearDelimiters", id="near delimiters"),
    ],
)
def test_limits_hold_while_bytes_arrive(body: bytes, error: str) -> None:
    """What is too much is refused when it is there: neither a delimiter nor the end of the body is waited for."""
    with pytest.raises(GatewayError) as caught:
        Scanner(b"b", LIMITS).feed(body, 0, len(body))

    assert type(caught.value).__name__ == error
    assert scan_in_all_ways(body, b"b", LIMITS).error == error


def test_limits_and_rules_have_their_own_kinds() -> None:
    """413 is for what may be configured, 400 for what is broken; no boundary in sight is the latter."""
    for body, expected in [
        (field(b"x") * (LIMITS.parts + 1) + END, LimitExceeded),
        (b"x" * (LIMITS.preamble + 1) + b"\r\n" + END, MalformedUpload),
    ]:
        with pytest.raises(expected):
            Scanner(b"b", LIMITS).feed(body, 0, len(body), last=True)


@pytest.mark.parametrize(
    "limits", [Limits(part_headers=50, padding=3), Limits(part_headers=50, padding=90), Limits(part_headers=9000)]
)
@pytest.mark.parametrize("length", [1, 2, 30, 70])
def test_the_most_that_is_undecided(length: int, limits: Limits) -> None:
    """The spool sets this much aside: it is never exceeded (driving.scan looks), and nearly reached."""
    boundary = b"x" * length
    first = b"--" + boundary + b"\r\n"
    longest = 0

    for body in (
        first + FILE[:45] + b"y" * (limits.part_headers - 46),
        first + FIELD + b"content\r\n--" + boundary + b"--" + b" " * limits.padding + b"\r",
    ):
        scanner = Scanner(boundary, limits)
        count, _ = scanner.feed(body, 0, len(body))
        longest = max(longest, len(body) - count)

    assert undecided_max(boundary, limits) - 1 == longest
