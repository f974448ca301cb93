"""`request.files`, `request.form` and the rest are what Flask users expect, and exact where Flask is not."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask, Response, g, request, stream_with_context
from flask.typing import ResponseReturnValue
from requests_toolbelt import MultipartEncoder
from werkzeug.datastructures import FileStorage

from gateway.gateway import Gateway
from gateway.testing import RecordingService, boundary_of, field_part, file_part, split_multipart
from gateway.web.extension import upload_request
from tests.web.sites import BOUNDARY, FORM, NARROW, form, new_gateway, new_site, only_file, post

TEXT = "erste Zeile\r\nzweite Zeile mit Ümlaut\nthird\n\nlast".encode()
LADDER = [0, 1, 499_999, 500_000, 500_001, 2**20 - 1, 2**20, 2**20 + 1, 3_000_000]
"""Flask keeps files in memory up to about 500 kB and in a file beyond; libraries behave differently for the two."""


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def seen(gateway: Gateway | None, look: Callable[[], Any], body: bytes, content_type: str = FORM, **config: Any) -> Any:
    """What a view sees in a request."""

    def view() -> ResponseReturnValue:
        return json.dumps(look())

    answer = post(new_site(gateway, view, TESTING=True, **config), body, content_type)
    assert answer.status_code == 200
    return json.loads(answer.text)


def files_of_the_request() -> object:
    return request.files


def fields_of_the_request() -> object:
    return request.form


def body_of_the_request() -> object:
    return request.get_data()


def json_of_the_request() -> object:
    return request.get_json()


TOUCHES = [files_of_the_request, fields_of_the_request, body_of_the_request]
"""Whatever reads a form first."""


# --- the same with and without the gateway -----------------------------------------------------


def test_a_file_says_what_it_is(usual: Gateway | None) -> None:
    def look() -> object:
        file = request.files["file"]
        return [file.name, file.filename, file.content_type, file.mimetype, file.mimetype_params, len(file.read())]

    body = form(file_part("file", "a b.txt", TEXT, "Text/Plain; charset=utf-8"))

    assert seen(usual, look, body) == [
        "file",
        "a b.txt",
        "Text/Plain; charset=utf-8",
        "text/plain",
        {"charset": "utf-8"},
        len(TEXT),
    ]


def test_other_headers_of_a_part_can_be_read(usual: Gateway | None) -> None:
    headers = b'Content-Disposition: form-data; name="f"; filename="x"\r\nX-Checksum: 1\r\ncontent-language: de'

    def look() -> object:
        return [only_file().headers.get(name) for name in ("x-checksum", "Content-Language", "X-None")]

    assert seen(usual, look, form((headers, b"abc"))) == ["1", "de", None]


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (lambda file: file.read().decode(), TEXT.decode()),
        (lambda file: [file.read(5).decode(), file.read(5).decode(), file.tell()], ["erste", " Zeil", 10]),
        (
            lambda file: [file.seek(-4, io.SEEK_END), file.read().decode(), file.read().decode()],
            [len(TEXT) - 4, "last", ""],
        ),
        (lambda file: [file.read(3).decode(), file.seek(0), file.read(5).decode()], ["ers", 0, "erste"]),
        (lambda file: [file.seek(6), file.seek(1, io.SEEK_CUR), file.read(4).decode()], [6, 7, "eile"]),
        (lambda file: [file.seek(10_000), file.read().decode(), file.tell()], [10_000, "", 10_000]),
        (lambda file: [line.decode() for line in file], TEXT.decode().splitlines(keepends=True)),
        (lambda file: [file.readline().decode(), file.readline(6).decode()], ["erste Zeile\r\n", "zweite"]),
        (lambda file: [line.decode() for line in file.readlines()], TEXT.decode().splitlines(keepends=True)),
        (lambda file: io.TextIOWrapper(file, "utf-8", newline="").read(), TEXT.decode()),
        (lambda file: list(io.TextIOWrapper(file.stream, "utf-8"))[1], "zweite Zeile mit Ümlaut\n"),
        (bool, True),
        (lambda file: [file.readable(), file.seekable(), file.closed], [True, True, False]),
        (lambda file: file.stream.read(5).decode(), "erste"),
    ],
)
def test_a_file_is_read_as_a_file(usual: Gateway | None, look: Callable[[Any], object], expected: object) -> None:
    body = form(file_part("file", "a.txt", TEXT))

    assert seen(usual, lambda: look(request.files["file"]), body) == expected


@pytest.mark.parametrize("size", [0, 1, 600_000])
def test_a_file_is_saved(usual: Gateway | None, tmp_path: Path, size: int) -> None:
    content = noise(size)

    def look() -> object:
        file, buffer = only_file(), io.BytesIO()
        file.save(tmp_path / "saved")
        file.seek(0)
        file.save(buffer)
        return buffer.getvalue() == content

    assert seen(usual, look, form(file_part("f", "x", content))) is True
    assert (tmp_path / "saved").read_bytes() == content


def test_files_are_read_side_by_side(usual: Gateway | None) -> None:
    """Each has its own position."""
    first, second = noise(200_000), noise(300_000)

    def look() -> object:
        files = [request.files["a"], request.files["b"]]
        got = [b"", b""]
        for size in (1, 70_000, 65_537, 10, 400_000):
            for index, file in enumerate(files):
                got[index] += file.read(size)
        return got == [first, second]

    assert seen(usual, look, form(file_part("a", "x", first), file_part("b", "y", second))) is True


def test_parts_of_one_name_keep_their_order(usual: Gateway | None) -> None:
    body = form(
        field_part("a", b"1"),
        file_part("f", "x", b"first"),
        field_part("b", b"2"),
        file_part("f", "y", b"second"),
        field_part("a", b"3"),
        file_part("a[]", "z", b"third"),
        field_part("a[]", b"4"),
    )

    def look() -> object:
        return [
            request.form.getlist("a"),
            request.form["a"],
            request.form.getlist("a[]"),
            [file.read().decode() for file in request.files.getlist("f")],
            [(file.filename, file.name) for file in request.files.getlist("a[]")],
            list(request.form),
            list(request.files),
            sorted(request.values),
        ]

    assert seen(usual, look, body) == [
        ["1", "3"],
        "1",
        ["4"],
        ["first", "second"],
        [["z", "a[]"]],
        ["a", "b", "a[]"],
        ["f", "a[]"],
        ["a", "a[]", "b"],
    ]


def test_a_file_input_without_a_file_has_no_name(usual: Gateway | None) -> None:
    """So browsers send it; a view looks at `filename`."""

    def look() -> object:
        file = request.files["f"]
        return [file.filename, bool(file), file.read().decode()]

    assert seen(usual, look, form(file_part("f", "", b""))) == ["", False, ""]


@pytest.mark.parametrize("name", ["Übersicht.pdf", "日本.pdf", "a b;c.txt", "it's.txt", "../../etc/passwd", "x" * 200])
def test_names_are_text(usual: Gateway | None, name: str) -> None:
    def look() -> object:
        return [only_file().filename, only_file().name, list(request.form)]

    body = form(field_part(name, b""), file_part(name, name, b"x"))

    assert seen(usual, look, body) == [name, name, [name]]


@pytest.mark.parametrize(
    ("content", "content_type", "text"),
    [
        (b"", None, ""),
        ("Grüße 日本".encode(), None, "Grüße 日本"),
        (b"gr\xfc\xdfe", "text/plain; charset=iso-8859-1", "grüße"),
        (b"gr\xfc\xdfe", "text/plain; charset=ISO-8859-1", "grüße"),
        (b"gr\xfc\xdfe", None, "gr\ufffd\ufffde"),
        (b"gr\xfc\xdfe", "text/plain; charset=utf-16", "gr\ufffd\ufffde"),
        (b'{"a": 1}', "application/json", '{"a": 1}'),
        (b"line 1\r\nline 2\r\n", None, "line 1\r\nline 2\r\n"),
    ],
)
def test_fields_are_text_of_their_charset(
    usual: Gateway | None, content: bytes, content_type: str | None, text: str
) -> None:
    headers, _ = field_part("a", b"")
    if content_type:
        headers += f"\r\nContent-Type: {content_type}".encode()

    assert seen(usual, lambda: request.form["a"], form((headers, content))) == text


def test_the_body_can_be_had_before_the_files(usual: Gateway | None) -> None:
    body = form(field_part("a", b"1"), file_part("f", "x", b"abc"))

    def look() -> object:
        data = request.get_data()
        return [data == body, request.form["a"], only_file().read().decode(), request.get_data() == body]

    assert seen(usual, look, body) == [True, "1", "abc", True]


@pytest.mark.parametrize(
    ("body", "content_type", "look", "expected"),
    [
        (
            b"a=1&b=2&a=3",
            "application/x-www-form-urlencoded",
            lambda: request.form.to_dict(flat=False),
            {"a": ["1", "3"], "b": ["2"]},
        ),
        (b'{"a": [1]}', "application/json", json_of_the_request, {"a": [1]}),
        (
            b"plain",
            "text/plain",
            lambda: [request.get_data(as_text=True), dict(request.form), len(request.files)],
            ["plain", {}, 0],
        ),
        (
            b"plain",
            "text/plain",
            lambda: [request.stream.read(2).decode(), request.stream.read().decode()],
            ["pl", "ain"],
        ),
        (b"\x00\xff", "application/octet-stream", lambda: list(request.data), [0, 255]),
        (b"", "text/plain", lambda: [request.get_data(as_text=True), request.content_length], ["", 0]),
    ],
    ids=["urlencoded", "json", "data", "stream", "binary", "empty"],
)
def test_bodies_that_are_no_forms_are_as_ever(
    usual: Gateway | None, body: bytes, content_type: str, look: Callable[[], object], expected: object
) -> None:
    assert seen(usual, look, body, content_type) == expected


def test_a_request_without_a_body_has_no_files(usual: Gateway | None) -> None:
    app = new_site(usual, lambda: [len(request.files), len(request.form), request.args["a"]], TESTING=True)

    assert app.test_client().get("/?a=b").json == [0, 0, "b"]


@pytest.mark.parametrize(
    ("config", "body", "status"),
    [
        ({"MAX_CONTENT_LENGTH": 1000}, form(file_part("f", "x", bytes(2000))), 413),
        ({"MAX_CONTENT_LENGTH": 3000}, form(file_part("f", "x", bytes(2000))), 200),
        ({"MAX_FORM_MEMORY_SIZE": 1000}, form(field_part("a", bytes(1001))), 413),
        ({"MAX_FORM_MEMORY_SIZE": 1000}, form(field_part("a", bytes(500))), 200),
        ({}, form(field_part("a", bytes(500_001))), 413),
        ({"MAX_FORM_PARTS": 3}, form(*[field_part("a", b"")] * 4), 413),
        ({"MAX_FORM_PARTS": 3}, form(*[field_part("a", b"")] * 3), 200),
    ],
)
def test_flasks_limits_hold(usual: Gateway | None, config: dict[str, int], body: bytes, status: int) -> None:
    app = new_site(usual, lambda: [len(request.files), len(request.form)], **config)

    assert post(app, body).status_code == status


@pytest.mark.parametrize("touch", TOUCHES)
def test_a_limit_can_be_set_for_one_request(usual: Gateway | None, touch: Callable[[], object]) -> None:
    def view() -> ResponseReturnValue:
        request.max_content_length = 10
        touch()
        return "read"

    assert post(new_site(usual, view), form(file_part("f", "x", b""))).status_code == 413


def test_hooks_may_look_first(usual: Gateway | None) -> None:
    app = new_site(usual, lambda: [g.names, request.form["a"], only_file().read().decode()], TESTING=True)

    @app.before_request
    def look() -> None:
        g.names = [*request.form, *request.files]

    answer = post(app, form(field_part("a", b"1"), file_part("f", "x", b"abc")))
    assert answer.json == [["a", "f"], "1", "abc"]


# --- where the gateway is better ---------------------------------------------------------------


@pytest.mark.parametrize("size", [k * 65_536 + extra for k in (1, 2, 5) for extra in (2, 3, 4)])
def test_no_byte_is_added_whatever_the_size_of_the_body(gateway: Gateway, size: int) -> None:
    """Werkzeug 3.1.9 adds a CR to the last part of a body of exactly k * 65,536 + 3 bytes."""
    empty = form(file_part("f", "x", b""))
    content = noise(size - len(empty))

    assert seen(gateway, lambda: only_file().read() == content, form(file_part("f", "x", content))) is True


@pytest.mark.parametrize("touch", ["files", "form", "values"])
def test_the_body_can_be_had_after_the_files(gateway: Gateway, touch: str) -> None:
    body = form(field_part("a", b"1"), file_part("f", "x", b"abc"))

    def look() -> object:
        getattr(request, touch)
        return [request.get_data() == body, request.get_data() == body, only_file().read().decode()]

    assert seen(gateway, look, body) == [True, True, "abc"]


def test_the_stream_of_a_form_is_its_bytes(gateway: Gateway) -> None:
    body = form(field_part("a", b"1"), file_part("f", "x", noise(200_000)))

    def look() -> object:
        stream = request.stream
        parts = [stream.read(10), stream.read(100_000), stream.read()]
        return b"".join(parts) == body and stream.read() == b""

    assert seen(gateway, look, body) is True


def test_an_upload_larger_than_its_memory_is_all_there(tmp_path: Path) -> None:
    content = [noise(3_000_000), noise(1), noise(2_500_000)]
    parts = [file_part("f", f"{number}", each) for number, each in enumerate(content)]

    def look() -> object:
        files = request.files.getlist("f")
        assert "a file of" in repr(upload_request().upload)
        return [file.read() == content[number] for number, file in enumerate(files)]

    with new_gateway(tmp_path, memory=2**18) as gateway:
        assert seen(gateway, look, form(*parts)) == [True, True, True]


def test_bytes_that_are_no_text_do_not_break_json(gateway: Gateway) -> None:
    """Logs and answers are UTF-8: what was not is shown by the replacement character; the upload keeps its bytes."""
    headers = b'Content-Disposition: form-data; name="n\xff"; filename="\xe4.txt"\r\nX-Note: \xfc'
    body = form((headers, b"x"), (b'Content-Disposition: form-data; name="a\xff"', b"y"))

    def look() -> object:
        file = only_file()
        raw = upload_request().upload.parts[0].headers == headers + b"\r\n\r\n"
        return [file.filename, file.name, list(request.form), file.headers["x-note"], raw]

    assert seen(gateway, look, body) == ["\ufffd.txt", "n\ufffd", ["a\ufffd"], "\ufffd", True]


@pytest.mark.parametrize(
    "body",
    [
        form(field_part("a", bytes(1000)), field_part("b", bytes(1000))),
        form(file_part("f", "x", bytes(2000))),
    ],
    ids=["two fields", "a file"],
)
def test_the_limit_for_fields_is_for_each_field(gateway: Gateway, body: bytes) -> None:
    """As it is documented; Werkzeug refuses these two as well, as soon as more than that arrives at once."""
    app = new_site(gateway, lambda: [len(request.files), len(request.form)], MAX_FORM_MEMORY_SIZE=1000)

    assert post(app, body).status_code == 200


BROKEN = {
    "no boundary": ("multipart/form-data", form(field_part("a", b"1")), 400, "boundary_missing"),
    "other boundary": ("multipart/form-data; boundary=other", form(field_part("a", b"1")), 400, "boundary_not_found"),
    "no end": (FORM, form(field_part("a", b"1"))[:-10], 400, "closing_delimiter_missing"),
    "empty": (FORM, b"", 400, "boundary_not_found"),
    "no name": (FORM, form((b"Content-Disposition: form-data", b"1")), 400, "part_name_missing"),
    "no disposition": (FORM, form((b"Content-Type: text/plain", b"1")), 400, "disposition_missing"),
    "not form-data": (FORM, form((b'Content-Disposition: attachment; name="a"', b"1")), 400, "disposition_invalid"),
    "broken header": (FORM, form((b"Content-Disposition", b"1")), 400, "part_header_invalid"),
    "two boundaries": (FORM + "; boundary=b", form(field_part("a", b"1")), 400, "boundary_repeated"),
}


@pytest.mark.parametrize("touch", TOUCHES)
@pytest.mark.parametrize(("content_type", "body", "status", "code"), BROKEN.values(), ids=BROKEN)
def test_a_broken_form_is_never_an_empty_one(
    gateway: Gateway, touch: Callable[[], object], content_type: str, body: bytes, status: int, code: str
) -> None:
    def view() -> ResponseReturnValue:
        touch()
        pytest.fail("the view went on")

    answer = post(new_site(gateway, view), body, content_type)

    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert answer.json is not None
    assert answer.json["code"] == code
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]


def test_a_broken_form_stays_broken_for_whoever_asks_again(gateway: Gateway) -> None:
    """A view that catches the error and looks once more gets it once more, not what is left of the upload."""

    def view() -> ResponseReturnValue:
        for touch in TOUCHES * 2:
            with pytest.raises(Exception, match="form-data") as raised:
                touch()
            assert getattr(raised.value, "code", None) == 400
        return "caught"

    body = form((b'Content-Disposition: attachment; name="a"', b"1"), field_part("b", b"2"))

    assert post(new_site(gateway, view, TESTING=True), body).text == "caught"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (form(field_part("a", bytes(1001))), "field_too_large"),
        (form(*[field_part("a", b"")] * 11), "too_many_parts"),
        (form(file_part("f", "x", bytes(2**20))), "upload_too_large"),
        (form(file_part("f", "x" * 600, b"")), "part_headers_too_large"),
    ],
)
def test_the_gateways_own_limits_hold_too(tmp_path: Path, body: bytes, code: str) -> None:
    with new_gateway(tmp_path, limits=NARROW) as gateway:
        answer = post(new_site(gateway, lambda: str(len(request.files))), body)

    assert answer.status_code == 413
    assert answer.json is not None
    assert answer.json["code"] == code


def test_a_broken_form_is_let_go_of_before_its_answer_is_sent(gateway: Gateway) -> None:
    """The next upload has its place, also where nobody closes the answer, as in most tests of applications."""
    client = new_site(gateway, lambda: str(len(request.files))).test_client()
    body = form(field_part("a", b"1"))[:-8]

    answers = [client.post("/", data=body, content_type=FORM) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [400, 400, 400]


def test_a_full_gateway_says_so(gateway: Gateway) -> None:
    """A form that is only read by a view needs a place like any other."""
    inner: list[Any] = []

    def view() -> ResponseReturnValue:
        if not inner:
            _ = request.files
            inner.append(None)
            inner[0] = post(app, form(field_part("a", b"1")))
        return str(len(request.form))

    app = new_site(gateway, view)
    answer = post(app, form(field_part("a", b"1")))

    assert answer.status_code == 200
    assert (inner[0].status_code, inner[0].headers["Retry-After"]) == (503, "1")


# --- an upload lives as long as somebody needs it ----------------------------------------------


def test_views_that_do_not_touch_the_body_open_no_upload(gateway: Gateway) -> None:
    opened: list[object] = []
    app = new_site(gateway, lambda: "untouched")

    @app.after_request
    def look(response: Response) -> Response:
        opened.append(upload_request().opened_upload)
        return response

    assert post(app, form(field_part("a", b"1"))).text == "untouched"
    assert opened == [None]


@pytest.mark.parametrize("body", [b"a=1", b'{"a": 1}'])
def test_bodies_that_are_no_forms_open_no_upload(gateway: Gateway, body: bytes) -> None:
    def look() -> object:
        return [len(request.get_data(parse_form_data=False)), upload_request().opened_upload is None]

    assert seen(gateway, look, body, "application/x-www-form-urlencoded") == [len(body), True]


def test_the_spool_lives_until_a_streamed_answer_is_out(gateway: Gateway) -> None:
    """Flask closes the request before the answer is even begun."""
    content = noise(300_000)

    def view() -> ResponseReturnValue:
        upload = upload_request().upload
        upload.read_whole()
        (part,) = upload.parts

        def blocks() -> Iterator[bytes]:
            for block in upload.blocks(part.content.start, part.content.stop):
                yield bytes(block)

        return Response(blocks())

    app = new_site(gateway, view)
    for _ in range(3):
        assert post(app, form(file_part("f", "x", content))).data == content


@pytest.mark.parametrize("wrap", [lambda blocks: blocks, stream_with_context], ids=["plain", "with context"])
def test_a_streamed_answer_can_read_the_file(gateway: Gateway, wrap: Callable[[Any], Any]) -> None:
    """Flask closes files before such an answer is even begun."""
    content = noise(300_000)

    def view() -> ResponseReturnValue:
        file = only_file()

        def blocks() -> Iterator[bytes]:
            while block := file.read(50_000):
                yield block

        return Response(wrap(blocks()))

    app = new_site(gateway, view)
    for _ in range(2):
        assert post(app, form(file_part("f", "x", content))).data == content


def touched() -> FileStorage:
    file = only_file()
    file.read(10)
    return file


def answer() -> ResponseReturnValue:
    return str(touched().filename)


def break_down() -> ResponseReturnValue:
    touched()
    raise RuntimeError("a bug in the view")


def answer_with_404() -> ResponseReturnValue:
    touched()
    return "no", 404


@pytest.mark.parametrize("view", [break_down, answer_with_404, answer])
@pytest.mark.parametrize("propagate", [True, False])
def test_an_upload_is_let_go_of_however_its_request_ends(
    gateway: Gateway, view: Callable[[], ResponseReturnValue], propagate: bool
) -> None:
    """Also where the error goes up to the server, as in debug mode: the place must be free again."""
    app = new_site(gateway, view, PROPAGATE_EXCEPTIONS=propagate)
    for _ in range(3):
        if propagate and view is break_down:
            with pytest.raises(RuntimeError, match="a bug in the view"):
                post(app, form(file_part("f", "x", b"abc")))
        else:
            assert post(app, form(file_part("f", "x", b"abc"))).status_code in (200, 404, 500)


def test_an_upload_is_let_go_of_when_a_hook_fails(gateway: Gateway) -> None:
    app = new_site(gateway, answer)

    @app.after_request
    def fail(response: Response) -> Response:
        raise RuntimeError("a bug in a hook")

    for _ in range(3):
        assert post(app, form(file_part("f", "x", b"abc"))).status_code == 500


def test_an_upload_is_let_go_of_when_the_client_hangs_up(gateway: Gateway) -> None:
    """In the middle of an answer that is still being made of it."""

    def view() -> ResponseReturnValue:
        upload = upload_request().upload
        upload.read_whole()
        return Response(bytes(block) for block in upload.blocks(0))

    app = new_site(gateway, view)
    for _ in range(3):
        answer = app.test_client().post(
            "/", data=form(file_part("f", "x", bytes(3_000_000))), content_type=FORM, buffered=False
        )
        next(iter(answer.response))
        answer.close()


# --- handed on to other libraries --------------------------------------------------------------


def relayed(service: RecordingService) -> list[tuple[bytes, bytes]]:
    received = service.received[-1]
    assert received.complete
    assert received.body is not None
    return split_multipart(received.body, boundary_of(received.headers.get("content-type")))


@pytest.mark.parametrize("size", LADDER)
@pytest.mark.parametrize("give", [lambda file: file, lambda file: file.stream], ids=["FileStorage", "stream"])
def test_multipart_encoder_takes_a_file(gateway: Gateway, size: int, give: Callable[[FileStorage], Any]) -> None:
    content = noise(size)
    with RecordingService() as service:

        def view() -> ResponseReturnValue:
            encoder = MultipartEncoder({"a": "1", "file": ("x.bin", give(only_file()), "image/png")})
            answer = requests.post(
                service.url, data=encoder, headers={"Content-Type": encoder.content_type}, timeout=10
            )
            return str(answer.status_code)

        assert post(new_site(gateway, view, TESTING=True), form(file_part("f", "x", content))).text == "200"

        sent = relayed(service)
    assert [part[1] for part in sent] == [b"1", content]


@pytest.mark.parametrize("size", LADDER)
@pytest.mark.parametrize("give", [lambda file: file, lambda file: file.stream], ids=["FileStorage", "stream"])
def test_requests_files_takes_a_file(gateway: Gateway, size: int, give: Callable[[FileStorage], Any]) -> None:
    content = noise(size)
    with RecordingService() as service:

        def view() -> ResponseReturnValue:
            files = {"file": ("x.bin", give(only_file()), "image/png")}
            return str(requests.post(service.url, files=files, timeout=10).status_code)

        assert post(new_site(gateway, view, TESTING=True), form(file_part("f", "x", content))).text == "200"

        ((_, sent),) = relayed(service)
    assert sent == content


@pytest.mark.parametrize("size", LADDER)
def test_requests_data_takes_a_file(gateway: Gateway, size: int) -> None:
    """With the right length: half of a file that was read already is what is left."""
    content = noise(size)
    with RecordingService() as service:

        def view() -> ResponseReturnValue:
            file = only_file()
            file.seek(size // 2)
            return str(requests.post(service.url, data=file.stream, timeout=10).status_code)

        assert post(new_site(gateway, view, TESTING=True), form(file_part("f", "x", content))).text == "200"

        assert service.received[-1].body == content[size // 2 :]


@pytest.mark.parametrize("size", LADDER)
def test_one_file_goes_through_one_encoder_after_the_other(gateway: Gateway, size: int) -> None:
    """One position, as in every file: whoever sends it again goes back to its beginning."""
    content = noise(size)
    bodies: list[bytes] = []

    def view() -> ResponseReturnValue:
        file = only_file()
        for _ in range(2):
            file.seek(0)
            encoder = MultipartEncoder({"file": ("x.bin", file, "image/png")}, boundary=BOUNDARY.decode())
            bodies.append(encoder.read())
            assert len(bodies[-1]) == encoder.len or size == 0
        return "sent"

    assert post(new_site(gateway, view, TESTING=True), form(file_part("f", "x", content))).text == "sent"

    expected = MultipartEncoder({"file": ("x.bin", content, "image/png")}, boundary=BOUNDARY.decode()).to_string()
    assert bodies == [expected, expected]


def test_a_file_has_no_descriptor(gateway: Gateway) -> None:
    """That of the spool would lead to the whole upload."""

    def look() -> object:
        with pytest.raises(io.UnsupportedOperation):
            only_file().stream.fileno()
        return hasattr(only_file().stream, "getvalue")

    assert seen(gateway, look, form(file_part("f", "x", b"abc"))) is False


def test_the_extension_says_who_it_is(gateway: Gateway) -> None:
    app: Flask = new_site(gateway, lambda: str(upload_request().gateway is gateway))

    assert app.extensions["gateway"] is gateway
    assert app.test_client().get("/").text == "True"
