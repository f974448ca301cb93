"""What a file is, by its first bytes: a table over files of many formats."""

from __future__ import annotations

import random
import zipfile

import pytest

from gateway.multipart import sniffing
from gateway.multipart.sniffing import SNIFFED_BYTES, canonical, recognise, sniff
from tests.multipart import contents

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
POWERPOINT = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
ODT = "application/vnd.oasis.opendocument.text"

# Name, content, the likeliest type, and others that it may be and may not be.
FILES: list[tuple[str, bytes, str | None, set[str], set[str]]] = [
    ("pdf", contents.PDF, "application/pdf", set(), {"text/plain", "image/png"}),
    ("pdf as text", contents.PDF_AS_TEXT, "application/pdf", set(), {"text/plain"}),
    ("pdf behind junk", b"\0junk\n" + contents.PDF, "application/pdf", set(), set()),
    ("png", contents.png(), "image/png", set(), {"image/jpeg"}),
    ("jpeg", contents.JPEG, "image/jpeg", set(), {"image/png"}),
    ("gif", contents.GIF, "image/gif", set(), set()),
    ("webp", contents.WEBP, "image/webp", set(), {"audio/wav", "video/x-msvideo"}),
    ("bmp", contents.BMP, "image/bmp", set(), set()),
    ("tiff", contents.TIFF, "image/tiff", set(), set()),
    ("heic", contents.mp4(b"heic"), "image/heif", set(), set()),
    ("avif", contents.mp4(b"avif"), "image/avif", set(), {"video/mp4"}),
    ("mp4", contents.mp4(b"isom"), "video/mp4", {"audio/mp4"}, {"image/avif"}),
    ("m4a", contents.mp4(b"M4A "), "audio/mp4", {"video/mp4"}, set()),
    ("webm", contents.WEBM, "video/webm", {"audio/webm", "video/x-matroska"}, set()),
    ("ogg", contents.OGG, "application/ogg", {"audio/ogg", "video/ogg"}, {"audio/mpeg"}),
    ("mp3", contents.MP3, "audio/mpeg", set(), set()),
    ("mp3 without tags", contents.MP3_BARE, "audio/mpeg", set(), set()),
    ("wav", contents.wav(), "audio/wav", set(), {"image/webp"}),
    ("zip", contents.zipped(("a.txt", b"x")), "application/zip", {WORD, EXCEL}, {"application/gzip"}),
    ("empty zip", contents.zipped(), "application/zip", set(), set()),
    ("docx", contents.office("word"), WORD, {"application/zip"}, {EXCEL, POWERPOINT}),
    ("xlsx", contents.office("xl"), EXCEL, {"application/zip"}, {WORD, POWERPOINT}),
    ("pptx", contents.office("ppt"), POWERPOINT, {"application/zip"}, {WORD, EXCEL}),
    ("docx, not compressed", contents.zipped(("word/document.xml", b"<x/>"), method=zipfile.ZIP_STORED), WORD,
     {"application/zip"}, {EXCEL}),
    ("office that does not say which", contents.zipped(("[Content_Types].xml", b"<x/>")), WORD, {EXCEL, POWERPOINT},
     {"application/java-archive"}),
    ("odt", contents.zipped(("mimetype", ODT.encode()), ("content.xml", b"<x/>")), ODT, {"application/zip"}, {WORD}),
    ("epub", contents.zipped(("mimetype", b"application/epub+zip")), "application/epub+zip", set(), {WORD}),
    ("jar", contents.zipped(("META-INF/MANIFEST.MF", b"x")), "application/java-archive", {"application/zip"}, {WORD}),
    ("doc, xls, ppt", contents.OLE, "application/msword", {"application/vnd.ms-excel", "application/vnd.ms-powerpoint"},
     {"application/zip"}),
    ("gz", contents.GZ, "application/gzip", set(), {"application/zip"}),
    ("bz2", contents.BZ2, "application/x-bzip2", set(), set()),
    ("xz", contents.XZ, "application/x-xz", set(), set()),
    ("tar", contents.tar(), "application/x-tar", set(), set()),
    ("elf", contents.elf(), "application/x-elf", set(), set()),
    ("exe", contents.exe(), "application/vnd.microsoft.portable-executable", set(), set()),
    ("xml", contents.XML, "application/xml", {"text/plain"}, {"image/svg+xml"}),
    ("svg", contents.SVG, "image/svg+xml", {"text/plain"}, {"text/html"}),
    ("svg with a prolog", contents.XML.splitlines()[0] + b"<!-- x -->" + contents.SVG, "image/svg+xml",
     {"application/xml"}, set()),
    ("html", contents.HTML, "text/html", {"text/plain"}, {"image/svg+xml"}),
    ("html in capitals", b"\n<HTML><BODY>", "text/html", {"text/plain"}, set()),
    ("xhtml", contents.XHTML, "text/html", {"application/xml"}, set()),
    ("csv", contents.CSV, "text/plain", set(), {"application/json"}),
    ("text", contents.TEXT, "text/plain", set(), {"application/json"}),
    ("text in Latin-1", "Größe und Gewicht\n".encode("latin-1"), "text/plain", set(), set()),
    ("text in UTF-16", "Größe\n".encode("utf-16"), "text/plain", set(), set()),
    ("text of no Latin letters", "Привет, мир".encode(), "text/plain", set(), set()),
    ("text with a byte order mark", b"\xef\xbb\xbfhello", "text/plain", set(), set()),
    ("html with a byte order mark", b"\xef\xbb\xbf" + contents.HTML, "text/html", set(), set()),
    ("json", contents.JSON, "application/json", {"text/plain"}, {"image/svg+xml"}),
    ("json, an array", b" [1, 2]", "application/json", set(), set()),
    ("rtf", contents.RTF, "application/rtf", {"text/plain"}, {"application/json"}),
    ("mail", contents.MAIL, "message/rfc822", {"text/plain"}, set()),
    # texts that begin like something else
    ("text like a bitmap", b"BMW and others", "text/plain", set(), {"image/bmp"}),
    ("text like a program", b"MZ is a prefix", "text/plain", set(), {"application/vnd.microsoft.portable-executable"}),
    ("text like a zip", b"PK is a name", "text/plain", set(), {"application/zip"}),
    ("text like JSON", b"[section]\nkey=1\n", "text/plain", set(), {"application/json"}),
    ("text like an X bitmap", b"#define A 1\n", "text/plain", set(), set()),
    ("text about PDF", b"a PDF begins with %PDF-", "text/plain", set(), {"application/pdf"}),
    # nothing
    ("empty", b"", None, set(), set()),
    ("noise", contents.NOISE, None, set(), set()),
    ("zeros", bytes(1000), None, set(), set()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "likeliest", "also", "never"), [row[1:] for row in FILES], ids=[row[0] for row in FILES]
)
def test_a_file_is_recognised(content: bytes, likeliest: str | None, also: set[str], never: set[str]) -> None:
    """By its first bytes alone; a list of what it may be, the likeliest first, and not what it cannot be."""
    found = recognise(content)

    assert (found.types[0] if found.types else None) == likeliest
    assert also <= set(found.types)
    assert not never & set(found.types)
    assert sniff(content, None) == likeliest


@pytest.mark.parametrize(
    ("filename", "content", "expected"),
    [
        ("sizes.csv", contents.CSV, "text/csv"),
        ("Sizes.CSV", contents.CSV, "text/csv"),
        ("readme.md", contents.TEXT, "text/markdown"),
        ("a.b/c.txt", contents.TEXT, "text/plain"),
        ("unknown.xyz", contents.TEXT, "text/plain"),
        ("csv", contents.CSV, "text/csv"),
        ("", contents.CSV, "text/plain"),
        ("\udcff.csv", contents.CSV, "text/csv"),
        # the name is no proof
        ("page.txt", contents.HTML, "text/html"),
        ("image.png", contents.JPEG, "image/jpeg"),
        ("image.png", contents.TEXT, "text/plain"),
        ("image.png", contents.NOISE, None),
        ("image.png", b"", None),
        ("table.csv", contents.png(), "image/png"),
        # but it tells apart what has the same signature
        ("slides.ppt", contents.OLE, "application/vnd.ms-powerpoint"),
        ("letter.doc", contents.OLE, "application/msword"),
    ],
)
def test_a_name_tells_apart_what_looks_the_same(filename: str, content: bytes, expected: str | None) -> None:
    """And nothing else."""
    assert sniff(content, filename) == expected


def test_only_so_much_is_looked_at() -> None:
    """What follows makes no difference: it may not be there yet."""
    for _, content, *_ in FILES:
        head = content.ljust(SNIFFED_BYTES, b" ")[:SNIFFED_BYTES]

        assert recognise(head + contents.NOISE) == recognise(head)


def test_a_character_may_be_cut() -> None:
    """At the end of what is looked at; elsewhere it means that this is no text."""
    text = "ä".encode() * SNIFFED_BYTES

    for shift in (b"", b"x"):
        assert recognise((shift + text)[:SNIFFED_BYTES]).is_text
    assert not recognise("ä".encode()[:1] + "ä".encode() * 5).is_text


def test_a_broken_zip_is_a_zip() -> None:
    """Lengths in it may say anything."""
    choices = random.Random(1)
    for _ in range(300):
        broken = bytearray(contents.office("word"))
        for _ in range(5):
            broken[choices.randrange(4, 200)] = choices.randrange(256)

        assert "application/zip" in recognise(bytes(broken)).types


@pytest.mark.parametrize(
    ("written", "usual"),
    [("image/jpg", "image/jpeg"), ("Image/PNG", "image/png"), ("application/x-unknown", "application/x-unknown")],
)
def test_a_type_has_one_usual_spelling(written: str, usual: str) -> None:
    """So that a rule need not list the others."""
    assert canonical(written) == usual


def test_usual_spellings_are_usual() -> None:
    """No spelling leads to another one that is not usual itself."""
    for usual in sniffing._USUAL.values():
        assert canonical(usual) == usual
