"""The written forms of values: what is taken for what, and that nothing else than `Expected` comes out."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings import values
from gateway.settings.values import Expected, Secret, parse_duration, parse_size, shown, split_address, write_size

PARSERS = [getattr(values, name) for name in values.__all__ if name.startswith("parse_")]

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


@given(st.integers(0, values.LARGEST_SIZE))
def test_sizes_come_back(size: int) -> None:
    """What is written for people means the same size."""
    assert parse_size(write_size(size)) == size


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
@given(
    value=st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.from_regex(r"\A(http://)?[a-z0-9.:/@#\[\]-]{0,20}\Z")
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


URLS = [
    "http://127.0.0.1:8811/extract",
    "https://service.example",
    "http://localhost:1/a%20b?x=1&y[]=2;z",
    "HTTP://Service.Example/",
    "http://[::1]:8080/x",
    "http://under_score/",
]


@pytest.mark.parametrize("url", URLS)
def test_urls(url: str) -> None:
    """A URL is kept as it is written."""
    assert values.parse_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        *("", "h", "//h/x", "http:h", "http://", "http://:80/", "http://h:0/", "http://h:x/", "http://[::1/"),
        *("http://h\\x/", "ftp://h/", "http://h /", "http://h/\n", "http://u@h/", "http://h/#", "http://h/ü"),
        *("http://ü/", 5, None),
    ],
)
def test_no_urls(url: object) -> None:
    """Nothing that could not be posted to as it stands."""
    with pytest.raises(Expected, match="expected a URL"):
        values.parse_url(url)


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key", "x_y", "!#$%&'*+.^`|~"])
def test_header_names(name: str) -> None:
    """Any token of RFC 9110 that is not the body's own business."""
    assert values.parse_header_name(name) == name


@pytest.mark.parametrize("name", ["", " ", "A B", "A:", "A\n", "Ä", "A\x00", 5, "content-TYPE", "Host"])
def test_no_header_names(name: object) -> None:
    """Nothing that would end the line, and nothing that the body and the URL decide on."""
    with pytest.raises(Expected):
        values.parse_header_name(name)


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\x00", "a\x7f", "a\x85", " a", "a ", "✓", 5, None, True])
def test_no_header_values(value: object) -> None:
    """Nothing that starts another header, or that could not be sent; and it is never quoted."""
    with pytest.raises(Expected) as caught:
        values.parse_header_value(value)

    assert not caught.value.quotable


@pytest.mark.parametrize("value", ["", "Bearer abc", "é", "a  b"])
def test_header_values(value: str) -> None:
    """A header's value is not shown, wherever it comes from."""
    parsed = values.parse_header_value(value)

    assert parsed == value
    assert repr(parsed) == "'(hidden)'"


def test_a_secret_shows_its_source() -> None:
    """It is the text it stands for in every use but being shown."""
    secret = Secret("hunter2", source="${PASSWORD}")

    assert secret == "hunter2"
    assert f"{secret}" == "hunter2"
    assert secret.encode("latin-1") == b"hunter2"
    assert repr(secret) == "'${PASSWORD}'"
    assert shown(secret) == "${PASSWORD}"
    assert shown("plain") == "plain"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda secret: pickle.loads(pickle.dumps(secret))])
def test_a_copied_secret_stays_one(copied: Callable[[Secret], Secret]) -> None:
    """Settings may be handed to another process."""
    secret = copied(Secret("hunter2", source="${PASSWORD}"))

    assert secret == "hunter2"
    assert repr(secret) == "'${PASSWORD}'"


@pytest.mark.parametrize(
    "parse", [values.parse_text, values.parse_url, values.parse_header_value], ids=lambda p: p.__name__
)
def test_parsed_secrets_stay_secret(parse: Callable[[object], str]) -> None:
    """Validation hands on the same object."""
    secret = Secret("http://host/hunter2", source="${URL}")

    assert parse(secret) is secret
