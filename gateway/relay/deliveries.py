"""One upload to one service: which URL, how often, which redirects; and what came of it.

Bodies are made of the upload, once for each attempt, and sent by the transport. What is decided here is
only what `core` says: the order of the URLs, the meaning of redirects and of answers.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace

from gateway.core.outcomes import Delivery, Outcome, is_true_of, judge, outcome_of, redirect_of
from gateway.core.services import Service
from gateway.core.targets import ClientRequest, Target, in_turn, target_of
from gateway.core.uploads import Part
from gateway.errors import (
    FileExpected,
    GatewayError,
    ServiceConnectTimeout,
    ServiceError,
    ServiceRedirects,
    ServiceTLSFailure,
)
from gateway.multipart.boundaries import boundary_of
from gateway.multipart.preview import BodyPreview, RequestPreview
from gateway.multipart.shaping import files_that_go
from gateway.relay.bodies import Body, Random, body_for
from gateway.relay.transport import Answer, Transport
from gateway.spool.uploads import Upload

__all__ = ["Deliveries", "files_of"]

REDIRECTS_MAX = 5
"""How often one upload follows 307 and 308 within the service's origin."""
REST_S = 10.0
"""How long a URL that did not take a connection is tried last."""
JUDGED_ANSWER_MAX = 2**20
"""Bytes of an answer that `ok_if` looks into; a longer one is not what anybody wrote an expression for."""


class Deliveries:
    """Thread-safe: several uploads are delivered at once."""

    def __init__(self, transport: Transport, *, clock: Callable[[], float], random: Random) -> None:
        self._transport = transport
        self._clock = clock
        self._random = random
        # Neither is exact when threads race for it, and neither needs to be.
        self._turns: dict[str, Iterator[int]] = {}
        self._failed_at: dict[str, float] = {}

    def send(
        self,
        service: Service,
        upload: Upload,
        client: ClientRequest,
        report: Callable[[Delivery], None],
        *,
        file: Part | None = None,
        reads_answer: bool = False,
    ) -> Answer:
        """Deliver the upload, or one file of it, and return the answer, whose body is still to be read.

        `report` is called once, when the head of the answer is in or it is clear that there will be none. Raises what
        keeps the delivery from having an answer.
        """
        course = _Course(self._clock())
        try:
            answer = self._by_turns(service, upload, client, course, file=file, reads_answer=reads_answer)
            outcome = _outcome(service, answer)
        except GatewayError as error:
            report(self._ended(course, service, file, outcome_of(error), error=error))
            raise
        report(self._ended(course, service, file, outcome, status=answer.status))
        return answer

    def preview(self, service: Service, upload: Upload, client: ClientRequest) -> list[RequestPreview]:
        """The requests that would be sent for a complete upload, one or one for each file; nothing is sent."""
        target = target_of(service, service.urls[0], client)
        previews = []
        for file in files_of(service, upload):
            body = body_for(service.send, upload, self._random, request_id=client.id, file=file)
            boundary = boundary_of(body.content_type) if service.send.kind == "multipart" else None
            shown = BodyPreview(boundary)
            head = self._transport.rehearse(target, body, shown.feed)
            shown.finish()
            previews.append(RequestPreview(url=target.url, head=head, body=shown))
        return previews

    def _by_turns(
        self,
        service: Service,
        upload: Upload,
        client: ClientRequest,
        course: _Course,
        *,
        file: Part | None,
        reads_answer: bool,
    ) -> Answer:
        """Try URL after URL, as long as no byte can have left."""

        def make() -> Body:
            return body_for(service.send, upload, self._random, request_id=client.id, file=file)

        turn = next(self._turns.setdefault(service.name, itertools.count()))
        failure: ServiceError | None = None
        for url in in_turn(service.urls, turn, self._failed_at, self._clock(), rest_s=REST_S):
            course.url, target = url, target_of(service, url, client, reads_answer=reads_answer)
            # A second time most often because the service has closed a pooled connection meanwhile.
            for _ in range(2):
                try:
                    answer = self._redirected(target, upload, make, course)
                except ServiceError as error:
                    if not error.unsent:
                        raise
                    failure = error
                    if isinstance(error, ServiceConnectTimeout | ServiceTLSFailure):
                        break
                else:
                    self._failed_at.pop(url, None)
                    return answer
            self._failed_at[url] = self._clock()
        assert failure is not None  # a service has at least one URL
        raise failure

    def _redirected(self, target: Target, upload: Upload, make: Callable[[], Body], course: _Course) -> Answer:
        """Send, and send again where the service says that it is to go elsewhere within its origin."""
        name, location = target.service, ""
        for _ in range(REDIRECTS_MAX):
            course.attempts += 1
            course.body = make()
            answer = self._transport.send(target, course.body, lambda: upload.completed_at)
            location = answer.field("location") or ""
            redirect = redirect_of(answer.status, location, target.url)
            # Services repeat the query that they got, which may hold a secret.
            location = location.partition("?")[0]
            if redirect is None:
                return answer
            answer.close()
            if not redirect.follow:
                raise ServiceRedirects(f"{name} answered {answer.status} and names {location!r}.")
            # A chunked upload cannot be read on once an early answer has interrupted it.
            interrupted = answer.early and upload.head.length is None and not upload.complete
            if interrupted or not upload.spool.has(0):
                raise ServiceRedirects(
                    f"{name} answered {answer.status} and names {location!r}; the upload is sent live and cannot be "
                    "sent once more."
                )
            target = replace(target, url=redirect.url)
        raise ServiceRedirects(f"{name} redirected {REDIRECTS_MAX} times, last to {location!r}.")

    def _ended(
        self,
        course: _Course,
        service: Service,
        file: Part | None,
        outcome: Outcome,
        *,
        status: int | None = None,
        error: GatewayError | None = None,
    ) -> Delivery:
        return Delivery(
            service=service.name,
            outcome=outcome,
            url=course.url,
            status=status,
            error=error,
            attempts=course.attempts,
            sent=0 if course.body is None else course.body.sent,
            duration_s=self._clock() - course.began_at,
            file=None if file is None else file.filename,
        )


def files_of(service: Service, upload: Upload) -> list[Part | None]:
    """The files of a complete upload that have a delivery each; `[None]` where it is one delivery for all."""
    if service.send.each == "upload":
        return [None]
    files = files_that_go(service.send, upload.parts)
    if not files:
        names = ", ".join(repr(part.name) for part in upload.parts) or "none"
        raise FileExpected(f"Expected at least one file; found none among the parts: {names}.")
    return [*files]


class _Course:
    """How far a delivery has come."""

    def __init__(self, began_at: float) -> None:
        self.began_at = began_at
        self.attempts = 0
        self.url = ""
        self.body: Body | None = None


def _outcome(service: Service, answer: Answer) -> Outcome:
    outcome = judge(answer.status, service.expect)
    if outcome != "ok" or service.expect.ok_if is None:
        return outcome
    content = answer.read_ahead(JUDGED_ANSWER_MAX)
    try:
        decoded = json.loads(content) if content is not None else None
    except ValueError:
        decoded = None
    return "ok" if is_true_of(service.expect.ok_if, decoded) else "rejected"
