"""A real browser, driven over WebDriver (the W3C protocol, which is JSON over HTTP), without a window."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from gateway.testing import free_port
from gateway.testing.listening import HOST
from gateway.testing.processes import ChildProcess, answers
from tests.interop.services import private_environment
from tests.machine import find_program

__all__ = ["Browser", "chromium"]

LIMIT_S = 20.0

# The name of an element's reference in answers, as the protocol fixes it.
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"

OPTIONS = [
    "--headless=new",
    "--window-size=900,600",
    # Needed for root and in containers; it is our own page that is shown.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    # It asks nobody but this machine for anything.
    "--no-proxy-server",
    f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {HOST}",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


class Browser:
    """One window."""

    def __init__(self, driver: httpx.Client, session: str) -> None:
        self._driver = driver
        self._session = session

    def open(self, url: str) -> None:
        """Goes there, and waits until the page is loaded."""
        self._ask("url", {"url": url})

    def type(self, selector: str, text: str) -> None:
        """Types into an element; for a file input these are paths, one on each line."""
        self._ask(f"element/{self._find(selector)}/value", {"text": text})

    def click(self, selector: str, *, leads_to: str) -> None:
        """Clicks on an element, and waits until the page to which that leads is loaded."""
        self._ask(f"element/{self._find(selector)}/click", {})
        deadline = time.monotonic() + LIMIT_S
        # That the click is done says little about what it began.
        while self.evaluate("return [location.href, document.readyState]") != [leads_to, "complete"]:
            assert time.monotonic() < deadline, f"{leads_to} is not shown within {LIMIT_S} s"
            time.sleep(0.02)

    def evaluate(self, script: str) -> Any:
        """Runs the body of a function in the page, and returns its result; None if the page went away meanwhile."""
        response = self._driver.post(f"/session/{self._session}/execute/sync", json={"script": script, "args": []})
        if response.status_code == 500 and "unload" in response.json()["value"]["message"]:
            return None
        return _value(response)

    def screenshot(self) -> bytes:
        """What the window shows, as a PNG."""
        return base64.b64decode(_value(self._driver.get(f"/session/{self._session}/screenshot")))

    def _find(self, selector: str) -> str:
        element: str = self._ask("element", {"using": "css selector", "value": selector})[ELEMENT]
        return element

    def _ask(self, command: str, members: dict[str, object]) -> Any:
        return _value(self._driver.post(f"/session/{self._session}/{command}", json=members))


@contextmanager
def chromium(directory: Path) -> Iterator[Browser]:
    """Starts the browser and its driver, and ends both; their files are in the directory."""
    binary = find_program("chromium", package="chromium")
    driver = find_program("chromedriver", package="chromium-driver")
    port = free_port()
    with ChildProcess(
        [driver, f"--port={port}"], directory=directory, name="chromedriver", environment=private_environment(directory)
    ) as process:
        process.wait_until(lambda: answers(port, "/status"))
        with httpx.Client(base_url=f"http://{HOST}:{port}", trust_env=False, timeout=60) as client:
            options = {"binary": binary, "args": [*OPTIONS, f"--user-data-dir={directory / 'profile'}"]}
            wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
            session = _value(client.post("/session", json=wanted))["sessionId"]
            try:
                yield Browser(client, session)
            finally:
                client.delete(f"/session/{session}")


def _value(response: httpx.Response) -> Any:
    value = response.json()["value"]
    assert response.status_code == 200, value
    return value
