"""Where an upload goes and what its header says, from the command line; what the body says itself is refused here.

Functions raise ValueError that says what was expected, and never quote what may be a password.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from gateway.core.headers import Fields
from gateway.core.services import TLS, BodyKind
from gateway.settings.http_values import parse_url
from gateway.settings.values import Expected

__all__ = ["basic_authorization", "check_tls", "complete_fields", "parse_header", "parse_method", "parse_target"]

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 section 5.6.2
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_CONNECTION = "it is about the connection, which is the command's own business"
_REFUSED = {
    "connection": _CONNECTION,
    "content-length": "the body knows its own length",
    "expect": _CONNECTION,
    "host": "it comes from --to",
    "keep-alive": _CONNECTION,
    "proxy-connection": _CONNECTION,
    "te": _CONNECTION,
    "trailer": _CONNECTION,
    "transfer-encoding": "the body decides on its framing",
    "upgrade": _CONNECTION,
}
_REFUSED_OF = {
    ("content-type", "multipart"): "the form makes its own boundary, and names it; `;type=` behind -F is for a part",
    ("content-type", "json"): "the body is JSON",
    ("content-encoding", "multipart"): "the body is not compressed; a compressed file is a file like any other",
    ("content-encoding", "json"): "the body is not compressed; a compressed file is a file like any other",
}


def parse_target(text: str) -> str:
    """The URL of --to, which must be complete: a scheme that was guessed might send a password in the open."""
    if "@" in text.partition("://")[2].partition("/")[0]:
        raise ValueError("expected a URL without user and password; give them with --user")
    try:
        return parse_url(text)
    except Expected as error:
        if "://" not in text and _is_url(f"http://{text}"):
            raise ValueError(f"expected a whole URL, such as http://{text}") from None
        raise ValueError(str(error)) from None


def _is_url(text: str) -> bool:
    try:
        parse_url(text)
    except Expected:
        return False
    return True


def parse_method(text: str) -> str:
    """A method, as it is written."""
    if not _TOKEN.fullmatch(text):
        raise ValueError("expected a method such as POST or PUT")
    return text


def parse_header(text: str, kind: BodyKind) -> tuple[str, str]:
    """One --header. Characters that are not ASCII are sent as UTF-8."""
    name, colon, value = text.partition(":")
    if not colon or not _TOKEN.fullmatch(name):
        raise ValueError("expected 'Name: value'")
    reason = _REFUSED.get(name.lower()) or _REFUSED_OF.get((name.lower(), kind))
    if reason:
        raise ValueError(f"expected no {name}: {reason}")
    if _CONTROL.search(value):
        raise ValueError(f"expected a value of {name} without line breaks and control characters")
    # A header's bytes appear as Latin-1 in the libraries below.
    return name, value.strip(" \t").encode("utf-8", "surrogateescape").decode("latin-1")


def basic_authorization(name: str, password: str) -> str:
    """The value of Authorization for a name and a password (RFC 7617)."""
    if ":" in name or _CONTROL.search(name + password):
        raise ValueError("expected a name and a password without control characters, and a name without a colon")
    credentials = f"{name}:{password}".encode("utf-8", "surrogateescape")
    return f"Basic {base64.b64encode(credentials).decode('ascii')}"


def complete_fields(given: Sequence[tuple[str, str]], defaults: Sequence[tuple[str, str]]) -> Fields:
    """The fields of the request: those that were given, and each default whose name is not among them."""
    names = {name.lower() for name, _ in given}
    return [*(field for field in defaults if field[0].lower() not in names), *given]


def check_tls(tls: TLS) -> None:
    """Whether the files are what they should be, before anything is connected."""
    # It takes a configuration as plain data, since there every mistake has to be found at its place.
    from gateway.settings.certificates import wrong_certificates

    section = {"ca": tls.ca, "cert": tls.cert, "key": tls.key}
    for (*_, option), expected in wrong_certificates({"services": {"send": {"tls": section}}}):
        raise ValueError(f"--{option}: {expected}")
