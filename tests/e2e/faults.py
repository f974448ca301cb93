"""A row of the table of bad input: what a client sends, byte for byte, and what it is told.

The place that the answer's `offset` must name is marked in the body itself, by HERE, which is not sent.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Literal

from gateway import errors
from gateway.testing import Answer, Received, Script, file_part
from gateway.testing.gateways import RunningGateway
from gateway.testing.services import describe
from tests.e2e.honesty import BOUNDARY, Witness, assert_problem, noise

__all__ = [
    "DELIMITER",
    "END",
    "HERE",
    "TYPE",
    "Fault",
    "Keeper",
    "Sent",
    "assert_told",
    "behind_a_file",
    "cut",
    "form_of",
    "post",
]

HERE = b"<HERE>"
TYPE = f"multipart/form-data; boundary={BOUNDARY.decode()}"
DELIMITER = b"\r\n--" + BOUNDARY
END = DELIMITER + b"--\r\n"
LEAD = b"\r\n\r\n".join(file_part("file", "lead.bin", noise(70_000)))
"""A part that is more than is read before anything is sent to a service."""


class Keeper(Witness):
    """A Witness that answers at /held only when it may."""

    def __init__(self) -> None:
        super().__init__(answer=self._answer_in_time)
        self.may_answer = threading.Event()

    def _answer_in_time(self, received: Received) -> bytes:
        if received.target == "/held":
            self.may_answer.wait(30)
        return describe(received)


@dataclass(frozen=True, slots=True)
class Sent:
    """A request on the wire."""

    head: bytes
    """With the empty line behind it."""
    body: bytes = b""
    """As it is written, chunks and all; what of it is sent."""
    offset: int | None = None
    """Where HERE stood in the body without chunks."""
    lead: int | None = None
    """Bytes of the body upon which the service must have begun to receive, before the rest is sent."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and what becomes of it."""

    id: str
    sent: Sent
    status: int
    code: str
    says: str
    """What `detail` must name of what was found."""
    _: KW_ONLY
    needs_body: bool = True
    """False: the answer must come to the head alone."""
    then: Literal["waits", "half-closes", "vanishes", "resets"] = "waits"
    """What the client does behind it. When it has gone, nobody is told but the log."""
    stays: bool | None = None
    """Whether the connection can be used again. None: that depends on what had been read when the fault was found."""
    gateway: Literal["roomy", "narrow"] = "roomy"
    meanwhile: Callable[[RunningGateway, Keeper], AbstractContextManager[object]] | None = None
    """What is the case while the request is made."""
    script: Script | None = None
    """What the service does; without one it does all right."""
    taken: int | Literal["all"] | None = None
    """Bytes of a body that this service has got; None: not even the head of a request."""
    enveloped: bool = False
    """The route replies with JSON of its own, and the error is in there."""


def post(
    path: str,
    body: bytes = b"",
    content_type: str | None = TYPE,
    *headers: str,
    method: str = "POST",
    host: str = "127.0.0.1",
    length: int | Literal["none"] | None = None,
    chunk_size: int | None = None,
) -> Sent:
    """A request; `length` lies about its body, or does not say it. With a `chunk_size` it is chunked."""
    offset = body.find(HERE)
    body = body.replace(HERE, b"", 1)
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    if chunk_size is not None:
        lines.append("Transfer-Encoding: chunked")
        pieces = [body[start : start + chunk_size] for start in range(0, len(body), chunk_size)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])
    elif length != "none":
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return Sent("\r\n".join([*lines, "", ""]).encode("latin-1"), body, offset if offset >= 0 else None)


def form_of(*parts: bytes, end: bytes = END) -> bytes:
    """A form of parts that are written out: header lines, an empty line, content."""
    return (DELIMITER + b"\r\n").join([b"", *parts]).removeprefix(b"\r\n") + end


def behind_a_file(*parts: bytes, path: str = "/form", end: bytes = END) -> Sent:
    """A form whose first part is so large that a live delivery is under way when the others come."""
    return replace(post(path, form_of(LEAD, *parts, end=end)), lead=len(LEAD))


def cut(sent: Sent, size: int) -> Sent:
    """The same, of which only so much of the body is sent."""
    return replace(sent, body=sent.body[:size])


def assert_told(answer: Answer, fault: Fault) -> None:
    """The answer is the problem document of that row, in every member."""
    error = next(each for each in vars(errors).values() if getattr(each, "code", None) == fault.code)
    if fault.enveloped:
        members = _enveloped(answer, fault)
    else:
        members = assert_problem(answer, fault.status, fault.code)
        assert members.pop("request_id") == answer.headers.get("X-Request-Id") != ""
        assert members.pop("type") == "about:blank"
        assert members.pop("status") == fault.status
    said = str(members.pop("detail"))
    assert members.pop("offset", None) == fault.sent.offset, said
    assert members == {"code": fault.code, "title": error("").title, "hint": error.hint}
    assert error.hint
    assert fault.says in said, said


def _enveloped(answer: Answer, fault: Fault) -> dict[str, Any]:
    assert answer.complete
    assert answer.status == fault.status
    (service,) = json.loads(answer.body)["services"].values()
    members: dict[str, Any] = service["error"]
    return members
