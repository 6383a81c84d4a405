"""What a dataset's next step depends on beside its files: the pipeline's current version, and `_READY`."""

from __future__ import annotations

from difflib import get_close_matches

from chalicelib.decide.dataset import Trigger
from chalicelib.decide.keys import READY, folder
from chalicelib.decide.ready import SIZE_LIMIT, Ready, read_ready, too_large
from chalicelib.errors import NotFoundError
from chalicelib.model import Dataset
from chalicelib.pipeline import Version, Versions
from chalicelib.ports import Bucket, Records

_NAMES = 50
"""Pipelines among which a misspelt name is looked for."""


class Sight:
    def __init__(self, *, bucket: Bucket, records: Records, versions: Versions) -> None:
        self.bucket = bucket
        self.records = records
        self.versions = versions
        self._loaded: dict[str, Version] = {}

    def ready(self, seen: Dataset) -> Ready | None:
        """Read `_READY`, unless it was used up by the last seal."""
        found = self.bucket.head(folder(seen.id) + READY)
        if found is None or not (seen.ready or seen.sealed_at is None or found.modified > seen.sealed_at):
            return None
        if found.size > SIZE_LIMIT:
            return too_large(found.modified)
        try:
            return read_ready(self.bucket.read(found.key), found.modified)
        except NotFoundError:
            return None

    def trigger(self, pipeline: str) -> Trigger:
        version = self.version(pipeline)
        return trigger_of(version) if version else Trigger()

    def version(self, pipeline: str) -> Version | None:
        """Give the pipeline's current version; None where none was accepted yet."""
        record = self.records.pipeline(pipeline)
        if record is None or record.version is None:
            return None
        loaded = self._loaded.get(pipeline)
        if loaded is None or loaded.digest != record.version:
            loaded = self._loaded[pipeline] = self.versions.load(pipeline, record.version)
        return loaded

    def why_missing(self, pipeline: str) -> str:
        if self.records.pipeline(pipeline):
            return f"The pipeline {pipeline} has no accepted version yet; status/{pipeline}.json says why."
        known = [record.name for record in self.records.pipelines(limit=_NAMES).items]
        near = get_close_matches(pipeline, known, n=1)
        meant = f' (did you mean "{near[0]}"?)' if near else ""
        return f'There is no pipeline named "{pipeline}" yet{meant}; the dataset starts when it arrives.'


def trigger_of(version: Version) -> Trigger:
    trigger = version.pipeline.trigger
    return Trigger(trigger.quiet_seconds, marker=trigger.start == "marker", manual=trigger.start == "manual")
