"""Simulations: what would be decided, called and named about an event, a dataset, a run, a release or a pipeline."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from chalice.app import IAMAuthorizer, Request

from chalicelib import events, wiring
from chalicelib.errors import InvalidError
from chalicelib.http import order
from chalicelib.http.bodies import moment
from chalicelib.http.door import Door
from chalicelib.http.order import Order
from chalicelib.model import DatasetId, Release
from chalicelib.names import run12

if TYPE_CHECKING:
    from chalicelib.flows.simulation import Simulated, Simulation
    from chalicelib.simulated import Act, Change, Journal

Json = dict[str, Any]
FIELDS = ("event", "dataset", "run", "release", "pipeline")
_NAMED = {
    "CreateTrainingJob": "training_jobs",
    "CreateModelPackage": "package_groups",
    "CreateModel": "models",
    "CreateEndpointConfig": "endpoint_configs",
    "CreateEndpoint": "endpoints",
    "UpdateEndpoint": "endpoints",
}

door = Door(__name__, authorizer=IAMAuthorizer())


@door.post("/v1/simulations")
def simulate(request: Request) -> Json:
    """Say what would come of it, and do nothing."""
    from chalicelib.flows.simulation import Simulation

    asked = order.read(request, wiring.flows().world.clock(), *FIELDS)
    return body(_simulate(Simulation(wiring.flows().world), asked))


def _simulate(simulation: Simulation, asked: Order) -> Simulated:
    given = [name for name in FIELDS if name in asked.fields]
    if len(given) != 1:
        raise InvalidError(f"Give one of {', '.join(FIELDS)}.")
    match given[0]:
        case "event":
            return simulation.event(events.heard(asked.table("event")))
        case "dataset":
            return simulation.dataset(_dataset(asked.text("dataset") or ""))
        case "run":
            return simulation.run(asked.text("run") or "")
        case "release":
            return simulation.release(asked.text("release") or "")
        case _:
            return simulation.pipeline(asked.text("pipeline") or "")


def _dataset(text: str) -> DatasetId:
    pipeline, slash, name = text.partition("/")
    if not slash or not pipeline or not name:
        raise InvalidError('"dataset" is named as PIPELINE/DATASET.')
    return DatasetId(pipeline, name)


def body(found: Simulated) -> Json:
    journal = found.journal
    return {
        "of": found.of,
        "complete": found.ended is None,
        "ended": found.ended,
        "steps": [{"at": moment(step.at), "about": step.about, "says": step.says} for step in found.steps],
        "calls": [_act(act) for act in journal.acts],
        "timeline": [
            {
                "at": moment(line.entry.at),
                "subject": line.subject,
                "what": line.entry.what,
                "facts": dict(line.entry.facts),
            }
            for line in journal.lines
        ],
        "states": [_change(subject, change) for subject, change in journal.changes.items()],
        "events": [{"detail-type": news.kind, "detail": dict(news.detail)} for news in journal.news],
        "names": _names(journal),
    }


def _act(act: Act) -> Json:
    return {
        "at": moment(act.at),
        "port": act.port,
        "method": act.method,
        "call": act.call or None,
        "what": act.what,
        "names": list(act.names),
        "costs": act.costs,
    }


def _change(subject: str, change: Change) -> Json:
    before = _state(change.before) if change.before is not None else None
    return {"subject": subject, "before": before, "after": _state(change.after)}


def _state(item: Any) -> str:
    return str(item.stage if isinstance(item, Release) else item.state)


def _names(journal: Journal) -> dict[str, list[str]]:
    """Collect what would be named, each once: runs by their twelve digits, the rest as SageMaker would know it."""
    named: dict[str, dict[str, None]] = defaultdict(dict)
    for subject in journal.changes:
        if subject.startswith("run:"):
            named["runs"][run12(subject.removeprefix("run:"))] = None
    for act in journal.acts:
        if (kind := _NAMED.get(act.call)) and act.names:
            named[kind][act.names[0]] = None
    return {kind: [*names] for kind, names in named.items()}
