"""What we tell the world: an event of ours for each state that a dataset, run or release comes to.

Level-triggered: an item remembers in `told` what was told of it last, and whoever saves it tells what differs. So a
state that several saves pass through is told once, and one that was never told is told by the next save. The fields of
each event stand in docs/events/.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

from chalicelib.decide.announce import announce
from chalicelib.model import Approval, Dataset, DatasetId, DatasetState, PipelineRecord, Release, Run, RunState
from chalicelib.names import dataset_status_key, run12

VERSION = "1"
"""Of `detail`; fields may be added under the same version."""
DATASET = "Dropforge Dataset State Change"
RUN = "Dropforge Run State Change"
RELEASE = "Dropforge Release State Change"
APPROVAL = "Dropforge Approval Requested"
REASON_LIMIT = 2000
"""Characters; an event ends at 256 KB, and ten of them are sent at once."""

Item = TypeVar("Item", Dataset, Run, Release, PipelineRecord)


@dataclass(frozen=True, slots=True)
class News:
    """One event of ours: `kind` is its detail type, `id` the same however often it is sent."""

    id: str
    at: float
    kind: str
    detail: Mapping[str, Any]

    @property
    def order(self) -> str:
        """Sort by time; at one moment by sequence, and what is asked for after what has come to be."""
        return f"{self.at:017.6f}#{self.detail['sequence']:08}#{int(self.kind == APPROVAL)}#{self.id}"


@dataclass(frozen=True, slots=True)
class Told:
    """News that the bus took, and when we knew."""

    at: float
    news: News


@dataclass(frozen=True, slots=True)
class Origin:
    """Where we speak from: the deployment and its stage, and the bucket that holds the status objects."""

    deployment: str
    stage: str
    bucket: str


@dataclass(frozen=True, slots=True)
class _State:
    """A state to tell, and whose it is."""

    name: str
    run: str | None = None
    reason: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


def tell(item: Item, at: float, origin: Origin) -> tuple[Item, tuple[News, ...]]:
    """Say what is new in an item that is about to be stored (its `rev` counts that); gives it back as told."""
    match item:
        case Dataset():
            return _tell_dataset(item, at, origin)
        case Run():
            return _tell_run(item, at, origin)
        case Release():
            return _tell_release(item, at, origin)
        case PipelineRecord():
            return item, ()


def _tell_dataset(item: Dataset, at: float, origin: Origin) -> tuple[Dataset, tuple[News, ...]]:
    if item.told == item.state:
        return item, ()
    state = _State(item.state.value, item.run, item.reason or item.waiting, {"todo": _short(item.todo)})
    links = _dataset_links(item.id, origin) | ({"run": _run_link(item.run)} if item.run else {})
    previous = _known(item.told, DatasetState)
    news = _news(DATASET, item, at, origin, state, previous=previous, dataset=item.id, links=links)
    return replace(item, told=item.state.value), (news,)


def _tell_run(item: Run, at: float, origin: Origin) -> tuple[Run, tuple[News, ...]]:
    words = item.told.partition(" ")
    state, asked = _known(words[0], RunState), _known(words[2], Approval)
    approval = item.approval if item.state is RunState.REGISTERED else None
    links = _dataset_links(item.dataset, origin) | {"run": _run_link(item.id)}
    news: list[News] = []
    if state != item.state:
        now = _State(item.state.value, item.id, item.reason, {"todo": _short(item.todo), "package": item.package})
        news.append(_news(RUN, item, at, origin, now, previous=state, dataset=item.dataset, links=links))
    if approval is Approval.PENDING and asked != approval:
        wanted = _State(approval.value, item.id, item.reason, {"package": item.package})
        links |= {order: f"{_run_link(item.id)}/{order}" for order in ("approve", "reject")}
        news.append(_news(APPROVAL, item, at, origin, wanted, previous=asked, dataset=item.dataset, links=links))
    return replace(item, told=f"{item.state} {approval}" if approval else item.state.value), tuple(news)


def _tell_release(item: Release, at: float, origin: Origin) -> tuple[Release, tuple[News, ...]]:
    told, now = announce(item)
    after = replace(item, told=told)
    if now is None:
        return after, ()
    live = run12(item.live.run) if item.live else None
    state = _State(now.state, now.run, now.reason, {"modelVersion": now.model_version, "live": live})
    links = {"release": f"/v1/releases/{item.pipeline}", "model": f"/v1/models/{item.pipeline}"}
    links |= {"run": _run_link(now.run)} if now.run else {}
    return after, (_news(RELEASE, item, at, origin, state, previous=now.previous, dataset=None, links=links),)


def _news(
    kind: str,
    item: Dataset | Run | Release,
    at: float,
    origin: Origin,
    state: _State,
    *,
    previous: str,
    dataset: DatasetId | None,
    links: Mapping[str, str],
) -> News:
    pipeline = item.id.pipeline if isinstance(item, Dataset) else item.pipeline
    run = run12(state.run) if state.run else None
    subject = str(item.id) if isinstance(item, Dataset) else run12(item.id) if isinstance(item, Run) else pipeline
    name = _digest(origin.deployment, kind, subject, item.rev, state.name, at)
    detail = {
        "version": VERSION,
        "id": name,
        "sequence": item.rev,
        "at": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        "deployment": origin.deployment,
        "stage": origin.stage,
        "pipeline": pipeline,
        "dataset": dataset.name if dataset else None,
        "run": run,
        "previousState": previous or None,
        "state": state.name,
        "reason": _short(state.reason),
        "links": dict(links),
        **state.more,
    }
    return News(name, at, kind, detail)


def _short(text: str | None) -> str | None:
    return text if text is None else text[:REASON_LIMIT]


def _known(word: str, states: Iterable[str]) -> str:
    """Read a state that was told; what is none says nothing."""
    return word if word in set(states) else ""


def _digest(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]


def _dataset_links(dataset: DatasetId, origin: Origin) -> dict[str, str]:
    return {
        "dataset": f"/v1/datasets/{quote(dataset.pipeline, safe='')}/{quote(dataset.name, safe='')}",
        "status": f"s3://{origin.bucket}/{dataset_status_key(dataset.pipeline, dataset.name)}",
    }


def _run_link(run: str) -> str:
    return f"/v1/runs/{run12(run)}"
