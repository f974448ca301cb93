"""Who may use what is under `/-/` and is not public: whoever sits at the machine itself.

Nothing there asks for credentials, so it answers only where all of this is true: the gateway listens on
loopback, the peer is on loopback, the Host is a name for it (a page of another site that has its name resolved
to this machine still sends its own), nobody has forwarded the request, and no other site has made a browser send it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from gateway.errors import LocalOnly

__all__ = ["check_local"]

FORWARDED = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST")


def check_local(environ: Mapping[str, Any]) -> None:
    """Raises LocalOnly, which says what is not as it must be."""
    host = str(environ.get("HTTP_HOST", ""))
    site, origin = environ.get("HTTP_SEC_FETCH_SITE", "none"), environ.get("HTTP_ORIGIN")
    if not _is_loopback(str(environ.get("SERVER_NAME", ""))):
        reason = "the gateway listens on an address that others can reach"
    elif not _is_loopback(str(environ.get("REMOTE_ADDR", ""))):
        reason = "the request comes from another machine"
    elif not _is_loopback(_hostname(f"//{host}")):
        reason = f"its Host is {host!r}"
    elif any(name in environ for name in FORWARDED):
        reason = "a proxy has forwarded it"
    elif site not in ("none", "same-origin") or (origin is not None and origin != f"http://{host}"):
        reason = "a page of another site has sent it"
    else:
        return
    raise LocalOnly(f"This is for the machine that the gateway runs on, and {reason}.")


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
