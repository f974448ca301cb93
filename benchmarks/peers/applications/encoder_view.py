"""The answer that tutorials give: parse the form, hand the file to MultipartEncoder, post it on."""

from __future__ import annotations

import requests
from flask import Flask, request
from requests_toolbelt.multipart.encoder import MultipartEncoder

__all__ = ["create"]


def create(service_url: str) -> Flask:
    application = Flask(__name__)

    @application.post("/upload")
    def upload() -> tuple[bytes, int]:
        file = request.files["file"]
        encoder = MultipartEncoder(fields={"file": (file.filename, file.stream, file.mimetype)})
        answer = requests.post(service_url, data=encoder, headers={"Content-Type": encoder.content_type})
        return answer.content, answer.status_code

    return application
