"""A form in a real browser: what arrives at the service, and what the person then sees, is the same as directly."""

from __future__ import annotations

import html
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.testing import RecordingService, answer_bytes, boundary_of, split_multipart
from gateway.testing.gateways import RunningGateway
from tests.e2e.sending import Service, noise
from tests.interop.browsers import Browser, chromium
from tests.interop.test_clients import assert_equal

FORM = """<!doctype html><meta charset=utf-8><title>Upload</title>
<form action="{}" method=post enctype=multipart/form-data>
  <p><input name=title> <textarea name=options></textarea></p>
  <p><input type=file name=document multiple> <input type=file name=empty> <input type=file name=unchosen></p>
  <p><button>Send</button></p>
</form>
"""
TEXTS = {"title": 'Größe "x" 日本', "options": '{\n  "brief": true\n}'}
DOCUMENTS = {"Übersicht 日本.txt": b"The quick brown fox.\r\n", 'a "quoted" name.bin': noise(300_000)}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@contextmanager
def page(action: str) -> Iterator[str]:
    """The address of a page with the form, which goes to that URL."""
    text = FORM.format(html.escape(action)).encode()
    answer = answer_bytes(200, text, [("Content-Type", "text/html; charset=utf-8")])
    with RecordingService(answer=lambda _: answer) as server:
        yield server.url


def submit(browser: Browser, action: str, directory: Path) -> tuple[int, str]:
    """Fills the form in and sends it; the status and the text of the page that then is there."""
    for name, content in (*DOCUMENTS.items(), ("empty.dat", b"")):
        directory.joinpath(name).write_bytes(content)
    with page(action) as address:
        browser.open(address)
        for name, text in TEXTS.items():
            browser.type(f"[name={name}]", text)
        browser.type("[name=document]", "\n".join(str(directory / name) for name in DOCUMENTS))
        browser.type("[name=empty]", str(directory / "empty.dat"))
        browser.click("button", leads_to=action)
        status, text = browser.evaluate(
            "return [performance.getEntriesByType('navigation')[0].responseStatus, document.body.innerText]"
        )
    return status, text


def test_a_form(browser: Browser, gateway: RunningGateway, service: Service, tmp_path: Path) -> None:
    """Texts, files, an empty file, and an input in which no file was chosen."""
    shown_directly = submit(browser, f"{service.url}/live", tmp_path)
    shown_through = submit(browser, f"{gateway.url}/live", tmp_path)

    # A browser also asks for the site's icon.
    direct, through = (received for received in service.received if received.method == "POST")
    assert_equal(direct, through)
    assert shown_through == shown_directly
    assert shown_directly[0] == 201
    sent = split_multipart(direct.body or b"", boundary_of(direct.headers.get("content-type")))
    # Forms have CR LF at the end of each line of a text (HTML, "constructing the entry list").
    texts = [text.replace("\n", "\r\n").encode() for text in TEXTS.values()]
    assert [content for _, content in sent] == [*texts, *DOCUMENTS.values(), b"", b""]


def test_a_refusal(browser: Browser, gateway: RunningGateway, service: Service, tmp_path: Path) -> None:
    """What the gateway says itself is shown to the person, who can read it."""
    status, text = submit(browser, f"{gateway.url}/nowhere", tmp_path)

    assert status == 404
    assert "route_unknown" in text
    assert service.received == []
