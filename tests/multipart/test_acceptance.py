"""What a route asks of uploads: the parts that must be there, and the types of files, by declaration and content."""

from __future__ import annotations

import re

import pytest

from gateway.core.uploads import Part
from gateway.errors import PartMissing, TypeUnsupported
from gateway.multipart.acceptance import TypeCheck, require_parts
from gateway.multipart.sniffing import SNIFFED_BYTES
from tests.multipart import contents

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
UNKNOWN = "application/octet-stream"
FORM_OF_CURL = "application/x-www-form-urlencoded"


def part(name: str = "file", filename: str | None = "a.bin", content_type: str | None = None, start: int = 0) -> Part:
    return Part(number=0, name=name, filename=filename, content_type=content_type, headers=b"", content_start=start)


# --- parts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("required", "parts"),
    [
        ([], []),
        ([], [part("a")]),
        (["a"], [part("a")]),
        (["a", "b"], [part("b", None), part("x"), part("a")]),
        # a second input of the same name, in which a file was chosen
        (["a"], [part("a", ""), part("a", "x")]),
    ],
)
def test_parts_that_are_there_are_enough(required: list[str], parts: list[Part]) -> None:
    """In any order, files or fields, beside others."""
    require_parts(required, parts)


@pytest.mark.parametrize(
    ("required", "parts", "detail"),
    [
        (["file"], [], "Expected a part 'file'; found the parts: none."),
        (["file"], [part("x")], "Expected a part 'file'; found the parts: 'x'."),
        (
            ["document"],
            [part("lang", None), part("documents"), part("documents")],
            "Expected a part 'document'; found the parts: 'lang', 'documents'. Is 'documents' meant to be it?",
        ),
        (["a", "file"], [part("a"), part("File")], "found the parts: 'a', 'File'. Is 'File' meant to be it?"),
        # one that is required itself is not meant to be another
        (["file1", "file2"], [part("file1")], "Expected a part 'file2'; found the parts: 'file1'."),
        (["file"], [part("file", "")], "Expected a file in the part 'file'; none was chosen."),
        (["file"], [part("f\udcfcle")], "found the parts: 'f\ufffdle'. Is 'f\ufffdle' meant to be it?"),
    ],
)
def test_a_missing_part_is_named_with_what_is_near_to_it(required: list[str], parts: list[Part], detail: str) -> None:
    """The most usual mistake is another name."""
    with pytest.raises(PartMissing, match=re.escape(detail) + "$") as raised:
        require_parts(required, parts)

    assert (raised.value.code, raised.value.status) == ("part_missing", 422)


# --- types -------------------------------------------------------------------------------------


def check(patterns: list[str], checked: Part, content: bytes, step: int | None = None, *, bare: bool = False) -> None:
    """Shows the check a part whose content lies behind `content_start`, in pieces of `step` bytes."""
    types = TypeCheck(patterns)
    types.begin(checked, bare=bare)
    upload = bytes(checked.content_start) + content
    position = checked.content_start
    while position < len(upload):
        stop = len(upload) if step is None else min(len(upload), position + step)
        # The buffer begins somewhere before, as a slot does.
        base = max(0, position - 3)
        types.take(upload[base:stop], base, stop, ended=False)
        position = stop
    types.take(b"", position, position, ended=True)
    assert types.held_from is None


PDFS_AND_IMAGES = ["application/pdf", "image/*"]
TEXTS = ["text/*"]

TAKEN = [
    # patterns, declared, content
    (PDFS_AND_IMAGES, "application/pdf", contents.PDF),
    (PDFS_AND_IMAGES, "Application/PDF; version=1", contents.PDF),
    (["Application/PDF"], "application/pdf", contents.PDF_AS_TEXT),
    (PDFS_AND_IMAGES, "application/x-pdf", contents.PDF),
    (PDFS_AND_IMAGES, "image/png", contents.png()),
    (PDFS_AND_IMAGES, "image/svg+xml", contents.SVG),
    (PDFS_AND_IMAGES, "image/svg+xml", contents.XML + contents.SVG),
    (["image/jpeg"], "image/jpg", contents.JPEG),
    (["image/jpg"], "image/jpeg", contents.JPEG),
    (["image/heic"], "image/heic", contents.mp4(b"heic")),
    # of the right kind, and mixed up by somebody
    (PDFS_AND_IMAGES, "image/png", contents.JPEG),
    # the content decides
    (PDFS_AND_IMAGES, None, contents.PDF),
    (PDFS_AND_IMAGES, "", contents.GIF),
    (PDFS_AND_IMAGES, UNKNOWN, contents.png()),
    (["text/csv", "text/plain"], UNKNOWN, contents.CSV),
    (["application/json"], None, contents.JSON),
    ([WORD], UNKNOWN, contents.office("word")),
    # the declaration decides
    (PDFS_AND_IMAGES, "image/x-unknown", contents.NOISE),
    (PDFS_AND_IMAGES, "image/png", b""),
    (["application/dicom"], "application/dicom", contents.NOISE),
    (["text/csv"], "text/csv", contents.CSV),
    (["text/markdown"], "text/markdown", contents.HTML),
    (["application/x-ndjson"], "application/x-ndjson", contents.JSON),
    (["application/yaml"], "application/yaml", contents.TEXT),
    # Windows declares a CSV like this where Excel is installed
    (["application/vnd.ms-excel"], "application/vnd.ms-excel", contents.CSV),
    # formats that have another one's signature
    ([WORD], WORD, contents.office("word")),
    ([WORD], WORD, contents.zipped(("a", b"x"))),
    (["application/zip"], "application/zip", contents.office("word")),
    (["application/zip"], "application/x-zip-compressed", contents.zipped(("a", b"x"))),
    (["application/vnd.sketch"], "application/vnd.sketch", contents.zipped(("document.json", b"{}"))),
    (["application/vnd.ms-excel"], "application/vnd.ms-excel", contents.OLE),
    (["audio/*"], "audio/webm", contents.WEBM),
    (["audio/*"], "audio/ogg", contents.OGG),
    (["audio/*"], "audio/x-m4a", contents.mp4(b"M4A ")),
    (["audio/*"], "audio/mp4", contents.mp4(b"isom")),
    (["audio/*"], "audio/x-wav", contents.wav()),
    (["audio/*"], "audio/mpeg", contents.MP3_BARE),
    (["audio/*"], UNKNOWN, contents.MP3_BARE),
    (["*/*"], UNKNOWN, contents.png()),
    (TEXTS, "text/plain", contents.TEXT),
    (TEXTS, UNKNOWN, contents.TEXT),
]


@pytest.mark.parametrize(("patterns", "declared", "content"), TAKEN)
@pytest.mark.parametrize("step", [None, 1000, 7])
def test_a_file_of_a_type_that_is_taken(
    patterns: list[str], declared: str | None, content: bytes, step: int | None
) -> None:
    """However it arrives, and wherever in the upload."""
    check(patterns, part(content_type=declared), content, step)
    check(patterns, part(content_type=declared, start=100), content, step)


REFUSED = [
    # patterns, declared, content, what the error says of it
    (PDFS_AND_IMAGES, "text/plain", contents.PDF, "it is declared as text/plain"),
    (PDFS_AND_IMAGES, "application/pdfx", contents.PDF, "it is declared as application/pdfx"),
    (PDFS_AND_IMAGES, "imagex/png", contents.png(), "it is declared as imagex/png"),
    (["application/zip"], WORD, contents.office("word"), f"it is declared as {WORD}"),
    # content that contradicts
    (PDFS_AND_IMAGES, "application/pdf", contents.HTML, "declared as application/pdf, and its content looks like text"),
    (PDFS_AND_IMAGES, "application/pdf", contents.elf(), "its content looks like application/x-elf"),
    (PDFS_AND_IMAGES, "image/png", contents.exe(), "looks like application/vnd.microsoft.portable-executable"),
    (PDFS_AND_IMAGES, "image/png", contents.TEXT, "looks like text/plain"),
    (PDFS_AND_IMAGES, "image/png", contents.SVG, "looks like image/svg+xml"),
    (PDFS_AND_IMAGES, "image/png", contents.zipped(("a", b"x")), "looks like application/zip"),
    (["application/pdf"], "application/pdf", contents.png(), "looks like image/png"),
    ([WORD], WORD, contents.office("xl"), "looks like application/vnd.openxmlformats-officedocument.spreadsheetml"),
    ([WORD], WORD, contents.TEXT, "looks like text/plain"),
    (TEXTS, "text/plain", contents.png(), "looks like image/png"),
    (TEXTS, "text/csv", contents.PDF, "looks like application/pdf"),
    (["audio/*"], "audio/wav", contents.WEBP, "looks like image/webp"),
    # nothing declared
    (PDFS_AND_IMAGES, None, contents.TEXT, "; its content looks like text/plain"),
    (PDFS_AND_IMAGES, UNKNOWN, contents.zipped(("a", b"x")), "; its content looks like application/zip"),
    (PDFS_AND_IMAGES, UNKNOWN, contents.NOISE, "it declares no type, and its content is of none that is known"),
    (PDFS_AND_IMAGES, "", b"", "it declares no type"),
    (["text/csv"], UNKNOWN, contents.CSV, "; its content looks like text/plain"),
]


@pytest.mark.parametrize(("patterns", "declared", "content", "complaint"), REFUSED)
@pytest.mark.parametrize("step", [None, 7])
def test_a_file_of_a_type_that_is_not_taken(
    patterns: list[str], declared: str | None, content: bytes, complaint: str, step: int | None
) -> None:
    """With what is taken, and what came."""
    with pytest.raises(TypeUnsupported, match=re.escape(complaint)) as raised:
        check(patterns, part("doc", content_type=declared), content, step)

    assert raised.value.detail.startswith(f"Expected {', '.join(patterns)} in the part 'doc'; ")
    assert (raised.value.code, raised.value.status) == ("type_unsupported", 415)


def test_the_name_helps_where_nothing_is_declared() -> None:
    """Of texts nothing else tells them apart."""
    check(["text/csv"], part(filename="sizes.csv", content_type=UNKNOWN), contents.CSV)
    check(["text/csv"], part(filename="sizes.csv"), contents.CSV)
    with pytest.raises(TypeUnsupported):
        check(["text/csv"], part(filename="sizes.csv"), contents.png())


@pytest.mark.parametrize("declared", [None, UNKNOWN, "text/plain"])
def test_fields_are_not_checked(declared: str | None) -> None:
    """They are no files."""
    check(PDFS_AND_IMAGES, part(filename=None, content_type=declared), contents.TEXT)


@pytest.mark.parametrize("declared", [None, UNKNOWN, "text/plain"])
def test_where_no_file_was_chosen_there_is_none(declared: str | None) -> None:
    """Browsers send the empty input, with a type. With content it is a file all the same."""
    check(PDFS_AND_IMAGES, part(filename="", content_type=declared), b"")
    with pytest.raises(TypeUnsupported):
        check(PDFS_AND_IMAGES, part(filename="", content_type=declared), contents.TEXT)


def test_what_curl_declares_is_nothing_for_a_bare_body() -> None:
    """`curl -d @file` declares a form of another kind; the part of a form that declares it means it."""
    check(PDFS_AND_IMAGES, part(content_type=FORM_OF_CURL), contents.PDF, bare=True)
    with pytest.raises(TypeUnsupported, match="looks like text/plain"):
        check(PDFS_AND_IMAGES, part(content_type=FORM_OF_CURL), contents.TEXT, bare=True)
    with pytest.raises(TypeUnsupported, match="declared as application/x-www-form-urlencoded"):
        check(PDFS_AND_IMAGES, part(content_type=FORM_OF_CURL), contents.PDF)


def test_a_declaration_may_be_enough() -> None:
    """Then nothing of the content is waited for."""
    with pytest.raises(TypeUnsupported):
        TypeCheck(PDFS_AND_IMAGES).begin(part(content_type="text/html"))


def test_content_is_held_until_it_is_known() -> None:
    """From its first byte; for as many bytes as are looked at, or to its end."""
    types = TypeCheck(PDFS_AND_IMAGES)
    content = contents.PDF.ljust(2 * SNIFFED_BYTES, b"\0")
    assert types.held_from is None

    types.begin(part(start=50))
    assert types.held_from == 50
    types.take(content, 50, 50 + SNIFFED_BYTES - 1, ended=False)
    assert types.held_from == 50
    types.take(content, 50, 50 + SNIFFED_BYTES + 10, ended=False)
    assert types.held_from is None

    types.begin(part(start=9000))
    assert types.held_from == 9000
    types.take(contents.PDF, 9000, 9010, ended=True)
    assert types.held_from is None

    types.begin(part(filename=None, start=9100))
    assert types.held_from is None
