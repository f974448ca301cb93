"""The text-extraction services that the project is shown with: real, and gone when they are no longer needed."""

from __future__ import annotations

import json
from typing import Literal

import pytest

from gateway.testing import RawClient, field_part, file_part, multipart
from gateway.testing.extraction import HANDBOOK, Extraction, extraction_service
from gateway.testing.listening import HOST
from gateway.testing.processes import is_running

CONFIG = json.dumps({"pages": {"extract_pages": True}}).encode()


def read_handbook(extraction: Extraction) -> dict[str, object]:
    parts = [field_part("config", CONFIG), file_part("files", "handbook.pdf", HANDBOOK.read_bytes(), "application/pdf")]
    headers = [("Content-Type", "multipart/form-data; boundary=edge")]
    with RawClient(HOST, extraction.port, timeout=30) as client:
        answer = client.post(extraction.path, multipart(parts, b"edge"), headers)
    assert answer.status == 200
    document: dict[str, object]
    (document,) = json.loads(answer.body)
    return document


@pytest.mark.parametrize("use", ["auto", "extractor"])
def test_the_handbook_is_read_page_by_page(use: Literal["auto", "extractor"]) -> None:
    """By kreuzberg, where it is installed, as by our own extractor; and no process is left."""
    with extraction_service(use) as extraction:
        document = read_handbook(extraction)
        pids = [extraction.process.pid, *extraction.process.children()]

    pages = document["pages"]
    assert isinstance(pages, list)
    assert document["mime_type"] == "application/pdf"
    assert "façade.pdf" in str(document["content"])
    assert [str(page["content"]).split("\n")[0].strip() for page in pages] == [
        "The upload gateway in three pages",
        "How an upload travels",
        "What you can rely on",
    ]
    assert len(pids) == (2 if extraction.name.startswith("kreuzberg") else 1)
    assert not any(is_running(pid) for pid in pids)


def test_the_handbook_is_small_and_says_nothing_about_where_it_was_made() -> None:
    content = HANDBOOK.read_bytes()

    assert content.startswith(b"%PDF-")
    assert len(content) < 60_000
    assert b"(D:20000101000000Z)" in content
    assert not any(word in content for word in (b"/home", b"/tmp", b"fpdf", b"/Author"))
