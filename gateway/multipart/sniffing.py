"""What a file is, by its first bytes.

Signatures are puremagic's, read with care: a match of one or two bytes proves nothing, a text may begin like anything,
and several formats share an outer one (zip, Ogg, Matroska). So the answer is a list of what the file may well be. It
helps against mistakes, not against a file that was made to look like another.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["SNIFFED_BYTES", "Recognition", "canonical", "recognise", "sniff"]

SNIFFED_BYTES = 4096
"""How much of a file is looked at. The signatures lie in the first half of it; entries of a zip fill the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """What the content of a file may be."""

    types: tuple[str, ...] = ()
    """Media types in their usual spelling, the likeliest first; empty if nothing is known."""
    is_text: bool = False
    """Whether it can be read as text, which most formats cannot."""
    is_certain: bool = False
    """Whether it is one of them; else they are guesses."""


_USUAL = {
    "application/excel": "application/vnd.ms-excel",
    "application/javascript": "text/javascript",
    "application/mspowerpoint": "application/vnd.ms-powerpoint",
    "application/x-gzip": "application/gzip",
    "application/x-javascript": "text/javascript",
    "application/x-pdf": "application/pdf",
    "application/x-sqlite3": "application/vnd.sqlite3",
    "application/x-zip": "application/zip",
    "application/x-zip-compressed": "application/zip",
    "audio/mp3": "audio/mpeg",
    "audio/vnd.wave": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/x-aac": "audio/aac",
    "audio/x-aiff": "audio/aiff",
    "audio/x-flac": "audio/flac",
    "audio/x-m4a": "audio/mp4",
    "audio/x-mp3": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "image/heic": "image/heif",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-bmp": "image/bmp",
    "image/x-icon": "image/vnd.microsoft.icon",
    "image/x-ms-bmp": "image/bmp",
    "image/x-png": "image/png",
    "text/json": "application/json",
    "text/rtf": "application/rtf",
    "text/xml": "application/xml",
    "text/x-markdown": "text/markdown",
    "video/avi": "video/x-msvideo",
    "video/msvideo": "video/x-msvideo",
}
_MATROSKA = ("video/webm", "audio/webm", "video/x-matroska", "audio/x-matroska")
_OLE = ("application/vnd.ms-excel", "application/vnd.ms-powerpoint", "application/vnd.ms-outlook")
_SHARED = {
    "application/msword": _OLE,
    "application/ogg": ("audio/ogg", "video/ogg"),
    "application/x-matroska": _MATROSKA,
    "audio/mp4": ("video/mp4",),
    "video/3gpp": ("audio/3gpp", "video/mp4", "audio/mp4"),
    "video/3gpp2": ("audio/3gpp2", "video/mp4", "audio/mp4"),
    "video/mp4": ("audio/mp4",),
    "video/webm": _MATROSKA,
}
"""What has the same signature, beside what puremagic says."""

# What puremagic has no media type for, although none of it should pass for anything else.
_PROGRAMS = (
    (b"\x7fELF", "application/x-elf"),
    (b"\0asm", "application/wasm"),
    (b"MZ", "application/vnd.microsoft.portable-executable"),
    (b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (b"\xce\xfa\xed\xfe", "application/x-mach-binary"),
)
_OOXML = "application/vnd.openxmlformats-officedocument."
_WORD = (
    f"{_OOXML}wordprocessingml.document",
    f"{_OOXML}wordprocessingml.template",
    "application/vnd.ms-word.document.macroenabled.12",
    "application/vnd.ms-word.template.macroenabled.12",
)
_EXCEL = (
    f"{_OOXML}spreadsheetml.sheet",
    f"{_OOXML}spreadsheetml.template",
    "application/vnd.ms-excel.sheet.macroenabled.12",
    "application/vnd.ms-excel.template.macroenabled.12",
    "application/vnd.ms-excel.sheet.binary.macroenabled.12",
)
_POWERPOINT = (
    f"{_OOXML}presentationml.presentation",
    f"{_OOXML}presentationml.slideshow",
    f"{_OOXML}presentationml.template",
    "application/vnd.ms-powerpoint.presentation.macroenabled.12",
)
_ZIP_ENTRIES = {
    "word/": _WORD,
    "xl/": _EXCEL,
    "ppt/": _POWERPOINT,
    "META-INF/MANIFEST.MF": ("application/java-archive",),
    "AndroidManifest.xml": ("application/vnd.android.package-archive",),
    "doc.kml": ("application/vnd.google-earth.kmz",),
}
"""Formats that are zip files, by how the name of an entry begins."""
_TEXT_SUFFIXES = {
    "css": "text/css",
    "csv": "text/csv",
    "eml": "message/rfc822",
    "htm": "text/html",
    "html": "text/html",
    "ics": "text/calendar",
    "js": "text/javascript",
    "json": "application/json",
    "md": "text/markdown",
    "srt": "application/x-subrip",
    "svg": "image/svg+xml",
    "tsv": "text/tab-separated-values",
    "txt": "text/plain",
    "vcf": "text/vcard",
    "vtt": "text/vtt",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
}
"""Formats that are plain text, which only their names tell apart."""

_TEXT_SIGNATURES = ("application/postscript", "application/rtf", "message/rfc822", "text/vtt")
"""Formats that are plain text, and that no other text begins like."""

# WHATWG MIME Sniffing section 3: bytes that are in no text.
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_HTML = re.compile(r"\s*<(?:!doctype html|html|head|body|script)[\s>]", re.IGNORECASE)
_XML = re.compile(r"\s*<\?xml\s")
_SVG = re.compile(r"(?:\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>]*>)*<(?:\w+:)?svg[\s>]", re.DOTALL)
_JSON = re.compile(r'\s*(?:\{\s*["}]|\[\s*(?:[\]\[{"0-9-]|true|false|null))')


def canonical(media_type: str) -> str:
    """The usual spelling of a media type that has several."""
    lower = media_type.lower()
    return _USUAL.get(lower, lower)


def sniff(head: bytes, filename: str | None) -> str | None:
    """The likeliest media type of a file that begins like this; None if nothing is known."""
    types = recognise(head, filename).types
    return types[0] if types else None


def recognise(head: bytes, filename: str | None = None) -> Recognition:
    """What a file that begins like this may be. The name tells apart what has the same signature, no more."""
    head = head[:SNIFFED_BYTES]
    if not head:
        return Recognition()
    # Some are text from end to end, but nobody means them to be read as such.
    text = None if head.startswith(b"%PDF-") else _text_of(head)
    if text is not None:
        types = _types_of_text(head, text, filename or "")
        return Recognition(types=_unique(types), is_text=True, is_certain=True)
    types = tuple(kind for signature, kind in _PROGRAMS if head.startswith(signature))
    if not types and head.startswith(b"PK\x03\x04"):
        types = _types_of_zip(head)
    if not types and b"%PDF-" in head[:1024]:
        # Readers look for it that far.
        types = ("application/pdf",)
    if not types:
        types = _signatures(head, filename, least=3)
    if types:
        return Recognition(types=_unique(types), is_certain=True)
    return Recognition(types=_unique(_signatures(head, filename, least=2)))


def _unique(types: tuple[str, ...]) -> tuple[str, ...]:
    """In their usual spelling, each once, with what shares their signatures behind them."""
    usual = [canonical(each) for each in types]
    return tuple(dict.fromkeys([*usual, *(other for each in usual for other in _SHARED.get(each, ()))]))


def _signatures(head: bytes, filename: str | None, *, least: int) -> tuple[str, ...]:
    """What puremagic says, without matches of fewer than `least` bytes, the longest match first."""
    # It reads its table when it is imported.
    import puremagic

    try:
        found = puremagic.magic_string(head, filename)
    except puremagic.PureError:
        return ()
    matches = [
        each
        for each in found
        # Not at the end, which is not here; and a run of zeros says nothing.
        if each.mime_type and each.offset >= 0 and len(each.byte_match) >= least and each.byte_match.strip(b"\0")
    ]
    # `RIFF` alone is no news where `RIFF....WAVE` was found, nor is `....ftyp` where `ftypavif` was.
    found_whole = [each.byte_match for each in matches]
    with_brand = any(match.startswith(b"ftyp") for match in found_whole)
    return tuple(
        each.mime_type
        for each in matches
        if each.mime_type != "application/octet-stream"
        and not any(match[:-1].startswith(each.byte_match) for match in found_whole)
        and not (with_brand and each.byte_match.endswith(b"ftyp"))
    )


# --- text --------------------------------------------------------------------------------------


def _text_of(head: bytes) -> str | None:
    """The text that the file begins with; None if it is something else."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        wide = head[: len(head) & ~1].decode("utf-16", "replace")
        return None if "\0" in wide or "\ufffd" in wide[:-1] else wide
    if _BINARY.search(head):
        return None
    try:
        # A character may be cut at the end of the head.
        return codecs.utf_8_decode(head.removeprefix(codecs.BOM_UTF8), "strict", len(head) < SNIFFED_BYTES)[0]
    except UnicodeDecodeError:
        mostly_ascii = sum(byte < 0x80 for byte in head) * 2 > len(head)
        return head.decode("latin-1") if mostly_ascii else None


def _types_of_text(head: bytes, text: str, filename: str) -> tuple[str, ...]:
    types = []
    if _SVG.match(text):
        types.append("image/svg+xml")
    if _HTML.match(text) or (_XML.match(text) and "<html" in text):
        types.append("text/html")
    if _XML.match(text):
        types.append("application/xml")
    suffix = filename.rpartition(".")[2].lower()
    if not types and suffix in _TEXT_SUFFIXES:
        types.append(_TEXT_SUFFIXES[suffix])
    if _JSON.match(text):
        types.append("application/json")
    signatures = _signatures(head, filename, least=5)
    # A text may begin with `#define` and be no bitmap.
    types += [each for each in signatures if each in _TEXT_SIGNATURES]
    return (*types, "text/plain", *signatures)


# --- zip ---------------------------------------------------------------------------------------


def _types_of_zip(head: bytes) -> tuple[str, ...]:
    """What a zip file is, by the entries that are at its front; where they say nothing, all that it may be."""
    names = []
    for name, content in _entries(head):
        if name == "mimetype" and content:
            # ODF 1.3 part 2 section 3.3, EPUB OCF: the first entry, not compressed, is the type.
            return (content.decode("ascii", "replace").strip(), "application/zip")
        names.append(name)
    for beginning, types in _ZIP_ENTRIES.items():
        if any(name.startswith(beginning) for name in names):
            return (*types, "application/zip")
    every = tuple(each for types in _ZIP_ENTRIES.values() for each in types)
    if "[Content_Types].xml" in names:
        return (*_WORD, *_EXCEL, *_POWERPOINT, "application/zip")
    return ("application/zip", *every)


def _entries(head: bytes) -> Iterator[tuple[str, bytes]]:
    """Names of the entries whose headers are in the head, and the content of those that are not compressed."""
    place = head.find(b"PK\x03\x04")
    while 0 <= place <= len(head) - 30:
        method = int.from_bytes(head[place + 8 : place + 10], "little")
        size = int.from_bytes(head[place + 18 : place + 22], "little")
        name_stop = place + 30 + int.from_bytes(head[place + 26 : place + 28], "little")
        start = name_stop + int.from_bytes(head[place + 28 : place + 30], "little")
        yield (
            head[place + 30 : name_stop].decode("utf-8", "replace"),
            head[start : start + size] if method == 0 else b"",
        )
        place = head.find(b"PK\x03\x04", place + 30)
