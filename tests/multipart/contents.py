"""Files of many formats, as small as their writers make them: the standard library's where it has one."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import wave
import zipfile
import zlib

NOISE = random.Random(1).randbytes(8192)


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0\0")), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def wav() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(bytes(200))
    return out.getvalue()


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in entries:
            archive.writestr(name, content, zipfile.ZIP_STORED if name == "mimetype" else method)
    return out.getvalue()


def office(folder: str) -> bytes:
    return zipped(
        ("[Content_Types].xml", b'<?xml version="1.0"?><Types/>' * 20),
        ("_rels/.rels", b'<?xml version="1.0"?><Relationships/>' * 20),
        (f"{folder}/document.xml", b'<?xml version="1.0"?><document/>' * 50),
    )


def tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"), io.BytesIO())
    return out.getvalue()


def mp4(brand: bytes) -> bytes:
    return struct.pack(">I", 24) + b"ftyp" + brand + b"\0\0\2\0" + brand + b"mp42" + NOISE


def elf() -> bytes:
    return b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\x3e\0\1\0\0\0" + NOISE


def exe() -> bytes:
    return b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff" + bytes(46) + b"\x80\0\0\0" + bytes(64) + b"PE\0\0" + NOISE


PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n"
PDF_AS_TEXT = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\n"
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0" + NOISE
GIF = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
WEBP = b"RIFF\x24\0\0\0WEBPVP8 " + NOISE
BMP = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0" + NOISE
TIFF = b"II*\0\x08\0\0\0" + NOISE
MP3 = b"ID3\4\0\0\0\0\0\x0aTIT2" + NOISE
MP3_BARE = b"\xff\xfb\x90\x64" + bytes(100) + NOISE
OGG = b"OggS\0\2" + bytes(20) + b"\1\x1e\1vorbis" + NOISE
WEBM = b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\xf7\x81\1B\xf2\x81\4B\xf3\x81\x08B\x82\x84webm" + NOISE
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + NOISE
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>\n'
XML = b'<?xml version="1.0" encoding="UTF-8"?>\n<catalog/>\n'
HTML = b"<!DOCTYPE html>\n<html><head><title>x</title></head></html>\n"
XHTML = b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml"/>\n'
CSV = b"name,size\na.txt,12\n"
TEXT = b"A line of text.\nAnother one.\n"
JSON = b'{"name": "a.txt", "sizes": [1, 2]}\n'
RTF = b"{\\rtf1\\ansi hello}"
MAIL = b"From: a@example\r\nTo: b@example\r\n\r\nhello\r\n"
GZ = gzip.compress(NOISE, mtime=0)
BZ2 = bz2.compress(NOISE)
XZ = lzma.compress(NOISE)
