"""A presigned POST, as boto3 makes it, to an imitation of S3.

The imitation takes what S3 refuses: fields behind the file, and forms whose signature is wrong or has expired. So
what S3 would insist on is looked for in the bytes that the gateway sends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from gateway.testing import Tap, boundary_of, split_multipart
from gateway.testing.gateways import running_gateway
from gateway.testing.listening import HOST
from gateway.testing.messages import RequestHead, parse_request_head
from tests.interop.clients import (
    FormClient,
    form_by_aiohttp,
    form_by_curl,
    form_by_curl_in_chunks,
    form_by_httpx,
    form_by_requests,
    form_by_toolbelt_in_chunks,
)
from tests.interop.files import Part
from tests.interop.services import ThirdParty, configuration_for, gateway_for, moto

BUCKET = "uploads"
FILE = Part(name="file", file="large.bin", filename="Übersicht 日本.bin", type="application/pdf")
KEY = "inbox/Übersicht 日本.bin"
FILE_LENGTH = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The bucket, and what it is told."""

    url: str
    tap: Tap
    """Between the gateway and the bucket."""
    client: Any
    """That of boto3."""

    def signed(self) -> list[Part]:
        """The fields of a form that may put one object there."""
        form = self.client.generate_presigned_post(
            BUCKET,
            KEY,
            Fields={"success_action_status": "201", "x-amz-meta-title": "Groesse"},
            Conditions=[
                {"success_action_status": "201"},
                {"x-amz-meta-title": "Groesse"},
                ["content-length-range", FILE_LENGTH, FILE_LENGTH],
            ],
            ExpiresIn=60,
        )
        assert form["url"].endswith(f"/{BUCKET}")
        assert {"key", "policy", "x-amz-signature"} <= set(form["fields"])
        return [Part(name=name, text=text) for name, text in form["fields"].items()]

    def take(self) -> tuple[bytes, dict[str, str]]:
        """The object and what is noted with it; it is gone then."""
        found = self.client.get_object(Bucket=BUCKET, Key=KEY)
        self.client.delete_object(Bucket=BUCKET, Key=KEY)
        return found["Body"].read(), found["Metadata"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThirdParty]:
    with moto(tmp_path_factory.mktemp("server")) as service:
        yield service


@pytest.fixture(scope="module")
def store(server: ThirdParty) -> Iterator[Store]:
    client = boto3.client(
        "s3",
        endpoint_url=server.url,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
        config=Config(proxies={}, signature_version="s3v4"),
    )
    client.create_bucket(Bucket=BUCKET)
    with Tap(HOST, server.port, keep=2**24) as tap:
        yield Store(url=f"{server.url}/{BUCKET}", tap=tap, client=client)
    client.close()


@pytest.fixture(scope="module")
def gateway(store: Store) -> Iterator[str]:
    """Where the form is posted to."""
    with gateway_for("S3", store.tap.port) as running:
        yield f"{running.url}/bucket"


class Sending:
    """What the gateway has sent to the bucket since this was made: one request."""

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self._before = [passage.sent_length for passage in tap.passages]

    def request(self) -> tuple[RequestHead, bytes]:
        """Its head and its body."""
        before = [*self._before, *(0 for _ in self._tap.passages)]
        new = [passage.sent[start:] for passage, start in zip(self._tap.passages, before, strict=False)]
        (bytes_sent,) = filter(None, new)
        head, _, body = bytes_sent.partition(b"\r\n\r\n")
        return parse_request_head(head + b"\r\n\r\n"), body

    def assert_acceptable_to_s3(self, fields: Sequence[Part]) -> None:
        """What the imitation does not look at: a length, the signed fields as they are, and then the file."""
        head, body = self.request()
        assert head.headers.get("content-length") == str(len(body))
        assert head.headers.get("transfer-encoding") is None
        *parts, (_, last) = split_multipart(body, boundary_of(head.headers.get("content-type")))
        assert [(named(headers), content.decode()) for headers, content in parts] == [
            (field.name, field.text) for field in fields
        ]
        assert len(last) == FILE_LENGTH


def named(headers: bytes) -> str:
    """The name of a part."""
    return headers.decode().partition('name="')[2].partition('"')[0]


@pytest.mark.parametrize("client", [form_by_requests, form_by_httpx, form_by_aiohttp, form_by_curl])
def test_presigned_post(store: Store, gateway: str, client: FormClient, directory: Path) -> None:
    """The object, what is noted with it, and the answer."""
    fields = store.signed()
    direct = client(store.url, [*fields, FILE], directory)
    object_directly = store.take()
    sending = Sending(store.tap)

    through = client(gateway, [*fields, FILE], directory)

    sending.assert_acceptable_to_s3(fields)
    assert store.take() == object_directly == (FILE.content(directory), {"title": "Groesse"})
    assert through == direct
    assert through[0] == 201


def test_the_file_first(store: Store, gateway: str, directory: Path) -> None:
    """S3 would ignore all the fields behind the file; the gateway puts it where it belongs."""
    fields = store.signed()
    sending = Sending(store.tap)

    assert form_by_curl(gateway, [fields[0], FILE, *fields[1:]], directory)[0] == 201

    sending.assert_acceptable_to_s3(fields)
    assert store.take()[0] == FILE.content(directory)


@pytest.mark.parametrize("client", [form_by_curl_in_chunks, form_by_toolbelt_in_chunks])
def test_chunks(store: Store, gateway: str, client: FormClient, directory: Path) -> None:
    """S3 answers 411 to what has no Content-Length, and so does the imitation; from the gateway it gets one."""
    fields = store.signed()
    sending = Sending(store.tap)

    assert client(store.url, [*fields, FILE], directory)[0] == 411
    assert client(gateway, [*fields, FILE], directory)[0] == 201

    sending.assert_acceptable_to_s3(fields)
    assert store.take()[0] == FILE.content(directory)


def test_as_the_client_sends_it(store: Store, directory: Path) -> None:
    """Without `file_last` the order is the client's, right or wrong: this is why the configuration has it."""
    config, count = re.subn(r"^ +send: .*\n", "", configuration_for("S3", store.tap.port), flags=re.MULTILINE)
    assert count == 1
    fields = store.signed()
    with running_gateway(config=config) as running:
        sending = Sending(store.tap)
        assert form_by_curl(f"{running.url}/bucket", [*fields, FILE], directory)[0] == 201
        sending.assert_acceptable_to_s3(fields)

        sending = Sending(store.tap)
        form_by_curl(f"{running.url}/bucket", [FILE, *fields], directory)
        head, body = sending.request()
    first, *_ = split_multipart(body, boundary_of(head.headers.get("content-type")))
    assert named(first[0]) == FILE.name
    assert store.take()[0] == FILE.content(directory)


def test_a_bucket_that_is_not_there(store: Store, directory: Path) -> None:
    """The store's refusal, apart from the number that it gives to each request."""
    config = configuration_for("S3", store.tap.port).replace(f"/{BUCKET}\n", "/absent\n")
    fields = store.signed()
    with running_gateway(config=config) as running:
        direct, through = (
            form_by_requests(url, [*fields, FILE], directory)
            for url in (store.url.replace(BUCKET, "absent"), f"{running.url}/bucket")
        )

    assert (through[0], without_request_id(through[1])) == (direct[0], without_request_id(direct[1]))
    assert through[0] == 404
    assert b"NoSuchBucket" in through[1]


def without_request_id(document: bytes) -> bytes:
    return re.sub(rb"<RequestID>[^<]*</RequestID>|<RequestId>[^<]*</RequestId>", b"", document)


def test_what_the_imitation_does_not_check(store: Store, gateway: str, directory: Path) -> None:
    """Signatures: a form that S3 refuses is taken, directly and through the gateway; of 403 nothing is shown here.

    When this fails, the imitation has learnt it, and a test of equal refusals takes this one's place.
    """
    fields = [
        Part(name=field.name, text="0" * 64) if field.name == "x-amz-signature" else field for field in store.signed()
    ]
    assert [field.text for field in fields if field.name == "x-amz-signature"] == ["0" * 64]

    for url in (store.url, gateway):
        assert form_by_requests(url, [*fields, FILE], directory)[0] == 201
        assert store.take()[0] == FILE.content(directory)
