"""From a listing that is complete to a run: resolved, named by its content, frozen, saved once, pointed at.

The order heals by itself. Input before run: a run never lacks what it reads. Run before dataset: dying between leaves
the dataset collecting, and it seals as the same run next time. The old run is let go last; the reconcile sees to it
where that was left unsaid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from chalicelib.decide.dataset import pending
from chalicelib.decide.identity import run_id
from chalicelib.decide.keys import OVERRIDES, Refusal, folder
from chalicelib.decide.layout import Survey, missing_channels
from chalicelib.decide.run_ends import is_lost
from chalicelib.errors import NotFoundError, RefusedError
from chalicelib.flows import sealing
from chalicelib.flows.handover import Handover
from chalicelib.model import Channel, Dataset, DatasetState, Entry, Run, RunState
from chalicelib.names import run12
from chalicelib.pipeline import Pipeline, Version, apply_overrides, lay_over, training_part
from chalicelib.ports import Bucket, Clock, Records
from chalicelib.settings import Settings

_OVERRIDES_LIMIT = 65_536
_TODO = "Correct run.toml or delete it, then upload an empty _READY to try again."


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the run is to be: the pipeline's version with this dataset's own values, and their text."""

    version: Version
    pipeline: Pipeline
    overrides: str = ""
    values: str = ""
    """Of the overrides, those that an order to start set."""

    def run_id(self, digest: str, pipeline: str) -> str:
        train = self.pipeline.train
        image = train.image_uri or train.algorithm or f"{train.framework}:{train.framework_version}"
        return run_id(
            pipeline,
            digest,
            training_part=training_part(self.pipeline),
            code_digest=self.version.code_digest,
            image=image,
        )


class Seals:
    def __init__(
        self,
        *,
        bucket: Bucket,
        records: Records,
        clock: Clock,
        settings: Settings,
        tell: Callable[[Dataset], None],
        run_ready: Callable[[str], None],
    ) -> None:
        self.bucket = bucket
        self.records = records
        self.clock = clock
        self.settings = settings
        self.tell = tell
        self.run_ready = run_ready
        self.handover = Handover(records=records, clock=clock, run_ready=run_ready)

    def resolve(self, seen: Dataset, found: Survey, version: Version) -> Resolved | Refusal:
        """Check the dataset against its pipeline, with run.toml's values in the place of the pipeline's.

        What an order to start set is laid over both, for the run that it asked for. Another drop inherits none of it.
        """
        plain = self._override(found, version) if found.listing.overrides else Resolved(version, version.pipeline)
        ordered = self._set(plain, seen.overrides) if isinstance(plain, Resolved) and seen.overrides else plain
        resolved = ordered if seen.asked or _is_run_of(seen, found, ordered) else plain
        if isinstance(resolved, Refusal):
            return resolved
        train = resolved.pipeline.train
        if train.instance_type not in self.settings.instance_types:
            allowed = ", ".join(sorted(self.settings.instance_types))
            return Refusal(
                f"This stage does not allow {train.instance_type}; it allows {allowed}.",
                "Change instance_type in [train] of the pipeline (or in run.toml), then upload an empty _READY.",
            )
        return missing_channels(found, train.required_channels) or resolved

    def seal(self, seen: Dataset, found: Survey, resolved: Resolved) -> Dataset:
        """Make the run, unless it is there; gives the dataset back, sealed. ConflictError if anything came between."""
        digest = found.digest
        run = self._run(seen, found, digest, resolved)
        now = self.clock()
        sealed = replace(
            seen,
            state=DatasetState.SEALED,
            single=found.single.key if found.single else None,
            last_seen=max(seen.last_seen, found.newest),
            ready=False,
            waiting=None,
            timer=pending(seen.timer, now),
            digest=digest,
            run=run.id,
            sealed_at=now,
            channels=run.channels,
            due=None,
            listing=None,
            asked=None,
            overrides=resolved.values,
        )
        if seen.run and seen.run != run.id and (_is_kept(resolved) or _is_same(seen, digest)):
            self.handover.keep(seen.run)
        self.tell(sealed)
        saved = self.records.save(sealed, Entry(now, "sealed", {"run": run12(run.id), "objects": _count(run.channels)}))
        if seen.run and seen.run != run.id:
            self.handover.leave(seen.run, seen.id)
        if run.state is RunState.PREPARING:
            self.run_ready(run12(run.id))
        return saved

    def _run(self, seen: Dataset, found: Survey, digest: str, resolved: Resolved) -> Run:
        """Find the run of this content, or freeze its input and save it; either way the dataset points at it.

        One that was lost with its files reads them, when it is taken up again, from where they are now.
        """
        name = resolved.run_id(digest, seen.id.pipeline)
        known = self.records.run(name)
        if known and is_lost(known):
            channels = self._freeze(seen, found, name)
            known = self.records.save(replace(known, dataset=seen.id, channels=channels))
        if known:
            self.handover.join(known.id, seen.id)
            return known
        channels = self._freeze(seen, found, name)
        now = self.clock()
        run = Run(
            id=name,
            pipeline=seen.id.pipeline,
            dataset=seen.id,
            version=resolved.version.digest,
            digest=digest,
            sealed_at=now,
            created_at=now,
            channels=channels,
            overrides=resolved.overrides,
            due=now,
        )
        made = self.records.save(run, Entry(now, "sealed", {"objects": _count(channels), **_who(seen)}))
        self.records.point(made.id, seen.id)
        return made

    def _freeze(self, seen: Dataset, found: Survey, run: str) -> tuple[Channel, ...]:
        return sealing.freeze(self.bucket, found, sealing.sources_of(self.bucket, seen), run)

    def _set(self, resolved: Resolved, values: str) -> Resolved | Refusal:
        text = lay_over(resolved.overrides, values)
        try:
            pipeline = apply_overrides(
                resolved.version.pipeline, text, self.settings.overrides, instance_types=self.settings.instance_types
            )
        except RefusedError as error:
            return Refusal(f"What was set for its start is refused: {error.message}", "Start it with other values.")
        return Resolved(resolved.version, pipeline, text, values)

    def _override(self, found: Survey, version: Version) -> Resolved | Refusal:
        try:
            text = self.bucket.read(folder(found.dataset) + OVERRIDES, limit=_OVERRIDES_LIMIT)
            pipeline = apply_overrides(
                version.pipeline, text, self.settings.overrides, instance_types=self.settings.instance_types
            )
        except NotFoundError:
            return Resolved(version, version.pipeline)
        except RefusedError as error:
            return Refusal(f"run.toml is refused: {error.message}", _TODO)
        return Resolved(version, pipeline, text.decode())


def _is_run_of(seen: Dataset, found: Survey, resolved: Resolved | Refusal) -> bool:
    """Tell whether this is the run that the dataset is: nothing was dropped or edited since, only told of again."""
    if seen.run is None or isinstance(resolved, Refusal):
        return False
    return resolved.run_id(found.digest, seen.id.pipeline) == seen.run


def _is_kept(resolved: Resolved) -> bool:
    """Tell whether the run of before goes on beside the one that late files make."""
    return resolved.version.pipeline.trigger.late_files == "new_run"


def _is_same(seen: Dataset, digest: str) -> bool:
    """Tell whether somebody started the very files again: nobody took away what the run of before reads."""
    return seen.asked is not None and seen.digest == digest


def _who(seen: Dataset) -> dict[str, str | None]:
    """Say who started it by hand, and why."""
    return {"by": seen.asked.by, "reason": seen.asked.reason} if seen.asked else {}


def _count(channels: tuple[Channel, ...]) -> int:
    return sum(channel.objects for channel in channels)
