"""What to do about a pipeline's folder: wait for quiet, read it, tell the others of a new version, or nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from chalicelib.model import PipelineRecord

SETTLE_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 60.0
"""When the reconcile should take over from a message that was lost."""
_LONGEST_WAKE = 60


@dataclass(frozen=True, slots=True)
class Settle:
    """Wait for quiet: save the record, after sending a wake-up in `wake` seconds (None: one is under way)."""

    record: PipelineRecord
    wake: int | None


@dataclass(frozen=True, slots=True)
class ReadFolder:
    record: PipelineRecord


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell waiting datasets and the release of the accepted version."""

    record: PipelineRecord
    version: str


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing is open."""


Step = Settle | ReadFolder | Announce | Rest


def note_upload(record: PipelineRecord, at: float, now: float) -> Settle | Rest:
    """Begin a settle, or extend the one that runs.

    What was uploaded before the newest upload that is known, while nothing settles, has been read already: the reading
    came later than both, and a listing shows all that was there.
    """
    if at <= record.last_seen:
        return Rest() if record.timer is None else _settle(record, now)
    return _settle(replace(record, last_seen=at), now)


def next_step(record: PipelineRecord | None, now: float) -> Step:
    if record is None:
        return Rest()
    if record.timer is not None:
        return _settle(record, now) if now < record.last_seen + SETTLE_SECONDS else ReadFolder(record)
    if record.version is not None and record.version != record.released:
        return Announce(record, record.version)
    return Rest()


def settle_on(record: PipelineRecord, newest: float, now: float) -> Settle | None:
    """Wait on if the listing shows an object newer than any event told of; None if what it shows can be read."""
    seen = replace(record, last_seen=max(record.last_seen, newest))
    return _settle(seen, now) if now < seen.last_seen + SETTLE_SECONDS else None


def settle_again(record: PipelineRecord, now: float) -> Settle:
    """Begin anew: the folder changed while it was read."""
    return _wake(record, math.ceil(SETTLE_SECONDS), now)


def accepted(record: PipelineRecord, version: str, title: str | None, newest: float, now: float) -> PipelineRecord:
    """Take the version into use; it stays due until the others have been told of it."""
    fresh = version != record.version
    return replace(
        record,
        version=version,
        accepted_at=now if fresh else record.accepted_at,
        title=title,
        problem=None,
        last_seen=max(record.last_seen, newest),
        timer=None,
        due=None if version == record.released else now + _LOOK_AGAIN_SECONDS,
    )


def refused(record: PipelineRecord, problem: str, newest: float, now: float) -> PipelineRecord:
    """Keep the last good version, and say what is wrong with the newest upload."""
    untold = record.version is not None and record.version != record.released
    return replace(
        record,
        problem=problem,
        last_seen=max(record.last_seen, newest),
        timer=None,
        due=now + _LOOK_AGAIN_SECONDS if untold else None,
    )


def announced(record: PipelineRecord) -> PipelineRecord:
    return replace(record, released=record.version, due=None)


def _settle(record: PipelineRecord, now: float) -> Settle:
    if record.timer is not None and record.timer > now:
        return Settle(record, wake=None)
    return _wake(record, min(_LONGEST_WAKE, max(1, math.ceil(record.last_seen + SETTLE_SECONDS - now))), now)


def _wake(record: PipelineRecord, seconds: int, now: float) -> Settle:
    return Settle(replace(record, timer=now + seconds, due=now + seconds + _LOOK_AGAIN_SECONDS), seconds)
