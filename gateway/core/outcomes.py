"""What an answer means for the delivery. Pure: numbers and strings in, a decision out."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

__all__ = ["Redirect", "redirect_of"]

_REPLAYED = (307, 308)
_REFUSED = (301, 302, 303)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """An answer that sends the upload elsewhere."""

    url: str
    """Where to, absolute."""
    follow: bool
    """Whether the same request may be sent there: 307 or 308 (RFC 9110 section 15.4), same origin."""


def redirect_of(status: int, location: str | None, url: str) -> Redirect | None:
    """The redirect in an answer to a request for `url`; None if it is none.

    301, 302 and 303 are never followed: clients turn the POST into a GET, which loses the upload. Another
    origin is never followed: nothing is sent anywhere but to configured services.
    """
    if status not in _REPLAYED + _REFUSED or not location:
        return None
    try:
        target = urljoin(url, location)
        follow = status in _REPLAYED and _origin(target) == _origin(url)
    except ValueError:
        # Not a URL: the report shows it as it came.
        return Redirect(url=location, follow=False)
    return Redirect(url=target, follow=follow)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
