"""Whether the model that a completed training job left behind is registered, and why not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from chalicelib.decide.approval import awaits
from chalicelib.decide.gate import Gate, Passed, Rejected, judge
from chalicelib.decide.run_ends import LOOK_AGAIN, end
from chalicelib.decide.run_steps import Move, Register, Step
from chalicelib.model import Approval, Entry, Run, RunState
from chalicelib.pipeline.kinds import LABELS_LIMIT, labels_size

_SHOWN = 5
_LABELS = "dropforge.labels=["
_AWAITED = "It passed its gate and awaits a person's approval."


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is found out about a completed job before it is judged."""

    changed: tuple[str, ...]
    """Sealed keys that were overwritten or deleted meanwhile."""
    model_found: bool
    told_labels: tuple[str, ...] | None
    """The labels that the training log names."""
    set_labels: tuple[str, ...]
    """The labels under [serve]."""
    gate: Gate | None
    champion: Mapping[str, float] | None
    more_changed: int = 0
    """How many changed beside those in `changed`."""


def evaluate(run: Run, evidence: Evidence, now: float) -> Step:
    """Judge what the job left behind."""
    if evidence.changed:
        return _changed(run, evidence.changed, evidence.more_changed, now)
    if not evidence.model_found:
        return end(
            run,
            RunState.FAILED,
            now,
            "Training completed but left no model.tar.gz.",
            "Write the model into the folder SM_MODEL_DIR (/opt/ml/model) and drop the dataset again.",
        )
    told, wanted = evidence.told_labels, evidence.set_labels
    if told is not None and wanted and told != wanted:
        return end(
            run,
            RunState.FAILED,
            now,
            f"The model's labels ({_some(told)}) are not the labels under [serve] ({_some(wanted)}).",
            "Remove labels from [serve], or make them what the training script says, in the same order.",
        )
    if told is not None and (size := labels_size(told)) > LABELS_LIMIT:
        return end(
            run,
            RunState.FAILED,
            now,
            f"The model's {len(told)} labels need {size} bytes in all, and may take {LABELS_LIMIT}.",
            "Let the training script name fewer or shorter labels, or none, and drop the dataset again.",
        )
    metrics = run.candidate.metrics if run.candidate else {}
    match judge(evidence.gate, metrics, evidence.champion):
        case Rejected(reason, todo):
            return end(run, RunState.REJECTED, now, reason, todo)
        case Passed(why):
            manual = evidence.gate is not None and evidence.gate.approval == "manual"
            return Register(told if told is not None else wanted, why, manual)


def register(run: Run, package: str, step: Register, now: float) -> Move:
    """Remember the registered model; one that a person has to approve says so, and how."""
    moved = replace(
        run,
        state=RunState.REGISTERED,
        package=package,
        labels=step.labels,
        approval=Approval.PENDING if step.manual else None,
        reason=_AWAITED if step.manual else None,
        todo=awaits(run) if step.manual else None,
        ended_at=now,
        due=now + LOOK_AGAIN,
    )
    facts: dict[str, str | int | float | bool | None] = {"package": package, "gate": step.why}
    return Move(moved, Entry(now, "registered", facts | ({"approval": "awaited"} if step.manual else {})))


def labels_in(lines: Iterable[str]) -> tuple[str, ...] | None:
    """Read the last `dropforge.labels=[…]` of a training log; None where there is none that can be read."""
    found: tuple[str, ...] | None = None
    for line in lines:
        _, mark, rest = line.partition(_LABELS)
        if mark:
            found = _label_list(f"[{rest[: rest.rfind(']') + 1]}") or found
    return found


def _label_list(text: str) -> tuple[str, ...] | None:
    """Read a JSON array of labels; half a surrogate pair is no text that anything can store or send."""
    try:
        values = json.loads(text)
        json.dumps(values, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return tuple(map(str, values)) if all(isinstance(value, str | int | float) for value in values) else None


def _changed(run: Run, keys: tuple[str, ...], more: int, now: float) -> Move:
    return end(
        replace(run, superseded=True),
        RunState.FAILED,
        now,
        f"Files of the sealed dataset were overwritten or deleted while it trained: {_some(keys, more)}.",
        "Let a dataset be while it trains; what the folder holds now becomes a run of its own.",
    )


def _some(items: tuple[str, ...], more: int = 0) -> str:
    shown = ", ".join(items[:_SHOWN])
    left = len(items[_SHOWN:]) + more
    return f"{shown} and {left} more" if left else shown
