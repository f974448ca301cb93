"""The real gateway can be started in every way that tests need, and is gone afterwards."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Literal

import pytest

from gateway.testing import ProcessFailed, RawClient, RecordingService, file_part, multipart
from gateway.testing.gateways import relay_configuration, running_gateway
from gateway.testing.listening import HOST
from gateway.testing.processes import is_running

FORM = multipart([file_part("file", "a.bin", b"content")], b"edge")
HEADERS = [("Content-Type", "multipart/form-data; boundary=edge")]


@pytest.mark.parametrize("server", ["gateway", "gunicorn"])
def test_an_upload_goes_through_and_no_process_is_left(server: Literal["gateway", "gunicorn"]) -> None:
    with RecordingService() as service:
        with running_gateway(to=[f"text={service.url}/text"], server=server, workers=2) as running:
            with RawClient(HOST, running.port) as client:
                answer = client.post("/file", FORM, HEADERS)
            pids = [running.pid, *running.worker_pids()]
            directory = running.directory

        assert answer.status == 200
        assert [(received.target, received.complete) for received in service.received] == [("/text", True)]
    assert len(pids) == 3
    assert not any(is_running(pid) for pid in pids)
    assert not directory.exists()


def test_a_configuration_is_used_as_given(tmp_path: Path) -> None:
    with RecordingService() as service:
        text = relay_configuration("text", f"{service.url}/there", path="/here", gateway={"stop": "1s"})
        file = tmp_path / "own.yaml"
        file.write_text(text)
        with running_gateway(config=file) as running, RawClient(HOST, running.port) as client:
            assert client.post("/here", FORM, HEADERS).status == 200
            assert client.post("/file", FORM, HEADERS).status == 404
            assert "/here -> text" in running.log()

    assert json.loads(text)["gateway"] == {"stop": "1s"}


def test_a_gateway_that_cannot_start_shows_its_log() -> None:
    starting = running_gateway(to=["text=nowhere"])

    with pytest.raises(ProcessFailed, match=r"exit code 1 instead of starting; .*\n  .*expected a URL"), starting:
        pass


def test_a_gateway_can_be_killed_by_the_test() -> None:
    with RecordingService() as service, running_gateway(to=[f"text={service.url}"]) as running:
        workers = running.worker_pids()
        for signalled in (signal.SIGTERM, signal.SIGKILL):
            running.signal(signalled)
        running.wait()

    assert not any(is_running(pid) for pid in [running.pid, *workers])
