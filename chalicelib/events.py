"""Raw AWS events, read once at the edge: nothing past this file sees a raw dict.

A record that cannot be read is left out of what the flows get; for a queue its message id comes back from `unreadable`,
so that it ends in the dead-letter queue, where somebody can look at it, and spoils no other record of its batch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from chalicelib.errors import InvalidError
from chalicelib.text import is_text, texts

Event = Mapping[str, Any]
REASON_LIMIT = 500
"""Characters in which somebody says why; orders by HTTP have the same."""
_REQUESTED: Mapping[str, tuple[type, str]] = {
    "deployment": (str, "text"),
    "pipeline": (str, "text"),
    "dataset": (str, "text"),
    "channels": (Mapping, "table"),
    "set": (Mapping, "table"),
    "reason": (str, "text"),
    "requestId": (str, "text"),
}
"""What a request for a run may say."""


@dataclass(frozen=True, slots=True)
class UploadSeen:
    """An object that arrived: `key` as it is in the bucket, `size` in bytes, `at` by the bucket's clock."""

    kind: ClassVar = "Object Created"
    message_id: str
    key: str
    size: int
    at: float


@dataclass(frozen=True, slots=True)
class Woken:
    """A wake-up that came due; `subject` as `Timer.wake` took it."""

    message_id: str
    subject: str


@dataclass(frozen=True, slots=True)
class JobChanged:
    kind: ClassVar = "SageMaker Training Job State Change"
    name: str


@dataclass(frozen=True, slots=True)
class EndpointChanged:
    kind: ClassVar = "SageMaker Endpoint State Change"
    name: str


@dataclass(frozen=True, slots=True)
class PackageChanged:
    """A model package that was registered, approved, rejected or deleted, by its ARN."""

    kind: ClassVar = "SageMaker Model Package State Change"
    arn: str


@dataclass(frozen=True, slots=True)
class RunRequested:
    """Somebody asks for a run: `by` names the event's source and account, `request` what it calls this order.

    `channels`: name → S3 URI; `values`: TOML, as in a run.toml.
    """

    kind: ClassVar = "Dropforge Run Requested"
    pipeline: str
    by: str
    request: str
    dataset: str | None = None
    channels: Mapping[str, str] = field(default_factory=dict)
    values: str = ""
    reason: str | None = None
    deployment: str | None = None


@dataclass(frozen=True, slots=True)
class Ticked:
    """A minute has passed."""

    kind: ClassVar = "Scheduled Event"


Heard = UploadSeen | JobChanged | EndpointChanged | PackageChanged | RunRequested | Ticked
"""What EventBridge may wake us with; the uploads come through a queue, many at once."""


@dataclass(frozen=True, slots=True)
class NewsSeen:
    """An event of ours that came back to us: `id` is the same however often it comes, `text` is the whole event."""

    message_id: str
    id: str
    kind: str
    pipeline: str
    state: str
    text: str


def uploads(event: Event) -> tuple[UploadSeen, ...]:
    """Read the "Object Created" events of a queue batch (EventBridge's form: keys are not URL-encoded)."""
    return tuple(upload for record in _records(event) if (upload := _upload(record)))


def woken(event: Event) -> tuple[Woken, ...]:
    return tuple(wake for record in _records(event) if (wake := _wake(record)))


def news(event: Event) -> tuple[NewsSeen, ...]:
    """Read the events of ours of a queue batch (EventBridge's form)."""
    return tuple(seen for record in _records(event) if (seen := _news(record)))


def no_news(event: Event) -> tuple[str, ...]:
    """Name the messages of a batch that are no events of ours."""
    return tuple(_text(record.get("messageId")) for record in _records(event) if not _news(record))


def unreadable(event: Event) -> tuple[str, ...]:
    """Name the messages of a batch that are neither an upload nor a wake-up."""
    bad = (record for record in _records(event) if not _upload(record) and not _wake(record))
    return tuple(_text(record.get("messageId")) for record in bad)


def oldest(event: Event) -> float | None:
    """Tell since when the oldest message of a batch has been due: sent, and not to wait any longer by its sender."""
    due = [at for record in _records(event) if (at := _due(record)) is not None]
    return min(due, default=None)


def job_changed(event: Event) -> JobChanged:
    return JobChanged(_detail_name(event, "TrainingJobName"))


def endpoint_changed(event: Event) -> EndpointChanged:
    return EndpointChanged(_detail_name(event, "EndpointName"))


def package_changed(event: Event) -> PackageChanged:
    return PackageChanged(_detail_name(event, "ModelPackageArn"))


def run_requested(event: Event) -> RunRequested:
    """Read the "Dropforge Run Requested" event; a field that is unknown, or of the wrong kind, is refused by name."""
    from chalicelib.pipeline import write_values

    detail = event.get("detail")
    if not isinstance(detail, Mapping):
        raise InvalidError("The event has no detail.")
    if not is_text(dict(detail)):
        raise InvalidError("The event's detail holds half a character: a surrogate without its other half.")
    for name, value in detail.items():
        kind, called = _REQUESTED.get(name, (None, ""))
        if kind is None:
            raise InvalidError(f"The event's detail has no {name!r}; it has {', '.join(_REQUESTED)}.")
        if value is not None and not isinstance(value, kind):
            raise InvalidError(f"The event's detail.{name} is no {called}.")
    if len(detail.get("reason") or "") > REASON_LIMIT:
        raise InvalidError(f"The event's detail.reason has more than {REASON_LIMIT} characters.")
    return RunRequested(
        pipeline=_detail_name(event, "pipeline"),
        by=f"{_text(event.get('source'))} (account {_text(event.get('account'))})",
        request=detail.get("requestId") or _text(event.get("id")),
        dataset=detail.get("dataset"),
        channels=texts(detail.get("channels") or {}, "The event's detail.channels"),
        values=write_values(detail.get("set") or {}),
        reason=detail.get("reason"),
        deployment=detail.get("deployment"),
    )


def heard(event: Event) -> Heard:
    """Read one event as EventBridge has it, whatever it is; InvalidError where nothing here hears it."""
    kind, source = _text(event.get("detail-type")), _text(event.get("source"))
    sender, read = _HEARD.get(kind, ("", None))
    from_there = source == sender if sender else bool(source) and not source.startswith("aws.")
    if read is None or not from_there:
        known = ", ".join(f'"{name}"' for name in _HEARD)
        raise InvalidError(f'Nothing here hears an event "{kind}" from "{source}"; what is heard: {known}.')
    return read(event)


def _one_upload(event: Event) -> UploadSeen:
    seen = _created("simulated", dict(event))
    if seen is None:
        raise InvalidError('An "Object Created" event has a time and a detail.object.key.')
    return seen


_HEARD: Mapping[str, tuple[str, Callable[[Event], Heard]]] = {
    UploadSeen.kind: ("aws.s3", _one_upload),
    JobChanged.kind: ("aws.sagemaker", job_changed),
    EndpointChanged.kind: ("aws.sagemaker", endpoint_changed),
    PackageChanged.kind: ("aws.sagemaker", package_changed),
    RunRequested.kind: ("", run_requested),
    Ticked.kind: ("aws.events", lambda _: Ticked()),
}
"""By detail type: who sends it ("": any program but AWS's own services). The filters on names stand in app.py, and a
stranger's name is nobody's in the flows, too."""


def failures(message_ids: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    """Answer a queue batch: these messages are to come again, the others are done."""
    return {"batchItemFailures": [{"itemIdentifier": name} for name in dict.fromkeys(message_ids)]}


def _records(event: Event) -> Iterable[Event]:
    records = event.get("Records")
    return [record for record in records if isinstance(record, Mapping)] if isinstance(records, list) else []


def _upload(record: Event) -> UploadSeen | None:
    return _created(_text(record.get("messageId")), _json(record.get("body")))


def _created(message_id: str, said: object) -> UploadSeen | None:
    match said:
        case {
            "time": str(time),
            "detail-type": "Object Created",
            "detail": {"object": {"key": str(key), **rest}},
        } if key and (at := _seconds(time)) is not None:
            size = rest.get("size")
            return UploadSeen(message_id, key, size if isinstance(size, int) else 0, at)
        case _:
            return None


def _news(record: Event) -> NewsSeen | None:
    match _json(record.get("body")):
        case {
            "source": "dropforge",
            "detail-type": str(kind),
            "detail": {"id": str(name), "pipeline": str(pipeline), "state": str(state)},
        }:
            return NewsSeen(_text(record.get("messageId")), name, kind, pipeline, state, _text(record.get("body")))
        case _:
            return None


def _wake(record: Event) -> Woken | None:
    kind, colon, name = _text(record.get("body")).partition(":")
    if not colon or not name or kind not in {"dataset", "pipeline", "run", "release"}:
        return None
    return Woken(_text(record.get("messageId")), f"{kind}:{name}")


def _due(record: Event) -> float | None:
    match record:
        case {"attributes": {"SentTimestamp": str(sent)}} if sent.isdecimal():
            return int(sent) / 1000 + _delay(record)
        case _:
            return None


def _delay(record: Event) -> int:
    """Read the seconds that a wake-up was to wait: SQS hides a message so long, and tells nobody."""
    match record:
        case {"messageAttributes": {"delay": {"stringValue": str(seconds)}}} if seconds.isdecimal():
            return int(seconds)
        case _:
            return 0


def _detail_name(event: Event, field: str) -> str:
    match event.get("detail"):
        case {**detail} if isinstance(name := detail.get(field), str) and name:
            return name
        case _:
            raise InvalidError(f"The event has no detail.{field}.")


def _json(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


def _seconds(time: str) -> float | None:
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
