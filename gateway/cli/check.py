"""`gateway check`: whether a configuration is usable, and what it will do.

Problems come one on each line and begin with `file:line:`, so that editors can jump to them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from gateway.settings.checks import Concern, Prospect, foresee
from gateway.settings.checks import check as find_concerns
from gateway.settings.load import DEFAULT_FILE, Examined, examine
from gateway.settings.validation import dotted

__all__ = ["check"]

EXIT_PROBLEMS = 1
EXIT_USAGE = 2

INDENT = "  "
KINDS = {"multipart": "a form", "raw": "a bare file", "json": "a JSON object"}


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=DEFAULT_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
@click.pass_context
def check(context: click.Context, file: Path, *, as_json: bool) -> None:
    """Check a configuration FILE (config/gateway.yaml unless given), and say what it does.

    Connects to nothing. Exit status: 0 the file is fine, 1 it has problems, 2 wrong use or no such file.
    """
    examined = examine(file)
    settings = examined.settings
    concerns = find_concerns(settings) if settings is not None else ()
    prospects = foresee(settings) if settings is not None else ()
    if as_json:
        click.echo(_json(file, examined, concerns, prospects))
    else:
        # Not through rich, which would wrap these lines.
        for line in (*map(str, examined.problems), *_concern_lines(file, examined, concerns)):
            click.echo(line)
        if settings is not None:
            _describe(file, "can be used; see the warnings above." if concerns else "is fine.", prospects)
    if settings is None:
        context.exit(EXIT_PROBLEMS if examined.readable else EXIT_USAGE)


def _json(file: Path, examined: Examined, concerns: Sequence[Concern], prospects: Sequence[Prospect]) -> str:
    warnings = [
        {**asdict(concern), "key": dotted(concern.key), "file": str(file), "line": examined.line_of(concern.key)}
        for concern in concerns
    ]
    return json.dumps(
        {
            "ok": examined.settings is not None,
            "file": str(file),
            "problems": [asdict(problem) for problem in examined.problems],
            "warnings": warnings,
            "deliveries": [asdict(prospect) for prospect in prospects],
        },
        indent=2,
    )


def _concern_lines(file: Path, examined: Examined, concerns: Sequence[Concern]) -> Iterator[str]:
    for concern in concerns:
        yield f"{file}:{examined.line_of(concern.key)}: {dotted(concern.key)}: warning: {concern.message}"


def _describe(file: Path, verdict: str, prospects: Sequence[Prospect]) -> None:
    console = Console(highlight=False, emoji=False)
    console.print(Text.assemble((str(file), "bold"), f" {verdict}"))
    for prospect in prospects:
        console.print()
        console.print(
            Text.assemble(
                ("route ", "dim"),
                (prospect.route, "bold"),
                f": {_listed([KINDS[kind] for kind in prospect.bodies], 'or')} sent to ",
                (prospect.path or "any path", "bold"),
            )
        )
        for text in (_destination(prospect), _liveness(prospect)):
            for line in text.wrap(console, console.width - len(INDENT)):
                line.rstrip()
                console.print(Text(INDENT) + line)


def _destination(prospect: Prospect) -> Text:
    text = Text.assemble("to service ", (prospect.service, "bold"))
    text.append({"POST": "", "PUT": " by PUT", "same": " by the client's method"}[prospect.method])
    text.append(" at ")
    for index, url in enumerate(prospect.urls):
        text.append(" or " if index else "").append(url, "cyan")
    shape = [] if prospect.bodies == (prospect.sent,) else [f"as {KINDS[prospect.sent]}"]
    each = ["each file by itself"] if prospect.each == "file" else []
    turns = ["in turn"] if len(prospect.urls) > 1 else []
    return text.append("".join(f", {words}" for words in (*turns, *shape, *each)))


def _liveness(prospect: Prospect) -> Text:
    if not prospect.live:
        return Text.assemble(("not live", "yellow"), f": {prospect.because}")
    text = Text.assemble(("live", "green"), ", while it is still arriving")
    if prospect.once is not None:
        text.append(f", once {prospect.once}")
    return text if prospect.unless is None else text.append(f", unless {prospect.unless}")


def _listed(words: Sequence[str], conjunction: str) -> str:
    *most, last = words
    return f"{', '.join(most)} {conjunction} {last}" if most else last
