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

        def register(view: View) -> View:
            @wraps(view)
            def answer(**names: str) -> Response:
                return self._answer(view, names)

            # No content types: a GET has no body, and Chalice refuses a stray header with an error of its own shape.
            self.routes.route(path, methods=["GET"], content_types=[], **self._guard)(answer)
            return view

        return register

    def _answer(self, view: View, names: Mapping[str, str]) -> Response:
        request = self.routes.current_request
        try:
            return Response(dict(view(request, **names)), headers={"Content-Type": "application/json"})
        except DropforgeError as error:
            return _refusal(error, request)
        except Exception as error:  # the process's edge: a client gets a problem, the log gets the trace
            log.exception("A route failed", route=request.path)
            return _refusal(DropforgeError(str(error)), request)


def _refusal(error: DropforgeError, request: Request) -> Response:
    body = problem(error, request.context.get("requestId", ""))
    return Response(body, headers=dict(headers(error)), status_code=error.status)
