"""The `status/` objects: what became of every drop and every pipeline, for whoever can read the bucket."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from chalicelib import names
from chalicelib.decide.stage import failure_of, stage_of, waiting_of
from chalicelib.model import Channel, Dataset, DatasetId, DatasetState, PipelineRecord, Run
from chalicelib.ports import Bucket, Clock, Records

_LOOKS = 4


class ProblemTold(Protocol):
    """One thing wrong with a pipeline file, and where."""

    @property
    def line(self) -> int | None: ...
    @property
    def key(self) -> str: ...
    @property
    def message(self) -> str: ...


class Report:
    """Writes status objects. Each call rewrites the whole object, so a lost or repeated call heals with the next."""

    def __init__(self, *, bucket: Bucket, records: Records, clock: Clock) -> None:
        self.bucket = bucket
        self.records = records
        self.clock = clock

    def pipeline(self, record: PipelineRecord, problems: Sequence[ProblemTold] = ()) -> None:
        """Tell whether the newest upload was accepted; `problems` where it was not, with line and key."""
        told = [{"line": each.line, "key": each.key, "message": each.message} for each in problems]
        if record.problem and not told:
            told = [{"line": None, "key": None, "message": record.problem}]
        document = {
            "pipeline": record.name,
            "state": record.state,
            "version": record.version,
            "problems": told,
        }
        self._write(names.pipeline_status_key(record.name), document)

    def dataset(self, dataset: Dataset) -> None:
        run = self.records.run(dataset.run) if dataset.run else None
        self._write(names.dataset_status_key(dataset.id.pipeline, dataset.id.name), self._outcome(dataset, run))

    def run(self, run: Run) -> None:
        """Tell every dataset that points at the stored run how far it is."""
        for pointing in self.records.pointing(run.id):
            self._tell(pointing, run.id)

    def _tell(self, pointing: DatasetId, run: str) -> None:
        """Write, and look again: a worker that stalled before its write must not have the last word.

        Not about another run either, of which the dataset speaks by then.
        """
        told = None
        for _ in range(_LOOKS):
            dataset = self.records.dataset(pointing)
            if dataset is None or (told is None and dataset.run != run):
                return
            found = self.records.run(dataset.run) if dataset.run else None
            outcome = self._outcome(dataset, found)
            if outcome == told:
                return
            self._write(names.dataset_status_key(pointing.pipeline, pointing.name), outcome)
            told = outcome

    def _outcome(self, dataset: Dataset, run: Run | None) -> dict[str, Any]:
        sealed = dataset.state is DatasetState.SEALED and run is not None
        release = self.records.release(dataset.id.pipeline) if sealed else None
        reason, todo = dataset.reason or dataset.waiting, dataset.todo
        if sealed and run is not None:
            reason = reason or run.reason or failure_of(run, release) or waiting_of(run, release)
            todo = todo or run.todo
        return {
            "dataset": str(dataset.id),
            "pipeline": dataset.id.pipeline,
            "state": dataset.state.value,
            "stage": stage_of(run, release) if sealed and run is not None else dataset.state.value,
            "run": names.run12(dataset.run) if dataset.run else None,
            "reason": reason,
            "todo": todo,
            "channels": _counts(dataset.channels or (run.channels if run else ())),
        }

    def _write(self, key: str, document: Mapping[str, Any]) -> None:
        at = datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body = json.dumps({**document, "at": at}, ensure_ascii=False, indent=2)
        self.bucket.write(key, body.encode())


def _counts(channels: Sequence[Channel]) -> dict[str, dict[str, int]]:
    return {each.name: {"objects": each.objects, "bytes": each.size} for each in channels}
