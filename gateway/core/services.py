"""Services and routes as values: where uploads go, in which shape, and which requests are taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["TLS", "Accept", "AddedField", "BodyKind", "Expect", "Forward", "Route", "Send", "Service", "Timeouts"]

BodyKind = Literal["multipart", "raw", "json"]

StatusRanges = tuple[range, ...]
"""Statuses of HTTP answers, as ranges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a service may take, phase by phase, in seconds."""

    connect: float = 5.0
    """Until the connection stands, TLS included."""
    stall: float = 30.0
    """While the service takes no byte of what we have for it. A slow client does not count."""
    first_byte: float = 60.0
    """From the last byte handed over to the first byte of the answer."""
    total: float = 600.0
    """From the moment the upload is in, or the attempt began if that was later, to the answer's last byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """What of the client's request goes on to the service, beside the upload and what always goes on."""

    headers: Literal["none", "all"] | frozenset[str] = "none"
    """Names in lower case; `all`: every end-to-end header that is not about the body or the connection."""
    query: Literal["none", "all"] | frozenset[str] = "none"
    """Names of parameters of the query."""
    path: Literal["none", "rest"] = "none"
    """`rest`: what the route's `<rest>` or `<filename>` stood for follows the path of the service's URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TLS:
    """Certificates for https, as paths of PEM files; None is what the libraries take by themselves."""

    ca: str | None = None
    """Whom to trust, in the place of the authorities that everybody trusts."""
    cert: str | None = None
    """The gateway's own certificate, for services that ask for one."""
    key: str | None = None
    """Its key; None: it is in the same file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedField:
    """A field that every delivery to a service gets."""

    name: str
    content: bytes
    content_type: str | None = None
    """None for text; `application/json` for a JSON part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """The shape of what a service gets. The rules are applied in the order in which they stand here."""

    kind: BodyKind = "multipart"
    """A form; one bare file; or a JSON object with fields as strings and the file in base64."""
    rename: Mapping[str, str] = field(default_factory=dict)
    """New names of parts by their old ones."""
    only: frozenset[str] | None = None
    """Names (new ones) of the parts that go on; None: all."""
    drop: frozenset[str] = frozenset()
    """Names (new ones) of the parts that do not go on."""
    add: tuple[AddedField, ...] = ()
    """In front of the parts of the upload."""
    file_last: bool = False
    """Fields before files, each in their order."""
    each: Literal["upload", "file"] = "upload"
    """`file`: one delivery for each file, with all fields."""
    filename: str = "keep"
    """`keep`, `ascii`, `rfc5987`, or a template with {filename}, {stem}, {suffix}, {name}, {n} and {id}."""
    content_type: str = "keep"
    """Of files: `keep`, `sniff`, or a fixed type."""
    repeat: Literal["keep", "brackets", "index"] = "keep"
    """Names that occur more than once: as they are, all `name[]`, or `name[0]`, `name[1]`."""

    @property
    def changes_parts(self) -> bool:
        """Whether anything but added fields makes a form that is not a copy of the received one."""
        return bool(
            self.rename
            or self.only is not None
            or self.drop
            or self.file_last
            or self.each != "upload"
            or self.filename != "keep"
            or self.content_type != "keep"
            or self.repeat != "keep"
        )

    @property
    def needs_whole(self) -> bool:
        """Whether a part's shape or place depends on parts behind it."""
        return self.file_last or self.each != "upload" or self.repeat != "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What answers of a service mean, where that is not what HTTP says (core/outcomes.py)."""

    ok: StatusRanges = ()
    rejected: StatusRanges = ()
    busy: StatusRanges = ()
    failed: StatusRanges = ()
    ok_if: str | None = None
    """A JMESPath expression on the JSON answer: an answer that would be ok is rejected unless this is true of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An HTTP endpoint that takes uploads."""

    name: str
    urls: tuple[str, ...]
    """At least one; several are the same service on several machines and take turns."""
    method: Literal["POST", "PUT", "same"] = "POST"
    """`same`: that of the client's request."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every delivery, on top of what the gateway makes and forwards."""
    query: Mapping[str, str] = field(default_factory=dict)
    """Added to the query of the URL."""
    forward: Forward = Forward()
    tls: TLS = TLS()
    send: Send = Send()
    body: Literal["auto", "length", "chunked"] = "auto"
    """`auto` and `length`: always with Content-Length. `chunked`: live even where no length is known."""
    deliver: Literal["live", "whole"] = "live"
    """`whole` protects a service that holds a thread for each upload under way."""
    expect: Expect = Expect()
    timeouts: Timeouts = Timeouts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """Which uploads a route takes."""

    bodies: frozenset[BodyKind] = frozenset({"multipart"})
    """The kinds of body that are taken."""
    require: tuple[str, ...] = ()
    """Names of parts that must be there; a file input in which no file was chosen does not count."""
    types: tuple[str, ...] = ()
    """Media types of files, `image/*` for all of a kind; empty: any."""
    body: int | None = None
    """Bytes of the body; None: what `limits.body` says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which requests are taken, and where they go."""

    name: str
    path: str | None
    """`/file`, `/files/<filename>`, `/dav/<rest>`; None takes every path that is not under `/-/`."""
    service: Service
    accept: Accept = Accept()
    reply: Literal["passthrough", "json"] = "passthrough"
    """The service's answer as it is, or an envelope that says how each delivery went."""
