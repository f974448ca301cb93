"""What goes on of an upload's parts: each rule alone, all in their order, and every byte that no rule speaks of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests_toolbelt import MultipartEncoder

from gateway.core.services import AddedField, Send
from gateway.core.uploads import Part
from gateway.errors import NameNotUTF8
from gateway.multipart.part_headers import parse_part
from gateway.multipart.shaping import (
    ShapedPart,
    Shaper,
    check_filename_template,
    files_that_go,
    is_chosen,
    shaped_parts,
)
from tests.multipart.driving import budget

LANG = AddedField(name="lang", content=b"en")
OPTIONS = AddedField(name="options", content=b'{"a": 1}', content_type="application/json")


def received(*heads: bytes, size: int = 10) -> list[Part]:
    """Parts with these header lines, with contents of `size` bytes, one behind the other."""
    parts, offset = [], 100
    for number, head in enumerate(heads):
        part = parse_part(number, head + b"\r\n\r\n", offset)
        offset = part.content_start + size
        parts.append(Part(**{**fields_of(part), "content_stop": offset}))
        offset += 40
    return parts


def fields_of(part: Part) -> dict[str, Any]:
    return {name: getattr(part, name) for name in Part.__slots__}


def field(name: str) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"'.encode("utf-8", "surrogateescape")


def file(name: str, filename: str, content_type: str = "application/pdf") -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'
    return f"{disposition}\r\nContent-Type: {content_type}".encode("utf-8", "surrogateescape")


def raw(filename: str = "a.bin", content_type: str | None = None, *, name: str = "file") -> Part:
    """A part that came without headers."""
    return Part(
        number=0, name=name, filename=filename, content_type=content_type, headers=b"", content_start=0, content_stop=1
    )


def shape(send: Send, parts: Iterable[Part], **options: Any) -> list[ShapedPart]:
    return shaped_parts(send, parts, request_id="request-1", **options)


def names(parts: Iterable[ShapedPart]) -> list[str]:
    return [part.name for part in parts]


def headers(send: Send, head: bytes) -> bytes:
    """The header lines with which a part goes on that came with these."""
    (part,) = shape(send, received(head))
    return part.headers.removesuffix(b"\r\n\r\n")


# --- which parts, in which order, under which names --------------------------------------------

FORM = [field("comment"), file("file", "a.pdf"), field("lang"), file("file", "b.pdf"), file("logo", "c.png")]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, ["comment", "file", "lang", "file", "logo"]),
        ({"rename": {"file": "document", "x": "y"}}, ["comment", "document", "lang", "document", "logo"]),
        ({"rename": {"file": "logo", "logo": "file"}}, ["comment", "logo", "lang", "logo", "file"]),
        ({"only": frozenset({"file", "x"})}, ["file", "file"]),
        ({"only": frozenset[str]()}, []),
        ({"drop": frozenset({"file", "x"})}, ["comment", "lang", "logo"]),
        # both speak of the new names
        ({"rename": {"file": "document"}, "only": frozenset({"document"})}, ["document", "document"]),
        ({"rename": {"file": "document"}, "only": frozenset({"file"})}, []),
        ({"rename": {"logo": "file"}, "drop": frozenset({"file"})}, ["comment", "lang"]),
        # added fields come in front, and no rule for the upload's parts speaks of them
        ({"add": (LANG, OPTIONS), "only": frozenset({"logo"})}, ["lang", "options", "logo"]),
        ({"add": (LANG,), "drop": frozenset({"lang"})}, ["lang", "comment", "file", "file", "logo"]),
        ({"add": (LANG,), "rename": {"lang": "l"}}, ["lang", "comment", "file", "l", "file", "logo"]),
        # fields first, each kind in its order
        ({"file_last": True}, ["comment", "lang", "file", "file", "logo"]),
        ({"file_last": True, "add": (OPTIONS,)}, ["options", "comment", "lang", "file", "file", "logo"]),
        # names that occur more than once
        ({"repeat": "brackets"}, ["comment", "file[]", "lang", "file[]", "logo"]),
        ({"repeat": "index"}, ["comment", "file[0]", "lang", "file[1]", "logo"]),
        ({"repeat": "index", "add": (LANG,)}, ["lang[0]", "comment", "file[0]", "lang[1]", "file[1]", "logo"]),
        ({"repeat": "brackets", "rename": {"file": "f[]"}}, ["comment", "f[]", "lang", "f[]", "logo"]),
        ({"repeat": "index", "rename": {"file": "f[]"}}, ["comment", "f[0]", "lang", "f[1]", "logo"]),
        ({"repeat": "index", "rename": {"logo": "file"}}, ["comment", "file[0]", "lang", "file[1]", "file[2]"]),
        ({"repeat": "brackets", "drop": frozenset({"file"})}, ["comment", "lang", "logo"]),
        (
            {"repeat": "index", "file_last": True, "add": (LANG,)},
            ["lang[0]", "comment", "lang[1]", "file[0]", "file[1]", "logo"],
        ),
    ],
)
def test_which_parts_go_on(rules: dict[str, Any], expected: list[str]) -> None:
    assert names(shape(Send(**rules), received(*FORM))) == expected


@pytest.mark.parametrize(
    ("rules", "number", "expected"),
    [
        ({}, 1, ["comment", "file", "lang"]),
        ({}, 4, ["comment", "lang", "logo"]),
        ({"add": (OPTIONS,), "file_last": True}, 1, ["options", "comment", "lang", "file"]),
        # what is repeated in the upload is not in the delivery
        ({"repeat": "index"}, 3, ["comment", "lang", "file"]),
    ],
)
def test_each_file_goes_with_all_fields(rules: dict[str, Any], number: int, expected: list[str]) -> None:
    parts = received(*FORM, file("none", ""))

    shaped = shape(Send(each="file", **rules), parts, file=parts[number])

    assert names(shaped) == expected
    assert [part.source for part in shaped if part.is_file] == [parts[number]]


def test_a_file_is_known_by_its_number() -> None:
    """The part object is replaced when its end is known; it is the same file."""
    parts = received(*FORM)
    earlier = Part(**{**fields_of(parts[1]), "content_stop": None})

    assert names(shape(Send(each="file"), parts, file=earlier)) == ["comment", "file", "lang"]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, ["a.pdf", "b.pdf", "c.png"]),
        ({"only": frozenset({"logo"})}, ["c.png"]),
        ({"drop": frozenset({"logo"})}, ["a.pdf", "b.pdf"]),
        ({"rename": {"logo": "x"}, "only": frozenset({"x", "comment"})}, ["c.png"]),
    ],
)
def test_the_files_that_go_on(rules: dict[str, Any], expected: list[str]) -> None:
    """One delivery for each of these; an input in which nothing was chosen is none."""
    parts = [*received(*FORM), received(file("file", ""), size=0)[0]]

    assert [part.filename for part in files_that_go(Send(**rules), parts)] == expected


@pytest.mark.parametrize(
    ("head", "size", "chosen"),
    [
        (file("f", "a"), 0, True),
        (file("f", ""), 1, True),
        (file("f", ""), 0, False),
        (field("f"), 0, True),
    ],
)
def test_a_file_that_nobody_chose_has_neither_name_nor_content(head: bytes, size: int, chosen: bool) -> None:
    assert is_chosen(received(head, size=size)[0]) is chosen


def test_parts_can_be_shaped_while_they_arrive() -> None:
    """One after the other, with the same result; None for those that stay behind."""
    send = Send(rename={"file": "f"}, drop=frozenset({"lang"}), filename="{n}{suffix}", content_type="x/y")
    parts = received(*FORM)
    shaper = Shaper(send, request_id="request-1")

    one_by_one = [shaper.shape(part) for part in parts]

    assert [part is None for part in one_by_one] == [False, False, True, False, False]
    assert [part for part in one_by_one if part] == shape(send, parts)


# --- header lines ------------------------------------------------------------------------------

ODD = (
    b"X-Before: 1\r\ncontent-TYPE:text/plain ;charset=latin-1\r\nX-Between:\t \r\n"
    b'CONTENT-disposition:form-data;filename="a\\"\xe9.txt" ; size=3; name=f\r\nX-After: \xff'
)


@pytest.mark.parametrize("head", [*FORM, ODD, file("f", ""), b"Content-Disposition: form-data; name=f; filename*=a''b"])
@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"rename": {"other": "x"}, "drop": frozenset({"other"})},
        {"only": frozenset({"f", "file", "comment", "lang", "logo"})},
        {"add": (OPTIONS,), "file_last": True, "repeat": "index"},
        {"content_type": "sniff"},
    ],
    ids=["none", "others", "all named", "added in front", "sniffed nothing"],
)
def test_a_part_that_no_rule_changes_keeps_every_byte(head: bytes, rules: dict[str, Any]) -> None:
    """Any order, case, charset and spacing of its lines."""
    shaped = shape(Send(**rules), received(head), sniff=lambda _: None)

    assert shaped[-1].headers == head + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("rules", "head", "expected"),
    [
        # a new name: written as browsers do, all other lines as they were and where they were
        (
            {"rename": {"f": 'a"b\\é'}},
            ODD,
            b"X-Before: 1\r\ncontent-TYPE:text/plain ;charset=latin-1\r\nX-Between:\t \r\n"
            b'Content-Disposition: form-data; name="a%22b\\\xc3\xa9"; filename="a%22\xe9.txt"\r\nX-After: \xff',
        ),
        # a new type
        (
            {"content_type": "image/png"},
            ODD,
            b"X-Before: 1\r\nContent-Type: image/png\r\nX-Between:\t \r\n"
            b'CONTENT-disposition:form-data;filename="a\\"\xe9.txt" ; size=3; name=f\r\nX-After: \xff',
        ),
        # both
        (
            {"rename": {"f": "g"}, "content_type": "image/png"},
            ODD,
            b"X-Before: 1\r\nContent-Type: image/png\r\nX-Between:\t \r\n"
            b'Content-Disposition: form-data; name="g"; filename="a%22\xe9.txt"\r\nX-After: \xff',
        ),
        # a type that was not there follows the disposition
        (
            {"content_type": "image/png"},
            b'X: 1\r\nContent-Disposition: form-data; name="f"; filename="a"\r\nY: 2',
            b'X: 1\r\nContent-Disposition: form-data; name="f"; filename="a"\r\nContent-Type: image/png\r\nY: 2',
        ),
        # of several types, some servers take the last
        (
            {"content_type": "image/png"},
            b"Content-Type: a/a\r\nContent-Disposition: form-data; name=f; filename=a\r\nContent-Type: b/b",
            b"Content-Type: image/png\r\nContent-Disposition: form-data; name=f; filename=a",
        ),
        # the type that it has already
        ({"content_type": "application/pdf"}, file("f", "é.pdf"), file("f", "é.pdf")),
        # a field has no filename, and types are those of files
        ({"filename": "x.txt", "content_type": "a/b"}, field("f"), field("f")),
        # the same name and type in another spelling is no change
        (
            {"filename": "{filename}", "content_type": "text/plain ;charset=latin-1"},
            ODD.replace(b"\xe9", b""),
            ODD.replace(b"\xe9", b""),
        ),
    ],
)
def test_only_the_lines_that_change_are_written(rules: dict[str, Any], head: bytes, expected: bytes) -> None:
    assert headers(Send(**rules), head) == expected


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)


@budget(150)
@given(old=texts, new=texts, filename=st.none() | texts, rest=st.lists(st.sampled_from([b"X: 1", b"x:\xff"])))
def test_rewritten_headers_are_read_back(old: str, new: str, filename: str | None, rest: list[bytes]) -> None:
    """As the new name, with everything else as it was."""
    head = field(old.replace('"', "%22")) if filename is None else file(old.replace('"', "%22"), filename, "a/b")
    if "filename" in old.lower() or "filename" in new.lower() or '"' in (filename or "") or "\\" in (filename or old):
        return
    (part,) = received(b"\r\n".join([*rest, head, *rest]))

    (shaped,) = shape(Send(rename={part.name: new}), [part])

    again = parse_part(0, shaped.headers, 0)
    assert (again.filename, again.content_type) == (part.filename, part.content_type)
    assert again.name == new.replace("%22", '"').replace("\\\\", "\\")


def test_a_part_without_headers_gets_them() -> None:
    """A raw upload's, and those of JSON: as MultipartEncoder writes them."""
    (shaped,) = shape(Send(rename={"file": "dö"}), [raw("é.bin", "x/y")])

    encoder = MultipartEncoder([("dö", ("é.bin", b"content", "x/y"))], boundary="b")
    assert b"--b\r\n" + shaped.headers + b"content\r\n--b--\r\n" == encoder.to_string()


def test_added_fields_have_the_headers_of_fields() -> None:
    lang, options = shape(Send(add=(LANG, OPTIONS)), [])

    encoder = MultipartEncoder([("lang", "en"), ("options", (None, b'{"a": 1}', "application/json"))], boundary="b")
    written = b"--b\r\n" + lang.headers + b"en\r\n--b\r\n" + options.headers + b'{"a": 1}\r\n--b--\r\n'
    assert written == encoder.to_string()
    assert not lang.is_file


# --- filenames ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "filename", "expected"),
    [
        ("keep", "a/é.pdf", b'filename="a/\xc3\xa9.pdf"'),
        ("ascii", "é.pdf", b'filename="e.pdf"'),
        ("ascii", "a%22b.pdf", b'filename="a%22b.pdf"'),
        ("rfc5987", "a b.pdf", b'filename="a b.pdf"'),
        ("rfc5987", "é b.pdf", b"filename=\"e b.pdf\"; filename*=UTF-8''%C3%A9%20b.pdf"),
        ("upload.bin", "é.pdf", b'filename="upload.bin"'),
        ("{id}-{n}-{name}-{stem}{suffix}", "x\\y/é.tar.pdf", b'filename="request-1-1-f-\xc3\xa9.tar.pdf"'),
        ("{filename}.{n}", "x/y", b'filename="x/y.1"'),
        ("{{{stem}}}", "a.b", b'filename="{a}"'),
        # a name cannot end the quotes
        ('"; x="{stem}', "a", b'filename="%22; x=%22a"'),
        # never empty: that would say that there is no file
        ("{suffix}", "a", b'filename="file"'),
        ("ascii", "\u0301", b'filename="file"'),
        ("{stem}", "\x85.x", b'filename="_"'),
    ],
)
def test_filenames(rule: str, filename: str, expected: bytes) -> None:
    head = headers(Send(filename=rule), file("f", filename))

    assert head == b'Content-Disposition: form-data; name="f"; ' + expected + b"\r\nContent-Type: application/pdf"


@pytest.mark.parametrize("rule", ["keep", "ascii", "rfc5987", "{n}{suffix}", "x.bin"])
def test_no_file_chosen_stays_no_file_chosen(rule: str) -> None:
    """An empty filename says so, and a service may rely on it."""
    assert headers(Send(filename=rule), file("f", "")) == file("f", "")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, ["1.pdf", "2.pdf", "", "3.png"]),
        # what stays behind is not counted
        ({"only": frozenset({"logo"})}, ["1.png"]),
        ({"file_last": True}, ["1.pdf", "2.pdf", "", "3.png"]),
    ],
)
def test_files_are_counted(rules: dict[str, Any], expected: list[str]) -> None:
    parts = received(*FORM[:4], file("file", ""), FORM[4])

    shaped = shape(Send(filename="{n}{suffix}", **rules), parts)

    assert [part.filename for part in shaped if part.is_file] == expected


def test_each_file_keeps_its_number() -> None:
    """Deliveries of one upload do not all carry a first file."""
    parts = received(*FORM)
    send = Send(filename="{n}", each="file")

    found = [[part.filename for part in shape(send, parts, file=parts[number])] for number in (1, 3, 4)]

    assert found == [[None, "1", None], [None, None, "2"], [None, None, "3"]]


def test_the_name_in_a_template_is_the_new_one() -> None:
    (part,) = shape(Send(rename={"f": "document"}, filename="{name}{suffix}"), received(file("f", "a.pdf")))

    assert part.filename == "document.pdf"


anything = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\r\n\0\x7f\x85"), min_size=1, max_size=8)


@budget(150)
@given(anything, st.sampled_from(["keep", "ascii", "rfc5987", "{stem}{suffix}", "{name}-{filename}"]))
def test_no_filename_writes_control_characters(filename: str, rule: str) -> None:
    """Wherever a raw upload's name came from, the header of its part can be read."""
    (shaped,) = shape(Send(filename=rule), [raw(filename, name="é")])

    part = parse_part(0, shaped.headers, 0)
    assert part.name == "é"
    assert part.filename
    assert not set(part.filename) & {chr(code) for code in (*range(32), 127)}


@pytest.mark.parametrize(
    "template", ["{filename}", "x-{n}", "{stem}-{id}{suffix}", "document.pdf", "{{}}.txt", "a b {name}"]
)
def test_a_good_template(template: str) -> None:
    check_filename_template(template)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{file}", "unknown placeholder {file}: expected some of {filename}, {stem}, {suffix}, {name}, {n}, {id}"),
        ("{}", "unknown placeholder {}: "),
        ("{0}", "unknown placeholder {0}: "),
        ("{name.__class__}", "unknown placeholder {name.__class__}: "),
        ("{name[0]}", "unknown placeholder {name[0]}: "),
        ("{n:03}", "{n} takes neither a format nor a conversion"),
        ("{name!r}", "{name} takes neither a format nor a conversion"),
        ("{n", "expected '}' before end of string: a brace of its own is written twice"),
        ("n}", "single '}' encountered in format string: a brace of its own is written twice"),
        ("{n}\r\n", r"control character in '\r\n'"),
        ("asci", "expected keep, ascii, rfc5987, or a template with some of {filename}, "),
        ("", "expected keep, ascii, rfc5987, or a template with some of {filename}, "),
    ],
)
def test_a_template_that_is_none_says_why(template: str, reason: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  # the reason is compared in full below
        check_filename_template(template)

    assert str(raised.value).startswith(reason)


# --- types -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "sniffed", "expected"),
    [
        ("keep", "image/png", "application/pdf"),
        ("sniff", "image/png", "image/png"),
        ("sniff", None, "application/pdf"),
        ("text/html", "image/png", "text/html"),
    ],
)
def test_types_are_those_of_files(rule: str, sniffed: str | None, expected: str) -> None:
    parts = received(b"Content-Type: a/b\r\n" + field("a"), file("f", "x"))
    asked: list[Part] = []

    def sniff(part: Part) -> str | None:
        asked.append(part)
        return sniffed

    shaped = shape(Send(content_type=rule), parts, sniff=sniff)

    assert [part.content_type for part in shaped] == ["a/b", expected]
    assert asked == (parts[1:] if rule == "sniff" else [])


# --- names that are not UTF-8 ------------------------------------------------------------------

NAME = b'Content-Disposition: form-data; name="\xff"; filename="a.pdf"'
FILENAME = b'Content-Disposition: form-data; name="f"; filename="\xff.pdf"'


@pytest.mark.parametrize(
    ("rules", "head"),
    [
        ({"rename": {"a": "b"}}, NAME),
        ({"only": frozenset({"a"})}, NAME),
        ({"drop": frozenset({"a"})}, NAME),
        ({"repeat": "index"}, NAME),
        ({"kind": "json"}, NAME),
        ({"filename": "{name}"}, NAME),
        ({"filename": "ascii"}, FILENAME),
        ({"filename": "rfc5987"}, FILENAME),
        ({"filename": "{n}"}, FILENAME),
    ],
)
def test_a_name_that_a_rule_needs_must_be_utf8(rules: dict[str, Any], head: bytes) -> None:
    parts = received(field("a"), head)

    with pytest.raises(NameNotUTF8, match=r"of part 1, '\\xff[.pdf]*', is not UTF-8") as raised:
        shape(Send(**rules), parts)

    assert raised.value.offset == parts[1].content_start - len(parts[1].headers)


@pytest.mark.parametrize(
    ("rules", "head", "expected"),
    [
        ({"add": (LANG,), "file_last": True, "filename": "keep"}, NAME, NAME),
        ({"each": "file"}, NAME, NAME),
        ({"filename": "ascii"}, NAME, NAME),
        ({"rename": {"x": "y"}, "drop": frozenset({"x"})}, FILENAME, FILENAME),
        ({"content_type": "a/b"}, NAME, NAME + b"\r\nContent-Type: a/b"),
        # its line is written anew, and these bytes again
        ({"rename": {"f": "g"}}, FILENAME, b'Content-Disposition: form-data; name="g"; filename="\xff.pdf"'),
        ({"filename": "x.pdf"}, NAME, b'Content-Disposition: form-data; name="\xff"; filename="x.pdf"'),
    ],
)
def test_a_name_that_no_rule_needs_may_be_anything(rules: dict[str, Any], head: bytes, expected: bytes) -> None:
    assert shape(Send(**rules), received(head))[-1].headers == expected + b"\r\n\r\n"


@pytest.mark.parametrize("part", [raw("\ud800"), raw(name="\udfff")], ids=["filename", "name"])
def test_text_that_has_no_bytes_cannot_be_written(part: Part) -> None:
    """JSON can hold half a character; no header can."""
    with pytest.raises(NameNotUTF8) as raised:
        shape(Send(), [part])

    assert raised.value.offset is None
