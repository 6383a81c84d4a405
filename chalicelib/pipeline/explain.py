"""From pydantic's errors to sentences for the author of a pipeline file."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from chalicelib.pipeline.refusals import PROBLEM_LIMIT, Place
from chalicelib.pipeline.schema import Pipeline

_SHOWN = 60


def explain(error: ValidationError) -> Iterator[tuple[Place, str]]:
    """Give each place and what is allowed there, one sentence a place; beyond PROBLEM_LIMIT they are only counted."""
    errors = error.errors(include_url=False)
    told: set[Place] = set()
    for found in errors[:PROBLEM_LIMIT]:
        place = found["loc"]
        if place not in told:  # a list whose items are wrong is too short as well, says pydantic
            told.update(place[:length] for length in range(1, len(place) + 1))
            yield place, _sentence(place, found["type"], found["input"], found.get("ctx") or {})
    if len(errors) > PROBLEM_LIMIT:
        yield (), f"and {len(errors) - PROBLEM_LIMIT} more problems"


def unusable(error: ValidationError) -> Iterator[Place]:
    """Give what to leave out to make sense of the rest: each wrong key, or the table that lacks a key it needs."""
    for found in error.errors(include_url=False, include_input=False):
        yield found["loc"][:-1] if found["type"] == "missing" else found["loc"]


def _sentence(place: Place, kind: str, value: object, context: Mapping[str, Any]) -> str:
    if kind == "extra_forbidden":
        return _unknown(str(place[-1]), sorted(_fields(place[:-1])))
    if kind == "value_error":
        return str(context["error"])
    field = _field(place)
    allowed = (field.description or "") if field else ""
    if kind == "missing":
        return f"is needed: {allowed}"
    if place[-1] not in _fields(place[:-1]):
        return f"{show(value)} does not belong in {allowed}"
    return f"must be {allowed}, not {show(value)}"


def _unknown(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    return (
        f'unknown key; the nearest known one is "{near[0]}" (known here: {", ".join(known)})' if near else "unknown key"
    )


def show(value: object) -> str:
    """Write a value nearly as TOML does, shortened to fit a line."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        text = "that"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _field(place: Place) -> FieldInfo | None:
    """Find the field that a place is in: the place's own, or that of the list or table around it."""
    found: FieldInfo | None = None
    fields: Mapping[str, FieldInfo] = Pipeline.model_fields
    for part in place:
        if isinstance(part, str) and part in fields:
            found = fields[part]
            fields = _inner(found.annotation)
    return found


def _fields(place: Place) -> Mapping[str, FieldInfo]:
    field = _field(place)
    return _inner(field.annotation) if field else Pipeline.model_fields


def _inner(annotation: Any) -> Mapping[str, FieldInfo]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.model_fields
    inner = (_inner(argument) for argument in get_args(annotation) if argument is not Ellipsis)
    return next((fields for fields in inner if fields), {})
