"""A door: routes under one guard. Their views give plain values and raise our errors; here both become responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
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
        request, flows, notes = self.routes.current_request, None, None
        about = _about(request, names)
        try:
            flows = wiring.flows()
            with lines.watching(flows) as notes:
                said = dict(view(request, **names))
        except DropforgeError as error:
            lines.tell_request(flows, error.status, about | lines.learnt(notes), error=error)
            return _refusal(error, request)
        except Exception as error:  # noqa: BLE001 -- the process's edge: a client gets a problem, the log gets the trace
            lines.tell_request(flows, DropforgeError.status, about | lines.learnt(notes), error=error)
            return _refusal(DropforgeError(str(error)), request)
        changed = said.get("changed", True) is not False
        lines.tell_request(flows, status, about | lines.learnt(notes), changed=changed)
        return Response(said, headers={"Content-Type": "application/json"}, status_code=status)


def _about(request: Request, names: Mapping[str, str]) -> dict[str, str]:
    """Name a request for its line: its route, and what it asks about; never what it brings."""
    about = {name: names[name][:_NAMED] for name in ("pipeline", "dataset", "run", "model") if name in names}
    return about | {"route": f"{request.method} {request.path}", "request_id": request.context.get("requestId", "")}


def _refusal(error: DropforgeError, request: Request) -> Response:
    body = problem(error, request.context.get("requestId", ""))
    return Response(body, headers=dict(headers(error)), status_code=error.status)
