"""Errors as problem documents: every error renders, and none tells what is nobody's business."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
from flask import Flask
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from gateway import errors
from gateway.errors import GatewayError, Saturated
from gateway.gateway import Gateway
from gateway.web.app import create_app
from gateway.web.problems import Problem, document, problem_response
from tests.web.sites import new_gateway, new_site

CLASSES = [each for each in vars(errors).values() if inspect.isclass(each) and issubclass(each, GatewayError)]


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: str(error.__name__))
def test_every_error_is_a_document(error: type[GatewayError]) -> None:
    response = problem_response(error("found 'x' \N{SNOWMAN} at line\n2", offset=17), "id-1")

    assert response.status_code == error.status
    assert response.content_type == "application/problem+json"
    assert json.loads(response.get_data()) == {
        "type": "about:blank",
        "title": error("x").title,
        "status": error.status,
        "detail": "found 'x' \N{SNOWMAN} at line\n2",
        "code": error.code,
        "hint": error.hint,
        "request_id": "id-1",
        "offset": 17,
    }
    assert ("Retry-After" in response.headers) is issubclass(error, Saturated)


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: str(error.__name__))
def test_an_error_without_a_place_has_no_offset(error: type[GatewayError]) -> None:
    assert "offset" not in document(error("detail"), "id-1")
    assert document(error("detail", offset=0), "id-1")["offset"] == 0


def test_a_full_gateway_says_when_to_come_again() -> None:
    response = problem_response(Saturated("full"), "id-1")

    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")


def test_a_document_is_ascii_whatever_the_client_wrote() -> None:
    """Bytes that were not UTF-8 are surrogates here, and no JSON encoder may fail on them."""
    body = problem_response(GatewayError("found \udcff"), "id-1").get_data()

    assert body.isascii()
    assert json.loads(body)["detail"] == "found \udcff"


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: str(error.__name__))
def test_werkzeug_takes_a_problem_for_one_of_its_own(error: type[GatewayError]) -> None:
    """Only so it lets the error through while a form is read."""
    problem = Problem(error("detail"), "id-1")

    assert isinstance(problem, HTTPException)
    assert problem.code == error.status
    assert json.loads(problem.get_response({}).get_data())["code"] == error.code


# --- in an application -------------------------------------------------------------------------


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: str(error.__name__))
def test_a_view_may_raise_any_of_them(gateway: Gateway, error: type[GatewayError]) -> None:
    def view() -> ResponseReturnValue:
        raise error("because")

    answer = new_site(gateway, view).test_client().post("/", headers={"X-Request-Id": "id-7"})

    assert answer.status_code == error.status
    assert answer.content_type == "application/problem+json"
    assert answer.json is not None
    assert (answer.json["code"], answer.json["detail"], answer.json["request_id"]) == (error.code, "because", "id-7")


def test_other_errors_are_the_applications_own(gateway: Gateway) -> None:
    """The extension does not take over an application's error pages."""

    def view() -> ResponseReturnValue:
        raise LookupError("theirs")

    app = new_site(gateway, view)
    app.register_error_handler(LookupError, lambda error: (f"handled: {error}", 418))

    answer = app.test_client().get("/")
    assert (answer.status_code, answer.text) == (418, "handled: theirs")
    assert app.test_client().get("/nowhere").content_type == "text/html; charset=utf-8"


def failing_app(gateway: Gateway, error: Exception) -> Flask:
    app = create_app(gateway)

    def view() -> ResponseReturnValue:
        raise error

    app.add_url_rule("/fail", "fail", view, methods=["GET", "POST"])
    return app


@pytest.mark.parametrize("error", [RuntimeError("secret token 123"), OSError(5, "secret"), KeyError("secret")])
def test_what_nobody_expected_tells_nothing(
    gateway: Gateway, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """The traceback is in the log, under the id that the client was told."""
    answer = failing_app(gateway, error).test_client().post("/fail", headers={"X-Request-Id": "id-9"})

    assert (answer.status_code, answer.content_type) == (500, "application/problem+json")
    assert "secret" not in answer.text
    assert answer.json is not None
    assert (answer.json["code"], answer.json["request_id"]) == ("unexpected_failure", "id-9")
    (record,) = caplog.records
    assert "id-9" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is error


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "route_unknown"),
        ("POST", "/nowhere", 404, "route_unknown"),
        ("POST", "/-/nowhere", 404, "route_unknown"),
        ("DELETE", "/-/health", 404, "route_unknown"),
        ("POST", "//", 404, "route_unknown"),
    ],
)
def test_what_is_not_there_is_a_document(gateway: Gateway, method: str, path: str, status: int, code: str) -> None:
    answer = create_app(gateway).test_client().open(path, method=method)

    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert answer.json is not None
    assert answer.json["code"] == code
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]


def test_a_gateway_without_places_is_full(tmp_path: Path) -> None:
    with new_gateway(tmp_path, concurrent=0) as full:
        answer = new_site(full, lambda: "x").test_client().get("/")
        assert answer.status_code == 200, "who uploads nothing needs no place"
