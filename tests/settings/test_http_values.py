"""What HTTP knows, as it is written in a configuration: what is taken, and what is not."""

from __future__ import annotations

import pytest

from gateway.settings import http_values
from gateway.settings.http_values import Content
from gateway.settings.values import Expected, Secret, SecretBytes

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
    assert http_values.parse_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        *("", "h", "//h/x", "http:h", "http://", "http://:80/", "http://h:0/", "http://h:x/", "http://[::1/"),
        *("http://h\\x/", "ftp://h/", "http://h /", "http://h/\n", "http://u@h/", "http://h/#", "http://h/ü"),
        *("http://ü/", 5, None),
        "http://a..b/",
        "http://.h/",
        f"http://{'a' * 64}.test/",
    ],
)
def test_no_urls(url: object) -> None:
    """Nothing that could not be posted to as it stands."""
    with pytest.raises(Expected, match="expected a URL"):
        http_values.parse_url(url)


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key", "x_y", "!#$%&'*+.^`|~"])
def test_header_names(name: str) -> None:
    """Any token of RFC 9110 that is not the body's own business."""
    assert http_values.parse_header_name(name) == name


@pytest.mark.parametrize("name", ["", " ", "A B", "A:", "A\n", "Ä", "A\x00", 5, "content-TYPE", "Host"])
def test_no_header_names(name: object) -> None:
    """Nothing that would end the line, and nothing that the body and the URL decide on."""
    with pytest.raises(Expected):
        http_values.parse_header_name(name)


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\x00", "a\x7f", "a\x85", " a", "a ", "✓", 5, None, True])
def test_no_header_values(value: object) -> None:
    """Nothing that starts another header, or that could not be sent; and it is never quoted."""
    with pytest.raises(Expected) as caught:
        http_values.parse_header_value(value)

    assert not caught.value.quotable


@pytest.mark.parametrize("value", ["", "Bearer abc", "é", "a  b"])
def test_header_values(value: str) -> None:
    """A header's value is not shown, wherever it comes from."""
    parsed = http_values.parse_header_value(value)

    assert parsed == value
    assert repr(parsed) == "'(hidden)'"


@pytest.mark.parametrize("name", ["Authorization", "cookie", "X-Api-Key", "Accept", "If-None-Match"])
def test_forwarded_headers(name: str) -> None:
    """Whatever is meant for the service."""
    assert http_values.parse_forwarded_header(name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Content-Type", "boundary"),
        ("content-length", "length"),
        ("Transfer-Encoding", "framing"),
        ("Host", "url"),
        ("Connection", "connection"),
        ("TE", "connection"),
        ("Upgrade", "connection"),
        ("Keep-Alive", "connection"),
        ("Proxy-Authorization", "connection"),
        ("Expect", "connection"),
        ("Content-Encoding", "encoded"),
        ("Content-Disposition", "file"),
        ("Accept-Encoding", "read the answer"),
        ("X-Forwarded-For", "any case"),
        ("X-Request-Id", "any case"),
    ],
)
def test_headers_that_cannot_be_forwarded(name: str, reason: str) -> None:
    """Those of the body and the connection, and those that the gateway sends itself; the reason is told."""
    with pytest.raises(Expected, match=reason):
        http_values.parse_forwarded_header(name)


@pytest.mark.parametrize("value", ["", "abc", "a b\n✓", 5, 1.5, True])
def test_query_values(value: object) -> None:
    """Anything can be sent, percent-encoded; and none is shown, as keys of services stand here too."""
    assert repr(http_values.parse_query_value(value)) == "'(hidden)'"


@pytest.mark.parametrize(
    "path", ["/", "/file", "/a//b", "/file/", "/ü", "/100%", "/<rest>", "/files/<filename>", "/a/b/<rest>"]
)
def test_route_paths(path: str) -> None:
    """Fixed, or with a placeholder as the last segment."""
    assert http_values.parse_route_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        *("", "file", "/a?b", "/a#b", "/-", "/-/x", "/a/../b", "/.", "/a\n", 5, None),
        *("/<rest>/x", "/<filename>/<rest>", "/<id>", "/x<rest>", "/<rest>x", "/<path:rest>", "/<Rest>", "/a<b"),
        *("/a%20b", "/%C3%BC"),  # it would be compared with a path that is decoded already
    ],
)
def test_no_route_paths(path: object) -> None:
    """Nothing that would never match, or match what is not meant."""
    with pytest.raises(Expected, match=r"expected .* path|expected no placeholder"):
        http_values.parse_route_path(path)


@pytest.mark.parametrize(
    ("written", "statuses"),
    [
        (404, range(404, 405)),
        ("404", range(404, 405)),
        ("200-299", range(200, 300)),
        ("200 - 204", range(200, 205)),
        ("2xx", range(200, 300)),
        ("5XX", range(500, 600)),
        ("599-599", range(599, 600)),
    ],
)
def test_statuses(written: object, statuses: range) -> None:
    """One, a range with both ends, or a class."""
    assert http_values.parse_statuses(written) == statuses


@pytest.mark.parametrize(
    "written",
    [
        "",
        "2x",
        "1xx",
        "6xx",
        100,
        199,
        600,
        20,
        2000,
        -404,
        "299-200",
        "200-",
        "200..299",
        "200-600",
        True,
        1.5,
        None,
        [],
    ],
    ids=repr,
)
def test_no_statuses(written: object) -> None:
    """Nothing that no answer can have: interim ones are not answers."""
    with pytest.raises(Expected, match=r"expected (a status|statuses)"):
        http_values.parse_statuses(written)


@pytest.mark.parametrize(
    "written", ["summary", "error == null", "length(items) > `0`", "[0].ok && !failed", "a.b[*].c | [0]"]
)
def test_conditions(written: str) -> None:
    """What JMESPath can read."""
    assert http_values.parse_condition(written) == written


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("error = null", "column 7"),
        ("a.b[", "column 5"),
        ("a &&", "column 5"),
        ("", "JMESPath expression"),
        ("a ~ b", "column 3"),
        ("a == 'b", "column 6"),
        ("a == `ok`", "single quotes"),  # the library would take it for text
        ("(" * 5000, "JMESPath expression"),
        ("len(items) > `0`", "len is none"),
        ("a && contains(b, upper(c))", "upper is none"),
        (5, "as text"),
        (None, "as text"),
    ],
)
def test_no_conditions(written: object, said: str) -> None:
    """The column is that of what cannot be read; functions are those that there are."""
    with pytest.raises(Expected) as caught:
        http_values.parse_condition(written)

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("written", "range_"),
    [("application/pdf", "application/pdf"), ("Image/PNG", "image/png"), ("image/*", "image/*"), ("a/b+c", "a/b+c")],
)
def test_media_ranges(written: str, range_: str) -> None:
    """A type, or all of a kind; case does not matter."""
    assert http_values.parse_media_range(written) == range_


@pytest.mark.parametrize("written", ["", "pdf", "*/*", "image/*x", "image/", "/pdf", "a/b/c", "a/b; c=d", 5, None])
def test_no_media_ranges(written: object) -> None:
    """Everything is what an empty list takes."""
    with pytest.raises(Expected, match=r"expected a media type|only for the whole subtype"):
        http_values.parse_media_range(written)


@pytest.mark.parametrize(
    "written", ["keep", "sniff", "application/pdf", "text/plain; charset=utf-8", 'a/b;c="d e"', "text/plain;a=b;c=d"]
)
def test_content_types(written: str) -> None:
    """Two words, or what a Content-Type may be."""
    assert http_values.parse_content_type(written) == written


@pytest.mark.parametrize(
    "written", ["", "Keep", "pdf", "image/*", "a/b; c", "a/b\r\nX: y", 'a/b; c="d\n"', "a/b;", " a/b", 5, None]
)
def test_no_content_types(written: object) -> None:
    """Nothing that is none, or that would start another header."""
    with pytest.raises(Expected, match="expected keep, sniff, or a media type"):
        http_values.parse_content_type(written)


@pytest.mark.parametrize(
    "written", ["keep", "ascii", "rfc5987", "{stem}-{n}{suffix}", "{id}.bin", "document.pdf", "{{{n}}}"]
)
def test_filenames(written: str) -> None:
    """Three words, or a template."""
    assert http_values.parse_filename(written) == written


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("asci", "expected keep, ascii, rfc5987"),
        ("", "expected keep, ascii, rfc5987"),
        (5, "in quotes"),
        ({"stem": None}, "in quotes"),  # what YAML makes of {stem} without quotes
        ("{steam}", "unknown placeholder {steam}"),
        ("{n:03}", "{n}"),
        ("{n", "expected keep"),
    ],
)
def test_no_filenames(written: object, said: str) -> None:
    """A template names what there is."""
    with pytest.raises(Expected) as caught:
        http_values.parse_filename(written)

    assert said in str(caught.value)


def test_a_template_that_is_a_secret_is_not_told() -> None:
    """What is wrong with it could repeat it."""
    with pytest.raises(Expected) as caught:
        http_values.parse_filename(Secret("{hunter2}"))

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "content", "content_type"),
    [
        ("en", b"en", None),
        ("", b"", None),
        ("ü", "ü".encode(), None),
        (5, b"5", None),
        (True, b"true", None),
        ({"json": {"brief": True}}, b'{"brief": true}', "application/json"),
        ({"json": None}, b"null", "application/json"),
        ({"json": ["ü", 1.5]}, '["ü", 1.5]'.encode(), "application/json"),
    ],
)
def test_fields(written: object, content: bytes, content_type: str | None) -> None:
    """Text as it is, or anything as JSON."""
    assert http_values.parse_field(written) == Content(content=content, content_type=content_type)


@pytest.mark.parametrize(
    "written",
    [None, [], {}, {"json": 1, "x": 2}, {"from": "text"}, {"json": float("nan")}, {"json": ["\ud800"]}, "\ud800"],
    ids=repr,
)
def test_no_fields(written: object) -> None:
    """Nothing that could not be sent as it was meant."""
    with pytest.raises(Expected, match=r"expected (text|a value that JSON)"):
        http_values.parse_field(written)


@pytest.mark.parametrize(
    "written", [Secret("hunter2"), {"json": Secret("hunter2")}, {"json": {"a": [1, {"b": Secret("hunter2")}]}}]
)
def test_fields_with_secrets(written: object) -> None:
    """They stay secret, however deep they are."""
    field = http_values.parse_field(written)

    assert b"hunter2" in field.content
    assert isinstance(field.content, SecretBytes)
    assert "hunter2" not in repr(field)
