"""The Flask application: routes to services, replies, and problem documents for everything else."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response, current_app
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from gateway import errors
from gateway.core.services import Route
from gateway.gateway import Gateway, setup_of
from gateway.web.extension import UploadGateway, upload_request
from gateway.web.health import add_health
from gateway.web.paths import rules_of
from gateway.web.previews import preview
from gateway.web.problems import Problem, problem_response
from gateway.web.relay import relay

__all__ = ["create_app"]

METHODS = ["POST", "PUT"]


def create_app(gateway: Gateway | str, *, stopping: Callable[[], bool] = lambda: False) -> Flask:
    """The application that serves a gateway's routes; `gateway` may also be the path of a configuration file.

    Call it in the process that serves, after any fork. With a path it is what other WSGI servers than
    `gateway serve` want: `gunicorn "gateway.web.app:create_app('config/gateway.yaml')"`. `stopping` says whether the
    process is about to end: it is not ready then.
    """
    if isinstance(gateway, str):
        # Reads YAML: not needed where the settings are there already.
        from gateway.settings.load import count_cores, load

        gateway = Gateway(setup_of(load(gateway), cores=count_cores()))
    app = Flask("gateway", static_folder=None)
    UploadGateway(gateway, owns_every_request=True).init_app(app)
    # No redirect of Flask's own: clients lose the upload on it.
    app.url_map.merge_slashes = False
    for route in gateway.routes.values():
        view = _view(route)
        for path in rules_of(route.path):
            app.add_url_rule(path, f"route:{route.name}", view, methods=METHODS, strict_slashes=False)
    for rule in ("/-/preview/<name>", "/-/preview/<name>/<path:rest>"):
        app.add_url_rule(rule, "preview", _preview, methods=METHODS)
    add_health(app, gateway, stopping=stopping)
    app.add_url_rule("/-/<path:_rest>", "reserved", _unknown, methods=[*METHODS, "GET", "DELETE", "PATCH"])
    app.register_error_handler(NotFound, _unknown)
    app.register_error_handler(MethodNotAllowed, _wrong_method)
    app.register_error_handler(Exception, _unexpected)
    return app


def _view(route: Route) -> Callable[..., ResponseReturnValue]:
    def view(**_placeholders: str) -> Response:
        return relay(route, upload_request())

    return view


def _preview(name: str, **_placeholders: str) -> Response:
    request = upload_request()
    route = request.gateway.routes.get(name)
    if route is None:
        known = ", ".join(request.gateway.routes)
        raise errors.RouteUnknown(f"Expected the name of a route ({known}); found {name!r}.")
    return preview(route, request)


def _unknown(*_arguments: object, **_values: object) -> Response:
    request = upload_request()
    return _problem(errors.RouteUnknown(f"There is no route at {request.path}."))


def _wrong_method(error: MethodNotAllowed) -> Response:
    request = upload_request()
    allowed = ", ".join(sorted(error.valid_methods or METHODS))
    response = _problem(errors.MethodNotAllowed(f"{request.path} takes {allowed}; found {request.method}."))
    response.headers["Allow"] = allowed
    return response


def _unexpected(error: Exception) -> Response | HTTPException:
    request = upload_request()
    if isinstance(error, errors.GatewayError):
        return _problem(error)
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        # Raised by Werkzeug, before any view: a Host header that is none, for example.
        return _problem(errors.RequestInvalid(error.description or error.name))
    current_app.logger.exception("request %s failed", request.id)
    return _problem(errors.UnexpectedFailure("The gateway failed while it handled this request."))


def _problem(error: errors.GatewayError) -> Response:
    return problem_response(error, upload_request().id)
