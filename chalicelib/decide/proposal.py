"""Whether a target gets a release's one pending slot. By itself the newest wins, by (seal time, version accepted)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.decide.stage import under_way
from chalicelib.model import Release, Target

_FAILURES_KEPT = 50


@dataclass(frozen=True, slots=True)
class Put:
    release: Release
    replaced: Target | None
    """What waited in the slot before."""


@dataclass(frozen=True, slots=True)
class Known:
    """This very target is live, wanted, waiting, or has failed: there is nothing to do."""


@dataclass(frozen=True, slots=True)
class Older:
    """A newer one is live, wanted or waiting."""

    than: Target


def propose(release: Release, target: Target, now: float) -> Put | Known | Older:
    if target.digest in release.failed or any(target.digest == each.digest for each in standing(release)):
        return Known()
    newer = [each for each in standing(release) if each.order > target.order]
    if newer:
        return Older(max(newer, key=lambda each: each.order))
    return Put(replace(release, pending=target, due=now), release.pending)


def standing(release: Release) -> tuple[Target, ...]:
    """Give what is live, under way and waiting; a target that failed stands no more."""
    wanted = release.desired if under_way(release) and not _has_failed(release, release.desired) else None
    return tuple(each for each in (release.live, wanted, release.pending) if each is not None)


def newest_failed(release: Release) -> str | None:
    """Give the run12 of the failure noted last."""
    return next(reversed(release.failed)).rpartition("-")[2] if release.failed else None


def note_failure(release: Release, target: Target, reason: str) -> Release:
    kept = {digest: told for digest, told in release.failed.items() if digest != target.digest}
    recent = list(kept.items())[-(_FAILURES_KEPT - 1) :]
    return replace(release, failed={**dict(recent), target.digest: reason})


def _has_failed(release: Release, target: Target | None) -> bool:
    return target is not None and target.digest in release.failed
