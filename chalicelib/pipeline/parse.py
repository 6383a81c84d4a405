"""From the text of a pipeline file to a Pipeline, or to one refusal that holds every problem at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from copy import deepcopy
from itertools import takewhile
from typing import Any

from pydantic import ValidationError

from chalicelib.pipeline.explain import explain, unusable
from chalicelib.pipeline.later import not_yet
from chalicelib.pipeline.lines import find_line, key_lines
from chalicelib.pipeline.refusals import PipelineRefused, Place, Problem, dotted
from chalicelib.pipeline.rules import broken
from chalicelib.pipeline.schema import Pipeline
from chalicelib.pipeline.toml import read_toml

Check = Callable[[Pipeline], Iterable[tuple[Place, str]]]


def parse(
    text: str | bytes, *, instance_types: Collection[str] | None = None, checks: Sequence[Check] = ()
) -> Pipeline:
    """Read a pipeline file; PipelineRefused names everything that is wrong with it.

    `instance_types` are those that the stage allows (None: not asked); `checks` are more rules to hold, such as those
    over the files of the folder.
    """
    toml = read_toml(text)
    pipeline, found = examine(toml.data, [rules(instance_types), not_yet, *checks])
    return accept(pipeline, found, toml.text)


def rules(instance_types: Collection[str] | None) -> Check:
    return lambda pipeline: broken(pipeline, instance_types)


def examine(data: dict[str, Any], checks: Sequence[Check]) -> tuple[Pipeline | None, dict[Place, str]]:
    """Give what can be read of the data, and what is wrong with it: one sentence a place."""
    found: dict[Place, str] = {}
    pipeline = _readable(deepcopy(data), found)
    told = set(found)
    for check in checks if pipeline else ():
        for place, message in check(pipeline) if pipeline else ():
            if not any(place[: len(known)] == known or known[: len(place)] == place for known in told):
                found.setdefault(place, message)
    return pipeline, found


def accept(pipeline: Pipeline | None, found: dict[Place, str], text: str) -> Pipeline:
    """Give the pipeline if nothing was found; else refuse, with the lines of this text."""
    if pipeline is not None and not found:
        return pipeline
    lines = key_lines(text)
    problems = [Problem(find_line(lines, place), dotted(place), message) for place, message in found.items()]
    problems.sort(key=lambda problem: (problem.line is None, problem.line or 0))
    raise PipelineRefused(problems)


def _readable(data: dict[str, Any], found: dict[Place, str]) -> Pipeline | None:
    """Validate; what is wrong is told and cut out, so that the rules can judge the rest in the same refusal."""
    while True:
        try:
            return Pipeline.model_validate(data)
        except ValidationError as error:
            if not found:
                found.update(explain(error))
            if not sum(_cut(data, place) for place in unusable(error)):
                return None


def _cut(data: dict[str, Any], place: Place) -> bool:
    """Take a key out; an item goes with the whole list around it, so that no position moves."""
    keys = [str(part) for part in takewhile(lambda part: isinstance(part, str), place)]
    table: Any = data
    for key in keys[:-1]:
        table = table.get(key) if isinstance(table, dict) else None
    if not keys or not isinstance(table, dict) or keys[-1] not in table:
        return False
    del table[keys[-1]]
    return True
