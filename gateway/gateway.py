"""The gateway: the one place that builds, and the three things that can be done with it.

`open` an upload, `send` it along a route, `close`. It knows nothing of Flask; `web` is one way to feed it.
Build it after the fork: it has threads' locks, open files and pooled connections.
"""

from __future__ import annotations

import importlib.metadata
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from gateway.core.outcomes import Delivery
from gateway.core.plans import Plan, plan_for
from gateway.core.services import Accept, AddedField, Route, Service
from gateway.core.targets import ClientRequest
from gateway.core.uploads import Limits, Part, UploadHead
from gateway.errors import Saturated, SpoolError, SpoolFailed
from gateway.multipart.boundaries import BOUNDARY_MAX
from gateway.multipart.preview import RequestPreview
from gateway.multipart.scanner import undecided_max
from gateway.relay.bodies import Random
from gateway.relay.deliveries import Deliveries
from gateway.relay.transport import Answer, Transport
from gateway.settings.schema import Settings
from gateway.settings.values import Secret, SecretBytes, shown
from gateway.spool.files import Quota, SpoolFiles, clear_leftovers
from gateway.spool.slots import SLOT_BYTES, SlotPool
from gateway.spool.spool import Spool
from gateway.spool.uploads import Source, Upload

__all__ = ["Gateway", "GatewayStatus", "Setup", "setup_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What one worker's gateway is built from."""

    routes: Sequence[Route]
    state: Path = Path("var")
    """Directory for spool files; made if it is not there."""
    limits: Limits = Limits()
    memory: int = SLOT_BYTES
    """Bytes of an upload that has to be kept before it goes into a file."""
    quota: int = 20 * 2**30
    """Bytes in spool files, over all workers."""
    concurrent: int = 100
    """Uploads at once in this worker; one more is refused."""
    client_stall_s: float = 30.0
    """How long a client may send nothing in the middle of its upload."""


def setup_of(settings: Settings, *, cores: int) -> Setup:
    """What a worker's gateway is built from, by the configuration and the cores of the machine."""
    section = settings.gateway
    return Setup(
        routes=settings.build_routes(),
        state=Path(section.state),
        limits=settings.build_limits(),
        memory=section.spool.memory,
        quota=section.spool.quota,
        concurrent=section.uploads_per_worker(cores),
        client_stall_s=section.client.stall,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayStatus:
    """How full a worker's gateway is."""

    uploads: int
    """Under way in this worker."""
    uploads_limit: int
    """At once in this worker."""
    spool_used: int | None
    """Bytes in the spool files of all workers; None if that cannot be found out."""
    spool_quota: int
    """Bytes that they may have."""
    spool_error: SpoolError | None
    """Why an upload that needs a file would not be taken; None if it would."""


class _Places:
    """For uploads: there are so many, and each upload takes one. Thread-safe."""

    def __init__(self, number: int) -> None:
        self.taken = 0
        self._number = number
        self._lock = threading.Lock()  # guards taken

    def take(self) -> bool:
        """Whether there was one left."""
        with self._lock:
            is_left = self.taken < self._number
            self.taken += is_left
            return is_left

    def leave(self) -> None:
        with self._lock:
            self.taken -= 1


class Gateway:
    """Thread-safe. Every upload that was opened must be released."""

    def __init__(
        self, setup: Setup, *, clock: Callable[[], float] = time.monotonic, random: Random = os.urandom
    ) -> None:
        self.setup = setup
        self.routes = {route.name: route for route in setup.routes}
        self.clock = clock
        """What every time here is read from, in seconds."""
        spool_directory = setup.state / "spool"
        try:
            spool_directory.mkdir(parents=True, exist_ok=True)
            clear_leftovers(spool_directory)
            self._quota = Quota(spool_directory, setup.quota)
        except OSError as error:
            raise SpoolFailed(f"{spool_directory} cannot be used: {error.strerror}.") from error
        self._files = SpoolFiles(spool_directory, self._quota)
        self._slots = SlotPool(reserve=undecided_max(b"-" * BOUNDARY_MAX, setup.limits))
        self._places = _Places(setup.concurrent)
        version = importlib.metadata.version("upload-gateway")
        self._transport = Transport(connections=setup.concurrent, clock=clock, user_agent=f"upload-gateway/{version}")
        self._deliveries = Deliveries(self._transport, clock=clock, random=random)

    def plan(self, route: Route, head: UploadHead) -> Plan:
        """How an upload with this head would be delivered."""
        return plan_for(route.service, head, route.accept)

    def open(self, head: UploadHead, source: Source, *, keep: bool, accept: Accept = Accept()) -> Upload:
        """Begin to take an upload. `keep` it unless exactly one reader follows it from the start."""
        limits = self.setup.limits
        if accept.body is not None and accept.body < limits.body:
            limits = replace(limits, body=accept.body)
        if not self._places.take():
            raise Saturated(f"Uploads under way in this worker: {self.setup.concurrent}, as many as there may be.")
        try:
            spool = Spool(
                keep=keep, pool=self._slots, files=self._files, memory=self.setup.memory, expected=head.length
            )
            return Upload(head, source, spool, limits, accept, clock=self.clock, on_close=self._places.leave)
        except BaseException:
            self._places.leave()
            raise

    def send(
        self,
        plan: Plan,
        upload: Upload,
        client: ClientRequest,
        report: Callable[[Delivery], None],
        *,
        file: Part | None = None,
        reads_answer: bool = False,
    ) -> Answer:
        """Deliver the upload, or one file of it; see Deliveries.send. Blocks; pulls the upload from its client."""
        if not plan.live:
            upload.read_whole()
        elif upload.head.boundary is not None:
            upload.pull_until(lambda: bool(upload.delimiters) and upload.required_seen)
        reads_answer = reads_answer or plan.service.expect.ok_if is not None
        return self._deliveries.send(plan.service, upload, client, report, file=file, reads_answer=reads_answer)

    def preview(self, plan: Plan, upload: Upload, client: ClientRequest) -> list[RequestPreview]:
        """The requests that the service would get, with secrets hidden; nothing is sent."""
        upload.read_whole()
        return self._deliveries.preview(_hidden(plan.service), upload, client)

    def status(self) -> GatewayStatus:
        """How full it is, found out on the disk."""
        used, error = None, None
        try:
            used = self._quota.used()
            self._files.require_room()
        except SpoolError as found:
            error = found
        return GatewayStatus(
            uploads=self._places.taken,
            uploads_limit=self.setup.concurrent,
            spool_used=used,
            spool_quota=self.setup.quota,
            spool_error=error,
        )

    def close(self) -> None:
        """Close connections and give up the share of the quota. No upload may be open any more."""
        self._transport.close()
        self._quota.close()


def _hidden(service: Service) -> Service:
    """The service with what stands in the configuration in the place of every secret."""
    return replace(
        service,
        urls=tuple(
            f"http://hidden.invalid/{quote(shown(url))}" if isinstance(url, Secret) else url for url in service.urls
        ),
        headers={name: shown(value) for name, value in service.headers.items()},
        query={name: shown(value) for name, value in service.query.items()},
        send=replace(service.send, add=tuple(_hidden_field(field) for field in service.send.add)),
    )


def _hidden_field(field: AddedField) -> AddedField:
    return replace(field, content=b"(hidden)") if isinstance(field.content, SecretBytes) else field
