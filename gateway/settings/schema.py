"""What a configuration may say: one model per section, each key documented under it.

Keys that nothing implements are not here, and unknown ones are errors. The docstrings under the keys are the
reference (docs/configuration.md). The forms of the values are in forms.py, services in services_schema.py. Where a
value stands in the file, and how a mistake is told, is load.py's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, model_validator

from gateway.core.services import Accept, BodyKind, Route, Service
from gateway.core.uploads import Limits
from gateway.settings.contradictions import contradictions
from gateway.settings.forms import (
    Address,
    Boolean,
    Count,
    Duration,
    DurationOrZero,
    HeaderSize,
    Listed,
    MediaRange,
    Name,
    PartName,
    RoutePath,
    Size,
    Text,
    Workers,
)
from gateway.settings.sections import Section
from gateway.settings.services_schema import ServiceSettings

__all__ = [
    "SPARE_THREADS",
    "AcceptSettings",
    "ClientSettings",
    "GatewaySettings",
    "LimitSettings",
    "LogSettings",
    "RouteSettings",
    "Settings",
    "SpoolSettings",
]

SPARE_THREADS = 8
"""Threads of a worker beyond one per upload: they serve `/-/` and say 503 when all others are taken."""


class SpoolSettings(Section):
    """Where the bytes of uploads are kept while they are needed."""

    memory: Size = 2**20
    """Bytes of an upload that are kept in memory; what has to be kept beyond goes into a file. 0: all of it."""
    quota: Size = 20 * 2**30
    """Bytes that all uploads together may take on disk; an upload for which there is no room gets 507. 0: no files."""


class LimitSettings(Section):
    """How much one upload may have, and how many may be under way."""

    body: Size = 5 * 2**30
    """Bytes of one upload; a larger one gets 413. 0: only empty ones."""
    parts: Count = 1000
    """Parts of one upload, 1 or more."""
    part_headers: HeaderSize = 16 * 2**10
    """Bytes in the headers of one part, 256 or more."""
    field: Size = 2**20
    """Bytes of a part without a filename. 0: fields must be empty."""
    json_body: Size = Field(default=32 * 2**20, alias="json")
    """Bytes of an upload that is JSON, as it arrives; a larger one gets 413. 0: none."""
    concurrent: Count = 200
    """Uploads under way at once, 1 or more, divided among the workers; each takes a thread, and one more gets 503. The
    flag `--threads` says it for each worker instead."""


class ClientSettings(Section):
    """What is asked of those who upload."""

    stall: Duration = 30.0
    """How long a client may send nothing in the middle of its upload; then it gets 408. One that takes nothing of its
    answer for as long is cut off. At least 1 ms."""


class LogSettings(Section):
    """What is written to standard error."""

    format: Literal["text", "json"] = "text"
    """`text`: lines for people. `json`: one object on each line, for programs."""
    uploads: Boolean = True
    """`true`: a line for each upload, when it is answered."""


class GatewaySettings(Section):
    """The gateway itself."""

    bind: Address = "127.0.0.1:8080"
    """HOST:PORT to listen on, an IPv6 host in brackets. `0.0.0.0:8080` makes it reachable from other machines. Port 0:
    a free one. Flag: `--bind`."""
    workers: Workers = "auto"
    """Processes, 1 or more; `auto` is one per core, as one process uses one core for most of its work. Flag:
    `--workers`."""
    state: Text = "var"
    """Directory for what the gateway writes; it is made if it is not there."""
    spool: SpoolSettings = SpoolSettings()
    limits: LimitSettings = LimitSettings()
    client: ClientSettings = ClientSettings()
    log: LogSettings = LogSettings()
    stop: DurationOrZero = 60.0
    """How long uploads under way may go on when the gateway is stopped. 0: they are cut off."""

    def count_workers(self, cores: int) -> int:
        """Processes to start on a machine with so many cores; never more than there may be uploads."""
        return min(cores, self.limits.concurrent) if self.workers == "auto" else self.workers

    def uploads_per_worker(self, cores: int) -> int:
        """This worker's share of `limits.concurrent`, at least 1."""
        return max(1, self.limits.concurrent // self.count_workers(cores))

    def threads_per_worker(self, cores: int) -> int:
        return self.uploads_per_worker(cores) + SPARE_THREADS


class AcceptSettings(Section):
    """What a route takes. What it does not take, no service ever gets whole."""

    bodies: Annotated[frozenset[BodyKind], Field(min_length=1), Listed("[multipart, raw]")] = frozenset({"multipart"})
    """`multipart`: forms. `raw`: the body is the file (`curl -T`), which is the part `file`. `json`: an object whose
    members are the parts; one that is an object with `base64`, or a data URI, is a file. Others get 415."""
    require: Annotated[tuple[PartName, ...], Listed("[file, title]")] = ()
    """Names of parts that must be there; without one of them, 422. A file input in which no file was chosen does not
    count."""
    types: Annotated[tuple[MediaRange, ...], Listed("[application/pdf, image/*]")] = ()
    """Media types of files, `image/*` for all of a kind; what a file declares and what its first bytes show must both
    be among them, others get 415. Not given: any."""
    body: Size | None = None
    """Bytes of one upload; a larger one gets 413. Never more than `gateway.limits.body`, which counts if this is not
    given. 0: only empty ones."""

    def build(self) -> Accept:
        """The value."""
        return Accept(bodies=self.bodies, require=self.require, types=self.types, body=self.body)


class RouteSettings(Section):
    """Which requests are taken, and where they go."""

    # None, which no file can say and `--to` does: every path that is not under `/-/`.
    path: RoutePath | None
    """A path such as `/file`. It may end with `<filename>`, which stands for one segment that is not empty, or with
    `<rest>`, which stands for all that follows, slashes and nothing included; a bare file is called as the last segment
    of that. If several routes match, the most precise one gets the request; if none does, it gets 404. Never under
    `/-/`, which the gateway keeps for itself."""
    to: Name
    """The name of the service that gets the uploads."""
    accept: AcceptSettings = AcceptSettings()
    reply: Literal["passthrough", "json"] | None = None
    """`passthrough`: the service's answer as it is. `json`: an object that says how each delivery went, with the
    answers in it. Not given: `json` where the service gets each file by itself (`send.each: file`), else
    `passthrough`."""

    def build(self, name: str, service: Service) -> Route:
        """The value, for the service that `to` names."""
        several = service.send.each == "file"
        return Route(
            name=name,
            path=self.path,
            service=service,
            accept=self.accept.build(),
            reply=self.reply or ("json" if several else "passthrough"),
        )


class Settings(Section):
    """The configuration of an upload gateway."""

    gateway: GatewaySettings = GatewaySettings()
    services: Mapping[Name, ServiceSettings] = Field(min_length=1)
    """Where uploads go: `services.<name>` for each HTTP endpoint, at least one."""
    routes: Mapping[Name, RouteSettings] = Field(min_length=1)
    """Which requests are taken, and where they go: `routes.<name>` for each, at least one."""

    @model_validator(mode="wrap")
    @classmethod
    def _agrees_with_itself(cls, data: object, read: ModelWrapValidatorHandler[Self]) -> Self:
        settings = read(data)
        for _, expected in contradictions(data):
            raise expected
        return settings

    def build_limits(self) -> Limits:
        """What one upload may have, for the scanner."""
        limits = self.gateway.limits
        return Limits(
            body=limits.body,
            parts=limits.parts,
            part_headers=limits.part_headers,
            field=limits.field,
            json=limits.json_body,
        )

    def build_services(self) -> Mapping[str, Service]:
        """The services by name."""
        return {name: service.build(name) for name, service in self.services.items()}

    def build_routes(self) -> tuple[Route, ...]:
        """The routes in the order of the file, each with its service."""
        services = self.build_services()
        return tuple(route.build(name, services[route.to]) for name, route in self.routes.items())
