"""The connection to a service, under requests and urllib3.

What plain urllib3 does not do, and a relay of live uploads needs:

- It sees an answer that comes while the request is still being sent, hands it on at once, and never
  uses such a connection again: the next request would be read as the rest of the body.
- A stalled service is told by the time in which it takes nothing, not by the time of a whole send.
- Waiting for the answer, and the delivery as a whole, have limits that a dribbled answer cannot stretch.
- 102 and 103 are no final answers (http.client knows only 100).

The hook is the documented one: connection classes of a pool (`ConnectionCls`).
"""

from __future__ import annotations

import functools
import http.client
import io
import re
import select
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, cast

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HeaderParsingError
from urllib3.util.response import assert_header_parsing

from gateway.errors import UnexpectedFailure
from gateway.relay.attempts import Attempt, Phase
from gateway.relay.bodies import Block, Body

__all__ = ["Adapter", "Rehearsal", "SecureRehearsal", "watch_of"]

LOOK_BYTES = 2**16
HELD_BODY_MAX = 2**16
"""Bytes of a body that goes out together with the head of its request."""
_INFORMATIONAL = re.compile(rb"HTTP/1\.[01] 1(?!01)[0-9][0-9][ \r\n]")
_INFORMATIONAL_BEGUN = re.compile(rb"(?:H(?:T(?:T(?:P(?:/(?:1(?:\.(?:[01](?: (?:1[0-9]{0,2})?)?)?)?)?)?)?)?)?)?")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FOLD = re.compile(r"\r\n[ \t]+")
_DIGITS = re.compile(r"[0-9]{1,18}")
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
# Over TLS a connection that the service has closed is told as an unexpected end.
_CLOSED = (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


class _AnsweredEarly(BrokenPipeError):
    """The service has answered or closed: stop sending. urllib3 takes a broken pipe as a reason to read the answer."""


class _CutOff(http.client.HTTPException):
    """The answer has an end, and its connection ended before it."""


class _Unclear(http.client.HTTPException):
    """The head of the answer can be read in more than one way."""


class _Exchange(HTTPConnection):
    """One connection. `attempt` is that of the request under way."""

    attempt: Attempt

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._kept = b""
        self._head: bytes | None = None
        self._holds_head = False
        self._request_is_whole = True
        self._poll = select.poll()
        self.response_class = cast("type[http.client.HTTPResponse]", functools.partial(_Answer, connection=self))

    def request(  # type: ignore[override]  # urllib3 narrows http.client's signature in the same way
        self, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None, **options: Any
    ) -> None:
        """Called by urllib3 in the thread of the delivery."""
        assert isinstance(body, Body)
        assert isinstance(body.watch, _Watch)
        self.attempt = body.watch.attempt
        body.watch.connection = self
        self._kept = b""
        self._request_is_whole = False
        # One system call, and one segment, for a small request whose body is there already.
        is_small = body.length is not None and body.length <= HELD_BODY_MAX
        self._head, self._holds_head = None, is_small and self.attempt.upload_completed_at() is not None
        try:
            # urllib3 sends whatever can be iterated; its stubs name only some of that.
            super().request(method, url, body=cast(Any, _blocks_of(body)), headers=headers, **options)
            if self._head is not None:
                self.send(b"")
            self._request_is_whole = True
        except _AnsweredEarly:
            self.attempt.early = True
            raise
        finally:
            body.watch.connection = None

    def connect(self) -> None:
        super().connect()
        self._ready_to_send()

    def _ready_to_send(self) -> None:
        assert self.sock is not None
        self.sock.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self.sock, select.POLLIN | select.POLLOUT)

    def send(self, data: Any) -> None:
        """Send all of `data`, looking for an answer before each piece."""
        if self._holds_head:
            self._head, self._holds_head = data, False
            return
        if self._head is not None:
            data, self._head = b"".join((self._head, data)), None
        if self.sock is None:
            self.connect()
        elif self.sock.gettimeout() != 0:
            self._ready_to_send()
        attempt = self.attempt
        if attempt.phase is Phase.CONNECTING:
            attempt.enter(Phase.SENDING)
        view = memoryview(data)
        while view:
            ready = self._poll.poll(attempt.limit_s() * 1000)
            if not ready:
                raise attempt.timed_out()
            if ready[0][1] & ~select.POLLOUT:
                self.look()
            if ready[0][1] & select.POLLOUT:
                try:
                    count = self.sock.send(view)
                except _WOULD_BLOCK:
                    continue
                except _CLOSED as error:
                    raise _AnsweredEarly from error
                attempt.sent += count
                view = view[count:]

    def look(self) -> None:
        """Read what the service has sent by now; raises if that is an answer, or the end.

        Readable does not mean answered: it may be a TLS ticket, or a 100 Continue.
        """
        assert self.sock is not None
        try:
            data = self.sock.recv(LOOK_BYTES)
        except _WOULD_BLOCK:
            return
        except OSError as error:
            raise _AnsweredEarly from error
        if not data:
            raise _AnsweredEarly
        self._kept += data
        while _INFORMATIONAL.match(self._kept):
            end = self._kept.find(b"\r\n\r\n")
            if end < 0 and len(self._kept) <= LOOK_BYTES:
                return
            if end < 0:
                # No head is that long: what reads the answer will say so.
                raise _AnsweredEarly
            self._kept = self._kept[end + 4 :]
        if not _INFORMATIONAL_BEGUN.fullmatch(self._kept):
            raise _AnsweredEarly

    def getresponse(self) -> Any:
        self.attempt.enter(Phase.WAITING)
        response = super().getresponse()
        self.attempt.enter(Phase.READING)
        if not self._request_is_whole and self.sock is not None:
            # The response has its own hold of the socket and is still read to its end.
            sock, self.sock = self.sock, None
            sock.close()
        return response

    def take_kept(self) -> bytes:
        """What `look` has read, which the answer begins with."""
        kept, self._kept = self._kept, b""
        return kept


def _blocks_of(body: Body) -> Iterator[Block]:
    """The body's blocks. It should raise no OSError of its own: that would be swallowed, or blamed on the service."""
    try:
        yield from body
    except _AnsweredEarly:
        raise
    except OSError as error:
        raise UnexpectedFailure(f"Reading what is to be sent failed: {error!r}.") from error


class _SecureExchange(_Exchange, HTTPSConnection):
    pass


class Rehearsal(_Exchange):
    """A connection that leads nowhere: it keeps what would be sent first, which is the head of the request."""

    head = b""

    def connect(self) -> None:
        """Nowhere."""

    def send(self, data: Any) -> None:
        self.head = self.head or bytes(data)


class SecureRehearsal(Rehearsal):
    """Of a connection with TLS, whose own port the Host field leaves out."""

    default_port = HTTPSConnection.default_port  # type: ignore[misc]  # urllib3 itself overrides it so


class _Watch:
    """What a body looks at while it waits for its client: the connection that it is being sent on."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.connection: _Exchange | None = None

    def fileno(self) -> int:
        connection = self.connection
        return -1 if connection is None or connection.sock is None else connection.sock.fileno()

    def look(self) -> None:
        self.attempt.limit_s()
        if self.connection is not None:
            self.connection.look()


class _Answer(http.client.HTTPResponse):
    """An answer that begins with what was read early, and ends by the attempt's limits."""

    fp: io.BufferedReader

    def __init__(self, sock: socket.socket, *arguments: Any, connection: _Exchange, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        sock.setblocking(False)
        self._bytes = _AnswerBytes(sock, self.fp, connection.take_kept(), connection.attempt)
        self.fp = io.BufferedReader(self._bytes, LOOK_BYTES)

    def begin(self) -> None:
        super().begin()
        self._check_fields()
        self._check_framing()
        self._bytes.until_close = self.length is None and not self.chunked

    def _check_fields(self) -> None:
        """http.client drops a line that is no header, and all behind it; other readers would find other fields."""
        try:
            assert_header_parsing(self.headers)
        except HeaderParsingError:
            raise _Unclear("a line among its headers is none") from None
        for name, value in [("reason", self.reason), *self.headers.items()]:
            if not _TOKEN.fullmatch(name) or _CONTROL.search(_FOLD.sub(" ", value)):
                raise _Unclear(f"its header {name!r} has characters that are not allowed")

    def _check_framing(self) -> None:
        """Where the answer ends must be beyond doubt (RFC 9112 section 6.3): it is handed on with the same length."""
        lengths = self.headers.get_all("Content-Length", [])
        codings = self.headers.get_all("Transfer-Encoding", [])
        if self.status == 101:
            raise _Unclear("it changes to another protocol")
        if codings and (lengths or [coding.strip().lower() for coding in codings] != ["chunked"]):
            raise _Unclear(f"its length is {lengths}, its transfer coding is {codings}")
        if len(lengths) > 1 or (lengths and not _DIGITS.fullmatch(lengths[0])):
            raise _Unclear(f"its length is {lengths}")

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]  # not in typeshed; urllib3 uses it too
        # http.client skips an answer only if it is a 100.
        informational = 102 <= status <= 199
        return version, 100 if informational else status, reason


class _AnswerBytes(io.RawIOBase):
    """The bytes of an answer: `prefix`, then what comes from the socket."""

    def __init__(self, sock: socket.socket, held: io.BufferedReader, prefix: bytes, attempt: Attempt) -> None:
        self._sock = sock
        self._held = held  # keeps the socket open although the connection may have let go of it
        self._prefix = memoryview(prefix)
        self._attempt = attempt
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._begun = bool(prefix)
        self.until_close = False
        """Whether the answer ends where its connection does. Everywhere else that is a fault, which http.client does
        not see: it takes the end of the connection for the end of a line, and half an answer for a whole one."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._prefix:
            count = min(len(buffer), len(self._prefix))
            buffer[:count] = self._prefix[:count]
            self._prefix = self._prefix[count:]
            return count
        count = self._receive(buffer)
        if count == 0 and self._begun and not self.until_close:
            raise _CutOff("the connection ended in the middle of the answer")
        self._begun = True
        return count

    def _receive(self, buffer: Any) -> int:
        self._attempt.resume()
        try:
            while True:
                try:
                    return self._sock.recv_into(buffer)
                except _WOULD_BLOCK:
                    if not self._poll.poll(self._attempt.limit_s() * 1000):
                        raise self._attempt.timed_out() from None
        finally:
            self._attempt.pause()

    def close(self) -> None:
        if not self.closed:
            self._held.close()
        super().close()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Exchange


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureExchange


class Adapter(HTTPAdapter):
    """requests' adapter over these connections. Every request's body must be a Body."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


def watch_of(attempt: Attempt) -> _Watch:
    """What a body must have as its `watch` to be sent."""
    return _Watch(attempt)
