"""What a configuration may say: one model per section, each key documented under it.

Keys that nothing implements are not here, and unknown ones are errors. The forms of the values are in
values.py. Where a value stands in the file, and how a mistake is told, is load.py's business.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Annotated, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, model_validator

from gateway.core.services import BodyKind, Route, Service, Timeouts
from gateway.core.uploads import Limits
from gateway.settings import values

__all__ = [
    "SPARE_THREADS",
    "AcceptSettings",
    "ClientSettings",
    "GatewaySettings",
    "Key",
    "LimitSettings",
    "RouteSettings",
    "Section",
    "SendSettings",
    "ServiceSettings",
    "Settings",
    "SpoolSettings",
    "TimeoutSettings",
    "contradictions",
    "every_key",
    "keys_of",
    "type_below",
]

Key = tuple[str | int, ...]
"""The way from the top of the document to a value: names of keys, and positions in lists."""

SPARE_THREADS = 8
"""Threads of a worker beyond one per upload: they serve `/-/` and say 503 when all others are taken."""

Written = int | str
Size = Annotated[int, PlainValidator(values.parse_size, json_schema_input_type=Written)]
HeaderSize = Annotated[int, PlainValidator(partial(values.parse_size, minimum=256), json_schema_input_type=Written)]
Duration = Annotated[float, PlainValidator(values.parse_duration, json_schema_input_type=float | str)]
DurationOrZero = Annotated[
    float, PlainValidator(partial(values.parse_duration, minimum=0), json_schema_input_type=float | str)
]
Count = Annotated[int, PlainValidator(values.parse_count, json_schema_input_type=Written)]
Workers = Annotated[int | Literal["auto"], PlainValidator(values.parse_workers, json_schema_input_type=Written)]
Address = Annotated[str, PlainValidator(values.parse_address, json_schema_input_type=str)]
Text = Annotated[str, PlainValidator(values.parse_text, json_schema_input_type=str)]
Name = Annotated[str, PlainValidator(values.parse_name, json_schema_input_type=str)]
URL = Annotated[str, PlainValidator(values.parse_url, json_schema_input_type=str)]
RoutePath = Annotated[str, PlainValidator(values.parse_route_path, json_schema_input_type=str)]
HeaderName = Annotated[str, PlainValidator(values.parse_header_name, json_schema_input_type=str)]
HeaderValue = Annotated[str, PlainValidator(values.parse_header_value, json_schema_input_type=str)]


class Section(BaseModel):
    """A mapping of the file: frozen, and without room for unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


class SpoolSettings(Section):
    """Where the bytes of uploads are kept while they are needed."""

    memory: Size = 2**20
    """Bytes of an upload that are kept in memory; what has to be kept beyond goes into a file. 0: all into a file."""
    quota: Size = 20 * 2**30
    """Bytes that all uploads together may take on disk; when full, uploads are refused with 507. 0: none."""


class LimitSettings(Section):
    """How much one upload may have, and how many may be under way."""

    body: Size = 5 * 2**30
    """Bytes of one upload's body. 0: nothing but an empty one."""
    parts: Count = 1000
    """Parts of one upload, at least 1."""
    part_headers: HeaderSize = 16 * 2**10
    """Bytes in the headers of one part, at least 256."""
    field: Size = 2**20
    """Bytes of a part without a filename. 0: fields must be empty."""
    concurrent: Count = 200
    """Uploads under way at once, divided among the workers; each takes one thread. At least 1."""


class ClientSettings(Section):
    """What is asked of those who upload."""

    stall: Duration = 30.0
    """Seconds that a client may send nothing in the middle of its upload; then it gets 408. One that takes nothing of
    its answer for as long is cut off."""


class GatewaySettings(Section):
    """The gateway itself."""

    bind: Address = "127.0.0.1:8080"
    """HOST:PORT to listen on; loopback by default, so that nothing is open to others unasked. Port 0: a free one."""
    workers: Workers = "auto"
    """Processes; `auto` is one per core, as one process uses one core for most of its work. At least 1."""
    state: Text = "var"
    """Directory for what the gateway writes, relative to the working directory."""
    spool: SpoolSettings = SpoolSettings()
    limits: LimitSettings = LimitSettings()
    client: ClientSettings = ClientSettings()
    stop: DurationOrZero = 60.0
    """Seconds that uploads under way get to end when the gateway is stopped. 0: they are cut off at once."""

    def count_workers(self, cores: int) -> int:
        """Processes to start on a machine with so many cores; never more than there may be uploads."""
        return min(cores, self.limits.concurrent) if self.workers == "auto" else self.workers

    def uploads_per_worker(self, cores: int) -> int:
        """This worker's share of `limits.concurrent`, at least 1."""
        return max(1, self.limits.concurrent // self.count_workers(cores))

    def threads_per_worker(self, cores: int) -> int:
        return self.uploads_per_worker(cores) + SPARE_THREADS


class SendSettings(Section):
    """The form in which a service gets an upload."""

    kind: BodyKind = Field(default="multipart", alias="as")
    """`multipart`: a form. `raw`: the bare file, for which an upload has exactly one."""


class TimeoutSettings(Section):
    """How long a service may take, phase by phase. None of them counts the time that a client takes."""

    connect: Duration = 5.0
    """Seconds until the connection stands, TLS included."""
    stall: Duration = 30.0
    """Seconds that the service may take no byte while there are some for it."""
    first_byte: Duration = 60.0
    """Seconds from the upload's last byte to the first one of the answer: the time to work on it."""
    total: Duration = 600.0
    """Seconds from the moment that the upload is in to the answer's last byte."""


class ServiceSettings(Section):
    """An HTTP endpoint that takes uploads."""

    url: URL
    """http or https, posted to as it stands; no fragment, no user and password."""
    headers: Mapping[HeaderName, HeaderValue] = Field(default_factory=dict)
    """Sent with every upload. Never Content-Type, Content-Length, Transfer-Encoding and Host: the body that is sent
    and `url` decide on those."""
    send: SendSettings = SendSettings()
    body: Literal["auto", "length", "chunked"] = "auto"
    """`length`: with Content-Length, known to work everywhere. `chunked`: without, where the service can read that.
    `auto`: `length`, as no service is known to the gateway by itself."""
    deliver: Literal["live", "whole"] = "live"
    """`live`: while the upload still arrives, where that can be. `whole`: only then; for services that hold a thread
    per request, which slow clients would use up."""
    timeout: TimeoutSettings = TimeoutSettings()


class AcceptSettings(Section):
    """What a route takes."""

    bodies: frozenset[BodyKind] = Field(default=frozenset({"multipart"}), min_length=1)
    """`multipart`: forms. `raw`: the body is the file. Others get 415."""


class RouteSettings(Section):
    """Which requests are taken, and where they go."""

    path: RoutePath | None
    """The exact path. None, which no file can say and `--to` does: every path that is not under `/-/`."""
    to: Name
    """The service that gets the uploads."""
    accept: AcceptSettings = AcceptSettings()


class Settings(Section):
    """The whole of a configuration."""

    gateway: GatewaySettings = GatewaySettings()
    services: Mapping[Name, ServiceSettings] = Field(min_length=1)
    routes: Mapping[Name, RouteSettings] = Field(min_length=1)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        services = {name: service.headers for name, service in self.services.items()}
        for _, expected in contradictions(services, {name: (r.path, r.to) for name, r in self.routes.items()}):
            raise expected
        return self

    def build_limits(self) -> Limits:
        """What one upload may have, for the scanner."""
        limits = self.gateway.limits
        return Limits(body=limits.body, parts=limits.parts, part_headers=limits.part_headers, field=limits.field)

    def build_services(self) -> Mapping[str, Service]:
        """The services by name."""
        return {
            name: Service(
                name=name,
                url=service.url,
                headers=dict(service.headers),
                send=service.send.kind,
                body=service.body,
                deliver=service.deliver,
                timeouts=Timeouts(**service.timeout.model_dump()),
            )
            for name, service in self.services.items()
        }

    def build_routes(self) -> tuple[Route, ...]:
        """The routes in the order of the file, each with its service."""
        services = self.build_services()
        return tuple(
            Route(name=name, path=route.path, service=services[route.to], bodies=route.accept.bodies)
            for name, route in self.routes.items()
        )


def contradictions(
    services: Mapping[str, Iterable[str]], routes: Mapping[str, tuple[object, object]]
) -> Iterator[tuple[Key, values.Expected]]:
    """What is wrong between keys that are each right: names without a service, paths or headers given twice.

    Services are the names of headers by name, routes are (path, to) by name. Takes what is in the file as
    it is, so that it can also look at one that has other problems.
    """
    for name, headers in services.items():
        spellings: dict[str, str] = {}
        for header in headers:
            first = spellings.setdefault(header.lower(), header)
            if first != header:
                reason = f"expected each header once: it is {first} above, and upper and lower case do not differ"
                yield ("services", name, "headers", header), values.Expected(reason, quotable=False)
    taken: dict[str | None, str] = {}
    for name, (path, to) in routes.items():
        if isinstance(to, str) and to not in services:
            known = ", ".join(services)
            yield ("routes", name, "to"), values.Expected(f"expected the name of a service ({known})")
        if path is None or isinstance(path, str):
            first = taken.setdefault(path, name)
            if first != name:
                reason = f"expected a path of its own: the route {first} has this one"
                yield ("routes", name, "path"), values.Expected(reason)


def keys_of(annotation: object) -> Mapping[str, object] | None:
    """The keys that a mapping of this type may have, each with the type below; None if it is no section."""
    annotation = _bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return {field.alias or name: _bare(field.annotation) for name, field in annotation.model_fields.items()}
    return None


def type_below(annotation: object, key: str | int) -> object | None:
    """The type of the value under this key; None if there is no such key."""
    annotation = _bare(annotation)
    if (keys := keys_of(annotation)) is not None:
        return keys.get(str(key))
    if get_origin(annotation) in {Mapping, frozenset}:
        return _bare(get_args(annotation)[-1])
    return None


def every_key(annotation: object = Settings, above: str = "") -> Iterator[str]:
    """All keys with dots between, sections included; `<name>` stands for names that the user gives."""
    for key, below in (keys_of(annotation) or {}).items():
        path = f"{above}{key}"
        yield path
        if get_origin(below) is Mapping:
            yield from every_key(type_below(below, ""), f"{path}.<name>.")
        yield from every_key(below, f"{path}.")


def _bare(annotation: object) -> object:
    """Without Annotated, and without None as the alternative."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        others = [argument for argument in get_args(annotation) if argument is not type(None)]
        return _bare(others[0]) if len(others) == 1 else annotation
    return annotation
