"""`gateway preview`: the exact request that a service would get for some files and fields; nothing is sent."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from gateway.cli.sending.forms import FormPart, parse_form
from gateway.cli.sending.uploads import Outgoing, open_parts, outgoing
from gateway.core.services import BodyKind, Route
from gateway.core.targets import ClientRequest
from gateway.errors import ConfigError, GatewayError
from gateway.gateway import Gateway, setup_of
from gateway.multipart.preview import RequestPreview
from gateway.relay.blocks import Block
from gateway.settings.load import DEFAULT_FILE, count_cores, from_flags, load
from gateway.settings.schema import Settings
from gateway.spool.uploads import Watch
from gateway.web.intake import head_of
from gateway.web.previews import as_members, as_text

__all__ = ["preview"]


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), help=f"Configuration file (default: {DEFAULT_FILE})."
)
@click.option("--to", multiple=True, metavar="NAME=URL", help="For this service, as in `gateway serve`; needs no file.")
@click.option("--route", "route_name", metavar="NAME", help="The route; needed where there are several.")
@click.option("-F", "--field", "form", metavar="NAME=VALUE", multiple=True, help="As in `gateway send`.")
@click.option("--name", default="file", show_default=True, help="Field name of every FILE.")
@click.option(
    "--as",
    "kind",
    type=click.Choice(["multipart", "raw", "json"]),
    default="multipart",
    show_default=True,
    help="What the client sends: a form; the bare file; an object with the file in base64.",
)
@click.option("-X", "--method", type=click.Choice(["POST", "PUT"]), default="POST", help="The client's method.")
@click.option("-H", "--header", "headers", metavar="'NAME: VALUE'", multiple=True, help="A header of the client's.")
@click.option("--query", default="", metavar="QUERY", help="The client's query, without the question mark.")
@click.option("--rest", metavar="PATH", help="What the placeholder of the route's path stands for.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
def preview(
    files: tuple[str, ...],
    *,
    config: Path | None,
    to: tuple[str, ...],
    route_name: str | None,
    form: tuple[str, ...],
    name: str,
    kind: BodyKind,
    method: str,
    headers: tuple[str, ...],
    query: str,
    rest: str | None,
    as_json: bool,
) -> None:
    """Show the exact request that the service would get for FILEs and fields: line, headers, and body with offsets.

    CR and LF are shown as ␍ and ␊; of long contents the beginning. Nothing is sent anywhere, and secrets of the
    configuration are not shown. A running gateway does the same for real requests, at /-/preview/ROUTE.

    Exit status: 0 shown, 1 the configuration or the upload is refused, 2 wrong use.
    """
    if to and config:
        raise click.UsageError("--to needs no file: use it, or --config.")
    try:
        parts = [parse_form(each) for each in form]
        parts += [FormPart(name=name, path=path, is_file=True, filename=os.path.basename(path)) for path in files]
        if not parts:
            raise click.UsageError("expected a FILE or -F.")
        if kind == "raw" and (len(parts) != 1 or not parts[0].is_file):
            raise click.UsageError("expected one FILE and nothing else: with --as raw it is the whole body.")
        upload = outgoing(kind, open_parts(parts, hashes=False), time.monotonic)
    except OSError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}.") from error
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
    try:
        settings = from_flags(to) if to else load(config or DEFAULT_FILE)
    except ConfigError as error:
        click.echo(error.detail, err=True)
        raise SystemExit(1) from error
    client = ClientRequest(
        id="preview",
        method=method,
        fields=[_header(each) for each in headers],
        query=query,
        rest=rest,
        peer="127.0.0.1",
        host=settings.gateway.bind,
    )
    try:
        route = _route(settings, route_name)
        click.echo(_shown(settings, route, upload, client, as_json=as_json), nl=False)
    except GatewayError as error:
        click.echo(f"error: {error.title} {error.detail}\nhint: {error.hint}\ncode: {error.code}", err=True)
        raise SystemExit(1) from error
    finally:
        upload.close()


def _route(settings: Settings, name: str | None) -> Route:
    routes = {route.name: route for route in settings.build_routes()}
    if name is None and len(routes) == 1:
        return next(iter(routes.values()))
    if name not in routes:
        found = "" if name is None else f", found {name!r}"
        raise click.UsageError(f"expected --route with the name of a route ({', '.join(routes)}){found}.")
    return routes[name]


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise click.UsageError(f"expected 'NAME: VALUE' as a header, found {text!r}.")
    return name.strip(), value.strip()


def _shown(settings: Settings, route: Route, upload: Outgoing, client: ClientRequest, *, as_json: bool) -> str:
    """What the gateway would do, by a gateway of our own that keeps its files in a directory of its own."""
    body = upload.body
    framing = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    if body.length is not None:
        framing = {"CONTENT_LENGTH": str(body.length)}
    filename = None if client.rest is None else client.rest.rpartition("/")[2]
    for part in upload.parts:
        filename = filename or part.filename
    head = head_of({"CONTENT_TYPE": body.content_type, **framing}, route.accept, filename)
    with tempfile.TemporaryDirectory(prefix="gateway-preview-") as state:
        gateway = Gateway(replace(setup_of(settings, cores=count_cores()), state=Path(state)))
        try:
            plan = gateway.plan(route, head)
            received = gateway.open(head, _BodySource(iter(body)), keep=True, accept=route.accept)
            try:
                requests: list[RequestPreview] = gateway.preview(plan, received, client)
            finally:
                received.release()
        finally:
            gateway.close()
    if as_json:
        return json.dumps(as_members(route, plan, requests), indent=2) + "\n"
    return as_text(route, plan, requests)


class _BodySource:
    """What a client would send, without a client."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def read_into(self, view: memoryview, watch: Watch | None) -> int:
        """See Source."""
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = memoryview(bytes(block))
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
