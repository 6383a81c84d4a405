"""What a person's order makes of a release: what is given up, what is wanted, or why it makes no sense now. Pure.

A person's target is the newest there is: its order is the moment of the order. Each order is safe to repeat: what is
done already, or on its way, is said and not done again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.decide.orders import Already, Refuse, clear_failures, later_than, newest, wanted_by
from chalicelib.decide.proposal import failed_runs, note_failure
from chalicelib.decide.release import enter
from chalicelib.decide.stage import under_way
from chalicelib.model import Command, Entry, Release, ReleaseStage, Target
from chalicelib.names import run12

ROLLBACK, REDEPLOY = "rollback", "redeploy"
"""Why a target is wanted: Target.cause."""


@dataclass(frozen=True, slots=True)
class Change:
    """What to save, and with which line on the timeline."""

    release: Release
    entry: Entry
    what: str
    about: Target | None = None
    dropped: tuple[Target, ...] = ()
    """What will not be served any more, though it was about to be."""


Answer = Change | Already | Refuse
_UNDEPLOYING = Refuse("It is being undeployed: `dropforge redeploy` brings it back.")


def roll_back(release: Release, command: Command) -> Answer:
    """Give up what is on its way; where nothing is, want what was live before."""
    coming, live = _coming(release), release.live
    if release.stage is ReleaseStage.UNDEPLOYING:
        return _UNDEPLOYING
    if coming and coming[-1].cause == ROLLBACK:
        return Already(f"{_named(coming[-1])} is on its way already, by a rollback.")
    if coming:
        return _give_up(release, command, coming)
    if release.stage is ReleaseStage.ROLLING_BACK and live is not None:
        return Already(f"It is being rolled back to {_name(live)} already.")
    return _go_back(release, command, live)


def _go_back(release: Release, command: Command, live: Target | None) -> Answer:
    """Want what was live before. The newest change is undone once: to go further back takes a version."""
    if release.rolled_back is not None:
        now = f"{_name(live)} is live" if live is not None else "nothing is live"
        done = f"The newest change was rolled back {release.rolled_back.told}, and {now}"
        return Already(f"{done}; `--to` goes to another version.")
    if live is None:
        return Refuse(f"Nothing is live, so there is nothing to roll back.{_hint(release)}")
    if live.cause == ROLLBACK:
        return Already(f"{_named(live)} is live by a rollback already; `--to` goes to another version.")
    if release.previous is None:
        return Refuse(f"Nothing was live before {_name(live)}; `--to` goes to another version.")
    return _want(release, wanted_by(release.previous, newest(release, command), ROLLBACK), command, ())


def roll_back_to(release: Release, target: Target, command: Command) -> Answer:
    """Want one version; what is on its way is given up for it."""
    coming, live = _coming(release), release.live
    if release.stage is ReleaseStage.UNDEPLOYING:
        return _UNDEPLOYING
    if coming and coming[-1].run == target.run:
        return Already(f"{_named(target)} is on its way already.")
    if live is None or live.run != target.run:
        return _want(release, wanted_by(target, newest(release, command), ROLLBACK), command, coming)
    if coming:
        return _give_up(release, command, coming)
    if live.cause == ROLLBACK:
        return Already(f"{_named(live)} is live by a rollback already.")
    return Refuse(f"{_named(live)} is live already.")


def undeploy(release: Release, command: Command, sealed: Sequence[float] = ()) -> Answer:
    """Take everything down that serves, and want nothing until somebody drops or redeploys.

    `sealed`: when the pipeline's runs did so far; none of them deploys it again, whatever the clock that sealed it.
    """
    coming = _coming(release)
    serving = release.live or (coming[0] if coming else None)
    if serving is None:
        undeploying = release.stage is ReleaseStage.UNDEPLOYING
        return Already("It is being undeployed already." if undeploying else "Nothing of it is deployed.")
    after = replace(
        enter(release, ReleaseStage.UNDEPLOYING, command.at),
        live=None,
        pending=None,
        retired=release.live or release.retired or serving,
        undeployed=later_than(sealed, command),
        rolled_back=None,
        due=command.at,
    )
    what = (
        "It is being undeployed: clients are told first, then its endpoints, configurations and models are deleted. "
        "Model packages and artifacts stay."
    )
    return Change(after, _asked("undeploy asked for", command, serving), what, serving, coming)


def redeploy(release: Release, target: Target, command: Command) -> Answer:
    """Want what was undeployed, or what failed last, again: what `missed` said."""
    return _want(release, wanted_by(target, newest(release, command), REDEPLOY), command, ())


def missed(release: Release) -> Target | tuple[str, ...] | Already | Refuse:
    """Say what a redeploy would bring back: a target, or the newest of these runs (by their twelve digits)."""
    live, coming = release.live, _coming(release)
    if coming and (live is None or coming[-1].cause == REDEPLOY):
        return Already(f"{_named(coming[-1])} is on its way already.")
    if live is None and release.retired is not None:
        return release.retired
    if live is not None and live.cause == REDEPLOY:
        return Already(f"{_named(live)} is live again already; `dropforge retry` tries another run again.")
    return failed_runs(release)[::-1] or _nothing_missed(live)


def _nothing_missed(live: Target | None) -> Refuse:
    if live is None:
        return Refuse("Nothing was ever deployed: drop a dataset.")
    return Refuse(f"{_named(live)} is live and nothing has failed; `rollback --to` goes to another version.")


def _coming(release: Release) -> tuple[Target, ...]:
    """Give what is on its way to clients, in the order of its turns."""
    going = under_way(release) and release.stage is not ReleaseStage.ROLLING_BACK
    wanted = release.desired if going else None
    return tuple(each for each in (wanted, release.pending) if each is not None)


def _give_up(release: Release, command: Command, coming: tuple[Target, ...]) -> Change:
    after = replace(_without(release, command, coming), rolled_back=command)
    newest, live = coming[-1], release.live
    stays = f"{_name(live)} {_stays(after)}" if live is not None else "nothing is live"
    return Change(
        after,
        _asked("rollback asked for", command, newest),
        f"{_named(newest)} is given up; {stays}.",
        newest,
        coming,
    )


def _want(release: Release, target: Target, command: Command, coming: tuple[Target, ...]) -> Change:
    given_up = _without(release, command, coming)
    after = replace(clear_failures(given_up, target.run), pending=target, due=command.at)
    serves = f"; {_name(release.live)} {_stays(after)} until then" if release.live is not None else ""
    return Change(
        after,
        _asked(f"{target.cause} asked for", command, target),
        f"{_named(target)} is on its way: it is rehearsed and tested first{serves}.",
        target,
        coming,
    )


def _without(release: Release, command: Command, coming: tuple[Target, ...]) -> Release:
    """Give up what is on its way; its endpoints are cleared away as those of any target that failed."""
    after = release
    for target in coming:
        after = note_failure(after, target, f"Rolled back {command.told}.")
    if not coming:
        return after
    after = replace(after, pending=None, due=command.at)
    if release.stage not in {ReleaseStage.REHEARSING, ReleaseStage.ROLLING_OUT}:
        return after
    back = release.stage is ReleaseStage.ROLLING_OUT and release.live is not None
    stage = ReleaseStage.ROLLING_BACK if back else ReleaseStage.IDLE
    return replace(enter(after, stage, command.at), lease=release.lease if back else None)


def _stays(after: Release) -> str:
    return "comes back" if after.stage is ReleaseStage.ROLLING_BACK else "stays live"


def _asked(what: str, command: Command, about: Target) -> Entry:
    facts = {"by": command.by, "reason": command.reason, "model_version": about.model_version, "run": run12(about.run)}
    return Entry(command.at, what, facts)


def _named(target: Target) -> str:
    """Name a target where a sentence begins."""
    return _name(target).capitalize()


def _name(target: Target) -> str:
    return f"version {target.model_version} (run {run12(target.run)})"


def _hint(release: Release) -> str:
    return " `dropforge redeploy` brings back what was undeployed." if release.retired is not None else ""
