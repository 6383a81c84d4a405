"""Which run a user means, and how a run or dataset that ended is told: as the error of its exit code."""

from __future__ import annotations

import re
from typing import Any

from dropforge.cli.api import Api
from dropforge.cli.command import Session
from dropforge.cli.errors import CliError, FailedError, RefusedError, RejectedError, UsageError
from dropforge.cli.follow import Follower
from dropforge.cli.render import moment


def outcome(seen: dict[str, Any], stage: str) -> CliError | None:
    """Say, as the error of its exit code, why a run or dataset did not become what it should; None if it did."""
    told = str(seen.get("reason") or (seen.get("release") or {}).get("reason") or "no reason is known").rstrip(".")
    advice = f" {seen['todo']}" if seen.get("todo") else ""
    if stage == "failed" and seen.get("candidate"):
        advice += f" `dropforge log {seen['run']}` shows its log."
    name = f"run {seen['run']}" if seen.get("stage") else f"dataset {seen.get('dataset')}"
    match stage:
        case "refused":
            return RefusedError(f"The {name} was refused: {told}.{advice}")
        case "rejected":
            whose = "" if seen.get("approval") == "rejected" else " by its gate"
            return RejectedError(f"The {name} was rejected{whose}: {told}.{advice}")
        case "failed" | "stopped" | "release-failed":
            words = {"failed": "failed", "stopped": "was stopped", "release-failed": "was not released"}
            return FailedError(f"The {name} {words[stage]}: {told}.{advice}")
        case _:
            return None


def replaced(api: Api, seen: dict[str, Any]) -> str:
    """Say what took a run's place, as far as its release tells: a rollback brings back what may be older."""
    live = (api.find("v1", "releases", seen["pipeline"]) or {}).get("live")
    if not live or live["run"] == seen["run"]:
        return f"The run {seen['run']} was replaced by another; nothing failed: `dropforge runs` shows which."
    by = "a rollback" if live["cause"] == "rollback" else "another run"
    return (
        f"The run {seen['run']} was replaced by {by}; nothing failed: "
        f"version {live['model_version']} (run {live['run']}) is live."
    )


def known(session: Session, run: str, first_key: str) -> dict[str, Any] | None:
    """Give the run that a drop became if it was there before the drop's first file, and is not tried again for it.

    A run that was stopped may be about to be tried again, and whoever may only write to the bucket cannot ask: None.
    """
    try:
        seen = session.api.find("v1", "runs", run)
    except CliError:
        return None
    dropped = session.bucket.modified(first_key)
    if seen is None or seen["stage"] == "stopped" or moment(seen["created_at"]) >= dropped:
        return None
    again = (each for each in seen["timeline"] if each["what"].startswith("trying again"))
    return None if any(moment(each["at"]) >= dropped for each in again) else seen


def resolve(api: Api, text: str) -> Follower:
    """Find what a user means by RUN: twelve hex digits, a unique beginning of them, `latest`, or `pipeline/dataset`."""
    if "/" in text:
        return Follower(api, dataset=text, pause=1)
    if text == "latest":
        newest = next(iter(api.listed("runs", limit=1)), None)
        if newest is None:
            raise UsageError("There are no runs yet: drop a dataset first.")
        return Follower(api, run=newest["run"], pause=1)
    digits = text.removeprefix("v1") if len(text) > 12 else text  # noqa: PLR2004 -- the length of a run's short name
    if not re.fullmatch(r"[0-9a-f]+", digits):
        raise UsageError(f"{text!r} names no run: give its hex digits, `latest`, or `pipeline/dataset`.")
    if len(digits) >= 12:  # noqa: PLR2004 -- see above
        return Follower(api, run=digits[:12], pause=1)
    found = [run["run"] for run in api.listed("runs", limit=1000) if run["run"].startswith(digits)]
    if len(found) != 1:
        trouble = (
            f"{len(found)} runs begin with {digits}: give more digits." if found else f"No run begins with {digits}."
        )
        raise UsageError(trouble)
    return Follower(api, run=found[0], pause=1)
