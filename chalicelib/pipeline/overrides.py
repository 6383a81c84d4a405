"""run.toml: a dataset's own values for the keys that the stage lets it set."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from chalicelib.pipeline.later import not_yet
from chalicelib.pipeline.parse import accept, examine, rules
from chalicelib.pipeline.refusals import Place
from chalicelib.pipeline.schema import Pipeline
from chalicelib.pipeline.toml import read_toml


def apply_overrides(
    pipeline: Pipeline, text: str | bytes, allowed: Sequence[str], *, instance_types: Collection[str] | None = None
) -> Pipeline:
    """Give the pipeline with the text's values in the place of its own.

    `allowed` are dotted keys, in which a `*` at the end stands for every key below. PipelineRefused names
    every key that is unknown, not allowed or wrong.
    """
    toml = read_toml(text)
    data = pipeline.model_dump()
    given = list(_leaves(toml.data, data, ()))
    for place, value in given:
        _set(data, place, value)
    resolved, found = examine(data, [rules(instance_types), not_yet])
    for place, _ in given:
        if place not in found and not any(_matches(place, pattern) for pattern in allowed):
            found[place] = f"cannot be overridden on this stage; what can: {', '.join(sorted(allowed)) or 'nothing'}"
    return accept(resolved, found, toml.text)


def _leaves(given: dict[str, Any], base: object, place: Place) -> Iterator[tuple[Place, Any]]:
    """Walk down as far as both have tables: below that, a value is set as a whole."""
    for key, value in given.items():
        inner = base.get(key) if isinstance(base, dict) else None
        if isinstance(value, dict) and isinstance(inner, dict):
            yield from _leaves(value, inner, (*place, key))
        else:
            yield (*place, key), value


def _set(data: dict[str, Any], place: Place, value: object) -> None:
    for part in place[:-1]:
        data = data[str(part)]
    data[str(place[-1])] = value


def _matches(place: Place, pattern: str) -> bool:
    *parts, last = pattern.split(".")
    return place[: len(parts)] == tuple(parts) and (
        len(place) > len(parts) if last == "*" else place[len(parts) :] == (last,)
    )
