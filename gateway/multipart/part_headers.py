"""The headers of one part: checked, and read for name, filename and type.

The bytes stay as they are; what is read here serves rules, views and reports. Bytes that are not
UTF-8 become surrogates and are no error: they travel on unchanged. A rule that changes something
replaces the lines that say it, and no other.
"""

from __future__ import annotations

import re

from gateway.core.uploads import Part
from gateway.errors import DispositionInvalid, DispositionMissing, PartHeaderInvalid, PartNameMissing
from gateway.multipart.parameters import decode_extended, parse_parameters

__all__ = ["parse_header_lines", "parse_part", "with_lines_replaced"]

# RFC 9110 section 5.6.2 for names; values are anything but control characters, and may hold bytes
# that are not ASCII, since names and filenames are UTF-8 in practice (RFC 7578 section 5.1).
_NAME = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++):")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
# Readers that search for `filename=` find it also inside of a name or behind a quote that others escape.
_FILENAME = re.compile(r"(?<![\w-])filename(?:\*[0-9*]*+)?[ \t]*+=", re.IGNORECASE)


def parse_header_lines(headers: bytes, offset: int) -> list[tuple[str, str]]:
    """Names in lower case and values of a block of header lines that ends with an empty line.

    `offset` is where the block begins in the body, for errors.
    """
    lines = []
    position = 0
    for line in headers[:-4].split(b"\r\n"):
        name = _NAME.match(line)
        if name is None or _CONTROL.search(line):
            raise PartHeaderInvalid(_complaint(line), offset=offset + position)
        value = line[name.end() :].strip(b" \t")
        lines.append((name.group(1).decode("ascii").lower(), value.decode("utf-8", "surrogateescape")))
        position += len(line) + 2
    return lines


def _complaint(line: bytes) -> str:
    shown = repr(line[:80])[1:]
    if line.startswith((b" ", b"\t")):
        return f"The line {shown} begins with a blank: folded headers are not taken (RFC 9112 section 5.2)."
    if b":" not in line:
        return f"Expected `Name: value`; the line {shown} has no colon."
    if _CONTROL.search(line):
        return f"The line {shown} has a control character."
    return f"Expected a header name of letters, digits and hyphens; found {shown}."


def parse_part(number: int, headers: bytes, offset: int) -> Part:
    """The part whose header lines (the empty line included) are `headers`, found at `offset` of the body."""
    lines = parse_header_lines(headers, offset) if len(headers) > 2 else []
    dispositions = [value for name, value in lines if name == "content-disposition"]
    if not dispositions:
        raise DispositionMissing(f"Part {number} has no Content-Disposition.", offset=offset)
    disposition = dispositions[0]
    if len(dispositions) > 1 or disposition.partition(";")[0].strip(" \t").lower() != "form-data":
        shown = " and ".join(repr(value) for value in dispositions)
        raise DispositionInvalid(f"Expected one `form-data; name=...` in part {number}; found {shown}.", offset=offset)
    parameters = parse_parameters(disposition)
    names = [value for name, value in parameters if name == "name"]
    filenames = [value for name, value in parameters if name == "filename"]
    extended = [value for name, value in parameters if name == "filename*"]
    if not names:
        raise PartNameMissing(f"Part {number} has no name: {disposition!r}.", offset=offset)
    # Readers differ on which of two wins, on the forms of RFC 2231, and on whether a field with `filename=` somewhere
    # is a file: with any of these a check here could speak of another name than the service sees.
    if max(len(names), len(filenames), len(extended)) > 1:
        complaint = "has two names or two filenames"
    elif any(name.startswith(("name*", "filename*")) and name != "filename*" for name, _ in parameters):
        complaint = "has a name in a form that is not for forms (RFC 7578 section 4.2)"
    elif not filenames and not extended and _FILENAME.search(disposition):
        complaint = "is a field that mentions `filename=`"
    else:
        complaint = ""
    if complaint:
        raise DispositionInvalid(f"Part {number} {complaint}: {disposition!r}.", offset=offset)
    filename = _filename(filenames, extended)
    return Part(
        number=number,
        name=names[0],
        filename=filename,
        content_type=next((value for name, value in lines if name == "content-type"), None),
        headers=headers,
        content_start=offset + len(headers),
    )


def _filename(filenames: list[str], extended: list[str]) -> str | None:
    """`filename*` wins if it can be read (RFC 6266 section 4.3); if not, it still makes a file of the part."""
    decoded = decode_extended(extended[0]) if extended else None
    return next((name for name in (decoded, *filenames, *extended) if name is not None), None)


def with_lines_replaced(
    headers: bytes, *, disposition: bytes | None = None, content_type: bytes | None = None
) -> bytes:
    """The headers of a part with other lines for these two, where they are given; every other byte as it was.

    Each takes the place of the line that was there; a Content-Type that was not there follows the Content-Disposition.
    """
    lines = []
    pending = content_type
    for line in headers[:-4].split(b"\r\n"):
        name = line.partition(b":")[0].lower()
        if name == b"content-type" and content_type is not None:
            # Some servers read the last of several: a second one would contradict the new one.
            if pending is not None:
                lines.append(pending)
            pending = None
        elif name == b"content-disposition" and disposition is not None:
            lines.append(disposition)
        else:
            lines.append(line)
    if pending is not None:
        place = next(i for i, line in enumerate(lines) if line.partition(b":")[0].lower() == b"content-disposition")
        lines.insert(place + 1, pending)
    return b"\r\n".join(lines) + b"\r\n\r\n"
