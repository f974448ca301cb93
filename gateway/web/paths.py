"""Paths of routes: `/file`, `/files/<filename>`, `/dav/<rest>`, or any at all; and what the placeholder stood for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

__all__ = ["filename_in", "rest_in", "rules_of"]

PLACEHOLDERS = ("<filename>", "<rest>")
# RFC 3986 section 3.3: what a path may hold as it is, beside letters, digits and `_.-~`.
PATH_CHARACTERS = "/!$&'()*+,;=:@"


def rules_of(path: str | None) -> tuple[str, ...]:
    """The rules of Werkzeug's routing that match what the route takes."""
    if path is None:
        return ("/", "/<path:rest>")
    if path.endswith("/<rest>"):
        base = path.removesuffix("<rest>")
        return (base, f"{base}<path:rest>")
    return (path,)


def rest_in(environ: Mapping[str, Any], path: str | None) -> str | None:
    """What the placeholder stood for, percent-encoded as the client wrote it; None if the route has none."""
    prefix = _prefix(path)
    if prefix is None:
        return None
    # WSGI gives bytes as Latin-1 (PEP 3333), decoded.
    decoded = str(environ.get("PATH_INFO", "")).encode("latin-1")[len(prefix.encode()) :]
    target = str(environ.get("RAW_URI") or environ.get("REQUEST_URI") or "")
    mounted = str(environ.get("SCRIPT_NAME", "")).count("/")
    try:
        written = urlsplit(target).path if "://" in target else target.partition("?")[0]
    except ValueError:
        written = ""
    written = written.split("/", prefix.count("/") + mounted)[-1]
    # It is not as it was written where a server or a mount has changed it.
    return written if unquote_to_bytes(written) == decoded else quote_from_bytes(decoded, PATH_CHARACTERS)


def filename_in(environ: Mapping[str, Any], path: str | None) -> str | None:
    """The name that the path gives a raw body: its placeholder's last segment, decoded. None if there is none."""
    if path is None:
        return None
    rest = rest_in(environ, path)
    if not rest:
        return None
    return unquote_to_bytes(rest).decode("utf-8", "surrogateescape").rpartition("/")[2] or None


def _prefix(path: str | None) -> str | None:
    """What stands before the placeholder."""
    if path is None:
        return "/"
    return next((path.removesuffix(word) for word in PLACEHOLDERS if path.endswith("/" + word)), None)
