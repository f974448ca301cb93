"""`gateway demo`: a real document through the real gateway to a real service, and how it looked on the wire.

Everything that is started here ends with it: at the end, on Ctrl-C, SIGTERM and SIGHUP, and on errors.
"""

from __future__ import annotations

import hashlib
import io
import json
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click
import requests
from requests_toolbelt import MultipartEncoder
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.errors import GatewayError
from gateway.testing.errors import MessageInvalid, PeerFailed, ProcessFailed
from gateway.testing.extraction import HANDBOOK, Extraction, extraction_service
from gateway.testing.forms import boundary_of, split_multipart
from gateway.testing.gateways import RunningGateway, running_gateway
from gateway.testing.listening import HOST, is_free
from gateway.testing.messages import RequestHead, parse_request_head, request_framing
from gateway.testing.taps import Passage, Tap

__all__ = ["demo"]

PATH = "/file"
FIELD = "files"
"""The field in which kreuzberg expects files."""
OPTIONS = json.dumps({"pages": {"extract_pages": True}})
"""Asks for the text of each page; sent as a field beside the file."""
PLAIN_WIDTH = 100
"""Columns where there is no terminal."""
WATCH_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it was on the wire."""

    head: RequestHead
    length: int
    """Of the body, in bytes."""
    parts: list[tuple[list[str], bytes]]
    """Of each part the header lines and the content."""

    @property
    def file(self) -> bytes:
        """The content of the last part, which is the file."""
        return self.parts[-1][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the demo has seen."""

    answer: requests.Response
    seconds: float
    """From the first byte sent to the last byte of the answer."""
    arrived: Request
    """Between the client and the gateway."""
    left: Request
    """Between the gateway and the service."""


@click.command()
@click.option("--once", is_flag=True, help="End after the document has gone through.")
@click.option("--port", type=click.IntRange(1, 65535), help="Where the gateway listens (default: a free port).")
def demo(*, once: bool, port: int | None) -> None:
    """Send a real document through the gateway to a real text-extraction service, and show the wire.

    Goes on serving until Ctrl-C, so that you can try it yourself.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Extracted text has any character; a terminal that cannot show one shows a question mark.
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH)
    if port is not None and not is_free(port):
        raise click.ClickException(
            f"port {port} on {HOST} is taken or not allowed: choose another one with --port, or none"
        )
    try:
        with _signals_interrupt():
            passed = _run(console, once=once, port=port)
    except KeyboardInterrupt:
        click.echo("Stopped before the document was through. Everything that was started has been ended.", err=True)
        raise SystemExit(130) from None
    except GatewayError as error:
        raise click.ClickException("\n".join(filter(None, [error.detail, error.hint]))) from error
    console.print("Everything that was started has been ended.", style="dim")
    if not passed:
        raise SystemExit(1)


def _run(console: Console, *, once: bool, port: int | None) -> bool:
    """Returns whether the document came through, byte for byte."""
    with ExitStack() as stack:
        with console.status("Starting the text-extraction service and the gateway ..."):
            service = stack.enter_context(extraction_service())
            behind = stack.enter_context(Tap(HOST, service.port))
            target = f"text={behind.url}{service.path}"
            gateway = stack.enter_context(running_gateway(to=[target], port=port))
            before = stack.enter_context(Tap(HOST, gateway.port))
        with console.status("Sending the document ..."):
            result = _send(before, behind)
        passed = result.answer.status_code == 200 and result.arrived.file == result.left.file
        with console.capture() as shown:
            _show(console, result, service=service, gateway=gateway)
        # rich fills lines with blanks, which nobody wants to copy.
        click.echo("\n".join(line.rstrip() for line in shown.get().splitlines()))
        if not once:
            _serve(console, service=service, gateway=gateway)
    return passed


def _send(before: Tap, behind: Tap) -> Result:
    with HANDBOOK.open("rb") as file, requests.Session() as session:
        # Proxies and passwords of the environment are not for a loopback address.
        session.trust_env = False
        encoder = MultipartEncoder([("config", OPTIONS), (FIELD, (HANDBOOK.name, file, "application/pdf"))])
        began = time.perf_counter()
        try:
            answer = session.post(
                before.url + PATH,
                data=encoder,
                # Never written by hand: the object that writes the body also names its boundary.
                headers={"Content-Type": encoder.content_type},
                timeout=(5, 60),
            )
        except requests.RequestException as error:
            raise PeerFailed(f"the gateway did not answer: {error}") from error
        seconds = time.perf_counter() - began
    if not behind.passages:
        raise PeerFailed(f"the gateway answered {answer.status_code} without asking the service: {answer.text}")
    return Result(
        answer=answer,
        seconds=seconds,
        arrived=_request(before.passages[0]),
        left=_request(behind.passages[0]),
    )


def _request(passage: Passage) -> Request:
    """Takes apart what passed, with no code of the gateway."""
    raw, blank_line, body = passage.sent.partition(b"\r\n\r\n")
    head = parse_request_head(raw + blank_line)
    if request_framing(head).length != len(body):
        raise MessageInvalid(f"expected a body of {request_framing(head).length} bytes, found {len(body)}")
    parts = split_multipart(body, boundary_of(head.headers.get("content-type")))
    return Request(
        head=head,
        length=len(body),
        parts=[(lines.decode("utf-8", "replace").split("\r\n"), content) for lines, content in parts],
    )


def _show(console: Console, result: Result, *, service: Extraction, gateway: RunningGateway) -> None:
    answer = result.answer
    status = (f"{answer.status_code} {answer.reason}", "bold green" if answer.ok else "bold red")
    path = _grid()
    path.add_row("client", f"sends {HANDBOOK.name}, {len(result.arrived.file):,} bytes")
    path.add_row("gateway", gateway.url)
    path.add_row("service", f"{service.name}, {service.url}")
    path.add_row("answer", Text.assemble(status, f" after {result.seconds * 1000:.0f} ms, with this text:"))
    console.print(path)
    console.print()
    text = _grid()
    for label, content in _extracted(answer):
        heading, *lines = content.strip().splitlines() or [""]
        # About two lines on the screen.
        room = 2 * (console.width - 20) - len(heading)
        start = textwrap.shorten(" / ".join(lines[:3]), max(room, 20), placeholder=" ...")
        text.add_row(label, Text.assemble((heading, "bold"), f" / {start}" if start else ""))
    console.print(text)
    console.print()
    console.print(_wire_table(result))
    console.print()
    console.print(_verdict(result))
    command = f"curl -F {FIELD}=@{_short_path(HANDBOOK)} {gateway.url}{PATH}"
    console.print(Text.assemble("Try it yourself: ", (command, "cyan")), soft_wrap=True)


def _grid() -> Table:
    """Labels, and what they label."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    return grid


def _extracted(answer: requests.Response) -> list[tuple[str, str]]:
    """The text of each page; whatever there is where the answer is something else."""
    try:
        (document,) = answer.json()
        pages: list[dict[str, Any]] = document["pages"]
        return [(f"page {page['page_number']}", page["content"]) for page in pages]
    except (ValueError, LookupError, TypeError):
        return [("answer", answer.text)]


def _wire_table(result: Result) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), expand=True)
    table.add_column("on the wire", style="dim", no_wrap=True)
    table.add_column("client -> gateway", overflow="fold", ratio=1)
    table.add_column("gateway -> service", overflow="fold", ratio=1)
    for (label, arrived), (_, left) in zip(_rows(result.arrived), _rows(result.left), strict=False):
        table.add_row(label, Text(arrived), Text(left))
    return table


def _rows(request: Request) -> list[tuple[str, str]]:
    """What is shown of a request, each row with its label."""
    content_type, _, boundary = (request.head.headers.get("content-type") or "").partition("boundary=")
    rows = [
        ("request", f"{request.head.method} {request.head.target} HTTP/1.1"),
        ("Content-Type", content_type.strip("; ")),
        ("  boundary", boundary),
        ("Content-Length", f"{request.length:,} bytes"),
    ]
    for number, (lines, content) in enumerate(request.parts, 1):
        rows.append((f"part {number}", "\n".join(lines)))
        rows.append(("  content", f"{len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()[:12]}"))
    return rows


def _verdict(result: Result) -> Text:
    sent, received = (hashlib.sha256(request.file).hexdigest() for request in (result.arrived, result.left))
    if sent == received:
        return Text.assemble(("Same file in and out", "bold green"), f", sha256 {sent}")
    return Text.assemble(("The file was changed on its way", "bold red"), f": sha256 {sent} in, {received} out")


def _short_path(path: Path) -> Path:
    """As seen from here, where that is below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _serve(console: Console, *, service: Extraction, gateway: RunningGateway) -> None:
    """Until a signal, which is the way to end it, or until something that is needed ends by itself."""
    console.print("Serving until Ctrl-C.")
    never = threading.Event()
    try:
        while service.process.is_alive and gateway.is_alive:
            never.wait(WATCH_S)
    except KeyboardInterrupt:
        console.print()
        return
    raise ProcessFailed("the service or the gateway has ended by itself")


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Lets every signal that asks for an end unwind the stack, once: what follows must not disturb the cleaning up."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    handlers = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
