"""Our values as the JSON that operators and clients read: times in ISO 8601, runs by their twelve digits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from chalicelib.decide.stage import failure_of, stage_of, waiting_of, waits_for
from chalicelib.model import (
    Candidate,
    Channel,
    Command,
    Dataset,
    Entry,
    Pause,
    PipelineRecord,
    Release,
    Run,
    Serving,
    Target,
)
from chalicelib.names import run12
from chalicelib.ports import LogLine

Json = dict[str, Any]


def moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def pause(seen: Pause | None) -> Json | None:
    if seen is None:
        return None
    return {"scope": seen.scope, **(command(seen.command) or {}), "what": seen.told}


def command(seen: Command | None) -> Json | None:
    return None if seen is None else {"by": seen.by, "at": moment(seen.at), "reason": seen.reason}


def pipeline(record: PipelineRecord, paused: Pause | None) -> Json:
    return {
        "pipeline": record.name,
        "title": record.title,
        "state": record.state,
        "version": record.version,
        "problem": record.problem,
        "accepted_at": moment(record.accepted_at),
        "paused": pause(paused),
    }


def dataset(seen: Dataset) -> Json:
    return {
        "dataset": str(seen.id),
        "pipeline": seen.id.pipeline,
        "state": seen.state,
        "run": run12(seen.run) if seen.run else None,
        "digest": seen.digest,
        "waiting": seen.waiting,
        "reason": seen.reason,
        "todo": seen.todo,
        "first_seen": moment(seen.first_seen),
        "last_seen": moment(seen.last_seen),
        "sealed_at": moment(seen.sealed_at),
        "channels": channels(seen.channels),
        "sources": dict(seen.sources),
        "asked": command(seen.asked),
    }


def channels(sealed: Iterable[Channel]) -> list[Json]:
    return [{"name": channel.name, "objects": channel.objects, "bytes": channel.size} for channel in sealed]


def run(seen: Run, release: Release | None) -> Json:
    return {
        "run": run12(seen.id),
        "id": seen.id,
        "pipeline": seen.pipeline,
        "dataset": str(seen.dataset),
        "version": seen.version,
        "state": seen.state,
        "stage": stage_of(seen, release),
        "reason": seen.reason,
        "todo": seen.todo,
        "approval": seen.approval,
        "verdict": command(seen.verdict.command) if seen.verdict else None,
        "stopping": command(seen.stopping),
        "next_try_at": moment(seen.shortage.next_at) if seen.shortage else None,
        "sealed_at": moment(seen.sealed_at),
        "created_at": moment(seen.created_at),
        "ended_at": moment(seen.ended_at),
        "channels": channels(seen.channels),
        "candidate": candidate(seen.candidate) if seen.candidate else None,
        "metrics": metrics(seen.candidate.metrics) if seen.candidate else {},
        "labels": list(seen.labels),
        "package": seen.package,
        "release": _part_in(seen, release),
    }


def candidate(seen: Candidate) -> Json:
    return {
        "job": seen.job,
        "attempt": seen.attempt,
        "status": seen.status,
        "secondary": seen.secondary,
        "reason": seen.reason,
        "metrics": metrics(seen.metrics),
        "started_at": moment(seen.started_at),
        "ended_at": moment(seen.ended_at),
        "billable_seconds": seen.billable_seconds,
    }


def metrics(told: Mapping[str, float]) -> dict[str, float | None]:
    """Give metrics as JSON can hold them: a loss that ran away to infinity is null."""
    return {name: value if math.isfinite(value) else None for name, value in told.items()}


def _part_in(seen: Run, release: Release | None) -> Json | None:
    """Tell a run's part in its pipeline's release, as far as the release has or had one for it."""
    mine = next((target for target in _targets(release) if target.run == seen.id), None)
    failure = failure_of(seen, release)
    if mine is None and failure is None:
        return None
    reason = failure or waiting_of(seen, release)
    return {"stage": stage_of(seen, release), "generation": mine.generation if mine else None, "reason": reason}


def _targets(release: Release | None) -> tuple[Target, ...]:
    if release is None:
        return ()
    slots = (release.live, release.desired, release.pending, release.previous, release.retired)
    return tuple(target for target in slots if target is not None)


def release(seen: Release) -> Json:
    return {
        "pipeline": seen.pipeline,
        "stage": seen.stage,
        "generation": seen.generation,
        "stage_since": moment(seen.stage_since),
        "live": target(seen.live),
        "desired": target(seen.desired),
        "pending": target(seen.pending),
        "previous": target(seen.previous),
        "failed": dict(seen.failed),
        "retired": target(seen.retired),
        "undeployed": command(seen.undeployed),
        "rolled_back": command(seen.rolled_back),
        "waiting": waits_for(seen),
        "next_try_at": moment(seen.shortage.next_at) if seen.shortage else None,
    }


def target(seen: Target | None) -> Json | None:
    if seen is None:
        return None
    return {
        "run": run12(seen.run),
        "model_version": seen.model_version,
        "pipeline_version": seen.version,
        "digest": seen.digest,
        "generation": seen.generation,
        "cause": seen.cause,
        "config": seen.config,
        "metrics": metrics(seen.metrics),
        "labels": list(seen.labels),
        "by": seen.by,
    }


def entry(line: Entry) -> Json:
    return {"at": moment(line.at), "what": line.what, "facts": dict(line.facts)}


def log_line(line: LogLine) -> Json:
    return {"at": moment(line.at), "text": line.text}


def model(serving: Serving, *, max_bytes: int) -> Json:
    return {
        "model": serving.pipeline,
        "title": serving.title,
        "live": serving.live,
        "version": serving.model_version,
        "run": run12(serving.run) if serving.run else None,
        "accept": list(serving.accept),
        "max_bytes": max_bytes,
        "labels": list(serving.labels),
        "top_k": serving.top_k,
    }
