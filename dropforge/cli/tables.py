"""Pipelines, datasets and runs as rows and lines to read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dropforge.cli.render import local_time, moment, size


def pipeline_row(seen: dict[str, Any], *, short: bool) -> tuple[Any, ...]:
    return (
        seen["pipeline"],
        seen["state"],
        (seen["version"] or "")[:12] or None,
        local_time(seen["accepted_at"], short=short),
        (seen["paused"] or {}).get("what"),
        seen["problem"],
    )


def dataset_row(seen: dict[str, Any], *, short: bool) -> tuple[Any, ...]:
    channels = seen["channels"]
    objects, weight = (sum(channel[key] for channel in channels) for key in ("objects", "bytes"))
    known = bool(channels)
    return (
        seen["dataset"],
        seen["state"],
        seen["run"],
        objects if known else None,
        size(weight) if known else None,
        local_time(seen["last_seen"], short=short),
        seen["reason"] or seen["waiting"],
    )


def run_row(seen: dict[str, Any], *, short: bool) -> tuple[Any, ...]:
    return (
        seen["run"],
        seen["dataset"],
        seen["stage"],
        _metrics(seen) or None,
        local_time(seen["sealed_at"], short=short),
        seen["reason"] or (seen["release"] or {}).get("reason"),
    )


def described(seen: dict[str, Any]) -> Iterator[str]:
    for key in ("run", "dataset", "pipeline", "stage", "state", "reason", "waiting", "todo", "package"):
        if seen.get(key):
            yield f"{key:<10}{seen[key]}"
    if not seen.get("reason") and (told := (seen.get("release") or {}).get("reason")):
        yield f"{'reason':<10}{told}"
    if _metrics(seen):
        yield f"{'metrics':<10}{_metrics(seen)}"
    for channel in seen.get("channels", ()):
        yield f"{'channel':<10}{channel['name']}: {channel['objects']} objects, {size(channel['bytes'])}"
    if candidate := seen.get("candidate"):
        yield f"{'job':<10}{candidate['job']} {candidate['status']} {candidate['secondary']}"
    if seen.get("timeline"):
        yield ""
        yield from _timeline(seen["timeline"])


def _timeline(entries: list[dict[str, Any]]) -> Iterator[str]:
    begun = moment(entries[0]["at"])
    for entry in entries:
        facts = " ".join(f"{name}={value}" for name, value in entry["facts"].items() if value is not None)
        yield f"{(moment(entry['at']) - begun).total_seconds():8.1f}s  {entry['what']}  {facts}".rstrip()


def _metrics(seen: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value:g}" for name, value in (seen.get("metrics") or {}).items())


def release_lines(seen: dict[str, Any]) -> Iterator[str]:
    """Tell a release: its slots, what it waits for, and what failed with its reason."""
    since = f" since {local_time(seen['stage_since'])}" if seen.get("stage_since") else ""
    yield f"{'model':<12}{seen['pipeline']}"
    yield f"{'state':<12}{seen['stage']}{since}"
    for slot in ("live", "desired", "pending", "previous", "retired"):
        if (target := seen.get(slot)) and not (slot == "desired" and target == seen.get("live")):
            yield f"{slot:<12}{_target(target)}"
    for done in ("undeployed", "rolled_back"):
        if asked := seen.get(done):
            why = f": {asked['reason']}" if asked.get("reason") else ""
            yield f"{done.replace('_', ' '):<12}by {asked['by']} at {local_time(asked['at'])}{why}"
    if seen.get("waiting"):
        yield f"{'waiting':<12}{seen['waiting']}"
    for digest, reason in seen["failed"].items():
        yield f"{'failed':<12}run {digest.rpartition('-')[2]}: {reason}"


def _target(target: dict[str, Any]) -> str:
    by = f" by {target['by']}" if target.get("by") else ""
    return f"version {target['model_version']} (run {target['run']}), {target['cause']}{by}"
