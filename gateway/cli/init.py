"""`gateway init`: a configuration to begin with."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from gateway.errors import ConfigError
from gateway.settings.load import DEFAULT_FILE, from_flags, name_and_url
from gateway.settings.starter import starter

__all__ = ["init"]

EXAMPLE = "text=http://127.0.0.1:5001/text/api"
STDOUT = Path("-")


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=DEFAULT_FILE)
@click.option("--to", metavar="[NAME=]URL", help="The service that gets the uploads.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
def init(file: Path, *, to: str | None, force: bool) -> None:
    """Write a commented configuration FILE to begin with (config/gateway.yaml unless given; - for stdout).

    Exit status: 0 it is written, 1 FILE is there already or cannot be written, 2 wrong use.
    """
    try:
        from_flags([to or EXAMPLE])
    except ConfigError as error:
        raise click.UsageError(error.detail) from error
    text = starter(*name_and_url(to or EXAMPLE))
    if file == STDOUT:
        click.echo(text, nl=False)
        return
    _write(file, text, force=force)
    click.echo(_next_steps(file, has_service=to is not None))


def _write(file: Path, text: str, *, force: bool) -> None:
    if file.exists() and not force:
        raise click.ClickException(f"{file} is there already; --force replaces it.")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Not even one that has come since.
        with file.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from None


def _next_steps(file: Path, *, has_service: bool) -> str:
    named = "" if file == DEFAULT_FILE else shlex.quote(str(file))
    steps = [
        (f"gateway check {named}", "is it right, and what will it do?"),
        (f"gateway serve {named and f'--config {named}'}", "take uploads, until Ctrl-C"),
        ("curl -F file=@report.pdf http://127.0.0.1:8080/file", "send one"),
    ]
    width = max(len(command.rstrip()) for command, _ in steps)
    first = "Next:" if has_service else "Put the URL of your service into it, then:"
    lines = [f"  {command.rstrip():{width}}  # {purpose}" for command, purpose in steps]
    return "\n".join([f"{file} is written. {first}", *lines])
