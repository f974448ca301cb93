"""`forward()`: hand a file from `request.files` to another API, from inside any Flask view.

For applications that have a view of their own and need no gateway beside it. The file has been received by then;
for live delivery, retries of the connection and limits, let `gateway serve` take the upload instead.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import IO

import requests
from flask import Response
from requests_toolbelt import MultipartEncoder
from werkzeug.datastructures import FileStorage

from gateway.core.headers import answer_fields
from gateway.core.outcomes import redirect_of
from gateway.errors import ServiceRedirects, ServiceTimeout, ServiceUnreachable

__all__ = ["forward"]

BLOCK_BYTES = 2**16


def forward(
    files: FileStorage | Iterable[FileStorage],
    to: str,
    *,
    fields: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: tuple[float, float] = (5.0, 60.0),
) -> Response:
    """POST the files, each under its own field name, and `fields` before them to the URL `to`; relay the answer.

    The header with the boundary comes from the encoder that writes the body. Files are sent from their beginning,
    wherever they were read to, and can be forwarded any number of times. `timeout` is for connecting and for each
    wait, in seconds. Raises ServiceUnreachable, ServiceTimeout, ServiceRedirects.
    """
    each = [files] if isinstance(files, FileStorage) else list(files)
    parts: list[tuple[str, object]] = list((fields or {}).items())
    parts += [(file.name or "file", (file.filename or "file", _Whole(file.stream), file.content_type)) for file in each]
    encoder = MultipartEncoder(parts)
    sent = {**(headers or {}), "Content-Type": encoder.content_type, "Accept-Encoding": "identity"}
    with requests.Session() as session:
        # No proxies and no .netrc from the environment, and no redirect with a body that is used up.
        session.trust_env = False
        try:
            answer = session.post(to, data=encoder, headers=sent, allow_redirects=False, stream=True, timeout=timeout)
        except requests.Timeout as error:
            raise ServiceTimeout(f"{to} took too long: {error}.") from error
        except requests.RequestException as error:
            raise ServiceUnreachable(f"{to} could not be reached: {error}.") from error
    redirect = redirect_of(answer.status_code, answer.headers.get("Location"), to)
    if redirect is not None:
        answer.close()
        raise ServiceRedirects(f"{to} answered {answer.status_code} and names {redirect.url}.")
    response = Response(answer.raw.stream(BLOCK_BYTES, decode_content=False), status=answer.status_code)
    response.headers.clear()
    for name, value in answer_fields(answer.raw.headers.items()):
        response.headers.add(name, value)
    response.call_on_close(answer.close)
    return response


class _Whole:
    """A file from its beginning, as the encoder wants it: `len` is what is left, `read` gives some of that.

    The encoder would copy a BytesIO, ignore its position, and force a SpooledTemporaryFile to disk. The position is
    our own, so the file can be in several forms at once.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._position = 0
        self.len = stream.seek(0, io.SEEK_END)

    def read(self, size: int = -1) -> bytes:
        self._stream.seek(self._position)
        block = self._stream.read(size)
        self._position += len(block)
        self.len -= len(block)
        return block
