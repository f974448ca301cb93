"""`gateway schema`: what a configuration may say, for editors and for readers."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gateway.settings.json_schema import json_schema
from gateway.settings.reference import reference, with_reference

__all__ = ["schema"]


@click.command()
@click.option("--markdown", is_flag=True, help="Print the tables of docs/configuration.md instead.")
@click.option(
    "--into",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Renew the tables between the two `reference` markers of FILE.",
)
def schema(*, markdown: bool, into: Path | None) -> None:
    """Print the JSON Schema of configuration files, with which editors complete and check them.

    Most find it by a comment at the top of the file: # yaml-language-server: $schema=FILE
    """
    if into is None:
        click.echo(reference() if markdown else json.dumps(json_schema(), indent=2, ensure_ascii=False))
        return
    try:
        page = with_reference(into.read_text("utf-8"))
    except ValueError as error:
        raise click.ClickException(f"{into}: {error}") from error
    into.write_text(page, "utf-8")
