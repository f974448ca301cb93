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

from gateway.core.headers import Fields
from gateway.core.outcomes import redirect_of
from gateway.core.plans import Plan, plan_for
from gateway.core.services import Route, Service
from gateway.core.uploads import Limits, UploadHead
from gateway.errors import Saturated, ServiceRedirects, SpoolFailed
from gateway.multipart.boundaries import BOUNDARY_MAX
from gateway.multipart.scanner import undecided_max
from gateway.relay.bodies import Body, Random, copied_file, copied_form, written_form
from gateway.relay.transport import Answer, Transport
from gateway.settings.schema import Settings
from gateway.spool.files import Quota, SpoolFiles, clear_leftovers
from gateway.spool.slots import SLOT_BYTES, SlotPool
from gateway.spool.spool import Spool
from gateway.spool.uploads import Source, Upload

__all__ = ["Gateway", "Setup", "setup_of"]

REDIRECTS_MAX = 5
"""How often one upload follows 307 and 308 within the service's origin."""


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


class Gateway:
    """Thread-safe. Every upload that was opened must be released."""

    def __init__(
        self, setup: Setup, *, clock: Callable[[], float] = time.monotonic, random: Random = os.urandom
    ) -> None:
        self.setup = setup
        self.routes = {route.name: route for route in setup.routes}
        self._clock = clock
        self._random = random
        spool_directory = setup.state / "spool"
        try:
            spool_directory.mkdir(parents=True, exist_ok=True)
            clear_leftovers(spool_directory)
            self._quota = Quota(spool_directory, setup.quota)
        except OSError as error:
            raise SpoolFailed(f"{spool_directory} cannot be used: {error.strerror}.") from error
        self._files = SpoolFiles(spool_directory, self._quota)
        self._slots = SlotPool(reserve=undecided_max(b"-" * BOUNDARY_MAX, setup.limits))
        self._admitted = threading.Semaphore(setup.concurrent)
        version = importlib.metadata.version("upload-gateway")
        self._transport = Transport(connections=setup.concurrent, clock=clock, user_agent=f"upload-gateway/{version}")

    def plan(self, route: Route, head: UploadHead) -> Plan:
        """How an upload with this head would be delivered."""
        return plan_for(route.service, head)

    def open(self, head: UploadHead, source: Source, *, keep: bool) -> Upload:
        """Begin to take an upload. `keep` it unless exactly one reader follows it from the start."""
        if not self._admitted.acquire(blocking=False):
            raise Saturated(f"{self.setup.concurrent} uploads are under way in this worker.")
        try:
            spool = Spool(
                keep=keep, pool=self._slots, files=self._files, memory=self.setup.memory, expected=head.length
            )
            return Upload(head, source, spool, self.setup.limits, clock=self._clock, on_close=self._admitted.release)
        except BaseException:
            self._admitted.release()
            raise

    def send(self, plan: Plan, upload: Upload, fields: Fields) -> Answer:
        """Deliver the upload and return the service's answer, whose body is still to be read.

        Blocks; pulls the upload from its client. `fields` describe the client's request to the service.
        """
        if not plan.live:
            upload.read_whole()
        elif upload.head.boundary is not None:
            upload.pull_until(lambda: bool(upload.delimiters))
        service, location = plan.service, None
        for _ in range(REDIRECTS_MAX):
            body = self._body(service, upload)
            answer = self._transport.send(service, fields, body, lambda: upload.completed_at)
            location = answer.field("location")
            redirect = redirect_of(answer.status, location, service.url)
            if redirect is None:
                return answer
            answer.close()
            if not redirect.follow:
                raise ServiceRedirects(f"{service.name} answered {answer.status} and names {location!r}.")
            # A chunked upload cannot be read on once an early answer has interrupted it.
            interrupted = answer.early and upload.head.length is None and not upload.complete
            if interrupted or not upload.spool.has(0):
                raise ServiceRedirects(
                    f"{service.name} answered {answer.status} and names {location!r}; the upload is sent live and "
                    "cannot be sent once more."
                )
            service = replace(service, url=redirect.url)
        raise ServiceRedirects(f"{service.name} redirected {REDIRECTS_MAX} times, last to {location!r}.")

    def _body(self, service: Service, upload: Upload) -> Body:
        if service.send == "raw":
            return copied_file(upload, upload.only_file())
        if upload.head.boundary is None:
            return written_form(upload, self._random)
        return copied_form(upload, self._random)

    def close(self) -> None:
        """Close connections and give up the share of the quota. No upload may be open any more."""
        self._transport.close()
        self._quota.close()
