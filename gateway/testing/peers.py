"""Ready-made scripts for `ScriptedService`: the ways in which services go wrong, one function each.

`after` is how many bytes of the request's body are read first. Scripts that keep a connection open end
when the client closes it or when the service ends.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.testing.messages import answer_bytes
from gateway.testing.scripts import Connection, Script

__all__ = [
    "answer_after_interim",
    "answer_cut_in_chunks",
    "answer_cut_in_length",
    "answer_dribbled",
    "answer_early_and_close",
    "answer_early_and_half_close",
    "answer_early_and_read_on",
    "answer_early_and_stop",
    "answer_garbage",
    "close_without_answer",
    "never_answer",
    "redirect",
    "reset_in_body",
    "stall",
]

_TOO_LARGE = answer_bytes(413, b"too large", [("Connection", "close")])
_DONE = answer_bytes(200, b"done")


def answer_early_and_close(answer: bytes = _TOO_LARGE, *, after: int = 0) -> Script:
    """Answers before the body is in and closes at once: the rest of the body meets a reset."""

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body(after)
        connection.send(answer)

    return script


def answer_early_and_half_close(answer: bytes = _TOO_LARGE, *, after: int = 0) -> Script:
    """Answers before the body is in, sends its end, and drops what still comes: the polite way."""

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body(after)
        connection.send(answer)
        connection.shutdown_write()
        connection.read_to_end()

    return script


def answer_early_and_stop(answer: bytes = _TOO_LARGE, *, after: int = 0) -> Script:
    """Answers before the body is in, keeps the connection open, and reads no further."""

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body(after)
        connection.send(answer)
        connection.hold()

    return script


def answer_early_and_read_on(answer: bytes = answer_bytes(413, b"too large"), *, after: int = 0) -> Script:
    """Answers before the body is in, and reads whatever comes as if the connection could be used again."""

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body(after)
        connection.send(answer)
        connection.read_to_end()

    return script


def stall(*, after: int = 0) -> Script:
    """Stops reading and keeps the connection open. A small `receive_buffer` makes the client feel it soon."""

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body(after)
        connection.hold()

    return script


def never_answer() -> Script:
    """Reads the whole request and says nothing."""

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body()
        connection.read_to_end()

    return script


def close_without_answer(*, after: int | None = None) -> Script:
    """Closes without a word: when the request is in, or after that many bytes of its body."""

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body(after)

    return script


def reset_in_body(*, after: int = 0) -> Script:
    """Cuts the connection with a reset in the middle of the body."""

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body(after)
        connection.reset()

    return script


def answer_after_interim(statuses: Sequence[int] = (100, 102, 103), answer: bytes = _DONE, *, after: int = 0) -> Script:
    """Sends interim answers in the middle of the body, and the final one when the request is in."""

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body(after)
        for status in statuses:
            connection.send(answer_bytes(status))
        connection.read_body()
        connection.send(answer)
        connection.read_to_end()

    return script


def answer_cut_in_length(body: bytes = b"half of it", *, declared: int = 20, status: int = 200) -> Script:
    """Closes before the body is as long as its Content-Length says."""
    head = answer_bytes(status, headers=[("Content-Length", str(declared))], with_length=False)
    return _answer(head + body)


def answer_cut_in_chunks(body: bytes = b"half of it", *, status: int = 200) -> Script:
    """Closes behind a chunk that is not the last one."""
    head = answer_bytes(status, headers=[("Transfer-Encoding", "chunked")], with_length=False)
    return _answer(head + b"%x\r\n%s\r\n" % (len(body), body))


def answer_garbage(garbage: bytes = b"220 mail.example ESMTP ready\r\n\r\n") -> Script:
    """Answers with something that is not HTTP, and closes."""
    return _answer(garbage)


def answer_dribbled(answer: bytes = _DONE, *, interval: float = 0.05) -> Script:
    """Answers one byte at a time, `interval` seconds apart."""

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body()
        for number in range(len(answer)):
            connection.send(answer[number : number + 1])
            connection.pause(interval)
        connection.read_to_end()

    return script


def redirect(status: int, location: str) -> Script:
    """Answers every request on the connection with a redirect, once its body is in."""
    answer = answer_bytes(status, headers=[("Location", location)])

    def script(connection: Connection) -> None:
        while True:
            connection.read_head()
            connection.read_body()
            connection.send(answer)

    return script


def _answer(answer: bytes) -> Script:
    """Reads the whole request, answers, and closes."""

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.read_body()
        connection.send(answer)

    return script
