"""What a batch tells of a dataset that may know it already: duplicates, stragglers, the same files once more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chalicelib.decide import dataset as decide
from chalicelib.decide.keys import OVERRIDES, Drop, Part, folder, read_key
from chalicelib.errors import NotFoundError
from chalicelib.events import UploadSeen
from chalicelib.flows import sealing
from chalicelib.model import Dataset, DatasetId, DatasetState, Run
from chalicelib.pipeline import PipelineRefused, lay_over
from chalicelib.ports import Bucket, Records

Arrival = tuple[Drop, UploadSeen]
_CONTENT = frozenset({Part.FILE, Part.SINGLE})


def by_dataset(uploads: Iterable[UploadSeen]) -> dict[DatasetId, list[Arrival]]:
    """Sort uploads by the dataset they belong to; junk belongs to none."""
    groups: dict[DatasetId, list[Arrival]] = {}
    for upload in uploads:
        if drop := read_key(upload.key):
            groups.setdefault(drop.dataset, []).append((drop, upload))
    return groups


def newest(arrivals: Sequence[Arrival]) -> float:
    return max(upload.at for _, upload in arrivals)


class Arrivals:
    def __init__(self, *, bucket: Bucket, records: Records) -> None:
        self.bucket = bucket
        self.records = records

    def news(self, seen: Dataset | None, arrivals: Sequence[Arrival]) -> decide.News | None:
        """Sum up what the last listing cannot have seen; None where that is nothing."""
        fresh = [it for it in arrivals if seen is None or not decide.is_old(seen, it[0].part, it[1].at)]
        if not fresh or (seen and seen.state is DatasetState.SEALED and self._changes_nothing(seen, fresh)):
            return None
        return decide.summarise([(drop, upload.key, upload.size, upload.at) for drop, upload in fresh])

    def _changes_nothing(self, seen: Dataset, arrivals: Sequence[Arrival]) -> bool:
        """Tell whether sealing again would name the same run: same version, same run.toml, same content.

        What another version or another run.toml makes of the same files is another run, and files that are dropped
        again ask for it.
        """
        if seen.run is None or any(drop.part not in _CONTENT for drop, _ in arrivals):
            return False
        run, pipeline = self.records.run(seen.run), self.records.pipeline(seen.id.pipeline)
        if run is None or pipeline is None or run.version != pipeline.version or self._overrides(seen) != run.overrides:
            return False
        return self._are_sealed(run, arrivals)

    def _are_sealed(self, run: Run, arrivals: Sequence[Arrival]) -> bool:
        """Tell whether the bucket holds, under all these keys, just what was sealed.

        A list too long to be read for each batch counts as no answer: what arrives is listed once more, and seals as
        the run that it is.
        """
        if sum(it.objects for it in run.channels) > sealing.KNOWN_LIMIT:
            return False
        sealed = sealing.read_sealed(self.bucket, run.pipeline, run.id)
        return sealed is not None and all(
            sealed.holds(upload.key, drop.relative, self.bucket.head(upload.key)) for drop, upload in arrivals
        )

    def _overrides(self, seen: Dataset) -> str | None:
        """Give what the run's overrides would be; None where nobody can say."""
        try:
            text = self.bucket.read(folder(seen.id) + OVERRIDES).decode("utf-8", "replace")
        except NotFoundError:
            text = ""
        try:
            return lay_over(text, seen.overrides)
        except PipelineRefused:
            return None
