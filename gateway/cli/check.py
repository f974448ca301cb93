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
        kinds = " or ".join({"multipart": "a form", "raw": "a bare file"}[kind] for kind in prospect.bodies)
        console.print()
        console.print(
            Text.assemble(
                ("route ", "dim"),
                (prospect.route, "bold"),
                f": {kinds} posted to ",
                (prospect.path or "any path", "bold"),
            )
        )
        live = Text.assemble(("live", "green"), ", while it is still arriving")
        if prospect.unless is not None:
            live.append(f", unless {prospect.unless}")
        whole = Text.assemble(("not live", "yellow"), f": {prospect.because}")
        lines = (
            Text.assemble("to service ", (prospect.service, "bold"), " at ", (prospect.url, "cyan")),
            live if prospect.live else whole,
        )
        for text in lines:
            for line in text.wrap(console, console.width - len(INDENT)):
                line.rstrip()
                console.print(Text(INDENT) + line)
