"""What a route asks of uploads, beside that they are whole: parts that must be there, and types of files.

The type that the client declares must be one of those the route takes, and the content must not contradict it. Where
nothing is declared the content decides. While that is open, nothing of the file may be seen: `held_from` says from
where on. Nothing of this is done for a route that asks nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

from gateway.core.uploads import Part, readable
from gateway.errors import PartMissing, TypeUnsupported
from gateway.multipart.boundaries import media_type
from gateway.multipart.sniffing import SNIFFED_BYTES, canonical, recognise

__all__ = ["TypeCheck", "names_of", "require_parts"]

# What clients write who do not know. For a bare body also what curl makes of `-d`, which is no form here.
_UNDECLARED = ("", "application/octet-stream")
_UNDECLARED_BARE = (*_UNDECLARED, "application/x-www-form-urlencoded")

# Formats that have a signature and cannot be read as text. (Windows calls a CSV application/vnd.ms-excel.)
_BINARY = frozenset(
    {
        "application/epub+zip", "application/gzip", "application/java-archive", "application/msword",
        "application/pdf", "application/vnd.ms-outlook", "application/vnd.ms-powerpoint", "application/x-7z-compressed",
        "application/zip",
        "audio/aac", "audio/flac", "audio/mp4", "audio/mpeg", "audio/ogg", "audio/wav", "audio/webm",
        "image/avif", "image/bmp", "image/gif", "image/heif", "image/jpeg", "image/png", "image/tiff", "image/webp",
        "video/mp4", "video/mpeg", "video/ogg", "video/quicktime", "video/webm", "video/x-matroska", "video/x-msvideo",
    }
)  # fmt: skip
_BINARY_FAMILIES = ("application/vnd.openxmlformats-officedocument.", "application/vnd.oasis.opendocument.")

# Many a vendor's format is one of these inside, with nothing at its front that tells.
_CONTAINERS = ("application/gzip", "application/msword", "application/vnd.sqlite3", "application/zip")
_PRIVATE = ("application/vnd.", "application/x-")


# --- parts -------------------------------------------------------------------------------------


def names_of(parts: Sequence[Part]) -> set[str]:
    """The names of the parts that are there; a file input in which no file was chosen is not."""
    return {part.name for part in parts if part.filename != ""}


def require_parts(required: Collection[str], parts: Sequence[Part]) -> None:
    """Raise PartMissing unless all of them are there."""
    if not required:
        return
    there = names_of(parts)
    for name in required:
        if name in there:
            continue
        if any(part.name == name for part in parts):
            raise PartMissing(f"Expected a file in the part {name!r}; none was chosen.")
        found = ", ".join(repr(readable(each)) for each in dict.fromkeys(part.name for part in parts)) or "none"
        near = difflib.get_close_matches(name, [readable(each) for each in there if each not in required], n=1)
        meant = f" Is {near[0]!r} meant to be it?" if near else ""
        raise PartMissing(f"Expected a part {name!r}; found the parts: {found}.{meant}")


# --- types -------------------------------------------------------------------------------------


class TypeCheck:
    """Checks the files of one upload against the types that its route takes, while they arrive."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = patterns
        self._usual = [canonical(pattern) for pattern in patterns]
        self._part: Part | None = None
        self._bare = False
        self._head = bytearray()

    @property
    def held_from(self) -> int | None:
        """Offset of the content that must not be seen yet; None if there is none."""
        return None if self._part is None else self._part.content_start

    def begin(self, part: Part, *, bare: bool = False) -> None:
        """A part begins. Raises TypeUnsupported if its declared type is enough to refuse it."""
        self._part = part if part.is_file else None
        self._bare = bare
        self._head.clear()
        # Nothing chosen in a file input: browsers declare a type all the same, and send no content.
        if part.is_file and part.filename != "":
            self._check_declared(part)

    def take(self, buffer: bytes | bytearray | memoryview, base: int, stop: int, *, ended: bool) -> None:
        """The content of the part that has begun is known up to offset `stop`; `buffer[0]` has the offset `base`.

        Called with all of it, piece after piece; `ended` with the last one. Raises TypeUnsupported.
        """
        part = self._part
        if part is None:
            return
        start = part.content_start + len(self._head)
        self._head += buffer[start - base : max(start, min(stop, part.content_start + SNIFFED_BYTES)) - base]
        if ended or len(self._head) == SNIFFED_BYTES:
            self._part = None
            if self._head or part.filename != "":
                self._check_content(part, bytes(self._head))

    def _declared(self, part: Part) -> str:
        """The usual spelling of what the client says; "" for nothing."""
        declared = canonical(media_type(part.content_type))
        return "" if declared in (_UNDECLARED_BARE if self._bare else _UNDECLARED) else declared

    def _takes(self, kind: str) -> bool:
        family = kind.partition("/")[0] + "/*"
        return kind in self._usual or family in self._usual or "*/*" in self._usual

    def _check_declared(self, part: Part) -> str:
        declared = self._declared(part)
        if declared and not self._takes(declared):
            raise self._unsupported(part, f"it is declared as {media_type(part.content_type)}")
        return declared

    def _check_content(self, part: Part, head: bytes) -> None:
        declared = self._check_declared(part)
        found = recognise(head, part.filename)
        if not found.types:
            if not declared:
                raise self._unsupported(part, "it declares no type, and its content is of none that is known")
            return
        if declared and found.is_text:
            # Nothing but the name tells what kind of text it is; but some types are no text.
            fits = not _is_binary(declared) or declared in found.types
        elif declared and (not found.is_certain or (found.types[0] in _CONTAINERS and declared.startswith(_PRIVATE))):
            fits = True
        else:
            fits = any(self._takes(each) for each in found.types)
        if not fits:
            says = f"it is declared as {declared}, and its content" if declared else "its content"
            raise self._unsupported(part, f"{says} looks like {found.types[0]}")

    def _unsupported(self, part: Part, complaint: str) -> TypeUnsupported:
        expected = ", ".join(self._patterns)
        return TypeUnsupported(f"Expected {expected} in the part {readable(part.name)!r}; {complaint}.")


def _is_binary(kind: str) -> bool:
    return kind in _BINARY or kind.startswith(_BINARY_FAMILIES)
