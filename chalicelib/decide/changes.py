"""What an edit of a pipeline file changes, key by key, with every default in its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chalicelib.pipeline import Pipeline
from chalicelib.pipeline.refusals import Place, dotted

TRAINING = ("prepare", "train", "sweep")
"""The tables that a run is named by."""
SERVING = ("title", "gate", "deploy", "serve")
"""What acts on the live model at once."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One key whose resolved value differs; None where one of both has no such key."""

    key: str
    before: Any
    after: Any


def edits(before: Pipeline, after: Pipeline, tables: tuple[str, ...]) -> tuple[Edit, ...]:
    """Name what differs in some tables, in the order of the file as it would be."""
    old, new = (dict(_leaves(each.model_dump(mode="json", include=set(tables)), ())) for each in (before, after))
    places = [*new, *(place for place in old if place not in new)]
    return tuple(
        Edit(dotted(place), old.get(place), new.get(place)) for place in places if old.get(place) != new.get(place)
    )


def _leaves(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    """Walk down to what is no table. A list of tables is walked through, any other is one value; empty is nothing."""
    match value:
        case dict():
            for key, inner in value.items():
                yield from _leaves(inner, (*place, str(key)))
        case [dict(), *_]:
            for number, inner in enumerate(value):
                yield from _leaves(inner, (*place, number))
        case [] | None:
            return
        case _:
            yield place, value
