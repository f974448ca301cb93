"""The request: `request.upload` for the relay, `request.files` and `request.form` for everybody else.

Views, hooks and extensions use the usual API. Behind it is the gateway's own reading of the form: strict, so
that a broken upload is a 400 with a reason and never an empty form, and exact for every size. The files
are spans of one spool, each with its own position.
"""

from __future__ import annotations

import io
import secrets
from typing import IO, Any

from flask import Request, Response, current_app
from werkzeug.datastructures import FileStorage, Headers
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header
from werkzeug.utils import cached_property

from gateway.core.outcomes import Delivery
from gateway.core.services import Accept
from gateway.core.uploads import Part, UploadHead, readable
from gateway.errors import GatewayError
from gateway.gateway import Gateway
from gateway.multipart.part_headers import parse_header_lines
from gateway.spool.uploads import Upload
from gateway.web.intake import head_of, source_of
from gateway.web.problems import Problem

__all__ = ["UploadRequest"]

FORM = "multipart/form-data"
_FIELD_CHARSETS = ("utf-8", "us-ascii", "ascii", "iso-8859-1")


class UploadRequest(Request):
    """Flask's request, with the gateway's reading of uploads. Set it as `request_class` (see extension.py)."""

    _upload: Upload | None = None
    _held: Upload | None = None  # the same, until this request lets go of it
    _lasts = False

    @cached_property
    def deliveries(self) -> list[Delivery]:
        """What has become of the upload so far, for the log and the answer's header."""
        return []

    @cached_property
    def id(self) -> str:
        """The client's X-Request-Id if it is a sane one, else a new one."""
        given = self.headers.get("X-Request-Id", "")
        return given if 0 < len(given) <= 128 and given.isascii() and given.isprintable() else secrets.token_hex(8)

    @property
    def gateway(self) -> Gateway:
        """The gateway of the application that handles this request."""
        gateway: Gateway = current_app.extensions["gateway"]
        return gateway

    @property
    def upload(self) -> Upload:
        """The form that this request carries; opened, and kept, at first use. Raises GatewayError."""
        if self._upload is None:
            return self.open_upload(self.upload_head(Accept()), keep=True)
        return self._upload

    def upload_head(self, accept: Accept, filename: str | None = None) -> UploadHead:
        """What the header says about the upload; `filename` is what the path says. Raises GatewayError."""
        return head_of(self.environ, accept, filename)

    def open_upload(self, head: UploadHead, *, keep: bool, accept: Accept = Accept()) -> Upload:
        """Begin to take the upload, unless that was done; it is released when the request is over."""
        if self._upload is not None:
            return self._upload
        source = source_of(self.environ, self.gateway.setup.client_stall_s)
        self._upload = self._held = self.gateway.open(head, source, keep=keep, accept=accept)
        return self._upload

    @property
    def opened_upload(self) -> Upload | None:
        """The upload if anybody has asked for it."""
        return self._upload

    # --- its end ---

    def outlast(self, response: Response) -> None:
        """Let the request last until this answer is out: Flask closes it before a streamed one is even begun."""
        self._lasts = True
        response.call_on_close(self._end)

    def close(self) -> None:
        """Called by Flask when the request is over: files, stream and upload are let go of, whoever still has them."""
        if not self._lasts:
            self._end()

    def _end(self) -> None:
        super().close()
        stream = self.__dict__.get("stream")
        if isinstance(stream, _SpanFile):
            stream.close()
        upload, self._held = self._held, None
        if upload is not None:
            upload.release()

    # --- the usual API ---

    def make_form_data_parser(self) -> FormDataParser:
        return _UploadParser(self)

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body. For a form it comes from the spool, so that `get_data()` works before and after `files`."""
        if self.mimetype != FORM:
            return super().stream
        return _SpanFile(self._read_upload(), 0, None)

    def _read_upload(self) -> Upload:
        """The upload, read to its end, within the limits of the Flask application."""
        most = self.max_content_length
        try:
            head = self.upload.head
            if most is not None and (head.length or 0) > most:
                raise RequestEntityTooLarge
            upload = self.upload
            upload.pull_until(lambda: most is not None and upload.spool.received > most)
        except GatewayError as error:
            raise Problem(error, self.id) from error
        if most is not None and upload.spool.received > most:
            raise RequestEntityTooLarge
        return upload


class _UploadParser(FormDataParser):
    """Werkzeug's hook for form parsing. Only form-data is ours."""

    def __init__(self, request: UploadRequest) -> None:
        super().__init__(
            max_form_memory_size=request.max_form_memory_size,
            max_content_length=request.max_content_length,
            max_form_parts=request.max_form_parts,
            cls=request.parameter_storage_class,
        )
        self._request = request

    def parse(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str] | None = None
    ) -> Any:
        if mimetype != FORM:
            return super().parse(stream, mimetype, content_length, options)
        upload = self._request._read_upload()
        self._check_limits(upload)
        fields = [(readable(part.name), _field_text(upload, part)) for part in upload.parts if not part.is_file]
        files = [(readable(part.name), _file_storage(upload, part)) for part in upload.parts if part.is_file]
        # Our own stream, not the given one: `get_data()` after `files` then has the body.
        return stream, self.cls(fields), self.cls(files)

    def _check_limits(self, upload: Upload) -> None:
        if self.max_form_parts is not None and len(upload.parts) > self.max_form_parts:
            raise RequestEntityTooLarge
        largest = max((len(part.content) for part in upload.parts if not part.is_file), default=0)
        if self.max_form_memory_size is not None and largest > self.max_form_memory_size:
            raise RequestEntityTooLarge


def _field_text(upload: Upload, part: Part) -> str:
    content = b"".join(bytes(block) for block in upload.blocks(part.content.start, part.content.stop))
    charset = parse_options_header(part.content_type)[1].get("charset", "utf-8").lower()
    return content.decode(charset if charset in _FIELD_CHARSETS else "utf-8", "replace")


def _file_storage(upload: Upload, part: Part) -> FileStorage:
    lines = parse_header_lines(part.headers, part.content_start - len(part.headers))
    stream = _SpanFile(upload, part.content.start, part.content.stop)
    headers = Headers((name, readable(value)) for name, value in lines)
    return FileStorage(stream, readable(part.filename or ""), readable(part.name), headers=headers)


class _SpanFile(io.BufferedReader):
    """A span of a complete upload as a file, as Flask's files are.

    It has no `getvalue` and no usable `fileno`: MultipartEncoder would copy the content, or take the wrong length.
    Where those are missing it asks for `len`, and so does requests.
    """

    def __init__(self, upload: Upload, start: int, stop: int | None) -> None:
        span = _Span(upload, start, stop)
        super().__init__(span)
        self.len = span.size
        """Bytes in all, wherever the position is."""


class _Span(io.RawIOBase):
    """The bytes of a span: seekable, with a position of its own, without a descriptor."""

    def __init__(self, upload: Upload, start: int, stop: int | None) -> None:
        self._upload = upload
        self._start = start
        self._stop = upload.spool.received if stop is None else stop
        self._position = start
        self.size = self._stop - start
        upload.hold()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: self._start, io.SEEK_CUR: self._position, io.SEEK_END: self._stop}[whence]
        if base + offset < self._start:
            raise ValueError("negative seek position")
        self._position = base + offset
        return self._position - self._start

    def tell(self) -> int:
        return self._position - self._start

    def readinto(self, buffer: Any) -> int:
        stop = min(self._stop, self._position + len(buffer))
        if stop <= self._position:
            return 0
        reader = self._upload.spool.reader(self._position, stop)
        try:
            block = reader.read(len(buffer))
            assert block is not None  # the upload is complete
            buffer[: len(block)] = block
        finally:
            reader.close()
        self._position += len(block)
        return len(block)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._upload.release()
