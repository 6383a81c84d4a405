"""Two stages and strangers in one account: each wakes for what is its own, and for nothing else."""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product

import pytest

from tests.e2e.conftest import Cloud, wait_until
from tests.e2e.pipelines import (
    PIXEL,
    Tiny,
    fresh,
    go_live,
    jobs_of,
    knobs,
    label_of,
    push,
    release_of,
)

pytestmark = pytest.mark.slow
STAGES = ("dev", "prod")

_JOB, _ENDPOINT = "SageMaker Training Job State Change", "SageMaker Endpoint State Change"
_QUIET = 6.0


@dataclass
class Observer:
    """Hears every state change of the account's SageMaker, through a rule and a queue of its own."""

    cloud: Cloud
    queue: str
    heard: list[tuple[str, str]] = field(default_factory=list)
    """Of each event: its type and the name it speaks of."""

    def listen(self) -> bool:
        """Take what is there; tell whether there was anything."""
        sqs = self.cloud.client("sqs")
        messages = sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            event = json.loads(message["Body"])
            detail = event["detail"]
            name = detail.get("TrainingJobName") or detail.get("EndpointName") or ""
            self.heard.append((event["detail-type"], name))
            sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return bool(messages)

    def count(self, kind: str, head: str) -> int:
        return sum(heard == kind and name.startswith(head) for heard, name in self.heard)


@pytest.fixture
def observer(cloud: Cloud) -> Iterator[Observer]:
    name, events, sqs = f"observer-{uuid.uuid4().hex[:8]}", cloud.client("events"), cloud.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["aws.sagemaker"]}))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    yield Observer(cloud, url)
    events.remove_targets(Rule=name, Ids=["queue"])
    events.delete_rule(Name=name)
    sqs.delete_queue(QueueUrl=url)


@dataclass(frozen=True)
class Stranger:
    """Somebody else in the account who trains and serves, with names of their own."""

    cloud: Cloud
    name: str

    def train(self, example: str) -> None:
        """Start a job like one of ours, but of another name and with nothing of ours in it."""
        sagemaker = self.cloud.client("sagemaker")
        seen = sagemaker.describe_training_job(TrainingJobName=example)
        kept = ("AlgorithmSpecification", "RoleArn", "InputDataConfig", "ResourceConfig", "StoppingCondition")
        asked = {name: seen[name] for name in (*kept, "HyperParameters")}
        asked["OutputDataConfig"] = {"S3OutputPath": f"s3://{self.cloud.bucket}/elsewhere/{self.name}"}
        sagemaker.create_training_job(TrainingJobName=self.name, **asked)

    def serve(self, example: str) -> None:
        """Bring up an endpoint on a copy of one of our models."""
        sagemaker = self.cloud.client("sagemaker")
        config = sagemaker.describe_endpoint(EndpointName=example)["EndpointConfigName"]
        variant = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"][0]
        model = sagemaker.describe_model(ModelName=variant["ModelName"])
        place = {name: model[name] for name in ("PrimaryContainer", "Containers") if model.get(name)}
        sagemaker.create_model(ModelName=self.name, ExecutionRoleArn=model["ExecutionRoleArn"], **place)
        variants = [variant | {"ModelName": self.name}]
        sagemaker.create_endpoint_config(EndpointConfigName=self.name, ProductionVariants=variants)
        sagemaker.create_endpoint(EndpointName=self.name, EndpointConfigName=self.name)

    def done(self) -> bool:
        sagemaker = self.cloud.client("sagemaker")
        job = sagemaker.describe_training_job(TrainingJobName=self.name)["TrainingJobStatus"]
        return (job, self.serves()) == ("Completed", "InService")

    def serves(self) -> str:
        return str(self.cloud.client("sagemaker").describe_endpoint(EndpointName=self.name)["EndpointStatus"])

    def leave(self) -> None:
        sagemaker = self.cloud.client("sagemaker")
        with suppress(sagemaker.exceptions.ClientError):
            sagemaker.delete_endpoint(EndpointName=self.name)


def invocations(cloud: Cloud) -> dict[str, Counter[str]]:
    """Count what each stage's functions were called for so far, the schedule's ticks aside."""
    woken = ("OnUploads", "OnWake", "OnJobChanged", "OnEndpointChanged")
    return {
        stage: Counter({name: cloud.at(stage).functions()[name]["invocations"] for name in woken})
        for stage in ("dev", "prod")
    }


def objects_of(cloud: Cloud) -> set[str]:
    pages = cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=cloud.bucket)
    return {each["Key"] for page in pages for each in page.get("Contents", ())}


def until_quiet(cloud: Cloud, observer: Observer) -> dict[str, Counter[str]]:
    """Wait until no event has come and no function been called for a while; gives the counts."""
    pause = threading.Event()
    last, still = invocations(cloud), 0.0
    for _ in range(120):
        heard = observer.listen()
        pause.wait(0.5)
        now = invocations(cloud)
        still = 0.0 if heard or now != last else still + 0.5
        last = now
        if still >= _QUIET:
            return now
    raise AssertionError("the cloud did not come to rest")


def test_a_drop_in_one_stage_wakes_nobody_in_the_other(cloud: Cloud, observer: Observer) -> None:
    dev, prod, tiny = cloud.at("dev"), cloud.at("prod"), Tiny(fresh("both"))
    assert dev.bucket != prod.bucket
    assert dev.table != prod.table
    for stage, label in ((dev, "of-dev"), (prod, "of-prod")):
        push(stage, tiny)
        go_live(stage, tiny.name, "one", knobs(label=label))
    before, theirs = until_quiet(cloud, observer), objects_of(prod)
    observer.heard.clear()

    go_live(dev, tiny.name, "two", knobs(label="newer"))
    after = until_quiet(cloud, observer)
    assert after["prod"] == before["prod"]
    assert objects_of(prod) == theirs
    for function, kind in (("OnJobChanged", _JOB), ("OnEndpointChanged", _ENDPOINT)):
        # Once for each event of its own, and an event may come twice.
        told = observer.count(kind, "dropforge-dev-")
        assert 0 < told <= after["dev"][function] - before["dev"][function]
        assert observer.count(kind, "dropforge-prod-") == 0
    assert [label_of(stage.predict(tiny.name, PIXEL)) for stage in (dev, prod)] == ["newer", "of-prod"]
    assert [len(jobs_of(stage, tiny.name)) for stage in (dev, prod)] == [2, 1]
    assert release_of(prod, tiny.name)["generation"] == 1
    [run] = prod.get(f"/v1/runs?pipeline={tiny.name}")["runs"]
    assert run["stage"] == "live"


def test_strangers_jobs_and_endpoints_wake_nobody_and_are_left_alone(cloud: Cloud, observer: Observer) -> None:
    dev, tiny = cloud.at("dev"), Tiny(fresh("own"))
    push(dev, tiny)
    go_live(dev, tiny.name, "one", knobs(label="own"))
    [job] = jobs_of(dev, tiny.name)
    before, release = until_quiet(cloud, observer), release_of(dev, tiny.name)
    observer.heard.clear()

    # Another stage's and another prefix's names may begin as ours do.
    heads = ("stranger", "dropforge", "dropforge-dev2", "dropforge-devil-x")
    strangers = [Stranger(cloud, f"{head}-{uuid.uuid4().hex[:12]}-0-a1") for head in heads]
    try:
        for stranger in strangers:
            stranger.train(job)
            stranger.serve(f"dropforge-dev-{tiny.name}-realtime")
        wait_until(lambda: all(stranger.done() for stranger in strangers), 120)
        ticks = dev.functions()["Reconcile"]["invocations"]
        after = until_quiet(cloud, observer)
        wait_until(lambda: dev.functions()["Reconcile"]["invocations"] > ticks + 1)
        for stranger in strangers:
            assert observer.count(_JOB, stranger.name) >= 3
            assert observer.count(_ENDPOINT, stranger.name) >= 1
            assert stranger.serves() == "InService"
        for function, stage in product(("OnJobChanged", "OnEndpointChanged"), ("dev", "prod")):
            assert after[stage][function] == before[stage][function]
        assert release_of(dev, tiny.name) == release
        assert len(dev.get(f"/v1/runs?pipeline={tiny.name}")["runs"]) == 1
    finally:
        for stranger in strangers:
            stranger.leave()
