"""Clients as people use them: each a function that sends a form or a bare file to a URL and tells what it got.

All of them send the parts in their order, as they themselves write them; none is told about a boundary
but wget, which can send only what somebody else has written.
"""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import requests
import urllib3
from requests_toolbelt import MultipartEncoder

from gateway.testing import multipart
from tests.interop.files import Part
from tests.machine import find_program

__all__ = ["FILE_CLIENTS", "FORM_CLIENTS", "SCRIPTS", "Answer", "FileClient", "FormClient", "curl", "wget"]

Answer = tuple[int, bytes]
"""What the client was answered: status and body."""

FormClient = Callable[[str, Sequence[Part], Path], Answer]
"""Sends the parts, whose files are in the directory, to the URL."""

FileClient = Callable[[str, Path, str], Answer]
"""Sends the bare file, of this type, to the URL."""

SCRIPTS = Path(__file__).parent / "clients"
LIMIT_S = 30.0


# --- forms -----------------------------------------------------------------------------------------------------------


def _triples(parts: Sequence[Part], directory: Path) -> list[tuple[str, tuple[str | None, bytes, str]]]:
    """Parts with a filename or a type, as requests, httpx and urllib3 take them."""
    return [(part.name, (part.filename, part.content(directory), part.type or "")) for part in parts if part.type]


def _texts(parts: Sequence[Part]) -> list[tuple[str, str]]:
    """Fields without a type, which those clients send first; ours come first anyway."""
    return [(part.name, part.text) for part in parts if not part.type]


def _by_requests(url: str, **body: Any) -> Answer:
    with requests.Session() as session:
        session.trust_env = False
        response = session.request(url=url, timeout=LIMIT_S, allow_redirects=False, **{"method": "POST", **body})
    return response.status_code, response.content


def form_by_requests(url: str, parts: Sequence[Part], directory: Path) -> Answer:
    return _by_requests(url, data=_texts(parts), files=_triples(parts, directory))


def form_by_toolbelt(url: str, parts: Sequence[Part], directory: Path) -> Answer:
    encoder = MultipartEncoder([*_texts(parts), *_triples(parts, directory)])
    return _by_requests(url, data=encoder, headers={"Content-Type": encoder.content_type})


def form_by_toolbelt_in_chunks(url: str, parts: Sequence[Part], directory: Path) -> Answer:
    encoder = MultipartEncoder([*_texts(parts), *_triples(parts, directory)])
    blocks = iter(lambda: encoder.read(10_000), b"")
    return _by_requests(url, data=blocks, headers={"Content-Type": encoder.content_type})


def form_by_httpx(url: str, parts: Sequence[Part], directory: Path) -> Answer:
    with httpx.Client(trust_env=False, timeout=LIMIT_S) as client:
        response = client.post(url, data=dict(_texts(parts)), files=_triples(parts, directory))
    return response.status_code, response.content


def form_by_urllib3(url: str, parts: Sequence[Part], directory: Path) -> Answer:
    return _by_urllib3("POST", url, fields=[*_texts(parts), *_triples(parts, directory)])


def _by_urllib3(method: str, url: str, **body: Any) -> Answer:
    with urllib3.PoolManager() as pool:
        response = pool.request(method, url, timeout=LIMIT_S, retries=False, **body)
    return response.status, response.data


def form_by_aiohttp(url: str, parts: Sequence[Part], directory: Path) -> Answer:
    form = aiohttp.FormData()
    for part in parts:
        value = io.BytesIO(part.content(directory)) if part.file else part.text
        form.add_field(part.name, value, content_type=part.type, filename=part.filename)
    return asyncio.run(_by_aiohttp("POST", url, form, {}))


async def _by_aiohttp(method: str, url: str, body: object, headers: dict[str, str]) -> Answer:
    timeout = aiohttp.ClientTimeout(total=LIMIT_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.request(method, url, data=body, headers=headers, allow_redirects=False) as response,
    ):
        return response.status, await response.read()


def form_by_http_client(url: str, parts: Sequence[Part], directory: Path) -> Answer:
    """Python's own, whose users write the form themselves."""
    boundary = b"a-boundary-by-hand"
    return _by_http_client(
        url, _by_hand(parts, directory, boundary), f"multipart/form-data; boundary={boundary.decode()}"
    )


def _by_hand(parts: Sequence[Part], directory: Path, boundary: bytes) -> bytes:
    pairs = []
    for part in parts:
        disposition = f'Content-Disposition: form-data; name="{part.name}"'
        if part.filename:
            disposition += '; filename="{}"'.format(part.filename.replace('"', "%22"))
        headers = f"{disposition}\r\nContent-Type: {part.type}" if part.type else disposition
        pairs.append((headers.encode(), part.content(directory)))
    return multipart(pairs, boundary)


def _by_http_client(url: str, body: bytes, content_type: str) -> Answer:
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=LIMIT_S)
    connection.request("POST", f"/{path}", io.BytesIO(body), {"Content-Type": content_type})
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


def curl(*arguments: str | Path) -> Answer:
    """Runs curl; files and forms are its arguments. Fails if it gets no answer."""
    command = [find_program("curl", package="curl"), "--disable", "--silent", "--show-error", "--noproxy", "*"]
    command += ["--max-time", str(LIMIT_S), "--write-out", "\n%{http_code}", *map(str, arguments)]
    body, _, status = subprocess.run(command, check=True, capture_output=True).stdout.rpartition(b"\n")
    return int(status), body


def _curl_form(parts: Sequence[Part], directory: Path) -> list[str]:
    words: list[str] = []
    for part in parts:
        if part.file:
            quoted = (part.filename or "").replace('"', '\\"')
            words += ["-F", f'{part.name}=@{directory / part.file};filename="{quoted}";type={part.type}']
        elif part.type:
            words += ["-F", f'{part.name}="{part.text.replace(chr(34), chr(92) + chr(34))}";type={part.type}']
        else:
            words += ["--form-string", f"{part.name}={part.text}"]
    return words


def form_by_curl(url: str, parts: Sequence[Part], directory: Path) -> Answer:
    return curl(*_curl_form(parts, directory), url)


def form_by_curl_in_chunks(url: str, parts: Sequence[Part], directory: Path) -> Answer:
    return curl("-H", "Transfer-Encoding: chunked", *_curl_form(parts, directory), url)


def wget(*arguments: str | Path) -> Answer:
    """Runs wget; any status is an answer."""
    command = [find_program("wget", package="wget"), "--no-config", "--no-proxy", "--quiet", "--tries=1"]
    command += [f"--timeout={LIMIT_S}", "--content-on-error", "--server-response", "--output-document=-"]
    done = subprocess.run([*command, *map(str, arguments)], check=False, capture_output=True)
    # `  HTTP/1.1 200 OK`, once for each answer on the way.
    status = [line.split()[1] for line in done.stderr.splitlines() if line.strip().startswith(b"HTTP/1.")]
    assert status, done.stderr.decode(errors="replace")
    return int(status[-1]), done.stdout


def form_by_wget(url: str, parts: Sequence[Part], directory: Path) -> Answer:
    body = directory / f"form-{os.getpid()}"
    body.write_bytes(_by_hand(parts, directory, b"wget-is-told-this-boundary"))
    kind = "multipart/form-data; boundary=wget-is-told-this-boundary"
    return wget(f"--header=Content-Type: {kind}", f"--post-file={body}", url)


def node(*arguments: str | Path) -> Answer:
    """Runs the script of Node's clients, whose packages are installed by then."""
    # What may be set for other programs is not for these, such as a proxy.
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [find_program("node", package="nodejs"), str(SCRIPTS / "upload.mjs"), *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, timeout=LIMIT_S, env=environment)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    answer = json.loads(done.stdout)
    return answer["status"], answer["body"].encode()


def _described(parts: Sequence[Part], directory: Path) -> str:
    return json.dumps(
        [
            {
                "name": part.name,
                "text": part.text,
                "path": str(directory / part.file) if part.file else None,
                "filename": part.filename,
                "type": part.type,
            }
            for part in parts
        ]
    )


def form_by_fetch(url: str, parts: Sequence[Part], directory: Path) -> Answer:
    return node("fetch", url, _described(parts, directory))


def form_by_axios(url: str, parts: Sequence[Part], directory: Path) -> Answer:
    return node("axios", url, _described(parts, directory))


def form_by_axios_with_form_data(url: str, parts: Sequence[Part], directory: Path) -> Answer:
    return node("axios-form-data", url, _described(parts, directory))


FORM_CLIENTS: list[FormClient] = [
    form_by_requests,
    form_by_toolbelt,
    form_by_toolbelt_in_chunks,
    form_by_httpx,
    form_by_urllib3,
    form_by_aiohttp,
    form_by_http_client,
    form_by_curl,
    form_by_curl_in_chunks,
    form_by_wget,
    form_by_fetch,
    form_by_axios,
    form_by_axios_with_form_data,
]


# --- bare files ------------------------------------------------------------------------------------------------------


def file_by_requests(url: str, path: Path, content_type: str) -> Answer:
    with path.open("rb") as file:
        return _by_requests(url, method="PUT", data=file, headers={"Content-Type": content_type})


def file_by_httpx(url: str, path: Path, content_type: str) -> Answer:
    with httpx.Client(trust_env=False, timeout=LIMIT_S) as client:
        response = client.put(url, content=path.read_bytes(), headers={"Content-Type": content_type})
    return response.status_code, response.content


def file_by_httpx_in_chunks(url: str, path: Path, content_type: str) -> Answer:
    with httpx.Client(trust_env=False, timeout=LIMIT_S) as client, path.open("rb") as file:
        response = client.post(url, content=iter(lambda: file.read(7_000), b""), headers={"Content-Type": content_type})
    return response.status_code, response.content


def file_by_urllib3(url: str, path: Path, content_type: str) -> Answer:
    return _by_urllib3("PUT", url, body=path.read_bytes(), headers={"Content-Type": content_type})


def file_by_aiohttp(url: str, path: Path, content_type: str) -> Answer:
    return asyncio.run(_by_aiohttp("PUT", url, path.read_bytes(), {"Content-Type": content_type}))


def file_by_http_client(url: str, path: Path, content_type: str) -> Answer:
    return _by_http_client(url, path.read_bytes(), content_type)


def file_by_curl(url: str, path: Path, content_type: str) -> Answer:
    return curl("-H", f"Content-Type: {content_type}", "-T", path, url)


def file_by_curl_in_chunks(url: str, path: Path, content_type: str) -> Answer:
    return curl("-H", f"Content-Type: {content_type}", "-H", "Transfer-Encoding: chunked", "-T", path, url)


def file_by_curl_with_post(url: str, path: Path, content_type: str) -> Answer:
    return curl("-H", f"Content-Type: {content_type}", "--data-binary", f"@{path}", url)


def file_by_wget(url: str, path: Path, content_type: str) -> Answer:
    return wget(f"--header=Content-Type: {content_type}", f"--post-file={path}", url)


def file_by_wget_with_put(url: str, path: Path, content_type: str) -> Answer:
    return wget(f"--header=Content-Type: {content_type}", "--method=PUT", f"--body-file={path}", url)


def file_by_fetch(url: str, path: Path, content_type: str) -> Answer:
    return node("fetch-buffer", url, path, content_type)


def file_by_fetch_in_chunks(url: str, path: Path, content_type: str) -> Answer:
    return node("fetch-stream", url, path, content_type)


def file_by_axios(url: str, path: Path, content_type: str) -> Answer:
    return node("axios-buffer", url, path, content_type)


def file_by_axios_from_a_stream(url: str, path: Path, content_type: str) -> Answer:
    return node("axios-stream", url, path, content_type)


FILE_CLIENTS: list[FileClient] = [
    file_by_requests,
    file_by_httpx,
    file_by_httpx_in_chunks,
    file_by_urllib3,
    file_by_aiohttp,
    file_by_http_client,
    file_by_curl,
    file_by_curl_in_chunks,
    file_by_curl_with_post,
    file_by_wget,
    file_by_wget_with_put,
    file_by_fetch,
    file_by_fetch_in_chunks,
    file_by_axios,
    file_by_axios_from_a_stream,
]
