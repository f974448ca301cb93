"""YAML becomes plain data; variables and files are put in where the schema wants text."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.settings.document import Document, quote, read_document
from gateway.settings.schema import Settings
from gateway.settings.values import Secret

FILES = {"one": b"content\n", "crlf": b"content\r\n", "two": b"content\n\n", "none": b"content", "empty": b""}


def read(text: str, environment: dict[str, str] | None = None) -> Document:
    return read_document(text, Settings, environment=environment or {}, read_file=FILES.__getitem__)


def data_of(text: str, environment: dict[str, str] | None = None) -> Any:
    document = read(text, environment)
    assert document.mistakes == ()
    return document.data


def header(written: str, environment: dict[str, str] | None = None) -> Any:
    return data_of(f"services: {{text: {{headers: {{X: {written}}}}}}}", environment)["services"]["text"]["headers"][
        "X"
    ]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("5", 5),
        ("010", 10),  # not octal, as in YAML 1.1
        ("0x10", 16),
        ("1_000", 1000),
        ("1.5", 1.5),
        ("true", True),
        ("yes", "yes"),
        ("12:30", "12:30"),  # not base 60
        ("2026-01-01", "2026-01-01"),
        ("'5'", "5"),
        ("~", None),
        ("[a, 1]", ["a", 1]),
        ("{a: 1}", {"a": 1}),
    ],
)
def test_values_are_those_of_yaml_1_2(written: str, value: object) -> None:
    """What a value looks like is what it is, and no more."""
    assert header(written) == value


def test_keys_are_text() -> None:
    """A service may have any name that can be written."""
    assert data_of("services: {1: {}, true: {}, 2026-01-01: {}, ~: {}}") == {
        "services": {"1": {}, "true": {}, "2026-01-01": {}, "~": {}}
    }


def test_a_key_without_a_value_is_not_given() -> None:
    """Of the schema's keys; a name that the user gave stays, and so does what is unknown."""
    text = "gateway:\nservices: {text: {url: , deliver: null, unknown: }, empty: }\nroutes:"

    assert data_of(text) == {"services": {"text": {"unknown": None}, "empty": None}}


def test_nothing_is_an_empty_mapping() -> None:
    """The schema says what is missing."""
    assert data_of("") == data_of("# comment\n") == data_of("---\n...\n") == {}


def test_aliases() -> None:
    """A value may be used again; each place is known by itself."""
    document = read("services:\n  a: &a\n    deliver: whole\n  b: *a\n")

    assert document.data == {"services": {"a": {"deliver": "whole"}, "b": {"deliver": "whole"}}}
    assert document.places["services", "b"].line == 4
    assert document.places["services", "b", "deliver"].line == 3


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${A}", "1"),
        ("x${A}y${B}z", "x1y2z"),
        ("$A", "$A"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$$A", "$$A"),
        ("${C}", "${A}"),  # what was put in is not looked at again
        ("${EMPTY}", ""),
    ],
)
def test_variables(written: str, value: str) -> None:
    """Put in where they are named, once."""
    assert header(f'"{written}"', {"A": "1", "B": "2", "C": "${A}", "EMPTY": ""}) == value


def test_variables_are_never_yaml() -> None:
    """What a variable holds cannot add keys or change the type of a value."""
    assert data_of("gateway: {state: '${A}', bind: \"${A}\"}", {"A": "x, workers: 5"}) == {
        "gateway": {"state": "x, workers: 5", "bind": "x, workers: 5"}
    }
    assert data_of("gateway: {workers: '${A}'}", {"A": "5"}) == {"gateway": {"workers": "5"}}


@pytest.mark.parametrize(
    ("file", "value"),
    [("one", "content"), ("crlf", "content"), ("two", "content\n"), ("none", "content"), ("empty", "")],
)
def test_files(file: str, value: str) -> None:
    """The content without the newline that ends its last line."""
    assert header(f"{{file: {file}}}") == value


def test_the_name_of_a_file_may_have_variables() -> None:
    """Platforms say in a variable where they put secrets."""
    secret = header('{file: "${WHERE}"}', {"WHERE": "one"})

    assert secret == "content"
    assert repr(secret) == "'{file: ${WHERE}}'"


def test_file_is_a_name_like_any_other_where_no_text_is_expected() -> None:
    """A service, a route and a header may be called `file`, and a member of JSON that is sent."""
    text = (
        "services: {file: {headers: {file: one}, deliver: {file: one}, send: {add: {file: {json: {file: one}}}}}}\n"
        "routes: {file: {}}\ngateway: {limits: {file: one}}"
    )

    assert data_of(text) == {
        "services": {
            "file": {
                "headers": {"file": "one"},
                "deliver": {"file": "one"},
                "send": {"add": {"file": {"json": {"file": "one"}}}},
            }
        },
        "routes": {"file": {}},
        "gateway": {"limits": {"file": "one"}},
    }


@pytest.mark.parametrize(
    "path",
    [
        "gateway.state",
        "gateway.workers",
        "gateway.limits.body",
        "gateway.stop",
        "services.a.url",
        "services.a.query.x",
        "services.a.tls.ca",
        "services.a.send.add.x",
        "services.a.send.rename.x",
        "services.a.send.file_last",
        "services.a.expect.ok_if",
        "routes.a.path",
        "routes.a.to",
        "routes.a.accept.body",
    ],
)
def test_a_file_may_stand_for_any_text_or_number(path: str) -> None:
    """Wherever the value is not one of a few words."""
    data = data_of("{" + ": {".join(path.split(".")) + ": {file: one}" + "}" * path.count(".") + "}")
    for key in path.split("."):
        data = data[key]

    assert data == "content"
    assert isinstance(data, Secret)


def test_a_file_may_stand_for_an_item_of_a_list() -> None:
    """Each item is text of its own."""
    data = data_of("services: {a: {url: [{file: one}, x], send: {only: [{file: none}]}, expect: {ok: [{file: one}]}}}")

    service = data["services"]["a"]
    assert [repr(url) for url in service["url"]] == ["'{file: one}'", "'x'"]
    assert service["send"]["only"] == service["expect"]["ok"] == ["content"]


@pytest.mark.parametrize(
    "written", ["1.50", "0x1F", "1_000", "1e3", "True", "false", "007", ".inf", "text", "2026-01-01"]
)
def test_what_is_sent_as_text_stays_as_it_is_written(written: str) -> None:
    """Parameters and fields: read as a number and written again they would be something else."""
    service = data_of(f"services: {{a: {{query: {{x: {written}}}, send: {{add: {{x: {written}}}}}}}}}")["services"]["a"]

    assert service["query"]["x"] == service["send"]["add"]["x"] == written


def test_json_that_is_sent_has_the_values_of_yaml() -> None:
    """Numbers are numbers there, nothing is null, and variables are put in."""
    fields = "{x: {json: {n: 1.50, yes: true, none: , text: '${A}', list: [1, ~]}}, y: {json: }}"
    added = data_of(f"services: {{a: {{send: {{add: {fields}}}}}}}", {"A": "hunter2"})["services"]["a"]["send"]["add"]

    assert added == {
        "x": {"json": {"n": 1.5, "yes": True, "none": None, "text": "hunter2", "list": [1, None]}},
        "y": {"json": None},
    }
    assert isinstance(added["x"]["json"]["text"], Secret)


def test_names_may_look_like_numbers() -> None:
    """A service called 1 can be referred to as it is written."""
    assert data_of("routes: {a: {to: 1}, b: {to: 010}}")["routes"] == {"a": {"to": "1"}, "b": {"to": "010"}}


def test_only_what_was_put_in_is_secret() -> None:
    """And its source is what is shown of it."""
    assert type(header("plain")) is str
    assert type(header('"$${A}"')) is str
    secret = header('"Bearer ${A}"', {"A": "hunter2"})
    assert isinstance(secret, Secret)
    assert secret.source == "Bearer ${A}"


def test_all_mistakes_are_collected() -> None:
    """A value that cannot be read is None, and marked so that nobody complains of that."""
    document = read("services: {text: {url: '${A}', url: x, headers: {X: !odd 1, Y: '${'}}}\ngateway: {state: ok}")

    assert document.data == {
        "services": {"text": {"url": None, "headers": {"X": None, "Y": None}}},
        "gateway": {"state": "ok"},
    }
    assert document.spoiled == {
        ("services", "text", "url"),
        ("services", "text", "headers", "X"),
        ("services", "text", "headers", "Y"),
    }
    assert len(document.mistakes) == 4


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: [1,\n", 3),
        ("a: 1\nb: 'x\n", 3),
        ("a: 1\n\nb: \x00\n", 3),
        ("a: 1\nb: @x\n", 2),
        ("[" * 5000, 1),
    ],
)
def test_what_is_not_yaml_has_a_line_too(text: str, line: int) -> None:
    """Also where the library does not give one."""
    document = read(text)

    assert [mistake.line for mistake in document.mistakes] == [line]
    assert document.spoiled == {()}


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("a", "'a'"),
        ("a\nb", r"'a\nb'"),
        ("x" * 61, "'" + "x" * 60 + "...'"),
        ("http://me:hunter2@host/x", "'http://...@host/x'"),
        ("http://me:hunter2/3#@host/x", "'http://...@host/x'"),
        ("http://me:hun\nter2@host/x", "'http://...@host/x'"),
    ],
)
def test_quotes(text: str, quoted: str) -> None:
    """One short line without passwords."""
    assert quote(text) == quoted
