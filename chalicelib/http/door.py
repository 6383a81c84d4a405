"""A door: routes under one guard. Their views give plain values and raise our errors; here both become responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any

from chalice.app import Blueprint, Request, Response

from chalicelib import lines, sending, wiring
from chalicelib.errors import DropforgeError
from chalicelib.problem import headers, problem

View = Callable[..., Mapping[str, Any]]
_NAMED = 128
"""Characters of a name that a client sent: a line is no place for more."""


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
                response = self._answer(view, names, status)
                if method == "POST":
                    sending.send_news()
                return response

            # No content types: Chalice would refuse a header that it does not like with an error of its own shape.
            # A name of its own: one path may have a view for each method.
            routes = self.routes.route(path, methods=[method], content_types=[], name=view.__name__, **self._guard)
            routes(answer)
            return view

        return register

    def _answer(self, view: View, names: Mapping[str, str], status: int) -> Response:
        request = self.routes.current_request
        try:
            with lines.watching(wiring.flows()):
                said = dict(view(request, **names))
        except DropforgeError as error:
            _tell(request, names, error.status, error=error)
            return _refusal(error, request)
        except Exception as error:  # noqa: BLE001 -- the process's edge: a client gets a problem, the log gets the trace
            _tell(request, names, HTTPStatus.INTERNAL_SERVER_ERROR, error=error)
            return _refusal(DropforgeError(str(error)), request)
        _tell(request, names, status, changed=said.get("changed", True) is not False)
        return Response(said, headers={"Content-Type": "application/json"}, status_code=status)


def _tell(
    request: Request, names: Mapping[str, str], status: int, *, error: Exception | None = None, changed: bool = True
) -> None:
    """Tell a request in one line: its route, and what it named; never what it brought or was given."""
    about = {name: names[name][:_NAMED] for name in ("pipeline", "dataset", "run", "model") if name in names}
    about |= {"route": f"{request.method} {request.path}", "request_id": request.context.get("requestId", "")}
    lines.tell_request(int(status), about, error=error, changed=changed)


def _refusal(error: DropforgeError, request: Request) -> Response:
    body = problem(error, request.context.get("requestId", ""))
    return Response(body, headers=dict(headers(error)), status_code=error.status)
