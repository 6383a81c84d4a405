"""When a dataset seals: what arrives is noted, what is quiet is listed, what the listing shows decides.

Pure: times come in as arguments. Every wait has an end, so that the reconcile alone can carry a dataset through.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from shlex import quote

from chalicelib.decide.keys import Drop, Part, Refusal
from chalicelib.decide.layout import Survey, inspect
from chalicelib.decide.ready import Ready, disagreement
from chalicelib.model import Dataset, DatasetId, DatasetState, Listing

READY_QUIET = 5
"""Seconds without news that an empty `_READY` asks for; also how often a counting one is compared with the listing."""
PATIENCE = 180
"""Seconds after which the status says how far the listing is from what `_READY` promised."""
SLOW_LOOK = 60
GRACE = 60
"""Seconds after which a wake-up that did not come is taken for lost."""
CLOCKS = 300
"""Seconds by which the bucket's clock and ours may differ."""
DAY = 86_400
WAKE_LIMIT = 900
"""An SQS delay ends there."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What the pipeline says about sealing; these defaults hold while there is none."""

    quiet: int = 120
    marker: bool = False
    manual: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """What one batch tells of one dataset. `counted`: a `_READY` with a body is among it."""

    dataset: DatasetId
    newest: float
    count: int
    single: str | None = None
    ready: bool = False
    counted: bool = False
    starts: bool = True
    """False where a run.toml is all that came: that starts nothing."""
    problem: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Ignore:
    """Nothing is to be done."""


@dataclass(frozen=True, slots=True)
class Note:
    """Remember what arrived, and look again at `wake` (None: a wake-up is under way, or none is needed)."""

    dataset: Dataset
    wake: float | None
    opened: bool


@dataclass(frozen=True, slots=True)
class Wait:
    until: float
    why: str
    far: bool = False
    """Nothing is expected at `until`: no wake-up is sent, the reconcile looks again."""


@dataclass(frozen=True, slots=True)
class Refuse:
    refusal: Refusal
    survey: Survey | None = None


@dataclass(frozen=True, slots=True)
class List:
    """It is time to list what is there."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """One look was not enough: remember how far it came, and go on at once."""

    listing: Listing


@dataclass(frozen=True, slots=True)
class Seal:
    """What lies there is a dataset."""

    survey: Survey


def summarise(drops: Iterable[tuple[Drop, str, int, float]]) -> News:
    """Make one piece of news of a batch's (drop, key, size, arrival) for one dataset."""
    some = sorted(drops, key=lambda it: it[3])
    parts = {drop.part for drop, *_ in some}
    return News(
        dataset=some[0][0].dataset,
        newest=some[-1][3],
        count=len(some),
        single=next((key for drop, key, *_ in reversed(some) if drop.part is Part.SINGLE), None),
        ready=Part.READY in parts,
        counted=any(drop.part is Part.READY and size for drop, _, size, _ in some),
        starts=parts != {Part.OVERRIDES},
        problem=next((drop.problem for drop, *_ in some if drop.problem), None),
    )


def intake(seen: Dataset | None, news: News, trigger: Trigger, now: float) -> Ignore | Note | Refuse:
    """Note what arrived. A sealed or refused dataset collects again; a run.toml by itself starts nothing."""
    if news.problem:
        told = seen is not None and seen.reason == news.problem.reason
        return Ignore() if told else Refuse(news.problem)
    opened = seen is None or seen.state is not DatasetState.COLLECTING
    if (opened and not news.starts) or (seen is not None and _is_being_listed(seen, news)):
        return Ignore()
    known = seen or Dataset(news.dataset, first_seen=now)
    noted = replace(
        known,
        state=DatasetState.COLLECTING,
        single=news.single or known.single,
        last_seen=max(known.last_seen, news.newest),
        seen=known.seen + news.count,
        ready=known.ready or news.ready,
        reason=None,
        todo=None,
        listing=None,
    )
    wait = _expect(noted, news, trigger, now)
    wake = None if wait.far else wake_at(known.timer, wait.until, now, lost=now - GRACE)
    noted = replace(
        noted,
        waiting=wait.why if opened or known.waiting is None else known.waiting,
        timer=wake or known.timer,
        due=wait.until + (0 if wait.far else GRACE),
    )
    return Note(noted, wake, opened)


def look(dataset: Dataset, trigger: Trigger, ready: Ready | None, now: float) -> Wait | Refuse | List:
    """Decide, before anything is listed, whether it is time to: at once where somebody asked for it."""
    if dataset.asked:
        return List()
    if trigger.manual:
        return _manual_wait(dataset, now)
    if ready and ready.problem:
        return Refuse(ready.problem)
    if dataset.single or (ready and ready.counts is not None):
        return List()
    if ready is None and trigger.marker:
        return _marker_wait(dataset, now)
    wait = _quiet_wait(max(dataset.last_seen, ready.at if ready else 0), trigger, ready is not None)
    return wait if now < wait.until else List()


def weigh(
    dataset: Dataset, survey: Survey, trigger: Trigger, ready: Ready | None, now: float
) -> Wait | Refuse | GoOn | Seal:
    """Decide with the listing at hand: it may be too early, or not complete; it may be no dataset, or it seals."""
    if not survey.overflow and (dataset.listing or not survey.complete):
        if disturbed := _disturbed(dataset, survey, trigger, ready, now):
            return disturbed
        if not survey.complete:
            return GoOn(survey.listing)
    at_once = survey.overflow or survey.singles or dataset.asked
    if not at_once and (early := _too_early(dataset, survey, trigger, ready, now)):
        return early
    problem = inspect(survey)
    return Refuse(problem, survey) if problem else Seal(survey)


def open_upload(dataset: Dataset, now: float) -> Wait:
    """Wait for a multipart upload: it sends an event only when it is complete."""
    return Wait(now + _slower(dataset, now, 30, WAKE_LIMIT), "A multipart upload into it is still open.")


def going_on(dataset: Dataset, step: GoOn, now: float) -> Note:
    """Turn a listing that goes on into what is to be remembered."""
    told = f"It is being listed: {step.listing.objects:,} files so far."
    return Note(replace(dataset, listing=step.listing, waiting=told, timer=now, due=now + GRACE), now, opened=False)


def disturbed(dataset: Dataset, now: float) -> float:
    """Give the seconds after which to look again where a look was in vain: others wrote while it was under way."""
    return _slower(dataset, now, READY_QUIET, WAKE_LIMIT)


def no_pipeline(why: str, now: float) -> Wait:
    """Wait for a pipeline: its arrival wakes the dataset, so looking once a day is only for news that was lost."""
    return Wait(now + DAY, why, far=True)


def waiting(dataset: Dataset, wait: Wait, now: float) -> Note:
    """Turn a wait into what is to be remembered; a wake-up that is still to come in time serves."""
    wake = None if wait.far else wake_at(dataset.timer, wait.until, now, lost=now + 1)
    due = wait.until + (0 if wait.far else GRACE)
    timer = wake or pending(dataset.timer, now)
    return Note(replace(dataset, waiting=wait.why, timer=timer, due=due, listing=None), wake, opened=False)


def wake_at(timer: float | None, until: float, now: float, *, lost: float) -> float | None:
    """Say when the next wake-up is to arrive; None where one is under way that comes early enough.

    A `timer` at or before `lost` counts as delivered, or as never to come.
    """
    until = min(max(until, now), now + WAKE_LIMIT)
    return None if timer is not None and lost < timer <= until + 1 else until


def pending(timer: float | None, now: float) -> float | None:
    """Forget a wake-up that has come: whoever looks at a dataset has been woken by it, or does not need it any more."""
    return timer if timer is not None and timer > now + 1 else None


def is_old(dataset: Dataset, part: Part, at: float) -> bool:
    """Tell whether an arrival is part of what was sealed or refused already.

    Whatever was sealed or refused was listed after `last_seen`. Events count in whole seconds, so one of the same
    second may be newer. A `_READY` is used up by the seal that follows it.
    """
    if part is Part.READY and dataset.sealed_at is not None and at <= dataset.sealed_at:
        return True
    return dataset.state is not DatasetState.COLLECTING and at < dataset.last_seen


def _is_being_listed(dataset: Dataset, news: News) -> bool:
    """Tell whether the listing that is under way finds it anyway: of a million files, many events come late."""
    begun = dataset.listing.began - CLOCKS if dataset.listing else 0
    return news.newest < begun and not news.ready and news.single is None


def _expect(dataset: Dataset, news: News, trigger: Trigger, now: float) -> Wait:
    if trigger.manual and not dataset.asked:
        return _manual_wait(dataset, now)
    if dataset.asked or news.single or news.counted:
        return Wait(now, "It is about to be listed.")
    if trigger.marker and not dataset.ready:
        return _marker_wait(dataset, now)
    return _quiet_wait(dataset.last_seen, trigger, dataset.ready)


def _quiet_wait(since: float, trigger: Trigger, ready: bool) -> Wait:  # noqa: FBT001 (private, and read in one place)
    quiet = min(trigger.quiet, READY_QUIET) if ready else trigger.quiet
    return Wait(since + quiet, f"It seals when nothing has arrived for {quiet} seconds.")


def _marker_wait(dataset: Dataset, now: float) -> Wait:
    return Wait(now + _slower(dataset, now, WAKE_LIMIT, DAY), "It seals when a (new) _READY arrives.", far=True)


def _manual_wait(dataset: Dataset, now: float) -> Wait:
    """Whoever starts it wakes it, and so does an edit of the pipeline."""
    how = f"dropforge start {dataset.id.pipeline} --dataset {quote(dataset.id.name)}"
    return Wait(now + DAY, f"It starts when somebody starts it: {how}.", far=True)


def _disturbed(dataset: Dataset, survey: Survey, trigger: Trigger, ready: Ready | None, now: float) -> Wait | None:
    """Begin anew where something arrived after the listing had begun: it may lie where that had been already."""
    newest = max(dataset.last_seen, survey.newest)
    if newest <= survey.listing.began:
        return None
    wait = _quiet_wait(newest, trigger, ready is not None)
    return replace(wait, until=max(wait.until, now + 1))


def _too_early(
    dataset: Dataset, survey: Survey, trigger: Trigger, ready: Ready | None, now: float
) -> Wait | Refuse | None:
    newest = max(dataset.last_seen, survey.newest)
    if ready is None or ready.counts is None:
        wait = _quiet_wait(newest, trigger, ready is not None)
        return wait if now < wait.until else None
    gap = disagreement(ready.counts, survey.counts())
    if gap is None:
        return None
    quiet_end = newest + trigger.quiet
    if now < ready.at + PATIENCE:
        poll = READY_QUIET + survey.listing.objects // 2000
        return Wait(now + poll, "It seals when the listing agrees with _READY.")
    if now < quiet_end:
        return Wait(min(quiet_end, now + SLOW_LOOK), f"{gap}.")
    return Refuse(Refusal(f"{gap}.", "Upload what is missing or delete what is too much, then upload _READY again."))


def _slower(dataset: Dataset, now: float, least: int, most: int) -> float:
    """Look the more rarely the longer nothing has happened."""
    return min(max((now - dataset.last_seen) / 4, least), most)
