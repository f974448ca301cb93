"""The gateway's own application: which paths and methods lead where."""

from __future__ import annotations

from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from gateway.core.services import Accept, Route, Service
from gateway.core.uploads import Limits
from gateway.gateway import Gateway
from gateway.testing import RecordingService, field_part
from gateway.web.app import create_app
from tests.web.sites import form, new_gateway, post


def route(name: str, path: str | None, url: str, **options: object) -> Route:
    return Route(name=name, path=path, service=Service(name=name, urls=(url,)), **options)


def upload_to(path: str, *routes: Route, state: Path, method: str = "POST") -> TestResponse:
    with new_gateway(state, routes=list(routes)) as gateway:
        return post(create_app(gateway), form(field_part("a", b"1")), path=path, method=method)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/file", "/exact"),
        ("/other", "/any"),
        ("/", "/any"),
        ("/file/more", "/any"),
        ("/a/b/c", "/any"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_path_leads_to_its_route(tmp_path: Path, path: str, target: str, method: str) -> None:
    with RecordingService() as service:
        routes = [route("one", "/file", f"{service.url}/exact"), route("rest", None, f"{service.url}/any")]
        answer = upload_to(path, *routes, state=tmp_path, method=method)

        assert answer.status_code == 200
        assert [received.target for received in service.received] == [target]


@pytest.mark.parametrize("path", ["/-/x", "/-/health"])
def test_reserved_paths_are_nobodys_upload(tmp_path: Path, path: str) -> None:
    with RecordingService() as service:
        answer = upload_to(path, route("rest", None, service.url), state=tmp_path)

        assert answer.status_code in (404, 405)
        assert service.received == []


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH"])
def test_other_methods_are_told_which_are_taken(tmp_path: Path, method: str) -> None:
    with new_gateway(tmp_path, routes=[route("one", "/file", "http://text.test/")]) as gateway:
        answer = create_app(gateway).test_client().open("/file", method=method)

    assert answer.status_code == 405
    assert answer.json is not None
    assert answer.json["code"] == "method_not_allowed"
    assert {"POST", "PUT"} <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize(
    ("bodies", "content_type", "code"),
    [
        ({"multipart"}, "image/png", "not_multipart"),
        ({"multipart"}, None, "not_multipart"),
        ({"multipart"}, "multipart/mixed; boundary=b", "not_multipart"),
        ({"raw"}, "multipart/form-data; boundary=b", "body_unsupported"),
        ({"raw"}, "multipart/mixed; boundary=b", "body_unsupported"),
        ({"raw", "multipart"}, "multipart/mixed; boundary=b", "not_multipart"),
        ({"raw", "multipart"}, "multipart/form-data", "boundary_missing"),
    ],
)
def test_a_route_takes_only_its_kinds_of_body(
    tmp_path: Path, bodies: set[str], content_type: str | None, code: str
) -> None:
    only = route("one", "/file", "http://text.test/", accept=Accept(bodies=frozenset(bodies)))
    with new_gateway(tmp_path, routes=[only]) as gateway:
        answer = post(create_app(gateway), b"abc", content_type, path="/file")

    assert answer.json is not None
    assert answer.json["code"] == code
    assert answer.status_code in (400, 415)


def test_a_gateway_is_healthy(gateway: Gateway) -> None:
    answer = create_app(gateway).test_client().get("/-/health")

    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


@pytest.mark.parametrize("length", ["", "abc", "-1", "+5", "1.0", "٣"])
def test_a_length_that_is_none_is_refused(tmp_path: Path, length: str) -> None:
    """Not every server checks it."""
    environ = {"CONTENT_LENGTH": length.encode().decode("latin-1")}
    with new_gateway(tmp_path, routes=[route("one", "/file", "http://text.test/")]) as gateway:
        answer = post(create_app(gateway), form(field_part("a", b"1")), path="/file", environ_overrides=environ)

    assert answer.json is not None
    assert (answer.status_code, answer.json["code"]) == (411, "length_required")


def test_a_post_without_a_body_is_an_answer_like_any_other(gateway: Gateway) -> None:
    """Through Flask's test client too, where there is no connection to close."""
    app = create_app(gateway)
    app.add_url_rule("/logout", "logout", lambda: "bye", methods=["POST"])

    with app.test_client().post("/logout") as answer:
        assert answer.get_data() == b"bye"


def test_an_upload_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with new_gateway(tmp_path, routes=[route("one", "/file", "http://text.test/")], limits=Limits(body=10)) as gateway:
        answer = post(create_app(gateway), form(field_part("a", b"1")), path="/file")

    assert answer.json is not None
    assert (answer.status_code, answer.json["code"]) == (413, "upload_too_large")
