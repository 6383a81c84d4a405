"""What must be so when everything has come to rest, whoever was killed on the way: asked of the cloud itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.conftest import Cloud
from tests.e2e.pipelines import PIXEL, jobs_of, label_of, release_of
from tests.e2e.shooting import cut_off, steps_failed
from tests.e2e.triggers import errors, physical, waiting_in
from tests.fakes.schemas import complaints

_ENDS = {"registered", "rejected", "failed", "stopped"}
_QUEUES = ("UploadsQueue", "WakeQueue", "NewsQueue")
# A message gets there when five workers in a row are killed over it: so unlikely that it is worth a look.
_DEAD = ("UploadsDeadLetters", "WakeDeadLetters", "NewsDeadLetters")


@dataclass(frozen=True)
class Story:
    """A pipeline that was pushed, two drops, the second live in the end, and an edit that was rolled out after them."""

    pipeline: str
    version: str
    drops: tuple[str, str] = ("one", "two")
    """Their models answer with their names."""


@dataclass
class Bus:
    """A rule and a queue for everything that the deployment tells of itself."""

    cloud: Cloud
    heard: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The events by their ids."""
    _queue: str = ""

    def __post_init__(self) -> None:
        events, sqs = self.cloud.client("events"), self.cloud.client("sqs")
        self._queue = sqs.create_queue(QueueName="aftermath")["QueueUrl"]
        about = sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]
        events.put_rule(Name="aftermath", EventPattern=json.dumps({"source": ["dropforge"]}))
        events.put_targets(Rule="aftermath", Targets=[{"Id": "queue", "Arn": about["QueueArn"]}])

    def listen(self) -> None:
        """Take what is there; an event that comes again is the very same."""
        sqs = self.cloud.client("sqs")
        while messages := sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                event = json.loads(message["Body"])
                detail = event["detail"]
                assert complaints(event["detail-type"], detail) == [], event
                assert self.heard.setdefault(detail["id"], event)["detail"] == detail
                sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])

    def told(self, pipeline: str) -> Counter[tuple[str, str, str]]:
        """Count what was told of a pipeline, each event once: its kind, its state, and its drop or run."""
        mine = [it for it in self.heard.values() if it["detail"]["pipeline"] == pipeline]
        return Counter(
            (it["detail-type"].split()[1], it["detail"]["state"], it["detail"]["dataset"] or it["detail"]["run"])
            for it in mine
        )

    def orders(self, pipeline: str) -> Counter[tuple[str, str, int]]:
        """Count the places in the order of their subject that events of a pipeline take."""
        mine = [it for it in self.heard.values() if it["detail"]["pipeline"] == pipeline]
        return Counter((it["detail-type"], it["detail"]["dataset"] or "", it["detail"]["sequence"]) for it in mine)


def unrest(cloud: Cloud, bus: Bus, story: Story) -> list[str]:
    """Say what of a story is still under way."""
    bus.listen()
    release, told = release_of(cloud, story.pipeline), bus.told(story.pipeline)
    runs = _runs(cloud, story)
    live = release["live"] or {}
    expected: dict[str, tuple[Any, Any]] = {
        "release": ((release["stage"], release["pending"]), ("idle", None)),
        "version": (live.get("pipeline_version"), story.version),
        "stages": ([(runs.get(drop) or {}).get("stage") for drop in story.drops], ["replaced", "live"]),
        "status": ([_status(cloud, story, drop) for drop in story.drops], _statuses(story, runs)),
        "answer": (_answer(cloud, story), (story.drops[1], 1)),
        "told of drops": ([told["Dataset", "sealed", drop] for drop in story.drops], [1, 1]),
        "told of runs": ([told["Run", "registered", drop] for drop in story.drops], [1, 1]),
        "told live": (
            sum(count for (kind, state, _), count in told.items() if (kind, state) == ("Release", "live")),
            3,
        ),
    }
    return [f"{story.pipeline}: {name} {seen}, not {due}" for name, (seen, due) in expected.items() if seen != due]


def under_way(cloud: Cloud) -> list[str]:
    """Name the queues in which something waits or is being handled."""
    return [f"{name} is not empty" for name in _QUEUES if waiting_in(cloud, physical(cloud, name))]


def broken(cloud: Cloud, bus: Bus, story: Story) -> list[str]:
    """Say what of a story was lost, done twice or left behind."""
    return [f"{story.pipeline}: {what}" for what in _broken(cloud, bus, story)]


def _broken(cloud: Cloud, bus: Bus, story: Story) -> Iterator[str]:
    release, runs, sagemaker = release_of(cloud, story.pipeline), _runs(cloud, story), cloud.client("sagemaker")
    head = f"{cloud.card['stages'][cloud.stage]['stack']}-{story.pipeline}"
    all_runs = cloud.get(f"/v1/runs?pipeline={story.pipeline}")["runs"]
    packages = sagemaker.list_model_packages(ModelPackageGroupName=head)["ModelPackageSummaryList"]
    configs = [it["EndpointConfigName"] for it in sagemaker.list_endpoint_configs(NameContains=head)["EndpointConfigs"]]
    kept = [release[name]["config"] for name in ("live", "previous")]
    models = [_model(sagemaker, config) for config in kept]
    endpoint = sagemaker.describe_endpoint(EndpointName=f"{head}-realtime")
    expected: dict[str, tuple[Any, Any]] = {
        "runs": (sorted(it["run"] for it in all_runs), sorted(it["run"] for it in runs.values())),
        "jobs": (jobs_of(cloud, story.pipeline), sorted(it["candidate"]["job"] for it in runs.values())),
        "attempts": ([it["candidate"]["attempt"] for it in runs.values()], [1, 1]),
        "packages": (
            sorted(it["ModelPackageArn"] for it in packages),
            sorted(it["package"] for it in runs.values()),
        ),
        "configurations": (sorted(configs), sorted(kept)),
        "models": (
            sorted(it["ModelName"] for it in sagemaker.list_models(NameContains=head)["Models"]),
            sorted(set(models)),
        ),
        "endpoints": (
            [it["EndpointName"] for it in sagemaker.list_endpoints(NameContains=head)["Endpoints"]],
            [f"{head}-realtime"],
        ),
        "endpoint": (
            (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]),
            ("InService", release["live"]["config"]),
        ),
        "generation": (release["generation"], 3),
        "live is desired": (release["live"], release["desired"]),
        "failed": (release["failed"], {}),
        "told twice": ([order for order, count in bus.orders(story.pipeline).items() if count > 1], []),
    }
    yield from (f"{name} {seen}, not {due}" for name, (seen, due) in expected.items() if seen != due)
    yield from _timelines(cloud, story, runs)


def _timelines(cloud: Cloud, story: Story, runs: dict[str, Any]) -> Iterator[str]:
    """Say what the timelines tell twice, or not at all."""
    for drop, run in runs.items():
        sealed = Counter(_lines(cloud, f"datasets/{story.pipeline}/{drop}"))["sealed"]
        told = Counter(_lines(cloud, f"runs/{run['run']}"))
        ends = {what: count for what, count in told.items() if what in _ENDS}
        if (sealed, told["training started"], ends) != (1, 1, {"registered": 1}):
            yield f"{drop} tells that it sealed {sealed} times, and {told}"
    told = Counter(_lines(cloud, f"releases/{story.pipeline}"))
    if [told[what] for what in ("started", "rehearsal passed", "live", "failed")] != [3, 3, 3, 0]:
        yield f"the release tells {told}"


def _lines(cloud: Cloud, subject: str) -> list[str]:
    page = cloud.get(f"/v1/{subject}/timeline?limit=100")
    assert page["next"] is None, page
    return [str(line["what"]) for line in page["timeline"]]


def of_functions(cloud: Cloud, refused: int) -> list[str]:
    """Say what of the functions went wrong for another reason than that a worker was killed.

    `refused`: how many requests of clients were answered with a 5xx.
    """
    shot = cut_off(cloud)
    counts = {name: requests.total() for name, requests in shot.items()}
    found = [*steps_failed(cloud)]
    found += [f"{name} holds messages" for name in _DEAD if waiting_in(cloud, physical(cloud, name))]
    if errors(cloud) != counts:
        found.append(f"functions failed: {errors(cloud)}; workers were killed in the middle of {counts}")
    behind_http = counts.get("APIHandler", 0) + counts.get("Predict", 0)
    if refused > behind_http:
        found.append(f"clients met {refused} errors, and {behind_http} workers were killed under them")
    times = sum(shot.values(), Counter[str]())
    for letter in _letters(cloud, physical(cloud, "EventsDeadLetters")):
        asked = letter["requestContext"]
        # A tick has one try, and what came with an event has three: then the event is a dead letter, and the
        # schedule does what it was for.
        if times[asked["requestId"]] != asked["approximateInvokeCount"]:
            found.append(f"a dead letter that nobody was killed for: {letter}")
    return found


def _letters(cloud: Cloud, queue: str) -> Iterator[dict[str, Any]]:
    sqs = cloud.client("sqs")
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            yield json.loads(message["Body"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


def _runs(cloud: Cloud, story: Story) -> dict[str, Any]:
    """Give the run of each drop."""
    seen = {}
    for drop in story.drops:
        dataset = cloud.get(f"/v1/datasets/{story.pipeline}/{drop}")
        if dataset["run"]:
            seen[drop] = cloud.get(f"/v1/runs/{dataset['run']}")
    return seen


def _status(cloud: Cloud, story: Story, drop: str) -> Any:
    said = cloud.status_of(f"{story.pipeline}/{drop}") or {}
    return [said.get(name) for name in ("state", "stage", "run", "reason")]


def _statuses(story: Story, runs: dict[str, Any]) -> list[Any]:
    stages = zip(story.drops, ("replaced", "live"), strict=True)
    return [["sealed", stage, (runs.get(drop) or {}).get("run"), None] for drop, stage in stages]


def _answer(cloud: Cloud, story: Story) -> tuple[str, int]:
    """Give the best label that the route answers with, and how many labels the edit has left."""
    reply = cloud.predict(story.pipeline, PIXEL)
    return label_of(reply), len(reply.json["results"][0]["predictions"])


def _model(sagemaker: Any, config: str) -> str:
    [variant] = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    return str(variant["ModelName"])
