"""A dataset that was told of: what a listing of it would find, and whether that is a dataset."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.decide.keys import OVERRIDES, ROOT, Refusal, folder, read_key
from chalicelib.decide.layout import Survey, inspect
from chalicelib.decide.listing import Source, fold
from chalicelib.flows.checks.given import Drop
from chalicelib.model import DatasetId, Listing, Tally


def survey(drop: Drop, pipeline: str, bucket: str) -> Survey | Refusal:
    """Find out what listing it would find."""
    dataset = DatasetId(pipeline, drop.name)
    prefix = f"{ROOT}{pipeline}/" if drop.single else folder(dataset)
    objects = sorted((each.under(prefix) for each in drop.files), key=lambda it: it.key.encode())
    named = read_key(objects[0].key) if objects else None
    if named is not None and named.problem is not None:
        return named.problem
    if drop.single:
        found = Survey(dataset, Listing(), singles=tuple(objects))
    else:
        listing, _ = fold(Listing(), Source(bucket, prefix), objects)
        found = Survey(dataset, _counted(listing, drop))
    return inspect(found) or found


def is_whole(drop: Drop) -> bool:
    """Tell whether every file is there, and its content known by its sum."""
    data = [each for each in drop.files if each.path != OVERRIDES]
    return drop.count <= len(data) and all(each.md5 for each in data)


def note(drop: Drop) -> str | None:
    """Say what was not looked at."""
    looked = sum(each.path != OVERRIDES for each in drop.files)
    if looked >= drop.count:
        return None
    return f"{looked:,} of the dataset's {drop.count:,} files were looked at; all were counted."


def _counted(listing: Listing, drop: Drop) -> Listing:
    """Put the counts of all files in the place of those that were told."""
    if drop.count <= listing.objects:
        return listing
    tallies = tuple(Tally(name, *counts) for name, counts in sorted(drop.channels.items()))
    return replace(listing, objects=drop.count, listed=drop.count, channels=tallies)
