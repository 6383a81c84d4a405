"""What a route's path names, found or refused: a name that cannot be one is a miss like any other."""

from __future__ import annotations

from urllib.parse import unquote

from chalicelib import wiring
from chalicelib.errors import NotFoundError
from chalicelib.model import Dataset, DatasetId, PipelineRecord, Release, Run, Serving
from chalicelib.names import is_pipeline, is_run

KEY_LIMIT = 1024
"""Bytes of a key in S3."""


def pipeline(name: str) -> PipelineRecord:
    found = wiring.flows().world.records.pipeline(name) if is_pipeline(name) else None
    if found is None:
        raise NotFoundError(f'There is no pipeline "{name}".')
    return found


def model(name: str) -> Serving:
    found = wiring.flows().world.records.serving(name) if is_pipeline(name) else None
    if found is None:
        raise NotFoundError(f'There is no model "{name}".')
    return found


def run(name: str) -> Run:
    found = wiring.flows().world.records.run(name) if is_run(name) else None
    if found is None:
        raise NotFoundError(f'There is no run "{name}".')
    return found


def dataset(pipeline: str, name: str) -> Dataset:
    """Find a dataset by its name as given, else decoded: REST APIs hand path parameters over as they were sent."""
    records = wiring.flows().world.records
    names = [each for each in (name, unquote(name)) if is_pipeline(pipeline) and _fits_a_key(each)]
    found = next((found for each in names if (found := records.dataset(DatasetId(pipeline, each)))), None)
    if found is None:
        raise NotFoundError(f'There is no dataset "{pipeline}/{name}".')
    return found


def release(pipeline: str) -> Release:
    found = wiring.flows().world.records.release(pipeline) if is_pipeline(pipeline) else None
    if found is None:
        raise NotFoundError(f'The pipeline "{pipeline}" has released nothing.')
    return found


def _fits_a_key(name: str) -> bool:
    """Tell whether a name could stand in an object's key; any other would be an error of the table's, not a miss."""
    try:
        return len(name.encode()) <= KEY_LIMIT
    except UnicodeEncodeError:  # half a surrogate pair
        return False
