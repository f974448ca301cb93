"""What real clients sent, byte for byte: every recorded form is read, and read as what was put into it."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from gateway.multipart.boundaries import boundary_of
from tests.multipart.driving import parts_of, scan_in_all_ways
from tests.multipart.recorded import CAPTURES, PAYLOADS, Recorded, read_capture

PNG_SIZE, PNG_CHECKSUM = 69, 0x2DA0F51
PLAIN_NAMES = ("Über Straße (1).txt", "日報.txt", 'a"b\\c;d.txt')
# aiohttp encodes all that is not ASCII, and of the rest more than others do; only %22 is known to mean a quote.
AIOHTTP_NAMES = ("%C3%9Cber%20Stra%C3%9Fe%20%281%29.txt", "%E6%97%A5%E5%A0%B1.txt", 'a"b%5Cc%3Bd.txt')


def expected(recorded: Recorded) -> list[tuple[str, str | None, str | None, bytes | None]]:
    """Name, filename, type and content of each part; None for the content of the picture."""
    aiohttp = recorded.client.startswith("aiohttp")
    text = "text/plain; charset=utf-8" if aiohttp else None  # aiohttp gives fields a type, the others do not
    if recorded.payload == "simple":
        return [
            ("title", None, text, b"Quarterly report"),
            ("file", "report.txt", "text/plain", b"alpha\nbeta\r\ngamma"),
        ]
    if recorded.payload == "mixed":
        return [
            ("tag", None, text, b"x"),
            ("file", "one.png", "image/png", None),
            ("tag", None, text, b"y"),
            ("meta", None, "application/json", b'{"pages": 2}'),
            ("file", "two.txt", "text/plain", b"second"),
            ("last", None, text, b""),
        ]
    if recorded.payload == "names":
        names = AIOHTTP_NAMES if aiohttp else PLAIN_NAMES
        contents = (b"a", b"b", b"c")
        return [("upload", name, "text/plain", content) for name, content in zip(names, contents, strict=True)]
    assert recorded.payload == "empty"
    return [("file", "nothing.bin", "application/octet-stream", b""), ("note", None, text, b"nothing above")]


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_recorded_forms(path: Path) -> None:
    """The same parts for whatever cut of the bytes, and all of the body is accounted for."""
    recorded = read_capture(path)
    boundary = boundary_of(recorded.headers["content-type"])

    found = scan_in_all_ways(recorded.body, boundary, single_cuts=recorded.payload == "empty")
    parts = parts_of(recorded.body, found)

    assert [
        (part.name, part.filename, part.content_type, None if part.filename == "one.png" else content)
        for part, content in parts
    ] == expected(recorded)
    for part, content in parts:
        if part.filename == "one.png":
            assert (len(content), zlib.crc32(content)) == (PNG_SIZE, PNG_CHECKSUM)
    rebuilt = b"".join(b"--" + boundary + b"\r\n" + part.headers + content + b"\r\n" for part, content in parts)
    assert recorded.body.startswith(rebuilt + b"--" + boundary + b"--")
    assert recorded.body[len(rebuilt) + len(boundary) + 4 :] in (b"", b"\r\n")


def test_every_payload_is_recorded() -> None:
    """The files are there, and none is of a kind that the table above does not know."""
    recorded = [read_capture(path) for path in CAPTURES]

    assert len(recorded) >= 60
    assert {each.payload for each in recorded} == set(PAYLOADS)
    assert any(each.headers.get("transfer-encoding") == "chunked" for each in recorded)
