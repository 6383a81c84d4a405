"""A door: routes under one guard. Their views give plain values and raise our errors; here both become responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger
from chalice.app import Blueprint, Request, Response

from chalicelib.errors import DropforgeError
from chalicelib.problem import headers, problem

View = Callable[..., Mapping[str, Any]]
log = Logger(service="dropforge", child=True)


class Door:
    """Routes under one guard: `authorizer=…` or `api_key_required=True`, as Chalice takes it; none for an open door."""

    def __init__(self, name: str, **guard: Any) -> None:
        self.routes = Blueprint(name)
        self._guard = guard

    def get(self, path: str) -> Callable[[View], View]:
        """Register `view(request, **path parameters)`."""
        return self._register("GET", path, 200)

    def post(self, path: str, *, status: int = 200) -> Callable[[View], View]:
        """Register a view that changes something; `order.read(request, …)` reads what is asked."""
        return self._register("POST", path, status)

    def _register(self, method: str, path: str, status: int) -> Callable[[View], View]:
        def register(view: View) -> View:
            @wraps(view)
            def answer(**names: str) -> Response:
                return self._answer(view, names, status)

            # No content types: Chalice would refuse a header that it does not like with an error of its own shape.
            # A name of its own: one path may have a view for each method.
            routes = self.routes.route(path, methods=[method], content_types=[], name=view.__name__, **self._guard)
            routes(answer)
            return view

        return register

    def _answer(self, view: View, names: Mapping[str, str], status: int) -> Response:
        request = self.routes.current_request
        try:
            return Response(
                dict(view(request, **names)), headers={"Content-Type": "application/json"}, status_code=status
            )
        except DropforgeError as error:
            return _refusal(error, request)
        except Exception as error:  # the process's edge: a client gets a problem, the log gets the trace
            log.exception("A route failed", route=request.path)
            return _refusal(DropforgeError(str(error)), request)


def _refusal(error: DropforgeError, request: Request) -> Response:
    body = problem(error, request.context.get("requestId", ""))
    return Response(body, headers=dict(headers(error)), status_code=error.status)
