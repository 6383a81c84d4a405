"""One structured line for each step: what it was about, and its outcome; and the figures that its saves count for.

Never a payload or a key. `outcome` is one of the words below; `became` names each state that was reached.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from chalicelib.decide.counting import count, state_of
from chalicelib.errors import DropforgeError
from chalicelib.gauges import Gauge, document
from chalicelib.model import Dataset, DatasetState, PipelineRecord, Run
from chalicelib.names import run12

if TYPE_CHECKING:
    from chalicelib.watch import Machine, Notes
    from chalicelib.wiring import Flows

log = Logger(service="dropforge", child=True)

_OUR_FAULT = 500
DONE, AGAIN, FAILED, REFUSED, NOTHING = "done", "comes again", "failed", "refused", "nothing"


def take(flows: Flows, name: str, subject: str, step: Callable[[], object], **about: Any) -> None:
    """Take a step about a subject (as in ports.Timer) and tell it in one line; what it raises goes on.

    A subject of "" is known only afterwards: it is what the step has looked at.
    It did something where it saved something, or where it says so itself, by giving True.
    """
    with watching(flows) as notes:
        try:
            acted = step() is True
        except Exception as error:  # whatever it was goes on, with its line
            tell_failed(flows, name, error, **{**_about(subject, notes), **about})
            raise
        told = {"became": became} if (became := _became(notes)) else {}
        log.info(
            "Step done", step=name, outcome=_outcome(notes, acted=acted), **{**_about(subject, notes), **told, **about}
        )


def done(flows: Flows, name: str, subject: str, step: Callable[[], object], **about: Any) -> bool:
    """Take a step whose failure stops nothing else: whoever called lets it come again."""
    try:
        take(flows, name, subject, step, **about)
    except Exception:  # noqa: BLE001 -- the process's edge; its line has told the error
        return False
    return True


@contextmanager
def watching(flows: Flows) -> Iterator[Notes]:
    """Print what the saves in here count for, each right after it."""
    with flows.watch.step(lambda before, after: _count(flows, before, after)) as notes:
        yield notes


def tell_failed(flows: Flows, name: str, error: Exception, **about: Any) -> None:
    """A conflict or a throttle is everyday and comes again; a no of ours has its reason; the rest is counted."""
    foreseen = isinstance(error, DropforgeError) and (error.retryable or error.status < _OUR_FAULT)
    if isinstance(error, DropforgeError) and foreseen:
        told, outcome = ("Step comes again", AGAIN) if error.retryable else ("Step refused", REFUSED)
        log.warning(told, step=name, outcome=outcome, reason=error.message, **about)
    else:
        log.error("Step failed", step=name, outcome=FAILED, exc_info=error, **about)
        _count_failure(flows, name)


def tell_request(
    flows: Flows | None, status: int, about: Mapping[str, str], *, error: Exception | None = None, changed: bool = True
) -> None:
    """Tell an answered request; an error of ours brings its trace, and one that no retry helps is counted."""
    facts: dict[str, Any] = {"step": "request", "status": status, **about}
    if status >= _OUR_FAULT:
        log.error("Request failed", outcome=FAILED, exc_info=error, **facts)
        if flows is not None and not getattr(error, "retryable", False):
            _count_failure(flows, "request")
    elif error is not None:
        log.info("Request refused", outcome=REFUSED, code=getattr(error, "code", None), **facts)
    else:
        log.info("Request done", outcome=DONE if changed else NOTHING, **facts)


def show(flows: Flows, gauge: Gauge, **facts: Any) -> None:
    """Print a figure; CloudWatch makes a metric of the line."""
    world = flows.world
    line = document(gauge, world.settings.stage, world.clock(), **facts)
    sys.stdout.write(json.dumps(line) + "\n")


def _count_failure(flows: Flows, step: str) -> None:
    show(flows, Gauge("StepsFailed", by=(("step", step),), whole=True))


def _count(flows: Flows, before: Machine | None, after: Machine) -> None:
    for gauge in count(before, after):
        show(flows, gauge, **_facts(after))


def _outcome(notes: Notes, *, acted: bool) -> str:
    if not notes.first:
        return DONE if acted or notes.acted else NOTHING
    refused = DatasetState.REFUSED.value
    changed = (subject for subject, before in notes.first.items() if state_of(before) != refused)
    return REFUSED if any(state_of(notes.seen[subject]) == refused for subject in changed) else DONE


def _became(notes: Notes) -> dict[str, str | None]:
    """Give the states that the step has reached, by subject."""
    now = {subject: state_of(notes.seen[subject]) for subject in notes.first}
    return {subject: state for subject, state in now.items() if state != state_of(notes.first[subject])}


def _about(subject: str, notes: Notes) -> dict[str, str]:
    """Name the subject under its kind, with what the step has learnt of it."""
    seen = notes.seen.get(subject)
    return (named(subject) or learnt(notes)) | (_facts(seen) if seen is not None else {})


def named(subject: str) -> dict[str, Any]:
    """Give what a subject says by itself: its kind and name, and whose it is."""
    kind, _, name = subject.partition(":")
    owner = {"pipeline": name.partition("/")[0]} if kind in {"dataset", "release"} else {}
    return {kind: name} | owner if name else {"part": kind} if kind else {}


def learnt(notes: Notes | None) -> dict[str, str]:
    """Name what was looked at, where nobody knew before: the one dataset, or the one run, or the one pipeline."""
    seen = [*notes.seen.values()] if notes else []
    for kind in (Dataset, Run, PipelineRecord):
        found = [item for item in seen if isinstance(item, kind)]
        if found:
            return _facts(found[0]) if len(found) == 1 else {}
    return {}


def _facts(item: Machine) -> dict[str, str]:
    match item:
        case Run():
            return {"pipeline": item.pipeline, "dataset": str(item.dataset), "run": run12(item.id)}
        case Dataset():
            run = {"run": run12(item.run)} if item.run else {}
            return {"pipeline": item.id.pipeline, "dataset": str(item.id)} | run
        case PipelineRecord():
            return {"pipeline": item.name}
        case _:
            run = {"run": run12(item.desired.run)} if item.desired else {}
            return {"pipeline": item.pipeline} | run
