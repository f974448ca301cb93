"""What a configuration may say of a service: one model per section, each key documented under it.

Each section builds the value that the gateway works with. What is wrong between keys is in contradictions.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from gateway.core.services import TLS, AddedField, BodyKind, Expect, Forward, Send, Service, Timeouts
from gateway.settings.forms import (
    URLS,
    Boolean,
    Condition,
    ContentType,
    Duration,
    FieldContent,
    Filename,
    ForwardedHeaders,
    HeaderName,
    HeaderValue,
    Listed,
    ParameterName,
    PartName,
    QueryNames,
    QueryValue,
    Statuses,
    Text,
)
from gateway.settings.sections import Section
from gateway.settings.values import lowered

__all__ = [
    "ExpectSettings",
    "ForwardSettings",
    "SendSettings",
    "ServiceSettings",
    "TLSSettings",
    "TimeoutSettings",
]


class ForwardSettings(Section):
    """What of the client's request goes on to the service, beside the upload and what always goes on: Accept,
    Accept-Language, Idempotency-Key, traceparent and tracestate."""

    headers: ForwardedHeaders = "none"
    """`none`, `all`, or names of headers. `all`: whatever is not about the body or the connection, credentials too.
    One that `headers` of the service sets is not forwarded."""
    query: QueryNames = "none"
    """`none`, `all`, or names of parameters of the client's query; they follow those of `url`."""
    path: Literal["none", "rest"] = "none"
    """`rest`: what `<rest>` or `<filename>` of the route's path stood for follows the path of `url`."""

    def build(self) -> Forward:
        """The value; names of headers in lower case."""
        headers = self.headers
        if not isinstance(headers, str):
            headers = frozenset(map(lowered, headers))
        return Forward(headers=headers, query=self.query, path=self.path)


class TLSSettings(Section):
    """Certificates for https, where those of the system are not right."""

    ca: Text | None = None
    """PEM file with the authorities to trust. Not given: those that everybody trusts."""
    cert: Text | None = None
    """PEM file with the gateway's own certificate, for services that ask for one. Not given: none."""
    key: Text | None = None
    """PEM file with the key of `cert`, without a password. Not given: it is in the file that `cert` names."""

    def build(self) -> TLS:
        """The value."""
        return TLS(ca=self.ca, cert=self.cert, key=self.key)


class SendSettings(Section):
    """The shape in which a service gets an upload. The rules are applied in the order in which they stand here."""

    kind: BodyKind = Field(default="multipart", alias="as")
    """`multipart`: a form; a bare file is its part `file`. `raw`: the bare file. `json`: an object whose members are
    the parts: fields are strings, the file is base64. For `raw` and `json` an upload must have exactly one file, unless
    `each` is `file`."""
    rename: Mapping[PartName, PartName] = Field(default_factory=dict)
    """New names of parts by their old ones."""
    only: Annotated[frozenset[PartName], Listed("[document]")] | None = None
    """Names of the parts that go on, after renaming; the others do not. Not together with `drop`. Not given: all."""
    drop: Annotated[frozenset[PartName], Listed("[token]")] = frozenset()
    """Names of the parts that do not go on, after renaming."""
    add: Mapping[PartName, FieldContent] = Field(default_factory=dict)
    """Fields in front of the parts of the upload, by their names: text, a number, true or false, which are sent as they
    stand here, or `{json: ...}` with anything in it, which is sent as a part of type application/json."""
    file_last: Boolean = False
    """`true`: fields before files, for services that read no field behind a file. `false`: as in the upload."""
    each: Literal["upload", "file"] = "upload"
    """What there is one delivery for: the `upload`, or each `file`, with all fields."""
    filename: Filename = "keep"
    """Names of files. `keep`: as they are. `ascii`: other characters are replaced. `rfc5987`: they are sent in
    `filename*`, beside an ASCII name. Or a template, in quotes, with `{filename}`, `{stem}` and `{suffix}` of that,
    `{name}` of the part, `{n}`, which counts files from 1, and `{id}` of the request."""
    content_type: ContentType = "keep"
    """Media type of files. `keep`: as declared. `sniff`: what the first bytes show. Or a fixed one, such as
    `application/pdf`."""
    repeat: Literal["keep", "brackets", "index"] = "keep"
    """Names that occur more than once. `keep`: as they are. `brackets`: all become `name[]`. `index`: `name[0]`,
    `name[1]`."""

    def build(self) -> Send:
        """The value."""
        return Send(
            kind=self.kind,
            rename=dict(self.rename),
            only=self.only,
            drop=self.drop,
            add=tuple(
                AddedField(name=name, content=field.content, content_type=field.content_type)
                for name, field in self.add.items()
            ),
            file_last=self.file_last,
            each=self.each,
            filename=self.filename,
            content_type=self.content_type,
            repeat=self.repeat,
        )


class ExpectSettings(Section):
    """What answers of a service mean, where that is not what HTTP says: statuses such as 404, ranges such as 200-299,
    classes such as 2xx; each under one key only."""

    ok: Annotated[tuple[Statuses, ...], Listed("[200-299, 304]")] = ()
    """The upload is done. By itself 2xx; if this is given, other 2xx are failures."""
    rejected: Annotated[tuple[Statuses, ...], Listed("[406]")] = ()
    """The service does not want this upload. By itself the 4xx that are neither busy nor failed."""
    busy: Annotated[tuple[Statuses, ...], Listed("[429, 503]")] = ()
    """Not now: it may be tried again. By itself 429 and 503."""
    failed: Annotated[tuple[Statuses, ...], Listed("[500-599]")] = ()
    """The service, or how it is asked, is not in order. By itself 401, 403, 404, 405, 407, 411, 3xx and 5xx."""
    ok_if: Condition | None = None
    """JMESPath expression on the JSON answer, such as `"error == null"`: an answer that would be ok is rejected unless
    this is true of it. One that is not JSON, or larger than 1 MiB, counts as `null`. Not given: no such condition."""

    def build(self) -> Expect:
        """The value."""
        return Expect(ok=self.ok, rejected=self.rejected, busy=self.busy, failed=self.failed, ok_if=self.ok_if)


class TimeoutSettings(Section):
    """How long a service may take, phase by phase. None of them counts the time that a client takes; each is at least
    1 ms."""

    connect: Duration = 5.0
    """Until the connection stands, TLS included. With several URLs: for each of them."""
    stall: Duration = 30.0
    """While the service takes nothing although there is something for it."""
    first_byte: Duration = 60.0
    """From the upload's last byte to the first one of the answer: the time to work on it."""
    total: Duration = 600.0
    """From the moment that the upload is in to the answer's last byte."""


class ServiceSettings(Section):
    """An HTTP endpoint that takes uploads."""

    url: URLS
    """An http or https URL, sent to as it stands; no fragment, and user and password go into `headers`. A list: the
    same service on several machines, which take turns; one that fails is left alone for a while."""
    method: Literal["POST", "PUT", "same"] = "POST"
    """`POST`, `PUT`, or `same`: that of the client's request."""
    headers: Mapping[HeaderName, HeaderValue] = Field(default_factory=dict)
    """Names and values of headers that are sent with every upload. Never Content-Type, Content-Length and
    Transfer-Encoding, which the body decides on, nor Host, which comes from `url`."""
    query: Mapping[ParameterName, QueryValue] = Field(default_factory=dict)
    """Parameters that follow the query of `url`: text, numbers, true and false, sent as they stand here."""
    forward: ForwardSettings = ForwardSettings()
    tls: TLSSettings = TLSSettings()
    send: SendSettings = SendSettings()
    body: Literal["auto", "length", "chunked"] = "auto"
    """`length`: with Content-Length, which every service can read. `chunked`: without; for services that can read it,
    so that uploads of unknown length are live too. `auto` is `length`."""
    deliver: Literal["live", "whole"] = "live"
    """`live`: while the upload still arrives, where that can be; `gateway check` says where it cannot. `whole`: when it
    is in; for services that hold a thread for each request, which slow clients would use up."""
    expect: ExpectSettings = ExpectSettings()
    timeout: TimeoutSettings = TimeoutSettings()

    def build(self, name: str) -> Service:
        """The value."""
        return Service(
            name=name,
            urls=self.url,
            method=self.method,
            headers=dict(self.headers),
            query=dict(self.query),
            forward=self.forward.build(),
            tls=self.tls.build(),
            send=self.send.build(),
            body=self.body,
            deliver=self.deliver,
            expect=self.expect.build(),
            timeouts=Timeouts(**self.timeout.model_dump()),
        )
