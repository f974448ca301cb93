"""The shortest way: parse the form and post the file on with `files=`, which holds it in memory."""

from __future__ import annotations

import requests
from flask import Flask, request

__all__ = ["create"]


def create(service_url: str) -> Flask:
    application = Flask(__name__)

    @application.post("/upload")
    def upload() -> tuple[bytes, int]:
        file = request.files["file"]
        answer = requests.post(service_url, files={"file": (file.filename, file.stream, file.mimetype)})
        return answer.content, answer.status_code

    return application
