"""Starting by hand: an order is remembered with the dataset that it is about, and the dataset's own machine does it.

Dying after it was remembered loses nothing: the dataset is due, and the schedule goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chalicelib.decide import start as decide
from chalicelib.decide.keys import Refusal, is_dataset, read_key
from chalicelib.decide.sources import name_of, read_channels
from chalicelib.decide.stage import stage_of
from chalicelib.decide.start import Wish
from chalicelib.errors import InvalidError, NotFoundError, NotNowError, RefusedError
from chalicelib.flows.again import until_undisturbed
from chalicelib.flows.listing import lying
from chalicelib.flows.sight import Sight
from chalicelib.model import Dataset, DatasetId, DatasetState, Run
from chalicelib.names import is_pipeline, run12
from chalicelib.pipeline import Version, apply_overrides
from chalicelib.ports import Records
from chalicelib.settings import Settings

REQUEST_LIMIT = 128
_AGAIN = frozenset({"failed", "stopped", "rejected", "release-failed"})
"""Stages in which the same content goes on only where a person says so."""


@dataclass(frozen=True, slots=True)
class Started:
    """What became of an order: the dataset as it stands now, and its run."""

    changed: bool
    dataset: Dataset
    run: Run | None
    stage: str
    what: str


class Starts:
    def __init__(
        self, *, records: Records, settings: Settings, sight: Sight, advance: Callable[[DatasetId], None]
    ) -> None:
        self.records = records
        self.settings = settings
        self.sight = sight
        self.advance = advance

    def start(self, wish: Wish) -> Started:
        """Look at the dataset now, whatever it waits for; what it is already starts nothing."""
        version = self._version(wish.pipeline)
        self._check_values(version, wish)
        sources = self._sources(wish)
        dataset = DatasetId(wish.pipeline, name_of(sources) if sources else wish.dataset or "")
        before = until_undisturbed(lambda _: self._remember(wish, dataset, sources))
        self.advance(dataset)
        return self._tell(before, dataset)

    def _version(self, pipeline: str) -> Version:
        if not is_pipeline(pipeline) or self.records.pipeline(pipeline) is None:
            raise NotFoundError(f'There is no pipeline "{pipeline}".')
        version = self.sight.version(pipeline)
        if version is None:
            raise NotNowError(self.sight.why_missing(pipeline))
        return version

    def _check_values(self, version: Version, wish: Wish) -> None:
        """Refuse values that are wrong, or not the stage's to set: PipelineRefused names them."""
        if wish.values:
            allowed, instances = self.settings.overrides, self.settings.instance_types
            apply_overrides(version.pipeline, wish.values, allowed, instance_types=instances)

    def _sources(self, wish: Wish) -> dict[str, str]:
        if len(wish.request) > REQUEST_LIMIT:
            raise InvalidError(f"The id of a request has at most {REQUEST_LIMIT} characters.")
        if (wish.dataset is None) == (not wish.channels):
            raise InvalidError("Name what to train on: a dataset, or channels, and not both.")
        if not wish.channels:
            return {}
        read = read_channels(wish.channels, self.settings.bucket, self.settings.sources)
        if isinstance(read, Refusal):
            raise RefusedError(f"{read.reason} {read.todo}")
        return read

    def _remember(self, wish: Wish, dataset: DatasetId, sources: Mapping[str, str]) -> tuple[Dataset | None, bool]:
        """Remember the order, unless it is known; gives the dataset as it was before, and whether it is known."""
        seen = self.records.dataset(dataset) if is_dataset(dataset.name) else None
        if seen is None and not sources and not self._lies_there(dataset):
            raise NotFoundError(f'There is no dataset "{dataset}".')
        if seen is not None and sources and seen.sources != sources:
            raise NotNowError(
                f"The dataset {dataset} that these channels would be has files of its own in datasets/{dataset}/: "
                "name the channels otherwise, or start that dataset by its name."
            )
        step = decide.ask(seen, dataset, wish.command, values=wish.values, sources=sources, request=wish.request)
        if isinstance(step, decide.Known):
            return seen, True
        self.records.save(step.dataset, step.entry)
        return seen, False

    def _lies_there(self, dataset: DatasetId) -> bool:
        """Tell whether files of it are there that no event has told of yet."""
        found = lying(self.sight.bucket, dataset) if is_dataset(dataset.name) else ()
        return any((drop := read_key(it.key)) is not None and drop.dataset == dataset for it in found)

    def _tell(self, before: tuple[Dataset | None, bool], name: DatasetId) -> Started:
        seen, known = before
        dataset = self.records.dataset(name)
        if dataset is None:
            raise NotFoundError(f'There is no dataset "{name}".')
        run = self.records.run(dataset.run) if dataset.state is DatasetState.SEALED and dataset.run else None
        changed = not known and (dataset.asked is not None or _differs(seen, dataset))
        stage = stage_of(run, self.records.release(name.pipeline)) if run else dataset.state.value
        what = _what(dataset, run, stage, changed=changed) + self._tell_kept(seen, run)
        return Started(changed, dataset, run, stage, what)

    def _tell_kept(self, before: Dataset | None, run: Run | None) -> str:
        """Name the run of before, where it goes on and costs money beside the new one."""
        if before is None or before.run is None or run is None or before.run == run.id:
            return ""
        kept = self.records.run(before.run)
        if kept is None or not kept.kept or kept.state.final:
            return ""
        name = run12(kept.id)
        return f" Run {name} goes on beside it; `dropforge stop {name}` ends it."


def _differs(before: Dataset | None, after: Dataset) -> bool:
    return before is None or (before.state, before.run) != (after.state, after.run)


def _what(dataset: Dataset, run: Run | None, stage: str, *, changed: bool) -> str:
    if run is not None:
        held = f" ({run.reason.rstrip('.')})" if run.reason else ""
        if changed:
            return f"The dataset {dataset.id} is sealed: run {run12(run.id)}, {stage}{held}."
        again = f" `dropforge retry {run12(run.id)}` tries it again." if stage in _AGAIN else ""
        return f"The dataset {dataset.id} is run {run12(run.id)} already, {stage}{held}; nothing was started.{again}"
    if dataset.state is DatasetState.REFUSED:
        return f"The dataset {dataset.id} is refused: {dataset.reason} {dataset.todo or ''}".strip()
    return f"A run of the dataset {dataset.id} is asked for: {dataset.waiting}"
