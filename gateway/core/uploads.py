"""What one client sent, as values: parts and where their bytes are.

Offsets are absolute: 0 is the first byte of the decoded request body, as it lies in the spool.
Nothing here knows whether those bytes are in memory, in a file, or still under way.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.services import BodyKind

__all__ = ["Limits", "Part", "Span", "UploadHead", "readable"]


@dataclass(frozen=True, slots=True)
class Span:
    """A run of bytes of the upload, `start` included, `stop` not."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One field or file of an upload, from the moment its headers are known."""

    number: int
    """Position among the parts of the upload, from 0."""
    name: str
    """The field's name; bytes that are not UTF-8 appear as surrogates (PEP 383)."""
    filename: str | None
    """The file's name as the client gave it, path and all; None for a field, "" if none was chosen."""
    content_type: str | None
    """The part's Content-Type as received; None if it has none."""
    headers: bytes
    """The header lines as received, with the empty line that ends them."""
    content_start: int
    """Where the content begins."""
    content_stop: int | None = None
    """Where the content ends; None while the part is still arriving."""

    @property
    def is_file(self) -> bool:
        """A part with a filename is a file, also with an empty one (RFC 7578 section 4.2)."""
        return self.filename is not None

    @property
    def content(self) -> Span:
        """Where the content lies; only for a part that has arrived whole."""
        if self.content_stop is None:
            raise ValueError(f"part {self.number} is still arriving")
        return Span(self.content_start, self.content_stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadHead:
    """What the request's header says about the upload, before its body is read."""

    boundary: bytes | None
    """The multipart boundary; None for a body of another kind."""
    is_json: bool = False
    """Whether the body is a JSON object, whose members are the parts; neither this nor a boundary: one raw file."""
    length: int | None
    """Content-Length in bytes; None for a chunked request."""
    content_type: str | None = None
    """Content-Type of the request, which is that of the file when the body is raw."""
    filename: str | None = None
    """The raw body's file name, where the request gives one."""

    @property
    def kind(self) -> BodyKind:
        """The kind of body."""
        if self.boundary is not None:
            return "multipart"
        return "json" if self.is_json else "raw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of everything one upload may have. Bytes, unless said otherwise."""

    body: int = 5 * 2**30
    """The whole body; 0 means nothing but an empty one."""
    parts: int = 1000
    """Number of parts."""
    part_headers: int = 16 * 2**10
    """The headers of one part."""
    field: int = 2**20
    """The content of a part without a filename."""
    json: int = 32 * 2**20
    """A body that is JSON, as received."""
    preamble: int = 64 * 2**10
    """What may precede the first delimiter (RFC 2046 says: to be ignored; no client sends one)."""
    epilogue: int = 64 * 2**10
    """What may follow the closing delimiter."""
    padding: int = 256
    """Blanks behind a delimiter (RFC 2046 transport padding)."""
    near_delimiters: int = 10_000
    """Number of lines in contents that begin like a delimiter and are none: each costs a search."""


def readable(text: str) -> str:
    """A name for people and programs: surrogates, bytes that were not UTF-8, would break their logs and JSON."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
