"""Parts and spans as values."""

from __future__ import annotations

import pytest

from gateway.core.uploads import Part, Span


def part(**values: object) -> Part:
    fields: dict[str, object] = {"number": 0, "name": "a", "filename": None, "content_type": None, "headers": b""}
    return Part(**{**fields, "content_start": 10, **values})


@pytest.mark.parametrize(("start", "stop", "length"), [(0, 0, 0), (3, 3, 0), (3, 10, 7)])
def test_a_span_is_as_long_as_what_it_covers(start: int, stop: int, length: int) -> None:
    assert len(Span(start, stop)) == length


@pytest.mark.parametrize(("filename", "is_file"), [(None, False), ("", True), ("a.pdf", True)])
def test_a_filename_makes_a_file_also_an_empty_one(filename: str | None, is_file: bool) -> None:
    assert part(filename=filename).is_file is is_file


def test_the_content_of_a_part_is_known_when_it_has_arrived() -> None:
    assert part(content_stop=12).content == Span(10, 12)

    with pytest.raises(ValueError, match="part 0 is still arriving"):
        _ = part(content_stop=None).content
