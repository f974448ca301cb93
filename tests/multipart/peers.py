"""Two other readers of forms, asked the same way as ours: Werkzeug's decoder and the `multipart` package.

Each gives the parts as (name, filename, type, content), or None where it refuses the body.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from multipart import MultipartError, MultipartSegment, PushMultipartParser
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from gateway.core.uploads import Limits
from tests.multipart.driving import parts_of, scan

Read = tuple[str | None, str | None, str | None, bytes]


def ours(body: bytes, boundary: bytes, cuts: Iterable[int] = (), limits: Limits | None = None) -> list[Read] | str:
    """Ours; the class of the error where it refuses."""
    found = scan(body, boundary, cuts, limits or Limits())
    if found.error is not None:
        return found.error
    return [(part.name, part.filename, part.content_type, content) for part, content in parts_of(body, found)]


def werkzeug(body: bytes, boundary: bytes, cuts: Iterable[int] = ()) -> list[Read] | None:
    """Werkzeug 3.1, as `MultiPartParser` drives it."""
    decoder = MultipartDecoder(boundary)
    parts: list[tuple[str, str | None, str | None, bytearray]] = []
    edges = [0, *cuts, len(body)]
    runs: list[bytes | None] = [body[start:stop] for start, stop in pairwise(edges)]
    try:
        for run in [*runs, None]:
            decoder.receive_data(run)
            event = decoder.next_event()
            while not isinstance(event, (Epilogue, NeedData)):
                if isinstance(event, (Field, File)):
                    filename = event.filename if isinstance(event, File) else None
                    parts.append((event.name, filename, event.headers.get("content-type"), bytearray()))
                elif isinstance(event, Data):
                    parts[-1][3].extend(event.data)
                event = decoder.next_event()
    except ValueError:
        return None
    return [(name, filename, kind, bytes(content)) for name, filename, kind, content in parts]


def multipart(body: bytes, boundary: bytes, cuts: Iterable[int] = ()) -> list[Read] | None:
    """The `multipart` package, strict, with room for as large headers as ours."""
    parts: list[tuple[MultipartSegment, bytearray]] = []
    edges = [0, *cuts, len(body)]
    try:
        with PushMultipartParser(boundary, max_header_size=2**14, max_header_count=100, strict=True) as parser:
            for start, stop in pairwise(edges):
                for event in parser.parse(body[start:stop]) if start < stop else ():
                    if isinstance(event, MultipartSegment):
                        parts.append((event, bytearray()))
                    elif event is not None:
                        parts[-1][1].extend(event)
    except MultipartError:
        return None
    return [
        (segment.name, segment.filename, dict(segment.headerlist).get("Content-Type"), bytes(content))
        for segment, content in parts
    ]
