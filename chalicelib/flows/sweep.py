"""Finds what no event told of: a few LIST pages of `pipelines/` and `datasets/` each time, from where the last ended.

It only tells the machines that something is there, as an event would have. Collecting datasets look for themselves when
they are due, and sealed ones are not looked into.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chalicelib.decide.keys import read_key
from chalicelib.decide.sweep import DATASETS, PIPELINES, Place, behind, read_place
from chalicelib.events import UploadSeen
from chalicelib.model import Dataset, DatasetState, S3Object
from chalicelib.names import is_junk, is_pipeline
from chalicelib.ports import Bucket, Clock, Page, Records

_CURSOR = "sweep"
_PAGES = 10
_NAMES = 100
"""Names looked at in one sweep: each costs a read of the table."""
_MENDING = 86_400
_NOBODY = "sweep"
"""In the place of a message id: no message is to come again, the next round looks again."""


class Pipelines(Protocol):
    def uploaded(self, name: str, at: float) -> None: ...


class Datasets(Protocol):
    def uploaded(self, uploads: Sequence[UploadSeen]) -> tuple[str, ...]: ...


class Sweep:
    def __init__(
        self, *, bucket: Bucket, records: Records, clock: Clock, pipelines: Pipelines, datasets: Datasets
    ) -> None:
        self.bucket = bucket
        self.records = records
        self.clock = clock
        self.pipelines = pipelines
        self.datasets = datasets
        self._pages = self._names = 0

    def go_on(self) -> None:
        """Walk on from the cursor, at most once around, and leave the cursor where it ends."""
        start = self.records.cursor(_CURSOR)
        self._pages, self._names = _PAGES, _NAMES
        place: Place | None = read_place(start)
        last = ""
        while place is not None and self._pages > 1 and self._names > 0:
            last, place = self._level(place, last)
        cursor = "" if place is None else last
        if cursor != start:
            self.records.move_cursor(_CURSOR, cursor)

    def _level(self, place: Place, last: str) -> tuple[str, Place | None]:
        """Look at the next names of a level; gives the last one, and where to go on (None: all around)."""
        page = self._list(place)
        if place.level == DATASETS:
            return _into(page, last)
        look = self._look_at_pipeline if place.level == PIPELINES else self._look_at_dataset
        for name in page.items:
            if self._pages < 1:
                return last, Place(place.level, last)
            look(name)
            last = name
            self._names -= 1
        return last, Place(place.level, last) if page.next else behind(place.level)

    def _list(self, place: Place) -> Page[str]:
        self._pages -= 1
        return self.bucket.prefixes(place.level, after=place.after, limit=self._names)

    def _look_at_pipeline(self, name: str) -> None:
        pipeline = name.removeprefix(PIPELINES).removesuffix("/")
        if not name.endswith("/") or not is_pipeline(pipeline):
            return
        record = self.records.pipeline(pipeline)
        newest = max((it.modified for it in self._objects(name)), default=0.0)
        if newest > (record.last_seen if record else 0):
            self.pipelines.uploaded(pipeline, newest)

    def _look_at_dataset(self, name: str) -> None:
        drop = read_key(f"{name}x/x" if name.endswith("/") else name)
        if drop is None:
            return
        record = self.records.dataset(drop.dataset)
        if record is None or self._was_just_refused(record):
            since = record.last_seen if record else -1
            news = [it for it in self._objects(name) if it.modified > since]
            self.datasets.uploaded([UploadSeen(_NOBODY, it.key, it.size, it.modified) for it in news])

    def _was_just_refused(self, record: Dataset) -> bool:
        """Tell whether somebody may be mending it; older refusals would only make every round longer."""
        return record.state is DatasetState.REFUSED and record.last_seen > self.clock() - _MENDING

    def _objects(self, name: str) -> list[S3Object]:
        """Give the first page of a folder, or the one object."""
        if name.endswith("/"):
            self._pages -= 1
            return [it for it in self.bucket.page(name).items if not is_junk(it.key)]
        found = self.bucket.head(name)
        return [found] if found else []


def _into(page: Page[str], last: str) -> tuple[str, Place | None]:
    """Go into the first folder of a page of `datasets/`; what lies beside the folders is nobody's."""
    folders = [name for name in page.items if name.endswith("/")]
    if folders:
        return folders[0], Place(folders[0])
    return (page.next, Place(DATASETS, page.next)) if page.next else (last, None)
