"""Filenames in ASCII, in HTTP headers, and in halves: one row for each kind of name that clients send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from gateway.multipart.filenames import ascii_filename, attachment, extended_value, stem_and_suffix
from gateway.multipart.parameters import decode_extended
from tests.multipart.driving import budget

any_text = st.text(st.characters(), max_size=12) | st.text("aé报\u0301/\\._\udcff ", max_size=8)
encodable = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("filename", "stem", "suffix"),
    [
        ("report.pdf", "report", ".pdf"),
        ("report", "report", ""),
        ("archive.tar.gz", "archive.tar", ".gz"),
        ("directory.d/report", "report", ""),
        ("/var/directory/report.pdf", "report", ".pdf"),
        ("C:\\directory\\report.pdf", "report", ".pdf"),
        ("a/b\\c.d", "c", ".d"),
        # a dot in front, or at the end, begins no suffix
        (".profile", ".profile", ""),
        ("report.", "report.", ""),
        ("..", "..", ""),
        ("", "", ""),
        ("directory/", "", ""),
        ("报告.pdf", "报告", ".pdf"),
    ],
)
def test_a_filename_has_two_halves(filename: str, stem: str, suffix: str) -> None:
    assert stem_and_suffix(filename) == (stem, suffix)


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("report.pdf", "report.pdf"),
        # what is ASCII stays, whatever it is
        ('a "b"; c%22\\d/e.pdf', 'a "b"; c%22\\d/e.pdf'),
        ("Müller.pdf", "Muller.pdf"),
        ("Mu\u0308ller.pdf", "Muller.pdf"),  # the same name as macOS writes it
        ("ﬁle №5.txt", "file No5.txt"),
        ("1\u00a0000.txt", "1 000.txt"),
        ("报告.pdf", "__.pdf"),
        ("отчёт.pdf", "_____.pdf"),
        ("straße.pdf", "stra_e.pdf"),
        ("😀.png", "_.png"),
        ("a\udcff.pdf", "a_.pdf"),
        # never empty, and never a name that begins with its suffix
        ("\u0301.pdf", "_.pdf"),
        ("\u0301", "file"),
        ("a.\u0301", "a."),
        # look-alikes of characters that mean something do not become these
        ("\uff0e\uff0e\uff0fx.pdf", "___x.pdf"),
        ("a\uff02b.pdf", "a_b.pdf"),
        ("a…b.pdf", "a_b.pdf"),
    ],
)
def test_a_filename_in_ascii(filename: str, expected: str) -> None:
    assert ascii_filename(filename) == expected


@budget(200)
@given(any_text)
def test_a_filename_in_ascii_is_ascii_and_not_empty(filename: str) -> None:
    """Whatever the client called it; and a second time changes nothing."""
    found = ascii_filename(filename)

    assert found
    assert found.isascii()
    assert ascii_filename(found) == found


@budget(200)
@given(encodable)
def test_an_extended_value_can_be_read_back(filename: str) -> None:
    """By our own reader, and in characters that a header may hold unquoted."""
    value = extended_value(filename)

    assert value.isascii()
    assert not set(value) & set(' "(),/:;<=>?@[\\]{}*')
    assert decode_extended(value) == filename


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("report.pdf", 'attachment; filename="report.pdf"'),
        ("a b;c.pdf", 'attachment; filename="a b;c.pdf"'),
        ('a"b\\c.pdf', r'attachment; filename="a\"b\\c.pdf"'),
        ("é.pdf", "attachment; filename=\"e.pdf\"; filename*=UTF-8''%C3%A9.pdf"),
        ("报告 1.pdf", "attachment; filename=\"__ 1.pdf\"; filename*=UTF-8''%E6%8A%A5%E5%91%8A%201.pdf"),
        # nothing can add a header
        ("a\r\nX: 1", 'attachment; filename="a__X: 1"'),
        ("a\0\x7f", 'attachment; filename="a__"'),
        # bytes that are not UTF-8 have no form in `filename*`
        ("a\udcff.pdf", 'attachment; filename="a_.pdf"'),
    ],
)
def test_a_filename_in_a_header(filename: str, expected: str) -> None:
    assert attachment(filename) == expected


@budget(200)
@given(encodable)
def test_a_filename_in_a_header_is_read_back_by_others(filename: str) -> None:
    """By Werkzeug, which takes `filename*` where there is one."""
    # Werkzeug reads %22 as a quote also here, where it is none.
    filename = filename.replace("%", "_")

    kind, options = parse_options_header(attachment(filename))

    assert (kind, options) == ("attachment", {"filename": filename})
