"""`gateway send`: files and fields to any URL, with a progress bar; the answer printed, saved, or for programs.

Whatever can be wrong with the command line and its files is found before anything is connected. What the command
is made of is in gateway/cli/sending.
"""

from __future__ import annotations

import getpass
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from gateway.cli.sending.answers import check_output
from gateway.cli.sending.exchanges import Manner, exchange
from gateway.cli.sending.forms import FormPart, parse_form
from gateway.cli.sending.inputs import STANDARD_INPUT
from gateway.cli.sending.targets import (
    basic_authorization,
    check_tls,
    complete_fields,
    parse_header,
    parse_method,
    parse_target,
)
from gateway.cli.sending.uploads import STDIN_NAME, Part, open_parts, outgoing
from gateway.core.headers import Fields
from gateway.core.services import TLS, BodyKind, Timeouts
from gateway.core.targets import Target
from gateway.errors import GatewayError
from gateway.multipart.filenames import attachment
from gateway.settings.values import parse_duration

__all__ = ["send"]

VARIABLE = "GATEWAY_SEND_PASSWORD"
LONGEST_ANSWER_S = 24 * 3600.0
"""From the end of the upload to the end of the answer: a large one over a slow line is no failure."""


def _read_by(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """An option whose value, or each of them, is read by a function that raises ValueError."""

    def read(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        try:
            return tuple(map(parse, value)) if isinstance(value, tuple) else parse(value)
        except ValueError as error:
            raise click.BadParameter(f"{error}.", context, parameter) from error

    return read


EXISTING = click.Path(exists=True, dir_okay=False)


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--to", "url", metavar="URL", required=True, callback=_read_by(parse_target), help="Where to send it.")
@click.option(
    "-F",
    "--field",
    "form",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_read_by(parse_form),
    help="A field; or with NAME=@FILE a file, with NAME=<FILE a field with that file's text, as in curl. ;type=TYPE "
    "and ;filename=NAME may follow.",
)
@click.option("--name", default="file", show_default=True, help="Field name of every FILE.")
@click.option("--filename", help=f"Filename to send for the only FILE (for `-` it is {STDIN_NAME} otherwise).")
@click.option(
    "--as",
    "kind",
    type=click.Choice(["multipart", "raw", "json"]),
    default="multipart",
    show_default=True,
    help="A form; the bare file; an object with the file in base64.",
)
@click.option("-X", "--method", default="POST", show_default=True, metavar="METHOD", callback=_read_by(parse_method))
@click.option("-H", "--header", "headers", metavar="'NAME: VALUE'", multiple=True, help="A header of the request.")
@click.option(
    "-u",
    "--user",
    metavar="NAME[:PASSWORD]",
    help=f"Basic authentication. A password that is missing is taken from {VARIABLE}, or asked for.",
)
@click.option("--ca", type=EXISTING, help="Certificates to trust instead of the usual ones.")
@click.option("--cert", type=EXISTING, help="A certificate of your own.")
@click.option("--key", type=EXISTING, help="Its key, if that is in another file.")
@click.option(
    "--timeout",
    metavar="DURATION",
    default="5m",
    show_default=True,
    callback=_read_by(parse_duration),
    help="How long the service may take nothing, or not begin to answer.",
)
@click.option(
    "--connect-timeout",
    metavar="DURATION",
    default="10s",
    show_default=True,
    callback=_read_by(parse_duration),
    help="For connecting.",
)
@click.option("-o", "--output", metavar="FILE", help="Save a 2xx answer; `-` prints it as it is, also on a terminal.")
@click.option("-i", "--include", is_flag=True, help="Print the status and the headers of the answer, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary; errors are told all the same.")
@click.pass_context
def send(
    context: click.Context,
    files: tuple[str, ...],
    *,
    url: str,
    form: tuple[FormPart, ...],
    name: str,
    filename: str | None,
    kind: BodyKind,
    method: str,
    headers: tuple[str, ...],
    user: str | None,
    ca: str | None,
    cert: str | None,
    key: str | None,
    timeout: float,
    connect_timeout: float,
    output: str | None,
    include: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Send FILEs and fields to a URL, and print the answer. FILE `-` is standard input.

    A form has the parts of -F in their order, then the FILEs in theirs.

    \b
      gateway send report.pdf --to http://127.0.0.1:8080/documents
      gateway send a.pdf b.pdf --name files -F lang=en --to http://127.0.0.1:8811/extract
      tar c notes | gateway send - --filename notes.tar --to https://files.test/in -u me

    Exit status: 0 the answer is 2xx, 1 it is not or there is none, 2 wrong use.
    """
    timeouts = Timeouts(connect=connect_timeout, stall=timeout, first_byte=timeout, total=timeout + LONGEST_ANSWER_S)
    with _signals_unwind():
        with _usage_errors():
            if as_json and output == "-":
                raise ValueError("expected --json or `-o -`: the object has the answer in it")
            wanted = _wanted(context, files, form, name=name, filename=filename, kind=kind)
            fields = _given_fields(headers, user, kind)
            tls = _tls(url, TLS(ca=ca, cert=cert, key=key))
            if output not in (None, "-"):
                check_output(Path(output))
            if kind == "raw":
                wanted = [_typed(wanted[0], fields)]
            parts = open_parts(wanted, hashes=as_json)
            upload = outgoing(kind, parts, time.monotonic)
        fields = complete_fields(fields, _default_fields(kind, parts))
        target = Target(service="the service", url=url, method=method, fields=fields, tls=tls, timeouts=timeouts)
        manner = Manner(output=output, include=include, as_json=as_json, quiet=quiet)
        try:
            succeeded = exchange(target, upload, manner)
        except GatewayError as error:
            # It could not even be printed.
            raise click.ClickException(error.detail) from error
    context.exit(0 if succeeded else 1)


@contextmanager
def _usage_errors() -> Iterator[None]:
    """What was found to be wrong is wrong use."""
    try:
        yield
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        raise click.UsageError(f"{name}{error.strerror}.") from error
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error


def _wanted(
    context: click.Context,
    files: Sequence[str],
    form: Sequence[FormPart],
    *,
    name: str,
    filename: str | None,
    kind: BodyKind,
) -> list[FormPart]:
    """All parts in their order, if they make a body of that kind. Raises ValueError."""
    if filename is not None and len(files) != 1:
        raise ValueError(f"--filename is for one FILE, found {len(files)}; for others: -F 'NAME=@FILE;filename=...'")
    wanted = [*form, *(FormPart(name=name, path=path, is_file=True, filename=filename) for path in files)]
    if not wanted:
        raise ValueError("expected a FILE or -F; `-` is standard input")
    if sum(each.path == STANDARD_INPUT for each in wanted) > 1:
        raise ValueError("expected `-` once: standard input can be read only once")
    if kind == "raw" and (len(wanted) != 1 or not wanted[0].is_file):
        raise ValueError("expected one FILE and nothing else: with --as raw it is the whole body")
    if kind == "raw" and context.get_parameter_source("name") is not click.core.ParameterSource.DEFAULT:
        raise ValueError("expected no --name: with --as raw there are no field names")
    names = [each.name for each in wanted]
    twice = next((each for each in names if names.count(each) > 1), None)
    if kind == "json" and twice is not None:
        raise ValueError(f"expected names that differ, found {twice!r} twice: with --as json each is a member")
    return wanted


def _given_fields(headers: Sequence[str], user: str | None, kind: BodyKind) -> Fields:
    fields = [parse_header(each, kind) for each in headers]
    if user is None:
        return fields
    if any(name.lower() == "authorization" for name, _ in fields):
        raise ValueError("expected --user or the header Authorization, found both")
    name, colon, password = user.partition(":")
    return [*fields, ("Authorization", basic_authorization(name, password if colon else _password_of(name)))]


def _typed(wanted: FormPart, fields: Fields) -> FormPart:
    """The bare file with the type that the header gives it: what describes the body goes out with the body."""
    given = [value for name, value in fields if name.lower() == "content-type"]
    if len(given) > 1:
        raise ValueError("expected one Content-Type")
    if not given:
        return wanted
    return replace(wanted, content_type=given[0].encode("latin-1").decode("utf-8", "surrogateescape"))


def _password_of(name: str) -> str:
    """From the environment or the terminal: in a command line others on the machine can read it."""
    given = os.environ.get(VARIABLE)
    if given is not None:
        return given
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
    except OSError:
        raise ValueError(f"expected a password: in {VARIABLE}, or NAME:PASSWORD, as there is no terminal") from None
    try:
        return getpass.getpass(f"Password of {name}: ")
    except EOFError:
        raise ValueError("expected a password") from None


def _tls(url: str, tls: TLS) -> TLS:
    if tls != TLS() and not url.lower().startswith("https:"):
        raise ValueError("expected --to with https, as there are certificates")
    if tls.key is not None and tls.cert is None:
        raise ValueError("expected --cert beside --key")
    check_tls(tls)
    return tls


def _default_fields(kind: BodyKind, parts: Sequence[Part]) -> Fields:
    """What is said unless --header says otherwise."""
    # The answer is shown or saved as it comes: it should come as what it is.
    fields = [("Accept", "*/*"), ("Accept-Encoding", "identity")]
    if kind == "raw" and parts[0].filename:
        fields.append(("Content-Disposition", attachment(parts[0].filename)))
    return fields


@contextmanager
def _signals_unwind() -> Iterator[None]:
    """Signals that ask for an end are obeyed quietly, and leave no half of a saved answer behind."""

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # What is ignored stays so: nohup, and jobs in the background of a script.
    theirs = (signal.SIG_IGN, None)
    handlers = {number: signal.signal(number, end) for number in numbers if signal.getsignal(number) not in theirs}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
