"""Our own extractor answers in kreuzberg's shape, and refuses what it cannot read."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from werkzeug.test import TestResponse

from gateway.testing.extraction import HANDBOOK
from gateway.testing.extractor import create_extractor


def post(files: Sequence[tuple[str, bytes]]) -> TestResponse:
    data = [(name, (io.BytesIO(content), f"{number}.bin")) for number, (name, content) in enumerate(files)]
    form: dict[str, list[tuple[io.BytesIO, str]]] = {}
    for name, file in data:
        form.setdefault(name, []).append(file)
    return create_extractor().test_client().post("/text/api", data=form)


@pytest.mark.parametrize("field", ["file", "files"])
def test_a_document_is_given_as_text_and_pages(field: str) -> None:
    (document,) = post([(field, HANDBOOK.read_bytes())]).get_json()

    assert document["mime_type"] == "application/pdf"
    assert [page["page_number"] for page in document["pages"]] == [1, 2, 3]
    assert document["content"] == "\n\n".join(page["content"] for page in document["pages"])
    assert "façade.pdf" in document["content"]


def test_several_documents_are_given_in_order() -> None:
    found = post([("files", "naïve".encode()), ("files", b"")]).get_json()

    assert [(document["content"], document["mime_type"]) for document in found] == [
        ("naïve", "text/plain"),
        ("", "text/plain"),
    ]


@pytest.mark.parametrize(
    ("files", "status", "reason"),
    [
        ([], 400, "expected a multipart form with a file part"),
        ([("other", b"abc")], 400, "expected a multipart form with a file part"),
        ([("file", b"\xff\xfe")], 422, "expected PDF or UTF-8 text in '0.bin'"),
        ([("file", b"%PDF-1.4 and nothing else")], 422, "expected PDF or UTF-8 text in '0.bin'"),
    ],
)
def test_what_cannot_be_read_is_refused(files: list[tuple[str, bytes]], status: int, reason: str) -> None:
    response = post(files)

    assert response.status_code == status
    assert reason in response.get_json()["error"]
