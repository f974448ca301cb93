"""The answer of a service: saved whole or not at all, shown to people, described for programs.

What a service says may be meant to deceive a terminal: control characters are shown there, not obeyed.
"""

from __future__ import annotations

import base64
import codecs
import errno
import json
import os
import re
import secrets
import stat
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, NoReturn

from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.text import Text

from gateway.core.outcomes import redirect_of
from gateway.errors import FileUnwritable
from gateway.multipart.boundaries import media_type
from gateway.multipart.parameters import parse_parameters
from gateway.relay.transport import Answer

__all__ = ["check_output", "content_members", "copy", "problem_of", "save", "show", "told", "visible"]

SHOWN_MAX = 2**20
"""Bytes of an answer that are formatted for a terminal, or looked into for a problem document."""

COLOURED_MAX = 2**16
"""Characters of JSON that get colours; of more it takes too long."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_STREAMED = ("text/", "application/x-ndjson", "application/jsonl", "application/json-seq")
_PROBLEM_PLACES = (("code", "code"), ("request_id", "request id"), ("offset", "at byte"))
_PROBLEM_MEMBERS = {"type", "title", "status", "detail", "instance", "hint", *(name for name, _ in _PROBLEM_PLACES)}
_MEMBER_MAX = 500
"""Characters that are shown of what else a problem document has."""


def visible(text: str) -> str:
    """With control characters written out; line ends and tabs stay."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text.replace("\r\n", "\n"))


# --- to a file or a pipe ---


def check_output(path: Path) -> None:
    """Whether an answer could be saved there. Raises OSError."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "this is a directory; name a file in it", str(path))
    directory = path.resolve().parent
    if not directory.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such directory", str(directory))
    if not os.access(path if _is_special(path) else directory, os.W_OK):
        raise PermissionError(errno.EACCES, "this cannot be written", str(path))


def save(answer: Answer, path: Path, advance: Callable[[int], None]) -> int:
    """Put the whole answer into that file, which has its old content until then; returns the number of bytes.

    A link stays one; a device or a pipe is written to as it is. Raises FileUnwritable, and what the answer raises.
    """
    if _is_special(path):
        return _write(answer, path, "ab", advance)
    target = path.resolve()
    part = target.with_name(f".gateway-{secrets.token_hex(4)}.part")
    try:
        size = _write(answer, part, "xb", advance)
        _replace(part, target)
    finally:
        with suppress(OSError):
            part.unlink()
    return size


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _write(answer: Answer, path: Path, mode: Literal["ab", "xb"], advance: Callable[[int], None]) -> int:
    size = 0
    with _unwritable(path), path.open(mode) as file:
        for block in answer.blocks():
            file.write(block)
            size += len(block)
            advance(len(block))
        file.flush()
        if mode == "xb":
            os.fsync(file.fileno())
    return size


def _replace(part: Path, target: Path) -> None:
    with _unwritable(target):
        if target.exists():
            part.chmod(stat.S_IMODE(target.stat().st_mode))
        part.replace(target)


@contextmanager
def _unwritable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileUnwritable(f"{path}: {error.strerror}.") from error


def copy(answer: Answer, stream: BinaryIO) -> None:
    """The bytes as they come."""
    for block in answer.blocks():
        stream.write(block)
        stream.flush()


# --- to a terminal ---


def show(answer: Answer, console: Console) -> str | None:
    """Print the body in the form that people can read; returns why it is not shown, if it is not."""
    kind, charset = _type_of(answer)
    if kind.startswith(_STREAMED) and not _is_encoded(answer):
        _stream(answer.blocks(), charset, console)
        return None
    content = answer.read_ahead(SHOWN_MAX)
    if content is None:
        first = next(answer.blocks())
        answer.close()
        text = None if _is_encoded(answer) else _text(first[:1000], charset, final=False)
        length = answer.field("Content-Length")
        size = f"{int(length):,}" if length else f"more than {SHOWN_MAX:,}"
        return _unfit(size, kind, "too much" if text is not None else "nothing")
    if not content:
        return None
    if not _is_encoded(answer):
        if _is_json(kind):
            with suppress(ValueError):
                pretty = visible(json.dumps(_parsed(content), indent=2, ensure_ascii=False))
                if len(pretty) <= COLOURED_MAX:
                    console.print(JSONHighlighter()(Text(pretty)), soft_wrap=True)
                else:
                    console.file.write(f"{pretty}\n")
                return None
        text = _text(content, charset, final=True)
        if text is not None:
            console.file.write(visible(text).removesuffix("\n") + "\n")
            return None
    return _unfit(f"{len(content):,}", kind, "nothing")


def _unfit(size: str, kind: str, what: str) -> str:
    return visible(f"The answer is {size} bytes of {kind or 'no named type'}, {what} for a terminal")


def _stream(blocks: Iterator[bytes], charset: str, console: Console) -> None:
    """Text as it comes, for answers that are written as one watches."""
    decoder = codecs.getincrementaldecoder(charset)("replace")
    last = "\n"
    for block in blocks:
        text = visible(decoder.decode(block))
        last = text[-1:] or last
        console.file.write(text)
        console.file.flush()
    if last != "\n":
        console.file.write("\n")


def _text(content: bytes, charset: str, *, final: bool) -> str | None:
    """The text, unless it is something else; where it is cut off (not `final`) a character may be."""
    try:
        text = codecs.getincrementaldecoder(charset)().decode(content, final)
    except ValueError:
        return None
    return None if "\0" in text else text


# --- for people and programs ---


def problem_of(answer: Answer) -> dict[str, Any] | None:
    """The members of a problem document (RFC 9457); None if the answer is none. The body can still be read."""
    if _type_of(answer)[0] != "application/problem+json" or _is_encoded(answer):
        return None
    content = answer.read_ahead(SHOWN_MAX)
    with suppress(ValueError):
        members = _parsed(content or b"")
        return members if isinstance(members, dict) else None
    return None


def told(answer: Answer, problem: dict[str, Any] | None, *, url: str, sent: int, length: int | None) -> list[str]:
    """What is to be said of an answer that is not 2xx, one line each; the first says what it is."""
    members = problem or {}
    lines = [f"{answer.status} {answer.reason}".rstrip()]
    lines += [members[name] for name in ("title", "detail") if isinstance(members.get(name), str)]
    if isinstance(members.get("hint"), str):
        lines.append(f"Hint: {members['hint']}")
    for name in members.keys() - _PROBLEM_MEMBERS:
        # Extensions (RFC 9457 section 3.2): what is wrong with which field, and the like.
        lines.append(textwrap.shorten(f"{name}: {json.dumps(members[name], ensure_ascii=False)}", _MEMBER_MAX))
    places = [f"{label} {members[name]}" for name, label in _PROBLEM_PLACES if isinstance(members.get(name), str | int)]
    if places:
        lines.append(", ".join(places))
    redirect = redirect_of(answer.status, answer.field("Location"), url)
    if redirect is not None:
        lines.append(f"The upload was not sent there. To do so: --to {redirect.url}")
    if answer.early:
        of = "" if length is None else f" of {length:,}"
        lines.append(f"The answer came after {sent:,}{of} bytes; the rest was not sent.")
    return [visible(line) for line in lines]


def content_members(answer: Answer, content: bytes) -> dict[str, Any]:
    """The body for programs: JSON as it is, text as text, all else in base64."""
    kind, charset = _type_of(answer)
    if not _is_encoded(answer):
        if _is_json(kind):
            with suppress(ValueError):
                return {"json": _parsed(content)}
        if _is_json(kind) or kind.startswith("text/") or kind == "application/xml" or kind.endswith("+xml"):
            with suppress(ValueError):
                return {"text": content.decode(charset)}
    return {"base64": base64.b64encode(content).decode("ascii")}


def _is_json(kind: str) -> bool:
    return kind == "application/json" or kind.endswith("+json")


def _parsed(content: bytes) -> Any:
    """The JSON value, which can be written as JSON again. Raises ValueError."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON (RFC 8259 section 6)")

    try:
        return json.loads(content, parse_constant=refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _is_encoded(answer: Answer) -> bool:
    return (answer.field("Content-Encoding") or "identity").strip().lower() != "identity"


def _type_of(answer: Answer) -> tuple[str, str]:
    """The media type in lower case, and the charset: UTF-8 unless another one is named that is known here."""
    content_type = answer.field("Content-Type") or ""
    charset = dict(parse_parameters(content_type)).get("charset", "utf-8")
    try:
        codecs.getincrementaldecoder(charset)
        # Not every codec is one of text: `zlib` would unpack. An empty text is not looked at.
        b"x".decode(charset, "replace")
    except (LookupError, ValueError):
        charset = "utf-8"
    return media_type(content_type), charset
