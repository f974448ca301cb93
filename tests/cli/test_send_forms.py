"""-F means what it means to curl; where curl guesses or drops something, it is a mistake here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gateway.cli.sending.forms import FormPart, parse_form
from gateway.testing import RecordingService
from tests.cli.sending import parts_of, send
from tests.machine import find_program

FILES = {
    "plain.txt": b"some text\n",
    "page.pdf": b"%PDF-1.7\0\xff\r\n--x",
    "photo.png": bytes(range(256)) * 300,
    "empty.html": b"",
    "one,two.txt": b"comma",
    "semi;colon.txt": b"semicolon",
    'quo"te.txt': b"quote",
    "über 日本.jpg": b"\xff\xd8",
}

ALIKE = [
    ["a=1"],
    ["a="],
    ["a= blanks go  "],
    ['a=" these stay "'],
    ["a=x,y"],
    ["ä ö=ü"],
    ['a="semi;colon"'],
    ['a="quo\\"te \\\\ \\n"'],
    ['a="@plain.txt"'],
    ['a="no end'],
    ['na"me\\=x'],
    ["a={};type=application/json"],
    ["a=x;type=text/plain"],
    ["a=x;type=text/plain;charset=latin1"],
    ["a=x;filename=made-up.txt"],
    ["a=<plain.txt"],
    ["a=<plain.txt;type=text/css"],
    ["file=@plain.txt"],
    ["file=@page.pdf"],
    ["file=@photo.png"],
    ["file=@empty.html"],
    ['file=@"one,two.txt"'],
    ['file=@"semi;colon.txt"'],
    ['file=@quo"te.txt'],
    ["file=@über 日本.jpg"],
    ["file=@page.pdf;filename=other name.png"],
    ['file=@page.pdf;filename="a;b,c\\"d.pdf"'],
    ["file=@page.pdf;filename=dir/name"],
    ["file=@page.pdf;filename="],
    ["file=@page.pdf;type=text/x-own; charset=utf-8; format=flowed;filename=n"],
    ["file=@page.pdf ; filename=n ; type=image/gif "],
    ["a=1", "files=@page.pdf", "b=2", "files=@plain.txt", "a=3"],
]
"""What curl sends without a word about it."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with some files."""
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        Path(name).write_bytes(content)
    return tmp_path


@pytest.mark.parametrize("form", ALIKE, ids=" ".join)
def test_a_form_is_that_of_curl(here: Path, form: list[str]) -> None:
    """Names, filenames, types, contents, and their order: the very bytes of every part."""
    curl = find_program("curl", package="curl")
    arguments = [word for each in form for word in ("-F", each)]
    with RecordingService() as service:
        subprocess.run([curl, "-q", "-sS", *arguments, service.url], check=True, capture_output=True, timeout=30)
        result = send(*arguments, "--to", service.url)

        assert (result.exit_code, result.stderr) == (0, "")
        theirs, ours = service.received
    assert parts_of(ours) == parts_of(theirs)
    assert len(parts_of(ours)) == len(form)
    assert (ours.method, ours.chunked, ours.target) == (theirs.method, theirs.chunked, theirs.target)


@pytest.mark.parametrize(
    ("argument", "part"),
    [
        ("a=1", FormPart(name="a", text="1")),
        ("a=@-", FormPart(name="a", path="-", is_file=True)),
        ("a=<-", FormPart(name="a", path="-")),
        ("a=@f;filename=g", FormPart(name="a", path="f", is_file=True, filename="g")),
        ("a=x;filename=g;type=a/b", FormPart(name="a", text="x", is_file=True, filename="g", content_type="a/b")),
        ("a=b=c", FormPart(name="a", text="b=c")),
        ("a=x;type=a/b;", FormPart(name="a", text="x", content_type="a/b")),
    ],
)
def test_an_argument_is_a_part(argument: str, part: FormPart) -> None:
    assert parse_form(argument) == part


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("a", "expected NAME=TEXT"),
        ("=x", "expected NAME=TEXT"),
        ("", "expected NAME=TEXT"),
        ("a=@", "expected the name of a file behind @"),
        ('a=<""', "expected the name of a file behind <"),
        # curl: sends `x`, and says that it skips the rest
        ("a=x;y", "expected ;type= or ;filename=, found ';y'"),
        ("a=@f;name=g", "expected ;type= or ;filename=, found ';name=g'"),
        ("a=x;filename=g;y", "expected ;type= or ;filename=, found ';y'"),
        ('a="x"y', "expected ; or the end behind a value in quotes, found 'y'"),
        # curl: several files within one part, which hardly any service reads
        ("a=@f,g", "write -F once for each"),
        ("a=@f;type=a/b,g", "write -F once for each"),
        ("a=x;headers=X-A: 1", "expected no ;headers=: parts can have no headers of their own"),
        ("a=x;encoder=base64", "expected no ;encoder=: parts are sent as they are"),
        ("a=x;type=a/b;type=c/d", "expected ;type= once"),
        ("a=x;filename=a;filename=b", "expected ;filename= once"),
        ("a=x;type=text", "expected a type such as text/plain, found 'text'"),
        ("a=x;type=", "expected a type such as text/plain, found ''"),
        ("a=x;type=a/b;c\r\nX: y", "expected a type such as text/plain"),
    ],
)
def test_what_is_not_clear_is_a_mistake(argument: str, said: str) -> None:
    """Nothing is dropped, and nothing is sent that the service would not find."""
    with pytest.raises(ValueError) as mistake:  # noqa: PT011 - the message is what counts
        parse_form(argument)

    assert said in str(mistake.value)
