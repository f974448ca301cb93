"""`gateway send` on the wire: what a service gets for each way to call it, and what is refused before that."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

from gateway.cli.send import send as command
from gateway.cli.sending.targets import parse_target
from gateway.testing import RecordingService, refused_port
from tests.cli.sending import parts_of, received_of, run, send

PDF = b"%PDF-1.7\0\xff\r\n--x\r\n"
PNG = bytes(range(256)) * 300
BASIC = "Basic " + base64.b64encode("Zoë:pa:ss".encode()).decode()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with some files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/report.pdf").write_bytes(PDF)
    (tmp_path / "scan.png").write_bytes(PNG)
    (tmp_path / "text.txt").write_bytes("Zoë\n".encode())
    (tmp_path / "latin.txt").write_bytes(b"Zo\xeb")
    (tmp_path / "empty").touch()
    return tmp_path


def file_headers(name: str, filename: str, content_type: str) -> bytes:
    return (
        f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: {content_type}'.encode()
    )


def field_headers(name: str) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"'.encode()


# --- forms -------------------------------------------------------------------------------------


def test_a_file_is_a_form_with_one_part(here: Path) -> None:
    """Named by the last part of its path, with the type that its ending stands for, and with a length."""
    received = received_of("in/report.pdf")

    assert (received.method, received.target, received.chunked) == ("POST", "/in", False)
    assert parts_of(received) == [(file_headers("file", "report.pdf", "application/pdf"), PDF)]


def test_fields_come_first_and_each_in_its_order(here: Path) -> None:
    """Services that read a form as it arrives want the fields before the files."""
    received = received_of(
        "scan.png", "-F", "b=2", "empty", "--name", "files", "-F", "a=<text.txt", "-F", "x=@scan.png"
    )

    assert parts_of(received) == [
        (field_headers("b"), b"2"),
        (field_headers("a"), "Zoë\n".encode()),
        (file_headers("x", "scan.png", "image/png"), PNG),
        (file_headers("files", "scan.png", "image/png"), PNG),
        (file_headers("files", "empty", "application/octet-stream"), b""),
    ]


@pytest.mark.parametrize(
    ("filename", "content_type"),
    [
        ("a.tar.gz", "application/gzip"),  # not the tar archive that is in it
        ("a.txt.xz", "application/x-xz"),
        ("a.JPG", "image/jpeg"),
        ("a.json", "application/json"),
        ("noending", "application/octet-stream"),
        (".pdf", "application/octet-stream"),
    ],
)
def test_the_type_is_guessed_from_the_filename(here: Path, filename: str, content_type: str) -> None:
    received = received_of("empty", "--filename", filename)

    assert parts_of(received) == [(file_headers("file", filename, content_type), b"")]


def test_every_size_comes_whole(tmp_path: Path) -> None:
    """Also round the sizes of the blocks in which it is read."""
    contents = [
        os.urandom(size) for size in (0, 1, 2**17 - 1, 2**17, 2**17 + 1, 2**18 - 300, 2**18, 2**18 + 1, 3 * 2**18)
    ]
    paths = [tmp_path / f"{number}.bin" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)

    received = received_of(*paths)

    assert [content for _, content in parts_of(received)] == contents


# --- bare files and JSON -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "content_type", "disposition", "body"),
    [
        (["in/report.pdf"], "application/pdf", 'attachment; filename="report.pdf"', PDF),
        (["scan.png", "--filename", "x y.gif"], "image/gif", 'attachment; filename="x y.gif"', PNG),
        (["-F", "any=@scan.png;type=a/b;filename=c"], "a/b", 'attachment; filename="c"', PNG),
        (["-F", "any=text;filename=c.txt"], "text/plain", 'attachment; filename="c.txt"', b"text"),
        (["empty", "-H", "content-type: x/y; z=1"], "x/y; z=1", 'attachment; filename="empty"', b""),
        (["empty", "-H", "Content-Type: x/日"], "x/日".encode().decode("latin-1"), 'attachment; filename="empty"', b""),
        (["empty", "-H", "Content-Disposition: inline"], "application/octet-stream", "inline", b""),
    ],
)
def test_a_bare_file_is_the_body(
    here: Path, arguments: list[str], content_type: str, disposition: str, body: bytes
) -> None:
    """With its type and its name in the header, unless that is given."""
    received = received_of("--as", "raw", *arguments)

    assert received.body == body
    assert received.headers.get("content-type") == content_type
    assert received.headers.get("content-disposition") == disposition
    assert received.headers.get("content-length") == str(len(body))


def test_the_name_of_a_bare_file_may_have_any_character(here: Path) -> None:
    """In the form of RFC 6266, with a name in ASCII for those who do not read it."""
    received = received_of("--as", "raw", "empty", "--filename", '日本".pdf')

    plain, extended = (received.headers.get("content-disposition") or "").removeprefix("attachment; ").split("; ")
    assert plain.isascii()
    assert unquote(extended.removeprefix("filename*=UTF-8''")) == '日本".pdf'


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 3 * 2**16 - 1, 3 * 2**16, 3 * 2**16 + 1, 2**20])
def test_json_has_the_file_in_base64(tmp_path: Path, size: int) -> None:
    """Of any size, and with a length that was known before."""
    content = os.urandom(size)
    path = tmp_path / "ü.pdf"
    path.write_bytes(content)

    received = received_of(
        "--as", "json", path, "-F", "lang=dé", "-F", "n=1", "-F", 'o={"a": [1.0]};type=application/json'
    )

    assert received.headers.get("content-type") == "application/json"
    assert received.headers.get("content-length") == str(received.length)
    document = json.loads(received.body or b"")
    assert list(document) == ["lang", "n", "o", "file"]
    assert base64.b64decode(document["file"].pop("base64"), validate=True) == content
    assert document == {
        "lang": "dé",
        "n": "1",
        "o": {"a": [1.0]},
        "file": {"filename": "ü.pdf", "content_type": "application/pdf"},
    }


def test_json_may_have_fields_only_or_a_file_that_was_typed(here: Path) -> None:
    received = received_of("--as", "json", "-F", "a=x;filename=a.txt", "-F", "b=")

    assert json.loads(received.body or b"") == {
        "a": {"filename": "a.txt", "content_type": "text/plain", "base64": "eA=="},
        "b": "",
    }


# --- the header --------------------------------------------------------------------------------


def test_the_header_has_these_fields_and_no_others(here: Path) -> None:
    """The answer is asked for as it is: it is to be shown or saved."""
    received = received_of("empty")

    assert sorted(name.lower() for name, _ in received.headers) == [
        b"accept",
        b"accept-encoding",
        b"content-length",
        b"content-type",
        b"host",
        b"user-agent",
    ]
    assert received.headers.get("accept-encoding") == "identity"
    assert (received.headers.get("user-agent") or "").startswith("upload-gateway/")


def test_headers_of_ones_own(here: Path) -> None:
    """Repeated ones apart, in the place of what would be there otherwise, and beyond ASCII as UTF-8."""
    given = ["X-A: 1", "X-A:2", "accept: text/plain", "User-Agent: mine", "X-Name:  Zoë ", "X-Empty:"]
    received = received_of("empty", *(word for each in given for word in ("-H", each)))

    assert received.headers.all("x-a") == ("1", "2")
    assert received.headers.all("accept") == ("text/plain",)
    assert received.headers.all("user-agent") == ("mine",)
    assert received.headers.all("x-empty") == ("",)
    assert dict(received.headers)[b"X-Name"] == "Zoë".encode()


def test_the_method_is_as_it_is_written(here: Path) -> None:
    assert received_of("empty", "-X", "PUT").method == "PUT"
    assert received_of("empty", "--method", "PATCH").method == "PATCH"


@pytest.mark.parametrize(
    ("user", "variable"),
    [("Zoë:pa:ss", None), ("Zoë", "pa:ss"), ("Zoë:pa:ss", "other")],
    ids=["given", "variable", "both"],
)
def test_name_and_password(here: Path, user: str, variable: str | None) -> None:
    """What the command line says wins over the environment."""
    environment = {} if variable is None else {"GATEWAY_SEND_PASSWORD": variable}

    assert received_of("empty", "-u", user, environment=environment).headers.get("authorization") == BASIC


def test_a_password_that_nobody_can_type_is_wrong_use(here: Path) -> None:
    """Instead of a wait for a terminal that is not there."""
    done = run("empty", "-u", "me", "--to", "http://127.0.0.1:9/")

    assert done.returncode == 2
    assert b"expected a password: in GATEWAY_SEND_PASSWORD" in done.stderr


def test_the_environment_has_no_say(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, and no password from .netrc."""
    (here / ".netrc").write_text("machine 127.0.0.1 login a password b")
    (here / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(here))
    with refused_port() as nobody:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{nobody}")

        assert received_of("empty").headers.get("authorization") is None


# --- standard input ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["multipart", "raw", "json"])
def test_a_pipe_goes_out_in_chunks(kind: str) -> None:
    """Its length shows when it ends."""
    content = os.urandom(300_000)
    with RecordingService() as service:
        done = run("-", "--as", kind, "--filename", "a.pdf", "--to", service.url, stdin=content)

        assert (done.returncode, done.stderr) == (0, b"")
        (received,) = service.received
    assert received.chunked
    if kind == "multipart":
        assert parts_of(received) == [(file_headers("file", "a.pdf", "application/pdf"), content)]
    elif kind == "raw":
        assert (received.body, received.headers.get("content-type")) == (content, "application/pdf")
    else:
        assert base64.b64decode(json.loads(received.body or b"")["file"]["base64"]) == content


@pytest.mark.parametrize("arguments", [["-"], ["-F", "file=@-"]], ids=" ".join)
def test_a_file_as_standard_input_has_a_length(tmp_path: Path, arguments: list[str]) -> None:
    """What has been read of it by others is not sent."""
    (tmp_path / "f").write_bytes(b"first line\nthe rest")
    descriptor = os.open(tmp_path / "f", os.O_RDONLY)
    os.lseek(descriptor, 11, os.SEEK_SET)
    with RecordingService() as service:
        done = run(*arguments, "--to", service.url, stdin=descriptor)
        os.close(descriptor)

        assert (done.returncode, done.stderr) == (0, b"")
        (received,) = service.received
    assert not received.chunked
    assert parts_of(received) == [(file_headers("file", "stdin", "application/octet-stream"), b"the rest")]


def test_a_field_may_come_from_standard_input() -> None:
    with RecordingService() as service:
        done = run("-F", "a=<-", "--to", service.url, stdin=b"typed")

        assert (done.returncode, done.stderr) == (0, b"")
        assert parts_of(service.received[0]) == [(field_headers("a"), b"typed")]


# --- wrong use ---------------------------------------------------------------------------------

WRONG = [
    ([], "expected a FILE or -F; `-` is standard input."),
    (["nosuch.pdf"], "nosuch.pdf: No such file or directory."),
    (["text.txt", "-F", "a=@nosuch"], "nosuch: No such file or directory."),
    (["-F", "a=<nosuch"], "nosuch: No such file or directory."),
    (["in"], "in: a directory cannot be sent; name its files."),
    (["-", "-"], "expected `-` once: standard input can be read only once."),
    (["-", "-F", "a=<-"], "expected `-` once"),
    (["text.txt", "scan.png", "--filename", "x"], "--filename is for one FILE, found 2"),
    (["-F", "a=@text.txt", "--filename", "x"], "--filename is for one FILE, found 0"),
    (["text.txt", "--filename", "\udcff"], "\ufffd: expected UTF-8 for a part's header"),
    (["text.txt", "--name", "\udcff"], "\ufffd: expected UTF-8 for a part's header"),
    (["text.txt", "-F", "a"], "Invalid value for '-F' / '--field': expected NAME=TEXT, NAME=@FILE or NAME=<FILE."),
    (["text.txt", "-F", "a=b;c"], "expected ;type= or ;filename=, found ';c'"),
    # bodies of other kinds
    (["text.txt", "--as", "xml"], "'xml' is not one of 'multipart', 'raw', 'json'"),
    (
        ["text.txt", "scan.png", "--as", "raw"],
        "expected one FILE and nothing else: with --as raw it is the whole body.",
    ),
    (["text.txt", "-F", "a=b", "--as", "raw"], "expected one FILE and nothing else"),
    (["-F", "a=<text.txt", "--as", "raw"], "expected one FILE and nothing else"),
    (["text.txt", "--name", "a", "--as", "raw"], "expected no --name: with --as raw there are no field names."),
    (["text.txt", "scan.png", "--as", "json"], "expected names that differ, found 'file' twice"),
    (["-F", "a={;type=application/json", "--as", "json"], "the field 'a' is not JSON: "),
    (["-F", "a=NaN;type=application/json", "--as", "json"], "the field 'a' is not JSON: "),
    (["-F", "a=<latin.txt", "--as", "json"], "the field 'a' is not UTF-8: "),
    # the header
    (["text.txt", "-H", "X-A"], "expected 'Name: value'."),
    (["text.txt", "-H", "X A: 1"], "expected 'Name: value'."),
    (["text.txt", "-H", "X-A: 1\r\nX-B: 2"], "expected a value of X-A without line breaks and control characters."),
    (["text.txt", "-H", "content-type: a/b"], "expected no content-type: the form makes its own boundary"),
    (["text.txt", "-H", "Content-Type: a/b", "--as", "json"], "expected no Content-Type: the body is JSON."),
    (["text.txt", "-H", "Content-Length: 3"], "expected no Content-Length: the body knows its own length."),
    (
        ["text.txt", "-H", "Transfer-Encoding: chunked"],
        "expected no Transfer-Encoding: the body decides on its framing.",
    ),
    (["text.txt", "--as", "raw", "-H", "Content-Type: a/b", "-H", "Content-Type: c/d"], "expected one Content-Type."),
    (["text.txt", "-H", "Host: h"], "expected no Host: it comes from --to."),
    (["text.txt", "-H", "Connection: close"], "expected no Connection: it is about the connection"),
    (["text.txt", "-H", "Content-Encoding: gzip"], "expected no Content-Encoding: the body is not compressed"),
    (["text.txt", "-X", "P T"], "expected a method such as POST or PUT."),
    (["text.txt", "-u", "a:b", "-H", "authorization: c"], "expected --user or the header Authorization, found both."),
    # connections
    (["text.txt", "--timeout", "soon"], "Invalid value for '--timeout': expected a duration such as 30s"),
    (["text.txt", "--connect-timeout", "0"], "Invalid value for '--connect-timeout': expected a duration from 1ms"),
    (["text.txt", "--ca", "text.txt"], "expected --to with https, as there are certificates."),
    (["text.txt", "--ca", "nosuch.pem"], "Invalid value for '--ca': File 'nosuch.pem' does not exist."),
    # the answer
    (["text.txt", "-o", "nosuch/out"], "nosuch: there is no such directory."),
    (["text.txt", "-o", "in"], "in: this is a directory; name a file in it."),
    (["text.txt", "-o", "-", "--json"], "expected --json or `-o -`: the object has the answer in it."),
]


@pytest.mark.parametrize(
    ("arguments", "said"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_wrong_use(here: Path, arguments: list[str], said: str) -> None:
    """It is told as what it is, and nothing was connected."""
    with RecordingService() as service:
        result = send(*arguments, "--to", service.url)

        assert service.connections == 0
    assert result.exit_code == 2
    assert (said in result.stderr.replace(f"{here}/", ""), result.stdout) == (True, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--key", "text.txt"], "expected --cert beside --key."),
        (["--ca", "text.txt"], "--ca: expected a PEM file with a certificate."),
        (["--cert", "text.txt"], "--cert: expected a PEM file with a certificate."),
    ],
)
def test_wrong_certificates(here: Path, arguments: list[str], said: str) -> None:
    """They are looked at before anything is connected, too."""
    with refused_port() as port:
        result = send("text.txt", *arguments, "--to", f"https://127.0.0.1:{port}")

    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("127.0.0.1:8080/x", "expected a whole URL, such as http://127.0.0.1:8080/x"),
        ("localhost", "expected a whole URL, such as http://localhost"),
        ("http://", "expected a URL with http:// or https:// and a host"),
        ("", "expected a URL with http:// or https:// and a host"),
        ("ftp://h/", "expected a URL with http:// or https:// and a host"),
        ("http://h:70000/", "expected a URL with http:// or https:// and a host"),
        ("http://h/a b", "expected a URL without blanks and non-ASCII characters"),
        ("http://h/#part", "expected a URL without a fragment"),
        ("http://a..b/", "expected a URL whose host has 1 to 63 characters between its dots"),
        ("http://.h/", "expected a URL whose host has 1 to 63 characters between its dots"),
        (f"http://{'a' * 64}.test/", "expected a URL whose host has 1 to 63 characters between its dots"),
        # the password is not repeated
        ("http://me:secret@h/", "expected a URL without user and password; give them with --user"),
    ],
)
def test_a_url_that_is_none(url: str, said: str) -> None:
    with pytest.raises(ValueError) as mistake:  # noqa: PT011 - the message is what counts
        parse_target(url)

    assert said in str(mistake.value)
    assert "secret" not in str(mistake.value)


@pytest.mark.parametrize("url", ["http://h", "https://h:1/x?y=%20z", "http://[::1]:8080/", "http://h.test./x"])
def test_a_url_stays_as_it_is(url: str) -> None:
    assert parse_target(url) == url


def test_without_a_url() -> None:
    result = send("x")

    assert result.exit_code == 2
    assert "Missing option '--to'" in result.stderr


def test_a_field_is_no_place_for_a_large_file(here: Path) -> None:
    """It would be in memory as a whole."""
    with (here / "large").open("wb") as file:
        file.truncate(2**24 + 1)

    result = send("-F", "a=<large", "--to", "http://127.0.0.1:9/")

    assert result.exit_code == 2
    assert "large: expected at most 16,777,216 bytes for a field; send it as a file, with @." in result.stderr


def test_a_socket_cannot_be_sent(here: Path) -> None:
    """Nor any other thing that cannot be opened."""
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")

        result = send("socket", "--to", "http://127.0.0.1:9/")

    assert result.exit_code == 2
    assert "socket: No such device or address." in result.stderr


def test_every_option_is_documented() -> None:
    """docs/send.md has a row for each."""
    text = Path(__file__).parents[2].joinpath("docs/send.md").read_text("utf-8")
    rows = {name for line in text.splitlines() if line.startswith("| `-") for name in re.findall(r"`(-[^ `]*)", line)}

    options = [option for option in command.params if isinstance(option, click.Option)]

    assert {name for option in options for name in option.opts} | {"--help"} == rows - {"-"}
