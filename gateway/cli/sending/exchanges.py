"""One upload and its answer, and what is told of them: to people, or as one JSON object to programs.

Standard output has the answer and nothing else, so that it can be piped; what else there is to say goes to
standard error.
"""

from __future__ import annotations

import errno
import importlib.metadata
import io
import json
import sys
import textwrap
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.filesize import decimal
from rich.text import Text

from gateway.cli.sending.answers import content_members, copy, problem_of, save, show, told, visible
from gateway.cli.sending.progress import Display
from gateway.cli.sending.uploads import Outgoing
from gateway.core.targets import Target
from gateway.errors import FileUnwritable, GatewayError, ServiceAnswerTooLarge
from gateway.relay.transport import Answer, Transport

__all__ = ["Manner", "exchange"]

INLINE_MAX = 32 * 2**20
"""Bytes of an answer that a JSON object may hold."""

# Where the catalogue speaks of the gateway's configuration, the command has options.
HINTS = {
    "service_answer_invalid": "Check that --to names an HTTP service, and look into its log.",
    "service_answer_too_large": "Save it with -o FILE.",
    "service_connect_timeout": "Check host and port in --to, or raise --connect-timeout.",
    "service_first_byte_timeout": "Raise --timeout if the service needs longer to work on an upload.",
    "service_stalled": "The service takes no more; raise --timeout if it may pause that long.",
    "service_tls_failure": "Check the service's certificate and name, and whether --to should begin with https at all; "
    "--ca names certificates to trust instead of the usual ones.",
    "service_total_timeout": "The service takes too long over its answer; look into its log.",
    "service_unreachable": "Check that the service runs, and host and port in --to.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the answer is told."""

    output: str | None
    """The file for a 2xx answer; `-`: standard output, as it is, also on a terminal."""
    include: bool
    """Also status and headers."""
    as_json: bool
    """For programs."""
    quiet: bool


def exchange(target: Target, upload: Outgoing, manner: Manner) -> bool:
    """Send the upload, once, and tell what came of it; returns whether there is a whole answer, and it is 2xx."""
    version = importlib.metadata.version("upload-gateway")
    transport = Transport(connections=1, clock=time.monotonic, user_agent=f"upload-gateway/{version}")
    console = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)
    # Asked of the stream itself: rich also takes a pipe for a terminal if the environment says so, for its colours.
    talks = sys.stderr.isatty() and not manner.quiet
    teller: _Teller
    if manner.as_json:
        teller = _ForPrograms(target, upload, manner)
    else:
        teller = _ForPeople(target, upload, manner, console, talks=talks)
    with Display(console, upload, host=urlsplit(target.url).netloc, enabled=talks) as display:
        try:
            answer = transport.send(target, upload.body, lambda: upload.completed_at)
            teller.answered(answer, display)
        except GatewayError as error:
            display.stop()
            teller.failed(error)
            return False
        finally:
            upload.close()
            transport.close()
    return _is_ok(answer)


def _is_ok(answer: Answer) -> bool:
    return 200 <= answer.status <= 299


class _Teller(ABC):
    """Made when sending begins."""

    def __init__(self, target: Target, upload: Outgoing, manner: Manner) -> None:
        self.target = target
        self.upload = upload
        self.manner = manner
        self.began_at = time.monotonic()

    @abstractmethod
    def answered(self, answer: Answer, display: Display) -> None:
        """The head of the answer is in. Reads the rest, and raises what that raises."""

    @abstractmethod
    def failed(self, error: GatewayError) -> None:
        """There is no answer, or not all of it."""

    def save(self, answer: Answer, display: Display) -> int:
        """Into the file that was named."""
        length = answer.field("Content-Length")
        path = Path(str(self.manner.output))
        display.receive(path.name, int(length) if length else None)
        return save(answer, path, display.advance)

    def is_saved(self, answer: Answer) -> bool:
        """An error never takes the place of what the file is for."""
        return _is_ok(answer) and self.manner.output not in (None, "-")


class _ForPeople(_Teller):
    def __init__(self, target: Target, upload: Outgoing, manner: Manner, console: Console, *, talks: bool) -> None:
        super().__init__(target, upload, manner)
        self._console = console
        self._talks = talks

    def answered(self, answer: Answer, display: Display) -> None:
        headed_at = time.monotonic()
        if self.is_saved(answer):
            size = self.save(answer, display)
            display.stop()
            self._summarize(answer, headed_at)
            self._print_head(answer)
            if self._talks:
                self._console.print(Text(visible(f"Saved {size:,} bytes in {self.manner.output}")))
            return
        display.stop()
        if _is_ok(answer):
            self._summarize(answer, headed_at)
        problem = None if _is_ok(answer) else problem_of(answer)
        if not _is_ok(answer):
            lines = told(answer, problem, url=self.target.url, sent=self.upload.sent, length=self.upload.body.length)
            if self.manner.output not in (None, "-"):
                lines.append(f"{self.manner.output} was not written.")
            self._print_error(lines)
        self._print_head(answer)
        if not sys.stdout.isatty() or self.manner.output == "-":
            with _printing():
                copy(answer, sys.stdout.buffer)
        elif problem is not None:
            answer.close()  # all of it has been told
        else:
            if isinstance(sys.stdout, io.TextIOWrapper):
                # A terminal that cannot show a character shows a question mark.
                sys.stdout.reconfigure(errors="replace")
            reason = show(answer, Console(highlight=False, emoji=False))
            if reason is not None:
                self._console.print(Text(f"{reason}: save it with -o FILE, or pipe it."))

    def failed(self, error: GatewayError) -> None:
        hint = HINTS.get(error.code, error.hint)
        self._print_error([visible(error.detail), *([f"Hint: {hint}"] if hint else [])])

    def _print_error(self, lines: list[str]) -> None:
        first, *others = lines
        self._console.print(Text.assemble(("Error", "bold red"), f": {first}"))
        for line in others:
            self._console.print(Text(textwrap.indent(line, "  ")))

    def _print_head(self, answer: Answer) -> None:
        if not self.manner.include:
            return
        lines = [f"HTTP/1.1 {answer.status} {answer.reason}", *(f"{name}: {value}" for name, value in answer.fields)]
        # A header's bytes appear as Latin-1 in the libraries below.
        head = ("\n".join(lines) + "\n\n").encode("latin-1", "replace")
        if sys.stdout.isatty():
            head = visible(head.decode("utf-8", "replace")).encode()
        with _printing():
            sys.stdout.buffer.write(head)
            sys.stdout.buffer.flush()

    def _summarize(self, answer: Answer, headed_at: float) -> None:
        if not self._talks or self.upload.completed_at is None or self.upload.begun_at is None:
            return
        sending_s = self.upload.completed_at - self.upload.begun_at
        rate = f" ({decimal(round(self.upload.sent / sending_s))}/s)" if sending_s >= 1 else ""
        sent = f"Sent {decimal(self.upload.sent)} in {_seconds(sending_s)}{rate}"
        status = (f"{answer.status} {visible(answer.reason)}".rstrip(), "bold green")
        waited = f" after {_seconds(headed_at - self.upload.completed_at)}"
        self._console.print(Text.assemble(f"{sent}; ", status, waited))


class _ForPrograms(_Teller):
    def __init__(self, target: Target, upload: Outgoing, manner: Manner) -> None:
        super().__init__(target, upload, manner)
        self._answer: Answer | None = None
        self._headed_at: float | None = None

    def answered(self, answer: Answer, display: Display) -> None:
        self._answer, self._headed_at = answer, time.monotonic()
        content_type = answer.field("Content-Type")
        if self.is_saved(answer):
            size = self.save(answer, display)
            described: dict[str, Any] = {"content_type": content_type, "size": size, "path": self.manner.output}
        else:
            content = answer.read_ahead(INLINE_MAX)
            if content is None:
                answer.close()
                raise ServiceAnswerTooLarge(f"the answer has more than {INLINE_MAX:,} bytes.")
            described = {"content_type": content_type, "size": len(content), **content_members(answer, content)}
        display.stop()
        self._print({"answer": described}, ok=_is_ok(answer))

    def failed(self, error: GatewayError) -> None:
        hint = HINTS.get(error.code, error.hint)
        members = {"code": error.code, "title": error.title, "detail": error.detail, "hint": hint}
        self._print({"error": members}, ok=False)

    def _print(self, last: dict[str, Any], *, ok: bool) -> None:
        document: dict[str, Any] = {"ok": ok, "method": self.target.method, "url": self.target.url}
        if self._answer is not None and self._headed_at is not None:
            headers: dict[str, list[str]] = {}
            for name, value in self._answer.fields:
                headers.setdefault(name.lower(), []).append(value)
            document |= {
                "status": self._answer.status,
                "reason": self._answer.reason,
                "headers": headers,
                "early": self._answer.early,
                "ms": round((self._headed_at - self.began_at) * 1000, 1),
            }
        document |= {"bytes_sent": self.upload.sent, "parts": self._parts(), **last}
        with _printing():
            sys.stdout.write(json.dumps(document, indent=2) + "\n")
            sys.stdout.flush()

    def _parts(self) -> list[dict[str, Any]]:
        """What was sent; size and hash of a file are known when all of it has gone out."""
        whole = self.upload.completed_at is not None
        parts = []
        for part in self.upload.parts:
            members: dict[str, Any] = {"name": part.name, "filename": part.filename, "content_type": part.content_type}
            content = part.content
            if isinstance(content, bytes):
                members["size"] = len(content)
            else:
                members["size"] = content.taken if whole else content.size
                members["sha256"] = content.sha256 if whole else None
            parts.append(members)
        return parts


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


@contextmanager
def _printing() -> Iterator[None]:
    """Standard output may be a full disk. One that nobody reads any more is not told: click ends the command."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        raise FileUnwritable(f"standard output: {error.strerror}.") from error
