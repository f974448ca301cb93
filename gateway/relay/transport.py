"""Sends bodies to services and hands back their answers. The only place that speaks requests.

requests' adapter is used directly, with a prepared request: a Session would add default headers,
read proxies and .netrc from the environment, keep the cookies of one client for the next, and
follow redirects with a body that is used up.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from http.client import HTTPException
from urllib.parse import urlsplit

import requests
from requests.exceptions import RequestException, SSLError, Timeout
from urllib3 import HTTPHeaderDict
from urllib3.exceptions import HTTPError, NameResolutionError
from urllib3.response import BaseHTTPResponse

from gateway.core.headers import Fields
from gateway.core.targets import Target
from gateway.errors import (
    ServiceAnswerInvalid,
    ServiceConnectTimeout,
    ServiceError,
    ServiceReset,
    ServiceTLSFailure,
    ServiceUnreachable,
)
from gateway.relay.attempts import Attempt, Phase
from gateway.relay.blocks import Block, Blocks
from gateway.relay.bodies import Body
from gateway.relay.connections import Adapter, Rehearsal, SecureRehearsal, watch_of
from gateway.spool.uploads import Watch

__all__ = ["Answer", "Transport"]

ANSWER_BLOCK = 2**16
SHOWN_ANSWER = 200
"""Characters of an answer that is none which a message repeats."""


class Answer:
    """A service's answer; its body is still under way. Close it, or read it to its end."""

    def __init__(self, response: requests.Response, attempt: Attempt) -> None:
        raw = response.raw
        assert isinstance(raw, BaseHTTPResponse)
        self._raw = raw
        self._attempt = attempt
        self.status = raw.status
        self.reason = raw.reason or ""
        self.fields: Fields = list(raw.headers.iteritems())
        """Header fields as received, in order, repeated ones apart."""
        self.early = attempt.early
        """Whether it came before the service had the whole upload."""
        self._ahead: list[bytes] = []
        self._incoming = self._receive()

    def field(self, name: str) -> str | None:
        """The value of the first field with this name."""
        return next((value for key, value in self.fields if key.lower() == name.lower()), None)

    def read_ahead(self, limit: int) -> bytes | None:
        """The whole body if it has at most `limit` bytes, else None; `blocks` begins at its beginning all the same."""
        size = 0
        for block in self._incoming:
            self._ahead.append(block)
            size += len(block)
            if size > limit:
                return None
        return b"".join(self._ahead)

    def blocks(self) -> Iterator[bytes]:
        """The body as it comes, undecoded. Cut off, it raises ServiceAnswerInvalid: nobody may take it for whole."""
        try:
            while self._ahead:
                yield self._ahead.pop(0)
            yield from self._incoming
        finally:
            self.close()

    def _receive(self) -> Iterator[bytes]:
        try:
            while block := self._raw.read1(ANSWER_BLOCK, decode_content=False):
                yield block
        except (HTTPError, HTTPException, OSError) as error:
            self.close()
            *_, reason = _causes(error)
            raise ServiceAnswerInvalid(
                f"{self._attempt.service} broke off in the middle of its answer: {reason}."
            ) from error

    def close(self) -> None:
        """Give the connection back if the answer was read to its end, else close it."""
        self._raw.close()
        self._raw.release_conn()


class Transport:
    """Pooled connections to services. Thread-safe."""

    def __init__(self, *, connections: int, clock: Callable[[], float], user_agent: str) -> None:
        self._adapter = Adapter(pool_connections=64, pool_maxsize=connections, max_retries=0)
        self._clock = clock
        self._user_agent = user_agent

    def send(self, target: Target, body: Body, completed_at: Callable[[], float | None]) -> Answer:
        """Send one request, once, and return the answer as soon as its header is in.

        `completed_at` says since when the upload is in. Raises ServiceErrors, and whatever the body raises.
        """
        request = self._prepared(target, body)
        attempt = Attempt(target.service, target.timeouts, self._clock)
        attempt.upload_completed_at = completed_at
        body.watch = watch_of(attempt)
        tls = target.tls
        try:
            response = self._adapter.send(
                request,
                stream=True,
                timeout=(target.timeouts.connect, None),
                verify=tls.ca or True,
                cert=(tls.cert, tls.key or tls.cert) if tls.cert else None,
            )
        except RequestException as error:
            failure = _failure(error, attempt, target.url if target.address is None else target.address)
            failure.unsent = attempt.sent == 0
            raise failure from error
        finally:
            body.close()
        attempt.settle()
        return Answer(response, attempt)

    def rehearse(self, target: Target, body: Body, feed: Callable[[Block], None]) -> bytes:
        """Make the request that `send` would send, and send nothing: its head is returned, its body goes to `feed`."""

        def fed(watch: Watch | None) -> Blocks:
            body.watch = watch
            for block in body:
                feed(block)
                yield block

        told = Body(body.content_type, body.length, fed, body.fields)
        told.watch = watch_of(Attempt(target.service, target.timeouts, self._clock))
        request = self._prepared(target, told)
        split = urlsplit(request.url or "")
        rehearsal = (SecureRehearsal if split.scheme == "https" else Rehearsal)(split.hostname or "", split.port)
        try:
            rehearsal.request(
                target.method, request.path_url, body=told, headers=request.headers, chunked=told.length is None
            )
        finally:
            body.close()
        return rehearsal.head

    def close(self) -> None:
        """Close all pooled connections."""
        self._adapter.close()

    def _prepared(self, target: Target, body: Body) -> requests.PreparedRequest:
        request = requests.PreparedRequest()
        request.method = target.method
        request.url = _written(target.url)
        # The body knows its type and boundary; a header set by hand would name another.
        described = {"Content-Type": body.content_type, **dict(body.fields)}
        if body.length is not None:
            described["Content-Length"] = str(body.length)
        ours = {name.lower() for name in described}
        headers = HTTPHeaderDict([field for field in target.fields if field[0].lower() not in ours])
        headers.setdefault("User-Agent", self._user_agent)
        for name, value in described.items():
            headers.add(name, value)
        request.headers = headers  # type: ignore[assignment]  # any mapping will do, and this one keeps repeated fields
        request.body = body  # type: ignore[assignment]  # requests sends any iterable; its stubs name fewer
        request.prepare_hooks({})
        return request


@functools.lru_cache(maxsize=1024)
def _written(url: str) -> str:
    """The URL as requests writes it; most are the same for every upload."""
    request = requests.PreparedRequest()
    request.prepare_url(url, None)
    assert request.url is not None  # it has just been set
    return request.url


def _failure(error: RequestException, attempt: Attempt, url: str) -> ServiceError:
    """What went wrong, by the phase in which it did."""
    causes = list(_causes(error))
    text = str(next((cause for cause in reversed(causes) if isinstance(cause, OSError)), causes[-1]))
    if attempt.phase is Phase.CONNECTING:
        if isinstance(error, Timeout):
            return ServiceConnectTimeout(
                f"{attempt.service} did not accept a connection to {url!r} within {attempt.timeouts.connect:g} s."
            )
        if isinstance(error, SSLError):
            return ServiceTLSFailure(f"{attempt.service} at {url!r}: {text}.")
        name = (
            "the name cannot be resolved: " if any(isinstance(cause, NameResolutionError) for cause in causes) else ""
        )
        return ServiceUnreachable(f"{attempt.service} at {url!r}: {name}{text}.")
    faults = [cause for cause in causes if isinstance(cause, HTTPException) and not isinstance(cause, ConnectionError)]
    if faults:
        found = str(faults[-1])[:SHOWN_ANSWER]
        return ServiceAnswerInvalid(f"{attempt.service} at {url!r} gave no valid HTTP answer: {found!r}.")
    moment = "in the middle of the upload" if attempt.early else f"while {attempt.phase.value}"
    return ServiceReset(f"{attempt.service} at {url!r} closed the connection {moment}, after {attempt.sent} bytes.")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and those that it wraps: libraries put them into `args`, `reason` or `__cause__`."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = [*current.args, getattr(current, "reason", None), current.__cause__, current.__context__]
        waiting.extend(cause for cause in inner if isinstance(cause, BaseException))
