"""`gateway serve`: take uploads and hand them on."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.errors import ConfigError
from gateway.settings.load import DEFAULT_FILE, Flags, count_cores, from_flags, load
from gateway.settings.schema import Settings

__all__ = ["serve"]


@click.command()
@click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), help=f"Configuration file (default: {DEFAULT_FILE})."
)
@click.option("--to", multiple=True, metavar="NAME=URL", help="Hand every upload to this service; needs no file.")
@click.option("--bind", metavar="HOST:PORT", help="Where to listen.")
@click.option("--workers", metavar="N", help="Processes; `auto` is one per core.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Uploads at once in each process.")
def serve(config: Path | None, to: tuple[str, ...], bind: str | None, workers: str | None, threads: int | None) -> None:
    """Take uploads and hand them on, until SIGTERM or Ctrl-C; uploads under way may end.

    SIGHUP has the configuration read again. If it is right, new workers serve it, and the old ones end their uploads.
    """
    if to and config:
        raise click.UsageError("--to needs no file: use it, or --config.")
    flags = Flags(bind=bind, workers=workers, threads=threads)

    def read() -> Settings:
        return from_flags(to, flags=flags) if to else load(config or DEFAULT_FILE, flags=flags)

    try:
        settings = read()
    except ConfigError as error:
        click.echo(error.detail, err=True)
        raise SystemExit(1) from error
    # gunicorn takes most of a second to import: not before the configuration is known to be good.
    from gateway.web.server import Server

    Server(settings, cores=count_cores(), read=read).run()
