"""What is to be told of a release: a model is told as live once, however many others try and fail beside it. Pure.

A release's own stages say where it is going; what a listener wants to know is what became of it. So `told` remembers
the last state, its run, the target that was told as live, and the failure that was told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.model import Release, ReleaseStage, Target
from chalicelib.names import run12

ASTRAY = "The endpoint does not serve what is live."
STATES = frozenset(
    {"rehearsing", "rolling-out", "rolling-back", "restoring", "live", "failed", "undeploying", "undeployed"}
)
_NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Announced:
    """A state to tell: `run` by its twelve digits, of the target it is about."""

    state: str
    run: str | None
    model_version: int | None = None
    reason: str | None = None
    previous: str = ""
    """The state that was told before."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a release's `told` says; empty for nothing."""

    state: str = ""
    run: str = ""
    live: str = ""
    """Digest of the target that was told as live."""
    failed: str = ""
    """Digest of the failed target, from when that was told until it is wanted no more."""

    @classmethod
    def read(cls, told: str) -> Said:
        """Read it back; what nobody wrote says nothing, and is told again."""
        words = ["" if word == _NOTHING else word for word in told.split()]
        return cls(*words) if len(words) == len(cls.__slots__) and words[0] in STATES else cls()

    @property
    def told(self) -> str:
        return " ".join(word or _NOTHING for word in (self.state, self.run, self.live, self.failed))


def announce(release: Release) -> tuple[str, Announced | None]:
    """Give what `told` becomes, and what to tell; None where all of it is known."""
    said, failed = Said.read(release.told), _failed(release)
    kept = replace(said, failed=failed if failed == said.failed else "")
    told = _under_way(release, kept) if release.stage is not ReleaseStage.IDLE else _ended(release, kept)
    if told is None:
        return kept.told if release.told else "", None
    kept = replace(kept, state=told.state, run=told.run or "")
    match told.state:
        case "live" if release.live is not None:
            kept = replace(kept, live=release.live.digest)
        case "undeployed":
            kept = replace(kept, live="")
        case "failed":
            kept = replace(kept, failed=failed)
    return kept.told, replace(told, previous=said.state)


def _under_way(release: Release, said: Said) -> Announced | None:
    now = _going(release, said)
    return None if (now.state, now.run or "") == (said.state, said.run) else now


def _going(release: Release, said: Said) -> Announced:
    match release.stage:
        case ReleaseStage.REHEARSING | ReleaseStage.ROLLING_OUT:
            return _of(release.desired, release.stage)
        case ReleaseStage.ROLLING_BACK if _failed(release) != said.failed:
            return _of(release.desired, release.stage, _reason(release))
        case ReleaseStage.ROLLING_BACK:
            return _of(release.live, "restoring", ASTRAY)
        case _:
            return _gone(release, release.stage, said)


def _ended(release: Release, said: Said) -> Announced | None:
    if _failed(release) != said.failed:
        return _of(release.desired, "failed", _reason(release))
    if release.live is None:
        return _gone(release, "undeployed", said) if said.live or said.state == ReleaseStage.UNDEPLOYING else None
    known = said.live == release.live.digest and said.state in {"live", "failed"}
    return None if known else _of(release.live, "live")


def _failed(release: Release) -> str:
    """Give the digest of the desired target if that failed, and is not live after all."""
    return release.desired.digest if release.desired and _reason(release) is not None else ""


def _reason(release: Release) -> str | None:
    desired, live = release.desired, release.live
    if desired is None or (live is not None and live.digest == desired.digest):
        return None
    return release.failed.get(desired.digest)


def _of(target: Target | None, state: str, reason: str | None = None) -> Announced:
    if target is None:
        return Announced(str(state), None, None, reason)
    return Announced(str(state), run12(target.run), target.model_version, reason)


def _gone(release: Release, state: str, said: Said) -> Announced:
    """Tell of a target that is taken down; without it, of its digest, which was told and ends in its run."""
    reason = f"Undeployed {release.undeployed.told}" if release.undeployed else None
    target = release.live or release.retired
    if target is not None:
        return _of(target, state, reason)
    return Announced(str(state), said.live.rpartition("-")[2][:12] or None, None, reason)
