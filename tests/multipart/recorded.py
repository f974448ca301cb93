"""The recorded requests in tests/captures, taken apart: head, and body without chunks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CAPTURES = sorted((Path(__file__).resolve().parents[1] / "captures").glob("*.http"))
PAYLOADS = ("simple", "mixed", "names", "empty")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request as a client sent it."""

    client: str
    payload: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    """The content: where it came in chunks, without their framing."""


def read_capture(path: Path) -> Recorded:
    client, _, payload = path.stem.rpartition("-")
    head, _, body = path.read_bytes().partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")[1:]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = dechunked(body)
    else:
        assert int(headers["content-length"]) == len(body)
    return Recorded(client, payload, headers, body)


def dechunked(framed: bytes) -> bytes:
    content = b""
    while True:
        size, _, framed = framed.partition(b"\r\n")
        count = int(size, 16)
        content += framed[:count]
        assert framed[count : count + 2] == b"\r\n"
        if count == 0:
            assert framed == b"\r\n"
            return content
        framed = framed[count + 2 :]
