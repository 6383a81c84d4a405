"""Which room an event goes to, and which messages of a batch must come again: the last stop of a failure.

One structured line a step, with what it was about; never a payload or a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from aws_lambda_powertools import Logger

from chalicelib import events
from chalicelib.errors import DropforgeError
from chalicelib.events import EndpointChanged, Event, JobChanged, UploadSeen
from chalicelib.wiring import Flows

log = Logger(service="dropforge", child=True)


def uploads(flows: Flows, event: Event) -> dict[str, Any]:
    """Hand a batch of uploads to datasets and pipelines, and name the messages that are to come again."""
    seen = events.uploads(event)
    again = [*events.unreadable(event), *_dataset_uploads(flows, seen), *_pipeline_uploads(flows, seen)]
    log.info("Step done", step="uploads", messages=len(seen), again=len(again))
    return events.failures(again)


def wakes(flows: Flows, event: Event) -> dict[str, Any]:
    """Advance everything a batch woke, each once; what failed comes again."""
    woken = events.woken(event)
    failed = {subject for subject in dict.fromkeys(wake.subject for wake in woken) if not _woke(flows, subject)}
    again = [wake.message_id for wake in woken if wake.subject in failed]
    return events.failures([*events.unreadable(event), *again])


def job(flows: Flows, changed: JobChanged) -> None:
    pipeline, run = flows.world.settings.names.job_parts(changed.name) or (None, None)
    flows.runs.job_changed(changed)
    log.info("Step done", step="job-changed", job=changed.name, pipeline=pipeline, run=run)


def endpoint(flows: Flows, changed: EndpointChanged) -> None:
    flows.releases.endpoint_changed(changed)
    pipeline = flows.world.settings.names.endpoint_pipeline(changed.name)
    log.info("Step done", step="endpoint-changed", endpoint=changed.name, pipeline=pipeline)


def tick(flows: Flows) -> None:
    flows.reconcile.tick()
    log.info("Step done", step="reconcile")


def _dataset_uploads(flows: Flows, seen: Iterable[UploadSeen]) -> Iterable[str]:
    mine = [upload for upload in seen if upload.key.startswith("datasets/")]
    if not mine:
        return ()
    try:
        return flows.datasets.uploaded(mine)
    except Exception as error:  # noqa: BLE001 -- the process's edge: the batch comes again, or goes to the dead letters
        _say_failed(error, "uploads", datasets=len(mine))
        return [upload.message_id for upload in mine]


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
    return _done(lambda: flows.pipelines.uploaded(name, at), "pipeline-uploaded", pipeline=name)


def _woke(flows: Flows, subject: str) -> bool:
    kind, _, name = subject.partition(":")
    return _done(lambda: flows.reconcile.advance(subject), "wake", **{kind: name})


def _done(step: Callable[[], None], name: str, **about: Any) -> bool:
    try:
        step()
    except Exception as error:  # noqa: BLE001 -- the process's edge: this message comes again, its batch is done
        _say_failed(error, name, **about)
        return False
    log.info("Step done", step=name, **about)
    return True


def _say_failed(error: Exception, step: str, **about: Any) -> None:
    """A conflict or a throttle is everyday and comes again: one line; anything else brings its trace."""
    if isinstance(error, DropforgeError) and error.retryable:
        log.warning("Step comes again", step=step, reason=error.message, **about)
    else:
        log.error("Step failed", step=step, exc_info=error, **about)
        _count_failure(step)


def _count_failure(step: str) -> None:
    """Count it in CloudWatch, by a log line in CloudWatch's own metric format."""
    from aws_lambda_powertools.metrics import MetricUnit, single_metric

    with single_metric(name="StepsFailed", unit=MetricUnit.Count, value=1, namespace="Dropforge") as metric:
        metric.add_dimension("step", step)
