"""Whether a target gets a release's one pending slot. By itself the newest wins, by (seal time, version accepted)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.decide.stage import under_way
from chalicelib.model import Release, Target
from chalicelib.names import run12

_FAILURES_KEPT = 100


@dataclass(frozen=True, slots=True)
class Put:
    release: Release
    replaced: Target | None
    """What waited in the slot before."""


@dataclass(frozen=True, slots=True)
class Known:
    """This very target has failed, or it is where the release is going anyway: there is nothing to do."""


@dataclass(frozen=True, slots=True)
class Older:
    """A newer one is live, wanted or waiting."""

    than: Target


@dataclass(frozen=True, slots=True)
class Undeployed:
    """A person had the model undeployed since; what sealed or was approved before does not deploy it again."""

    told: str


def propose(release: Release, target: Target, now: float) -> Put | Known | Older | Undeployed:
    undeployed = release.undeployed
    if undeployed is not None and _is_before(target, undeployed.at):
        return Undeployed(f"undeployed {undeployed.told}")
    held = standing(release)
    if target.digest in release.failed or (held and held[-1].digest == target.digest):
        return Known()
    if any(each.digest == target.digest and each.order >= target.order for each in held):
        return Known()
    newer = [each for each in held if each.order > target.order]
    if newer:
        return Older(max(newer, key=lambda each: each.order))
    return Put(replace(release, pending=target, due=now), release.pending)


def _is_before(target: Target, undeployed_at: float) -> bool:
    """Tell whether it sealed, or was wanted by a person, before an undeploy: those of one moment are the person's."""
    return target.order[0] < undeployed_at if target.by is not None else target.order[0] <= undeployed_at


def why_dropped(release: Release, target: Target, proposed: Put | Known | Older | Undeployed) -> str | None:
    """Say why a target whose turn has come gets none; what a person wants gives way to itself alone."""
    match proposed:
        case Put():
            return None
        case Known() if target.digest in release.failed:
            return f"it has failed: {release.failed[target.digest]}"
        case Known():
            return "known already"
        case Older(than):
            return None if target.by is not None else f"run {run12(than.run)} is newer"
        case Undeployed(told):
            return told


def standing(release: Release) -> tuple[Target, ...]:
    """Give what is live, under way and waiting, in the order of their turns; a target that failed stands no more."""
    wanted = release.desired if under_way(release) and not _has_failed(release, release.desired) else None
    return tuple(each for each in (release.live, wanted, release.pending) if each is not None)


def failed_runs(release: Release) -> tuple[str, ...]:
    """Give the twelve digits of each run that the release has refused: a target's digest ends in them."""
    return tuple(dict.fromkeys(digest.rpartition("-")[2] for digest in release.failed))


def note_failure(release: Release, target: Target, reason: str) -> Release:
    kept = {digest: told for digest, told in release.failed.items() if digest != target.digest}
    recent = list(kept.items())[-(_FAILURES_KEPT - 1) :]
    return replace(release, failed={**dict(recent), target.digest: reason})


def _has_failed(release: Release, target: Target | None) -> bool:
    return target is not None and target.digest in release.failed
