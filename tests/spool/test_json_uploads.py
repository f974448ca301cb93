"""A JSON body becomes an upload like any other: parts with spans of decoded bytes, whole or not at all."""

from __future__ import annotations

import base64
import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.uploads import Limits
from gateway.errors import (
    Base64Invalid,
    ClientGone,
    ClientStalled,
    FieldTooLarge,
    GatewayError,
    JSONInvalid,
    JSONTooLarge,
    UploadTooLarge,
)
from gateway.spool.files import SpoolFiles
from gateway.spool.json_bodies import READ_BYTES
from gateway.spool.uploads import Upload
from tests.spool.sources import ScriptedSource, content_of, cut, cut_every, new_upload
from tests.spool.test_uploads import Watcher, what_can_be_seen

LIMITS = Limits()


def in_base64(content: bytes, **described: str) -> dict[str, str]:
    return {"base64": base64.b64encode(content).decode(), **described}


BODY = json.dumps(
    {
        "lang": "dé",
        "file": in_base64(bytes(range(256)), filename="a.bin", content_type="image/png"),
        "options": {"deep": [1]},
        "more": [in_base64(b"x" * 100), "data:text/plain,hi"],
        "nothing": None,
    }
).encode()
PARTS = [
    ("lang", None, None, "dé".encode()),
    ("file", "a.bin", "image/png", bytes(range(256))),
    ("options", None, "application/json", b'{"deep": [1]}'),
    ("more", "file", None, b"x" * 100),
    ("more", "file", "text/plain", b"hi"),
]


def receive(files: SpoolFiles, script: Any, *, length: int | None = None, **others: Any) -> Upload:
    return new_upload(files, script, is_json=True, length=length, **{"limits": LIMITS, **others})


def parts_of(upload: Upload) -> list[tuple[str, str | None, str | None, bytes]]:
    return [
        (part.name, part.filename, part.content_type, content_of(upload, part.content.start, part.content.stop))
        for part in upload.parts
    ]


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [1, 2, 7, 64, 100, 10_000])
def test_its_members_are_parts(files: SpoolFiles, size: int, chunked: bool) -> None:
    """The spool has what they decode to, in order, and nothing else."""
    upload = receive(files, cut_every(BODY, size), length=None if chunked else len(BODY))

    upload.read_whole()

    assert parts_of(upload) == PARTS
    assert [part.number for part in upload.parts] == list(range(5))
    assert {part.headers for part in upload.parts} == {b""}
    assert content_of(upload) == b"".join(content for *_, content in PARTS)
    assert upload.received == len(BODY)
    assert upload.head.kind == "json"
    upload.release()


@settings(max_examples=60, deadline=None)
@given(
    contents=st.lists(st.binary(max_size=300), max_size=6),
    slot=st.sampled_from([16, 33, 64, 1000]),
    memory=st.sampled_from([0, 100, 10_000]),
    chunked=st.booleans(),
    choices=st.randoms(use_true_random=False),
)
def test_files_of_any_size_in_slots_of_any_size(
    files: SpoolFiles, contents: list[bytes], slot: int, memory: int, chunked: bool, choices: random.Random
) -> None:
    """A piece that was decoded may be larger than a slot has room."""
    body = json.dumps({str(number): in_base64(content) for number, content in enumerate(contents)}).encode()
    pieces = cut(body, *(choices.randint(0, len(body)) for _ in range(choices.randint(0, 9))))
    upload = receive(files, pieces, length=None if chunked else len(body), slot_bytes=slot, memory=memory)

    upload.read_whole()

    assert [content for *_, content in parts_of(upload)] == contents
    upload.release()


def test_a_file_larger_than_what_is_read_at_once(files: SpoolFiles) -> None:
    content = random.Random(1).randbytes(2 * READ_BYTES)
    body = json.dumps({"a": in_base64(content)}).encode()
    upload = receive(files, [body], length=len(body), slot_bytes=100_000, memory=200_000)

    upload.read_whole()

    assert parts_of(upload) == [("a", "file", None, content)]
    upload.release()


@pytest.mark.parametrize("body", [b"{}", b'{"a": null}'])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_an_object_without_parts_is_an_upload_without_parts(files: SpoolFiles, body: bytes, chunked: bool) -> None:
    upload = receive(files, [body], length=None if chunked else len(body))

    upload.read_whole()

    assert (upload.complete, upload.parts, content_of(upload)) == (True, [], b"")
    upload.release()


# --- its end -----------------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("keep", [True, False], ids=["kept", "ring"])
@pytest.mark.parametrize("size", [1, 50, len(BODY) - 1])
def test_nothing_is_seen_before_all_of_it_is_in(files: SpoolFiles, size: int, keep: bool, chunked: bool) -> None:
    """What a file is called may stand behind it, and a fault may follow."""
    length = None if chunked else len(BODY)
    upload = receive(files, cut_every(BODY, size), length=length, keep=keep, slot_bytes=1000)
    reader = upload.spool.reader(0)
    while not upload.complete:
        assert what_can_be_seen(reader) == b""
        assert upload.completed_at is None
        upload.pull()

    assert what_can_be_seen(reader) == b"".join(content for *_, content in PARTS)
    assert upload.completed_at == 100.0
    reader.close()
    upload.release()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("cut_at", range(0, len(BODY), 11))
def test_a_body_that_is_cut_off_is_never_complete(files: SpoolFiles, chunked: bool, cut_at: int) -> None:
    """Whether it says how long it is or not; the connection's end is not the object's."""
    upload = receive(files, cut_every(BODY[:cut_at], 100), length=None if chunked else len(BODY))
    reader = upload.spool.reader(0)

    with pytest.raises(JSONInvalid if chunked else ClientGone, match=f"after {cut_at} "):
        upload.read_whole()

    assert not upload.complete
    with pytest.raises(GatewayError):
        reader.read()
    upload.release()


@pytest.mark.parametrize(
    ("body", "error", "offset"),
    [
        (b"[]", JSONInvalid, 0),
        (b"", JSONInvalid, 0),
        (BODY + b"{}", JSONInvalid, len(BODY)),
        (BODY[:-1] + b', "lang": 1}', JSONInvalid, len(BODY) + 1),
        (BODY[:-1] + b', "x": {"base64": "YQ"}}', Base64Invalid, len(BODY) + 20),
    ],
)
@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_what_is_wrong_with_it_ends_it(
    files: SpoolFiles, body: bytes, error: type[GatewayError], offset: int, size: int
) -> None:
    """For whoever asks again, too: with the place in the body as received."""
    upload = receive(files, cut_every(body, size), length=len(body))

    for _ in range(2):
        with pytest.raises(error) as raised:
            upload.read_whole()
        assert raised.value.offset == offset

    assert not upload.complete
    upload.release()


def test_a_client_that_stalls_ends_it(files: SpoolFiles) -> None:
    upload = receive(files, [BODY[:50], ClientStalled("nothing for 30 s"), BODY[50:]], length=len(BODY))

    for _ in range(2):
        with pytest.raises(ClientStalled):
            upload.read_whole()
    upload.release()


def test_a_watch_that_raises_leaves_it_usable(files: SpoolFiles) -> None:
    upload = receive(files, cut_every(BODY, 100), length=len(BODY))
    watch = Watcher({2: ConnectionResetError()})
    upload.pull(watch)

    with pytest.raises(ConnectionResetError):
        upload.pull(watch)

    upload.read_whole()
    assert parts_of(upload) == PARTS
    upload.release()


# --- limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        (replace(LIMITS, json=len(BODY)), None),
        (replace(LIMITS, json=len(BODY) - 1), JSONTooLarge),
        (replace(LIMITS, body=len(BODY) - 1), UploadTooLarge),
        (replace(LIMITS, field=12), FieldTooLarge),
    ],
)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_it_has_limits(files: SpoolFiles, limits: Limits, error: type[GatewayError] | None, chunked: bool) -> None:
    """Of its size as received, whatever it decodes to."""
    length = None if chunked else len(BODY)

    def upload_it() -> None:
        upload = receive(files, cut_every(BODY, 100), length=length, limits=limits)
        try:
            upload.read_whole()
        finally:
            upload.release()

    if error is None:
        upload_it()
        return
    with pytest.raises(error) as raised:
        upload_it()
    assert raised.value.status == 413


@pytest.mark.parametrize("limit", ["json", "body"])
def test_a_length_beyond_the_limit_is_refused_at_once(
    files: SpoolFiles, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is read for it."""
    monkeypatch.setattr(ScriptedSource, "read_into", lambda *_: pytest.fail("was read"))

    with pytest.raises((JSONTooLarge, UploadTooLarge), match="Content-Length is 101; at most 100 "):
        receive(files, [], length=101, limits=replace(LIMITS, **{limit: 100}))
