"""A small text-extraction service in pure Python, for platforms where kreuzberg has no wheel.

    python -m gateway.testing.extractor --port 5001

Takes forms at /text/api with one or more `file` or `files` parts, PDF or plain text, and answers with a
list of what was found in each, in the shape that kreuzberg has: content, mime_type, and pages.
"""

from __future__ import annotations

import io

import click
from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue
from pypdf import PdfReader
from pypdf.errors import PyPdfError
from werkzeug.serving import make_server

from gateway.testing.listening import HOST

__all__ = ["create_extractor", "main"]


def create_extractor() -> Flask:
    """The application."""
    app = Flask("extractor", static_folder=None)
    app.add_url_rule("/health", "health", lambda: {"status": "healthy"})
    app.add_url_rule("/text/api", "text", _extract, methods=["POST"])
    return app


@click.command()
@click.option("--port", type=int, default=5001, show_default=True, help="Where to listen, on the loopback interface.")
def main(port: int) -> None:
    """Serve until a signal comes."""
    make_server(HOST, port, create_extractor(), threaded=True).serve_forever()


def _extract() -> ResponseReturnValue:
    files = [*request.files.getlist("file"), *request.files.getlist("files")]
    if not files:
        return _refusal(400, "expected a multipart form with a file part named `file` or `files`, found none")
    found = []
    for file in files:
        content = file.read()
        try:
            pages, mime_type = _pages(content)
        except (PyPdfError, UnicodeDecodeError) as error:
            return _refusal(422, f"expected PDF or UTF-8 text in {file.filename!r}: {error}")
        numbered = [{"page_number": number, "content": page} for number, page in enumerate(pages, 1)]
        found.append({"content": "\n\n".join(pages), "mime_type": mime_type, "pages": numbered})
    return jsonify(found)


def _pages(content: bytes) -> tuple[list[str], str]:
    if content.startswith(b"%PDF-"):
        return [page.extract_text() for page in PdfReader(io.BytesIO(content)).pages], "application/pdf"
    return [content.decode("utf-8")], "text/plain"


def _refusal(status: int, message: str) -> Response:
    response = jsonify({"error": message})
    response.status_code = status
    return response


if __name__ == "__main__":
    main()
