"""What a route's path names, found or refused: a name that cannot be one is a miss like any other."""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import unquote

from chalicelib import wiring
from chalicelib.errors import NotFoundError
from chalicelib.model import Dataset, DatasetId, PipelineRecord, Release, Run, Serving
from chalicelib.names import is_pipeline, is_run

KEY_LIMIT = 1024
"""Bytes of a key in S3."""
Named = TypeVar("Named")


def pipeline(name: str) -> PipelineRecord:
    found = wiring.flows().world.records.pipeline(name) if is_pipeline(name) else None
    return _there(found, f'There is no pipeline "{name}".')


def model(name: str) -> Serving:
    found = wiring.flows().world.records.serving(name) if is_pipeline(name) else None
    return _there(found, f'There is no model "{name}".')


def run(name: str) -> Run:
    found = wiring.flows().world.records.run(name) if is_run(name) else None
    return _there(found, f'There is no run "{name}".')


def dataset(pipeline: str, name: str) -> Dataset:
    """Find a dataset by its name as given, else decoded: REST APIs hand path parameters over as they were sent."""
    records = wiring.flows().world.records
    names = [each for each in (name, unquote(name)) if is_pipeline(pipeline) and _fits_a_key(each)]
    found = next((found for each in names if (found := records.dataset(DatasetId(pipeline, each)))), None)
    return _there(found, f'There is no dataset "{pipeline}/{name}".')


def release(pipeline: str) -> Release:
    found = wiring.flows().world.records.release(pipeline) if is_pipeline(pipeline) else None
    return _there(found, f'The pipeline "{pipeline}" has released nothing.')


def _there(found: Named | None, why_not: str) -> Named:
    if found is None:
        raise NotFoundError(why_not)
    return found


def _fits_a_key(name: str) -> bool:
    """Tell whether a name could stand in an object's key; any other would be an error of the table's, not a miss."""
    try:
        return len(name.encode()) <= KEY_LIMIT
    except UnicodeEncodeError:  # half a surrogate pair
        return False
