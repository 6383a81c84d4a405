"""What a release does next, from its record and the endpoints as SageMaker describes them now. Pure.

An endpoint serves a configuration only when it is InService *and* says that configuration's name: after a failed update
SageMaker comes back to InService with the old one. Whatever is in doubt leads back to the live configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from chalicelib.decide.release_steps import (
    Create,
    Fail,
    MakeLive,
    Outcome,
    Postpone,
    Rehearse,
    Remove,
    Rest,
    Restore,
    Restored,
    Retire,
    RollBack,
    RollOut,
    Start,
    Step,
    Test,
    Tidy,
    Update,
    Wait,
    Warn,
    Withdraw,
)
from chalicelib.decide.shortage import is_shortage
from chalicelib.model import Release, ReleaseStage, Target
from chalicelib.ports import EndpointSeen
from chalicelib.predict.limits import SERVING_SECONDS

LOOK_AGAIN = 60.0
"""Seconds until the reconcile looks at an open release by itself."""
STAGE_LIMIT = 1800.0
"""Seconds that an endpoint may take to come up, or an update to end."""
WARNING = SERVING_SECONDS + 2.0
"""Seconds until no inference function says any more, from memory, that the live model alone answers."""
SILENCE = 180.0
"""Seconds for which an endpoint that clients meet may take no request before the champion comes back."""
DELETION = 10.0
"""Seconds between two looks at endpoints that go away: a person waits for that."""
LATE_CALLS = 900.0 + 600.0
"""A Lambda function's longest time-out, and ten minutes: so long may a stalled worker still make its call."""
ATTEMPTS = 3
"""How often an endpoint is made or an update asked for in one stage."""
_BROKEN = frozenset({"Failed", "UpdateRollbackFailed", "OutOfService"})
_LONGEST_PAUSE = 4


@dataclass(frozen=True, slots=True)
class Sight:
    """All that a decision looks at."""

    release: Release
    now: float
    endpoint: EndpointSeen | None
    """The one that clients meet."""
    rehearsal: EndpointSeen | None
    """The desired target's rehearsal."""
    warned: float | None = None
    """Since when clients are told that a rollout is under way, or that nothing is live; None where they may not be."""
    holder: str = ""
    """Who looks: its own lease keeps nobody waiting, for it does one thing at a time."""
    told_live: bool = False
    """Whether clients are told that something is live; looked up only where nothing should be."""


def next_step(sight: Sight) -> Step:
    release = sight.release
    match release.stage:
        case ReleaseStage.IDLE:
            return _idle(sight, release.desired)
        case ReleaseStage.REHEARSING:
            return _rehearsing(sight, _wanted(release.desired))
        case ReleaseStage.ROLLING_OUT:
            return _rolling_out(sight, _wanted(release.desired))
        case ReleaseStage.ROLLING_BACK:
            return _rolling_back(sight, _wanted(release.live))
        case ReleaseStage.UNDEPLOYING:
            return _undeploying(sight)
        case _:
            assert_never(release.stage)


def tested(sight: Sight, failure: str | None) -> Outcome:
    """Say what follows from the smoke tests of the present stage."""
    if sight.release.stage is ReleaseStage.REHEARSING:
        return RollOut() if failure is None else Fail(f"In the rehearsal {failure}.")
    return MakeLive() if failure is None else give_up(sight, f"On the live endpoint {failure}.")


def is_overdue(sight: Sight) -> bool:
    """Tell whether the present stage has taken longer than any may."""
    return sight.now - (sight.release.stage_since or sight.now) > STAGE_LIMIT


def is_silent(sight: Sight) -> bool:
    """Tell whether an endpoint that takes no request has had its time: a short one where a champion can come back."""
    release = sight.release
    if release.stage is ReleaseStage.ROLLING_OUT and release.live is not None:
        return sight.now - (release.silent_since or sight.now) >= SILENCE
    return is_overdue(sight)


def give_up(sight: Sight, reason: str) -> Fail | RollBack:
    """End the present stage: with a rollback wherever clients might meet anything but the live configuration."""
    live = sight.release.live
    if sight.release.stage is not ReleaseStage.ROLLING_OUT or live is None or serves(sight.endpoint, live):
        return Fail(reason)
    return RollBack(reason)


def serves(seen: EndpointSeen | None, target: Target) -> bool:
    return seen is not None and seen.status == "InService" and seen.config == target.config


def enter(release: Release, stage: ReleaseStage, now: float) -> Release:
    """Begin a stage: what the one before it counted and waited for is over."""
    begun = replace(release, stage=stage, stage_since=now, attempts=0)
    return replace(begun, shortage=None, held=None, warned_at=None, silent_since=None)


def settled(release: Release) -> bool:
    """Tell whether nothing of a failed target is left to clear away."""
    live = release.live.digest if release.live else None
    return release.desired is None or release.desired.digest == live


def _idle(sight: Sight, desired: Target | None) -> Step:
    release, live, endpoint = sight.release, sight.release.live, sight.endpoint
    if live is not None and not serves(endpoint, live) and not _is_busy(endpoint):
        return Restore(_astray(endpoint, live))
    if live is None and sight.told_live:
        return Withdraw()
    left = _left(sight, desired)
    # A rehearsal that still comes up keeps no other model waiting; the endpoint that clients would meet does.
    beside = isinstance(left, Wait) and (live is not None or not _is_busy(endpoint))
    if left is not None and not (beside and release.pending):
        return left
    if release.pending is not None:
        return Wait(min(late, LOOK_AGAIN)) if (late := _clearing(sight)) > 0 else Start()
    if live is None:
        return Wait(late) if (late := _late(release, sight.now)) > 0 else Rest()
    return Rest() if serves(endpoint, live) else Wait(LOOK_AGAIN)


def _late(release: Release, now: float) -> float:
    """Give the seconds for which a call that was under way at an undeploy may still make what nobody wants."""
    return (release.stage_since or 0.0) + LATE_CALLS - now if release.undeployed is not None else 0.0


def _left(sight: Sight, desired: Target | None) -> Step | None:
    """Clear away the failed target's endpoints, then its model and configuration; any endpoint where nothing is live.

    None where there is nothing to clear away.
    """
    endpoints = [sight.rehearsal, *([sight.endpoint] if sight.release.live is None else [])]
    for seen in endpoints:
        if seen is not None and _is_up(seen):
            return Remove(seen.name, "it served a model that failed" if desired else "nothing is live")
        if seen is not None and seen.status != "Deleting":
            return Wait(LOOK_AGAIN)
    return None if desired is None or settled(sight.release) else Tidy()


def _rehearsing(sight: Sight, desired: Target) -> Step:
    seen = sight.rehearsal
    if seen is None and (pause := _room_in(sight)) > 0:
        return Wait(pause)
    if seen is None:
        tries_left = sight.release.attempts < ATTEMPTS
        return Rehearse() if tries_left else Fail(f"The rehearsal endpoint was gone {ATTEMPTS} times.")
    if seen.status in _BROKEN:
        return _short(sight, seen) or Fail(f"The rehearsal endpoint did not come up: {_told(seen)}")
    if seen.status == "InService" and seen.config != desired.config:
        return Fail(f"The rehearsal endpoint serves {seen.config}, not {desired.config}.")
    if seen.status == "InService":
        return Test(seen.name)
    return _patiently(sight, f"The rehearsal endpoint was {seen.status}")


def _rolling_out(sight: Sight, desired: Target) -> Step:
    if sight.rehearsal is not None and _is_up(sight.rehearsal):
        return Remove(sight.rehearsal.name, "the rehearsal is over")
    seen = sight.endpoint
    if seen is None or seen.status in _BROKEN:
        return _make(sight, desired, seen)
    if seen.status != "InService":
        return _patiently(sight, f"The endpoint was {seen.status}")
    return Test(seen.name) if seen.config == desired.config else _other_config(sight, desired, seen)


def _make(sight: Sight, desired: Target, seen: EndpointSeen | None) -> Step:
    """There is no endpoint, or one that can only be deleted: make it, again where clients miss nothing."""
    tries_left = sight.release.attempts < ATTEMPTS
    if seen is None and (pause := _room_in(sight)) > 0:
        return Wait(pause)
    if seen is None:
        return Create(desired) if tries_left else give_up(sight, f"The endpoint was gone {ATTEMPTS} times.")
    if sight.release.live is None and (short := _short(sight, seen)):
        return short
    reason = f"The endpoint is {seen.status}: {_told(seen)}"
    remake = sight.release.live is None and tries_left
    return Remove(seen.name, reason) if remake else give_up(sight, reason)


def _other_config(sight: Sight, desired: Target, seen: EndpointSeen) -> Step:
    """An update is still to be asked for, or SageMaker undid the one that was: a lease that was given back tells."""
    release = sight.release
    if (held := _held(sight)) > 0:
        return Wait(held)
    if (pause := _room_in(sight)) > 0:
        return Wait(pause)
    if release.attempts and release.lease is None:
        return _undone(sight, seen)
    if release.attempts >= ATTEMPTS:
        return give_up(sight, f"The update was asked for {ATTEMPTS} times and did not happen.")
    if release.live is not None and sight.warned is None:
        return Warn()
    return Wait(known_in) if (known_in := _known_in(sight)) > 0 else Update(desired)


def _known_in(sight: Sight) -> float:
    """Give the seconds until every client knows what it was told."""
    return (sight.warned or 0.0) + WARNING - sight.now


def _undone(sight: Sight, seen: EndpointSeen) -> Step:
    if is_shortage(seen.reason):
        return Postpone(_told(seen))
    return give_up(sight, f"SageMaker rolled the update back: {_told(seen)}")


def _short(sight: Sight, seen: EndpointSeen) -> Step | None:
    """An endpoint that failed for want of capacity is remembered, goes away, and is made again when it is time."""
    if not is_shortage(seen.reason):
        return None
    noted = sight.release.shortage is not None and sight.release.shortage.next_at is not None
    return Remove(seen.name, f"it is {seen.status}: {_told(seen)}") if noted else Postpone(_told(seen))


def _room_in(sight: Sight) -> float:
    """Give the seconds until AWS is asked again for what it had no room for."""
    shortage = sight.release.shortage
    return shortage.next_at - sight.now if shortage is not None and shortage.next_at is not None else 0.0


def _rolling_back(sight: Sight, live: Target) -> Step:
    if sight.rehearsal is not None and _is_up(sight.rehearsal):
        return Remove(sight.rehearsal.name, "the rehearsal is over")
    if not serves(sight.endpoint, live):
        return _bring_back(sight, live, sight.endpoint)
    # A worker that stalled under its lease may still ask for what was given up.
    return Wait(held) if (held := _held(sight)) > 0 else Restored()


def _undeploying(sight: Sight) -> Step:
    """Clients first: none may meet an endpoint that is gone. A busy endpoint is waited for: it cannot be deleted."""
    rehearsal, endpoint = sight.rehearsal, sight.endpoint
    if sight.told_live or sight.warned is None:
        return Withdraw()
    if rehearsal is not None and _is_up(rehearsal):
        return Remove(rehearsal.name, "undeployed")
    if endpoint is not None and (known_in := _known_in(sight)) > 0:
        return Wait(known_in)
    if endpoint is not None and _is_up(endpoint):
        return Remove(endpoint.name, "undeployed")
    left = [seen for seen in (rehearsal, endpoint) if seen is not None]
    if left:
        return Wait(DELETION if all(seen.status == "Deleting" for seen in left) else LOOK_AGAIN)
    return Retire()


def _bring_back(sight: Sight, live: Target, seen: EndpointSeen | None) -> Step:
    """Try for ever, with longer and longer pauses: clients have nothing else."""
    release = sight.release
    pause = (release.stage_since or 0.0) + LOOK_AGAIN * 2 ** min(release.attempts, _LONGEST_PAUSE) - sight.now
    if release.attempts >= ATTEMPTS and pause > 0:
        return Wait(pause)
    if seen is None:
        return Create(live)
    if seen.status in _BROKEN:
        return Remove(seen.name, f"it is {seen.status}: {_told(seen)}")
    if seen.status != "InService":
        return Wait(LOOK_AGAIN)
    held = _held(sight)
    return Wait(held) if held > 0 else Update(live)


def _held(sight: Sight) -> float:
    """Give the seconds for which somebody else may still call UpdateEndpoint."""
    lease = sight.release.lease
    return lease.until - sight.now if lease is not None and lease.holder != sight.holder else 0.0


def _clearing(sight: Sight) -> float:
    """Give the seconds for which somebody else may still delete what the pending target is made of."""
    others = (lease.until for lease in sight.release.clearing if lease.holder != sight.holder)
    return max(others, default=sight.now) - sight.now


def _patiently(sight: Sight, what: str) -> Step:
    return (
        give_up(sight, f"{what} for more than {STAGE_LIMIT / 60:g} minutes.") if is_overdue(sight) else Wait(LOOK_AGAIN)
    )


def _is_up(seen: EndpointSeen) -> bool:
    """Tell whether it is there and can be deleted."""
    return seen.status == "InService" or seen.status in _BROKEN


def _is_busy(seen: EndpointSeen | None) -> bool:
    return seen is not None and not _is_up(seen)


def _astray(seen: EndpointSeen | None, live: Target) -> str:
    if seen is None:
        return "The endpoint is gone."
    if seen.status == "InService":
        return f"The endpoint serves {seen.config}, not {live.config}."
    return f"The endpoint is {seen.status}: {_told(seen)}"


def _told(seen: EndpointSeen) -> str:
    return seen.reason or "SageMaker gives no reason."


def _wanted(target: Target | None) -> Target:
    if target is None:
        raise AssertionError("A stage other than idle has a target.")
    return target
