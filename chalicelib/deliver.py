"""Which room an event goes to, and which messages of a batch must come again: the last stop of a failure.

Each step is told in one line (lines.py), and of each batch how long its oldest message has waited.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from chalicelib import events, lines
from chalicelib.decide.start import Wish
from chalicelib.events import EndpointChanged, Event, JobChanged, NewsSeen, PackageChanged, RunRequested, UploadSeen
from chalicelib.gauges import Gauge
from chalicelib.model import Command
from chalicelib.names import is_pipeline
from chalicelib.wiring import Flows


def uploads(flows: Flows, event: Event) -> dict[str, Any]:
    """Hand a batch of uploads to datasets and pipelines, and name the messages that are to come again."""
    _show_age(flows, "uploads", event)
    return events.failures([*_unreadable(event, "uploads"), *arrived(flows, events.uploads(event))])


def arrived(flows: Flows, seen: Sequence[UploadSeen]) -> list[str]:
    """Tell datasets and pipelines what arrived; gives the ids of the messages that are to come again."""
    return [*_dataset_uploads(flows, seen), *_pipeline_uploads(flows, seen)]


def wakes(flows: Flows, event: Event) -> dict[str, Any]:
    """Advance everything a batch woke, each once; what failed comes again."""
    _show_age(flows, "wake", event)
    woken = events.woken(event)
    failed = {subject for subject in dict.fromkeys(wake.subject for wake in woken) if not _woke(flows, subject)}
    again = [wake.message_id for wake in woken if wake.subject in failed]
    return events.failures([*_unreadable(event, "wake"), *again])


def news(flows: Flows, event: Event) -> dict[str, Any]:
    """Pass our own events on to those who asked for them; what somebody did not take comes again."""
    _show_age(flows, "news", event)
    again = [seen.message_id for seen in events.news(event) if not _passed_on(flows, seen)]
    return events.failures([*_told(events.no_news(event), "news"), *again])


def job(flows: Flows, changed: JobChanged) -> None:
    pipeline, run = flows.world.settings.names.job_parts(changed.name) or (None, None)
    about = {"job": changed.name, "pipeline": pipeline, "run": run}
    lines.take(flows, "job-changed", f"run:{run}", lambda: flows.runs.job_changed(changed), **about)


def endpoint(flows: Flows, changed: EndpointChanged) -> None:
    pipeline = flows.world.settings.names.endpoint_pipeline(changed.name)
    about = {"endpoint": changed.name, "pipeline": pipeline}
    lines.take(
        flows, "endpoint-changed", f"release:{pipeline}", lambda: flows.releases.endpoint_changed(changed), **about
    )


def package(flows: Flows, changed: PackageChanged) -> None:
    pipeline = flows.world.settings.names.package_pipeline(changed.arn)
    about = {"package": changed.arn, "pipeline": pipeline}
    lines.take(flows, "package-changed", "", lambda: flows.runs.package_changed(changed), **about)


def run_requested(flows: Flows, asked: RunRequested) -> None:
    """Start what an event asks for; a request that is refused ends in the dead letters, where somebody can read it."""
    wish = Wish(
        asked.pipeline,
        Command(asked.by, flows.world.clock(), asked.reason),
        dataset=asked.dataset,
        channels=asked.channels,
        values=asked.values,
        request=asked.request,
    )
    about = {"pipeline": asked.pipeline} if is_pipeline(asked.pipeline) else {}
    lines.take(flows, "run-requested", "", lambda: flows.starts.start(wish), **about)


def tick(flows: Flows) -> None:
    lines.take(flows, "tick", "", flows.reconcile.tick)


def _dataset_uploads(flows: Flows, seen: Iterable[UploadSeen]) -> Iterable[str]:
    from chalicelib.flows.arrivals import by_dataset

    for dataset, arrivals in by_dataset(upload for upload in seen if upload.key.startswith("datasets/")).items():
        noted = lines.done(
            flows,
            "dataset-uploaded",
            f"dataset:{dataset}",
            lambda it=dataset, news=arrivals: flows.datasets.note(it, news),  # type: ignore[misc] # bound for this turn
            messages=len(arrivals),
        )
        if not noted:
            yield from (upload.message_id for _, upload in arrivals)


def _pipeline_uploads(flows: Flows, seen: Iterable[UploadSeen]) -> Iterable[str]:
    newest: dict[str, UploadSeen] = {}
    mine = [upload for upload in seen if _pipeline_of(upload)]
    for upload in sorted(mine, key=lambda upload: upload.at):
        newest[_pipeline_of(upload)] = upload
    failed = {name for name, upload in newest.items() if not _uploaded(flows, name, upload.at)}
    return [upload.message_id for upload in mine if _pipeline_of(upload) in failed]


def _pipeline_of(upload: UploadSeen) -> str:
    """Name the pipeline of `pipelines/<pipeline>/…`; nothing for an object beside the folders."""
    top, _, rest = upload.key.partition("/")
    name, slash, _ = rest.partition("/")
    return name if top == "pipelines" and slash else ""


def _uploaded(flows: Flows, name: str, at: float) -> bool:
    return lines.done(
        flows, "pipeline-uploaded", f"pipeline:{name}", lambda: flows.pipelines.uploaded(name, at), pipeline=name
    )


def _woke(flows: Flows, subject: str) -> bool:
    return lines.done(flows, "wake", subject, lambda: flows.reconcile.advance(subject))


def _passed_on(flows: Flows, seen: NewsSeen) -> bool:
    about = {"event": seen.id, "pipeline": seen.pipeline, "state": seen.state}
    return lines.done(flows, "news", "", lambda: flows.notices.send(seen), **about)


def _unreadable(event: Event, queue: str) -> tuple[str, ...]:
    return _told(events.unreadable(event), queue)


def _told(found: tuple[str, ...], queue: str) -> tuple[str, ...]:
    if found:
        lines.log.warning("Messages cannot be read", step=queue, outcome=lines.AGAIN, messages=len(found))
    return found


def _show_age(flows: Flows, queue: str, event: Event) -> None:
    sent = events.oldest(event)
    if sent is not None:
        lines.show(flows, Gauge("QueueAge", max(0.0, flows.world.clock() - sent), "Seconds", by=(("queue", queue),)))
