"""What a route asks of an upload is known before anybody gets its end, or a byte of a file that is then refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

import pytest

from gateway.core.services import Accept
from gateway.core.uploads import Limits
from gateway.errors import PartMissing, TypeUnsupported
from gateway.multipart.sniffing import SNIFFED_BYTES
from gateway.spool.files import SpoolFiles
from gateway.spool.uploads import Upload
from gateway.testing import field_part, file_part, multipart
from tests.multipart import contents
from tests.spool.sources import content_of, cut_every, new_upload
from tests.spool.test_uploads import what_can_be_seen

EDGE = b"edge"
IMAGES = Accept(types=("image/*",))
PNG = contents.png() + contents.NOISE
# Content that is known only from so many bytes on: a delimiter may follow each CR.
LINES = (contents.png() + b"\r\n--edg\r" * 2000)[: 2 * SNIFFED_BYTES]


def receive(
    files: SpoolFiles, body: bytes, accept: Accept, *, size: int, chunked: bool = False, **others: Any
) -> Upload:
    """A form, unless said otherwise."""
    options = {"boundary": EDGE, "slot_bytes": 20_000, "limits": Limits(part_headers=200), **others}
    return new_upload(files, cut_every(body, size), length=None if chunked else len(body), accept=accept, **options)


def form(*parts: tuple[bytes, bytes]) -> bytes:
    return multipart(parts, EDGE)


def image(
    content: bytes, content_type: str = "image/png", name: str = "file", filename: str = "a.png"
) -> tuple[bytes, bytes]:
    return file_part(name, filename, content, content_type)


def pull_all(upload: Upload) -> bytes:
    """Everything that a reader can see, until the upload is in or fails."""
    reader = upload.spool.reader(0)
    seen = bytearray()
    try:
        while not upload.complete:
            seen += what_can_be_seen(reader)
            upload.pull()
        return bytes(seen) + what_can_be_seen(reader)
    except (TypeUnsupported, PartMissing) as error:
        error.add_note(str(len(seen)))
        raise


def seen_before(error: Exception) -> int:
    """How much a reader had seen when it was raised."""
    return int(error.__notes__[0])


# --- parts that must be there ------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [1, 10, 1000])
def test_a_form_with_its_parts_is_taken(files: SpoolFiles, size: int, chunked: bool) -> None:
    """`required_seen` tells when all of them have begun."""
    body = form(field_part("lang", b"en"), image(b"x" * 100), field_part("more", b"1"))
    upload = receive(files, body, Accept(require=("file", "lang")), size=size, chunked=chunked)
    assert not upload.required_seen

    upload.pull_until(lambda: upload.required_seen)

    assert {"lang", "file"} <= {part.name for part in upload.parts}
    if size < 100:
        assert [part.name for part in upload.parts] == ["lang", "file"]
        assert upload.parts[1].content_stop is None
    assert pull_all(upload) == body
    upload.release()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [1, 10, 1000])
@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (form(field_part("lang", b"en")), "Expected a part 'file'; found the parts: 'lang'"),
        (form(image(b"x", name="fiel")), "Is 'fiel' meant to be it"),
        (form(file_part("file", "", b"")), "none was chosen"),
        (b"--edge--\r\n", "none"),
    ],
    ids=["missing", "misspelt", "not chosen", "no parts"],
)
def test_a_form_without_its_parts_has_no_end(
    files: SpoolFiles, body: bytes, detail: str, size: int, chunked: bool
) -> None:
    """Who follows it live must not get what looks like a whole upload."""
    upload = receive(files, body, Accept(require=("file",)), size=size, chunked=chunked)

    with pytest.raises(PartMissing, match=detail) as raised:
        pull_all(upload)

    assert not upload.required_seen
    assert seen_before(raised.value) <= body.rindex(b"--edge--")
    assert not upload.complete
    with pytest.raises(PartMissing):
        upload.pull()
    upload.release()


def test_a_second_input_of_the_same_name_may_have_the_file(files: SpoolFiles) -> None:
    body = form(file_part("file", "", b""), image(b"x"))
    upload = receive(files, body, Accept(require=("file",)), size=10)

    assert pull_all(upload) == body
    upload.release()


def test_a_bare_file_is_the_part_file(files: SpoolFiles) -> None:
    """Where another part is required nothing is read for it."""
    upload = receive(files, b"abc", Accept(require=("file",)), size=1, boundary=None)
    assert upload.required_seen
    assert pull_all(upload) == b"abc"
    upload.release()

    with pytest.raises(PartMissing, match="Expected a part 'document'; found the parts: 'file'"):
        receive(files, b"abc", Accept(require=("document",)), size=1, boundary=None)


@pytest.mark.parametrize(
    ("members", "taken"),
    [
        ({"file": "data:,x"}, True),
        ({"file": "x"}, True),
        ({"file": None}, False),
        ({"file": {"base64": "", "filename": ""}}, False),
    ],
)
def test_json_must_have_the_parts_as_well(files: SpoolFiles, members: dict[str, Any], taken: bool) -> None:
    """A name whose value is null is not there."""
    body = json.dumps(members).encode()
    upload = receive(files, body, Accept(require=("file",)), size=5, boundary=None, is_json=True)

    if taken:
        upload.read_whole()
        assert upload.required_seen
    else:
        with pytest.raises(PartMissing):
            upload.read_whole()
    upload.release()


# --- types of files ----------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "ring"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [1, 97, 5000, 100_000])
def test_a_form_of_files_of_the_right_type_is_taken(files: SpoolFiles, size: int, chunked: bool, keep: bool) -> None:
    """Fields and inputs without a file are no files."""
    body = form(
        field_part("lang", b"en"), image(PNG), file_part("none", "", b""), image(LINES), image(b"", name="empty"),
        image(contents.png(), "application/octet-stream"), field_part("more", b"1"),
    )  # fmt: skip
    upload = receive(files, body, IMAGES, size=size, chunked=chunked, keep=keep)

    assert pull_all(upload) == body
    assert [len(part.content) for part in upload.parts if part.is_file] == [
        len(PNG),
        0,
        len(LINES),
        0,
        len(contents.png()),
    ]
    upload.release()


WRONG = {
    "declared": image(PNG, "text/plain"),
    "content": image(contents.elf()),
    "short content": image(contents.HTML),
    "unknown": image(contents.NOISE, "application/octet-stream"),
    "lines": image(b"\r\n--edg\r" * 2000),
    "no name, but content": file_part("file", "", contents.HTML),
}


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "ring"])
@pytest.mark.parametrize("size", [1, 97, 5000, 100_000])
@pytest.mark.parametrize("wrong", WRONG)
def test_no_byte_of_a_file_of_another_type_is_seen(files: SpoolFiles, wrong: str, size: int, keep: bool) -> None:
    """Whoever follows it live gets at most what precedes its content: a service must not work on what is refused."""
    before = (field_part("lang", b"en"), image(PNG))
    body = form(*before, WRONG[wrong], image(PNG))
    start = body.index(WRONG[wrong][0], len(PNG)) + len(WRONG[wrong][0]) + 4
    upload = receive(files, body, IMAGES, size=size, keep=keep)

    with pytest.raises(TypeUnsupported) as raised:
        pull_all(upload)

    assert raised.value.status == 415
    assert seen_before(raised.value) <= start
    if size < 100:
        # But that early on, and nearly all that is not the file's.
        assert seen_before(raised.value) > start - 400
        assert upload.spool.received <= start + SNIFFED_BYTES + 100
    upload.release()


def test_a_declared_type_is_enough_to_refuse_a_part(files: SpoolFiles) -> None:
    """Nothing of its content is waited for."""
    body = form(image(b"x" * 1000, "text/plain"))
    upload = receive(files, body, IMAGES, size=1)

    with pytest.raises(TypeUnsupported, match="declared as text/plain"):
        upload.read_whole()

    assert upload.spool.received < body.index(b"x" * 1000)
    upload.release()


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "ring"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [1, 97, 5000, 100_000])
@pytest.mark.parametrize(
    "content_type", ["image/png", None, "application/octet-stream", "application/x-www-form-urlencoded"]
)
def test_a_bare_file_of_the_right_type_is_taken(
    files: SpoolFiles, content_type: str | None, size: int, chunked: bool, keep: bool
) -> None:
    upload = receive(
        files, PNG, IMAGES, size=size, chunked=chunked, keep=keep, boundary=None, content_type=content_type
    )

    assert pull_all(upload) == PNG
    upload.release()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [1, 97, 100_000])
@pytest.mark.parametrize(
    "content", [contents.HTML, contents.elf(), contents.PDF + contents.NOISE], ids=["html", "elf", "pdf"]
)
@pytest.mark.parametrize("content_type", ["image/png", None])
def test_no_byte_of_a_bare_file_of_another_type_is_seen(
    files: SpoolFiles, content_type: str | None, content: bytes, size: int, chunked: bool
) -> None:
    upload = receive(files, content, IMAGES, size=size, chunked=chunked, boundary=None, content_type=content_type)

    with pytest.raises(TypeUnsupported) as raised:
        pull_all(upload)

    assert seen_before(raised.value) == 0
    upload.release()


def test_a_bare_file_of_another_declared_type_is_refused_at_once(files: SpoolFiles) -> None:
    """Nothing is read for it."""
    script: Iterable[bytes | Exception] = [AssertionError("was read")]

    with pytest.raises(TypeUnsupported, match="declared as text/plain"):
        new_upload(files, script, length=100, accept=IMAGES, content_type="text/plain; charset=utf-8")


@pytest.mark.parametrize("size", [1, 97, 100_000])
def test_files_in_json_are_checked(files: SpoolFiles, size: int) -> None:
    """Also where their type stands behind their content."""
    png, html = ("data:;base64," + _base64(content) for content in (contents.png(), contents.HTML))
    described = {"base64": _base64(contents.png()), "content_type": "text/plain"}
    for members, error in [
        ({"a": png, "b": "text", "c": [png, png], "d": {"base64": "", "filename": ""}}, None),
        ({"a": png, "c": [png, html]}, "looks like text/html"),
        ({"a": described}, "declared as text/plain"),
        ({"a": {"base64": _base64(PNG), "content_type": "image/png"}}, None),
        ({"a": {"base64": _base64(contents.NOISE)}}, "of none that is known"),
    ]:
        body = json.dumps(members).encode()
        upload = receive(files, body, IMAGES, size=size, boundary=None, is_json=True, limits=Limits())

        if error is None:
            upload.read_whole()
        else:
            with pytest.raises(TypeUnsupported, match=error):
                upload.read_whole()
        upload.release()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_a_route_that_asks_nothing_checks_nothing(files: SpoolFiles) -> None:
    """Whatever is declared, and whatever it is."""
    body = form(image(contents.elf(), "image/png"), file_part("x", "", b"x", ""))
    upload = receive(files, body, Accept(), size=100)

    assert pull_all(upload) == body
    assert content_of(upload) == body
    assert upload.required_seen
    upload.release()
