"""The adapters in front of the local cloud: a bucket, a table, a queue and names of their own for each test."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from botocore.session import Session

from chalicelib.aws.bucket import Bucket
from chalicelib.aws.bus import Bus
from chalicelib.aws.clients import Clients
from chalicelib.aws.hosting import Hosting
from chalicelib.aws.jobs import Jobs
from chalicelib.aws.mail import Mail
from chalicelib.aws.records import Records
from chalicelib.aws.registry import Registry
from chalicelib.aws.timer import Timer
from chalicelib.model import S3Object
from chalicelib.ports import EndpointSeen, JobSeen, TrainingJob
from tests.contracts import programs
from tests.contracts.worlds import NOW, Heard, Upload, ensure, eventually, existing, training_job
from tests.fakes.clock import FakeClock
from tests.fakes.world import SETTINGS

TEMPLATE = Path(__file__).parents[2] / "infra" / "template.yaml"
_MOVING = frozenset({"Creating", "Updating", "Deleting", "RollingBack"})
_PATIENCE = 60.0
"""Seconds for what a machine that does much else at once may need."""


class CloudSide:
    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self.clock = FakeClock(NOW)
        serial = uuid.uuid4().hex[:12]
        name, stage = f"df-contract-{serial}", f"t{serial[:7]}"
        self._s3, self._sqs = self.clients.get("s3"), self.clients.get("sqs")
        self._s3.create_bucket(Bucket=name)
        self.clients.get("dynamodb").create_table(TableName=name, **table_of_the_template())
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        self.settings = replace(SETTINGS, stage=stage, bucket=name, table=name, wake_queue=self._queue, bus=name)
        self.names = self.settings.names
        self.bucket = Bucket(self.settings, self.clients)
        self.timer = Timer(self.settings, self.clients)
        self.bus = Bus(self.settings, self.clients)
        self._ears = ""
        self._letters = ""
        self.records = Records(self.settings, self.clients, self.clock)
        self.jobs = Jobs(self.settings, self.clients)
        self.registry = Registry(self.settings, self.clients)
        self.hosting = Hosting(self.settings, self.clients)
        self._waiting: set[str] = set()

    def put(self, key: str, body: bytes) -> S3Object:
        self._s3.put_object(Bucket=self.bucket.name, Key=key, Body=body)
        return existing(self.bucket.head(key))

    def put_elsewhere(self, key: str, body: bytes) -> str:
        name = f"{self.bucket.name}-other"
        self._s3.create_bucket(Bucket=name)
        self._s3.put_object(Bucket=name, Key=key, Body=body)
        return name

    def content_type(self, key: str) -> str:
        return str(self._s3.head_object(Bucket=self.bucket.name, Key=key)["ContentType"])

    def download(self, link: str) -> bytes:
        with urllib.request.urlopen(link, timeout=30) as answer:  # noqa: S310  the local cloud's own link
            return bytes(answer.read())

    def begin_upload(self, key: str) -> Upload:
        place = {"Bucket": self.bucket.name, "Key": key}
        return _Upload(self._s3, place | {"UploadId": self._s3.create_multipart_upload(**place)["UploadId"]})

    def arrived(self) -> tuple[str, ...]:
        found: list[str] = []
        while messages := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            found.extend(message["Body"] for message in messages)
        return tuple(found)

    def heard(self) -> tuple[Heard, ...]:
        """Listen from the first call on: a bus of its own for each test that needs one."""
        if not self._ears:
            self._ears = self._listen()
        found: list[Heard] = []
        while messages := self._sqs.receive_message(QueueUrl=self._ears, MaxNumberOfMessages=10).get("Messages"):
            told = [json.loads(message["Body"]) for message in messages]
            found.extend(Heard(each["source"], each["detail-type"], each["detail"]) for each in told)
        return tuple(found)

    @cached_property
    def mail(self) -> Mail:
        """Subscribe a queue to a topic of its own, as a user would."""
        name = f"{self.settings.bus}-letters"
        topic = self.clients.get("sns").create_topic(Name=name)["TopicArn"]
        self._letters = str(self._sqs.create_queue(QueueName=name)["QueueUrl"])
        about = self._sqs.get_queue_attributes(QueueUrl=self._letters, AttributeNames=["QueueArn"])
        queue = about["Attributes"]["QueueArn"]
        self.clients.get("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
        return Mail(replace(self.settings, topic=topic, webhook_secret=f"/{name}/secret"), self.clients)

    def published(self) -> tuple[tuple[str, str, dict[str, str]], ...]:
        found = self._sqs.receive_message(QueueUrl=self._letters, MaxNumberOfMessages=10).get("Messages", [])
        letters = [json.loads(message["Body"]) for message in found]
        return tuple(
            (each["Message"], each["Subject"], {k: v["Value"] for k, v in each["MessageAttributes"].items()})
            for each in letters
        )

    def keep_secret(self, value: str) -> None:
        name = f"/{self.settings.bus}-letters/secret"
        self.clients.get("ssm").put_parameter(Name=name, Type="SecureString", Value=value, Overwrite=True)

    def _listen(self) -> str:
        events, name = self.clients.get("events"), self.settings.bus
        queue = str(self._sqs.create_queue(QueueName=f"{name}-ears")["QueueUrl"])
        about = self._sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        events.create_event_bus(Name=name)
        events.put_rule(Name=name, EventBusName=name, EventPattern=json.dumps({"source": ["dropforge"]}))
        target = {"Id": "ears", "Arn": about["Attributes"]["QueueArn"]}
        events.put_targets(Rule=name, EventBusName=name, Targets=[target])
        return queue

    def job(self, name: str, behave: programs.Training = "works") -> TrainingJob:
        if behave == "waits":
            self._waiting.add(name)
        self.put("source.tar.gz", programs.archive(train=programs.TRAIN))
        self.put("data/one.csv", b"1,2\n")
        manifest = [{"prefix": f"s3://{self.bucket.name}/data/"}, "one.csv"]
        self.put("input/training.manifest", json.dumps(manifest).encode())
        steering = {
            "sagemaker_program": json.dumps("train.py"),
            "sagemaker_submit_directory": json.dumps(f"s3://{self.bucket.name}/source.tar.gz"),
        }
        return training_job(name, self.bucket.name, {"behave": behave, **steering})

    def ended(self, name: str) -> JobSeen:
        def seen() -> JobSeen | None:
            found = existing(self.jobs.describe(name))
            trains = found.status == "InProgress" and len(self.jobs.log(name).items) >= len(programs.LINES)
            return found if found.ended_at or (trains and name in self._waiting) else None

        return eventually(seen, seconds=_PATIENCE)

    def host(self, config: str, says: str = "{}", behave: programs.Serving = "works") -> None:
        self.put("models/model.tar.gz", programs.archive())
        self.put("serve.tar.gz", programs.archive(inference=programs.SERVE))
        source = f"s3://{self.bucket.name}/serve.tar.gz"
        steering = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": source}
        ensure(self.hosting, config, self.bucket.name, {**steering, "SAY": says, "BEHAVE": behave})

    def settled(self, endpoint: str) -> EndpointSeen | None:
        def rests() -> list[EndpointSeen | None]:
            seen = self.hosting.endpoint(endpoint)
            return [] if seen is not None and seen.status in _MOVING else [seen]

        return eventually(rests, seconds=_PATIENCE)[0]

    def clean(self) -> None:
        """Take down what would go on running: servers and programs."""
        sagemaker = self.clients.get("sagemaker")
        for found in sagemaker.list_endpoints(NameContains=self.names.head)["Endpoints"]:
            self.settled(found["EndpointName"])
            self.hosting.delete_endpoint(found["EndpointName"])
        for found in sagemaker.list_training_jobs(NameContains=self.names.head)["TrainingJobSummaries"]:
            self.jobs.stop(found["TrainingJobName"])


@dataclass(frozen=True, slots=True)
class _Upload:
    s3: Any
    place: dict[str, str]

    def complete(self, content: bytes) -> object:
        part = self.s3.upload_part(**self.place, PartNumber=1, Body=content)
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        return self.s3.complete_multipart_upload(**self.place, MultipartUpload=parts)

    def abort(self) -> object:
        return self.s3.abort_multipart_upload(**self.place)


def clients_of(card: Mapping[str, Any]) -> Clients:
    session = Session()
    session.set_credentials(card["access_key"], card["secret_key"])

    def make(service: str, **options: Any) -> Any:
        return session.create_client(service, endpoint_url=card["endpoint"], **options)

    return Clients(card["region"], make)


def table_of_the_template() -> dict[str, Any]:
    """Read keys and indexes from what is deployed, so that adapter and template cannot drift apart."""
    properties = yaml.safe_load(TEMPLATE.read_text())["Resources"]["Table"]["Properties"]
    wanted = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    return {name: properties[name] for name in wanted}
