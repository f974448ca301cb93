"""The written forms of values: what is taken for what, and that nothing else than `Expected` comes out."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from gateway.settings import http_values, values
from gateway.settings.values import (
    Expected,
    Secret,
    SecretBytes,
    lowered,
    parse_boolean,
    parse_duration,
    parse_scalar,
    parse_size,
    shown,
    split_address,
    write_duration,
    write_size,
)

PARSERS = [
    getattr(module, name) for module in (values, http_values) for name in module.__all__ if name.startswith("parse_")
]

SIZES = [
    (0, 0),
    ("0", 0),
    (4096, 4096),
    ("4096", 4096),
    ("4096B", 4096),
    ("1KiB", 1024),
    ("1 KiB", 1024),
    ("200MiB", 200 * 2**20),
    ("200mib", 200 * 2**20),
    ("1GB", 10**9),
    ("1kB", 1000),
    ("1.5GiB", 3 * 2**29),
    ("0.5kb", 500),
    ("2TiB", 2**41),
    (1.0, 1),
]

NO_SIZES = [
    "",
    "MiB",
    "-1",
    -1,
    "1G",
    "1K",
    "1 000",
    "1,5GiB",
    "1e3",
    "0.3B",
    1.5,
    True,
    None,
    [],
    {},
    "\u0661KiB",
    "1MiB\n",
]
NO_SIZES += ["9" * 31, 2**70, float("inf"), float("nan")]


@pytest.mark.parametrize(("written", "size"), SIZES)
def test_sizes(written: object, size: int) -> None:
    """A number and a unit, or bytes."""
    assert parse_size(written) == size


@pytest.mark.parametrize("written", NO_SIZES, ids=repr)
def test_no_sizes(written: object) -> None:
    """What is ambiguous or not whole is not guessed at."""
    with pytest.raises(Expected, match="expected a size"):
        parse_size(written)


@trials(deadline=None)
@given(st.integers(0, values.LARGEST_SIZE))
def test_sizes_come_back(size: int) -> None:
    """What is written for people means the same size."""
    assert parse_size(write_size(size)) == size


@trials(deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(sorted(values.SIZE_UNITS)))
def test_every_unit_multiplies(number: int, unit: str) -> None:
    """n units are n times the unit, in any case of the letters."""
    assert parse_size(f"{number}{unit}") == parse_size(f"{number}{unit.upper()}") == number * values.SIZE_UNITS[unit]


DURATIONS = [
    ("30s", 30.0),
    ("500ms", 0.5),
    ("10m", 600.0),
    ("2h", 7200.0),
    ("1.5h", 5400.0),
    ("30", 30.0),
    (30, 30.0),
    (0.25, 0.25),
    ("0.25", 0.25),
    (0.001, 0.001),
    ("1ms", 0.001),
    ("168h", 604800.0),
]

NO_DURATIONS = ["", "s", "-1s", -1, 0, "0", "0s", "0.9ms", "30S", "1d", "10 minutes", "1h30m", True, None, [], "169h"]
NO_DURATIONS += [float("inf"), float("nan"), 10**30, "1s\n"]


@pytest.mark.parametrize(("written", "seconds"), DURATIONS)
def test_durations(written: object, seconds: float) -> None:
    """A number and a unit, or seconds."""
    assert parse_duration(written) == seconds
    assert isinstance(parse_duration(written), float)


@pytest.mark.parametrize("written", NO_DURATIONS, ids=repr)
def test_no_durations(written: object) -> None:
    """Nothing that would never end, end at once, or need guessing."""
    with pytest.raises(Expected, match="expected a duration"):
        parse_duration(written)


def test_a_duration_may_be_zero_where_that_means_something() -> None:
    """Where zero is allowed, so is everything above it."""
    assert parse_duration("0s", minimum=0) == 0.0
    assert parse_duration("0.1ms", minimum=0) == 0.0001


@trials(deadline=None)
@given(st.integers(1, 10**5), st.sampled_from(["ms", "s", "m", "h", ""]))
def test_every_unit_of_time_multiplies(number: int, unit: str) -> None:
    """n units are n times the unit, up to a week."""
    seconds = float(number * values.DURATION_UNITS[unit])

    if seconds > values.LONGEST_DURATION:
        with pytest.raises(Expected):
            parse_duration(f"{number}{unit}")
    else:
        assert parse_duration(f"{number}{unit}") == seconds


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__name__)
@trials(deadline=None)
@given(
    value=st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.from_regex(r"\A(http://)?[a-z0-9.:/@#\[\]-]{0,20}\Z")
    | st.text("{}[]()ab.=!'`*&|/0 ")  # templates, expressions
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(), st.integers(), max_size=2)
)
def test_a_value_or_what_was_expected(parse: Callable[[object], object], value: object) -> None:
    """No value breaks a parser, and what was expected is told without naming what came."""
    message = "expected "
    try:
        parse(value)
    except Expected as expected:
        message = str(expected)

    assert message.startswith("expected ")


@trials(deadline=None)
@given(st.text("abcdefghij", min_size=12))
def test_expectations_hold_no_value(secret: str) -> None:
    """A message never repeats the value: only load.py knows whether it may be shown."""
    wrong = (f"{secret} \n", f"http://me:{secret}@h/", f"/-/{secret}", f"{secret}:x", f"/{secret}?", f"{secret}\0")
    messages = []
    for parse in PARSERS:
        for value in wrong:
            try:
                parse(value)
            except Expected as expected:
                messages.append(str(expected))

    assert len(messages) >= 2 * len(PARSERS)
    assert [message for message in messages if secret in message] == []


@trials(deadline=None)
@given(st.integers(1, 604_800_000))
def test_durations_come_back(milliseconds: int) -> None:
    """What is written for people means the same time."""
    assert parse_duration(write_duration(milliseconds / 1000)) == milliseconds / 1000


@pytest.mark.parametrize(
    ("seconds", "written"), [(0, "0"), (0.5, "500ms"), (30, "30s"), (60, "1m"), (90, "90s"), (7200, "2h")]
)
def test_written_durations(seconds: float, written: str) -> None:
    """With the largest unit of which it is a whole number."""
    assert write_duration(seconds) == written


@pytest.mark.parametrize(
    ("written", "text"),
    [("a", "a"), ("", ""), (5, "5"), (1.5, "1.5"), (True, "true"), (False, "false"), ("1.50", "1.50")],
)
def test_scalars(written: object, text: str) -> None:
    """As YAML writes them, not as Python does."""
    assert parse_scalar(written) == text


@pytest.mark.parametrize("written", [None, [], {}, "\ud800"], ids=repr)
def test_no_scalars(written: object) -> None:
    """What could not be sent as text."""
    with pytest.raises(Expected, match="expected text"):
        parse_scalar(written)


@pytest.mark.parametrize(("written", "value"), [(True, True), (False, False), ("true", True), ("false", False)])
def test_booleans(written: object, value: bool) -> None:
    """A variable of the environment is text."""
    assert parse_boolean(written) is value


@pytest.mark.parametrize("written", ["yes", "True", "", 1, 0, None, []], ids=repr)
def test_no_booleans(written: object) -> None:
    """Nothing else is taken for one."""
    with pytest.raises(Expected, match="expected true or false"):
        parse_boolean(written)


ADDRESSES = [
    ("127.0.0.1:8080", ("127.0.0.1", 8080)),
    ("0.0.0.0:0", ("0.0.0.0", 0)),
    ("[::1]:8080", ("::1", 8080)),
    ("localhost:65535", ("localhost", 65535)),
    ("my-host.example:80", ("my-host.example", 80)),
    ("::1:8080", None),
    (":8080", None),
    ("8080", None),
    ("127.0.0.1", None),
    ("127.0.0.1:", None),
    ("127.0.0.1:65536", None),
    ("127.0.0.1:-1", None),
    ("[]:80", None),
    ("[host]:80", None),
    ("unix:/run/gateway.sock", None),
    ("a b:80", None),
    ("", None),
]


@pytest.mark.parametrize(("written", "address"), ADDRESSES)
def test_addresses(written: str, address: tuple[str, int] | None) -> None:
    """Host and port, an IPv6 host in brackets."""
    assert split_address(written) == address


def test_a_secret_shows_its_source() -> None:
    """It is the text it stands for in every use but being shown."""
    secret = Secret("hunter2", source="${PASSWORD}")

    assert secret == "hunter2"
    assert f"{secret}" == "hunter2"
    assert secret.encode("latin-1") == b"hunter2"
    assert repr(secret) == "'${PASSWORD}'"
    assert shown(secret) == "${PASSWORD}"
    assert shown("plain") == "plain"


def test_secret_bytes_do_not_show() -> None:
    """They are what they are in every use but being shown."""
    secret = SecretBytes(b"hunter2")

    assert secret == b"hunter2"
    assert b"".join([secret, b"!"]) == b"hunter2!"
    assert "hunter2" not in f"{secret!r} {secret} {[secret]}"
    assert "hunter2" not in repr(pickle.loads(pickle.dumps(secret)))


def test_a_secret_in_lower_case_stays_one() -> None:
    """Names are compared in lower case."""
    assert lowered("ABC") == "abc"
    assert lowered(Secret("HUNTER2", source="${X}")) == "hunter2"
    assert repr(lowered(Secret("HUNTER2", source="${X}"))) == "'${X}'"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda secret: pickle.loads(pickle.dumps(secret))])
def test_a_copied_secret_stays_one(copied: Callable[[Secret], Secret]) -> None:
    """Settings may be handed to another process."""
    secret = copied(Secret("hunter2", source="${PASSWORD}"))

    assert secret == "hunter2"
    assert repr(secret) == "'${PASSWORD}'"


@pytest.mark.parametrize(
    "parse",
    [
        values.parse_text,
        values.parse_scalar,
        http_values.parse_url,
        http_values.parse_header_value,
        http_values.parse_query_value,
        http_values.parse_part_name,
        http_values.parse_parameter_name,
    ],
    ids=lambda p: p.__name__,
)
def test_parsed_secrets_stay_secret(parse: Callable[[object], str]) -> None:
    """Validation hands on the same object."""
    secret = Secret("http://host/hunter2", source="${URL}")

    assert parse(secret) is secret
