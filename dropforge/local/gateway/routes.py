"""Finds the route of a request among the resources that the deployed API has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from dropforge.local.stack_reading import Route


@dataclass(frozen=True, slots=True)
class Match:
    route: Route
    parameters: dict[str, str]
    """Path parameters, percent-decoded."""


class Routes:
    """The API's routes; a literal segment wins over a parameter, a parameter over the greedy `{proxy+}`."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = [(route.path.strip("/").split("/"), route) for route in routes]

    def find(self, method: str, raw_path: str) -> Match | None:
        """Match a method and a raw (still percent-encoded) path, the stage taken off."""
        segments = raw_path.removeprefix("/").split("/")
        found = [
            (rank, route, parameters)
            for pattern, route in self._routes
            if route.method in {method, "ANY"}
            for rank, parameters in [_fit(pattern, segments)]
            if rank is not None
        ]
        if not found:
            return None
        _, route, parameters = min(found, key=lambda each: (each[0], each[1].method == "ANY"))
        return Match(route, parameters)


def _fit(pattern: list[str], segments: list[str]) -> tuple[list[int] | None, dict[str, str]]:
    """Give how special a fit is, segment by segment (smaller is better), and the parameters; None when it is none."""
    rank: list[int] = []
    parameters: dict[str, str] = {}
    for at, part in enumerate(pattern):
        if part.startswith("{") and part.endswith("+}") and len(segments) > at:
            parameters[part[1:-2]] = unquote("/".join(segments[at:]))
            return [*rank, 2], parameters
        if at >= len(segments):
            return None, {}
        if part.startswith("{") and part.endswith("}") and segments[at]:
            parameters[part[1:-1]] = unquote(segments[at])
            rank.append(1)
        elif part == unquote(segments[at]):
            rank.append(0)
        else:
            return None, {}
    return (rank, parameters) if len(pattern) == len(segments) else (None, {})
