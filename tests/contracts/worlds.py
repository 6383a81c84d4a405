"""Two worlds under one contract: the fakes in memory, and the real adapters against the local cloud.

A test sees the ports, and beside them what the contract needs from the other side: a user's uploads, messages that
arrived. `clock` is what the table's adapter lives by, and stands still in both; S3 and SQS have their own time.
"""

from __future__ import annotations

import time
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import yaml
from botocore.session import Session

from chalicelib import ports
from chalicelib.aws.bucket import Bucket
from chalicelib.aws.clients import Clients
from chalicelib.aws.records import Records
from chalicelib.aws.timer import Timer
from chalicelib.model import S3Object
from tests.fakes.clock import FakeClock
from tests.fakes.world import SETTINGS, World

TEMPLATE = Path(__file__).parents[2] / "infra" / "template.yaml"
NOW = 1_799_000_000.0
"""What the standing clock says: in January 2027, so that the months before it lie in another year."""


class Upload(Protocol):
    """A multipart upload that a user has begun."""

    def complete(self, content: bytes) -> object: ...
    def abort(self) -> object: ...


class ContractWorld(Protocol):
    clock: FakeClock

    @property
    def bucket(self) -> ports.Bucket: ...
    @property
    def timer(self) -> ports.Timer: ...
    @property
    def records(self) -> ports.Records: ...
    def put(self, key: str, body: bytes) -> S3Object: ...
    def content_type(self, key: str) -> str: ...
    def download(self, link: str) -> bytes: ...
    def begin_upload(self, key: str) -> Upload: ...
    def arrived(self) -> tuple[str, ...]:
        """Take the wake-ups that have arrived by now."""


class FakeSide:
    def __init__(self) -> None:
        self._world = World()
        self.clock = self._world.clock
        self.clock.now = NOW
        self.bucket = self._world.bucket
        self.timer = self._world.timer
        self.records = self._world.records

    def put(self, key: str, body: bytes) -> S3Object:
        return self.bucket.put(key, body)

    def content_type(self, key: str) -> str:
        return self.bucket.peek_type(key)

    def download(self, link: str) -> bytes:
        return self.bucket.peek(unquote(urlsplit(link).path[1:]))

    def begin_upload(self, key: str) -> Upload:
        return self.bucket.begin_upload(key)

    def arrived(self) -> tuple[str, ...]:
        return self.timer.due()


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where a local cloud answers, and the keys to it."""

    endpoint: str
    region: str
    access_key: str
    secret_key: str

    def clients(self) -> Clients:
        session = Session()
        session.set_credentials(self.access_key, self.secret_key)

        def make(service: str, **options: Any) -> Any:
            return session.create_client(service, endpoint_url=self.endpoint, **options)

        return Clients(self.region, make)


class CloudSide:
    """A bucket, a table and a queue of its own, made as the template says."""

    def __init__(self, cloud: Cloud) -> None:
        self.clients = cloud.clients()
        self.clock = FakeClock(NOW)
        name = f"df-test-{uuid.uuid4().hex[:12]}"
        self._s3, self._sqs = self.clients.get("s3"), self.clients.get("sqs")
        self._s3.create_bucket(Bucket=name)
        self.clients.get("dynamodb").create_table(TableName=name, **table_of_the_template())
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        self.settings = replace(SETTINGS, region=cloud.region, bucket=name, table=name, wake_queue=self._queue)
        self.bucket = Bucket(self.settings, self.clients)
        self.timer = Timer(self.settings, self.clients)
        self.records = Records(self.settings, self.clients, self.clock)

    def put(self, key: str, body: bytes) -> S3Object:
        self._s3.put_object(Bucket=self.bucket.name, Key=key, Body=body)
        seen = self.bucket.head(key)
        assert seen is not None
        return seen

    def content_type(self, key: str) -> str:
        return str(self._s3.head_object(Bucket=self.bucket.name, Key=key)["ContentType"])

    def download(self, link: str) -> bytes:
        with urllib.request.urlopen(link, timeout=5) as answer:  # noqa: S310  the local cloud's own link
            return bytes(answer.read())

    def begin_upload(self, key: str) -> Upload:
        place = {"Bucket": self.bucket.name, "Key": key}
        return _Upload(self._s3, place | {"UploadId": self._s3.create_multipart_upload(**place)["UploadId"]})

    def arrived(self) -> tuple[str, ...]:
        found: list[str] = []
        while messages := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            found.extend(message["Body"] for message in messages)
        return tuple(found)


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


def table_of_the_template() -> dict[str, Any]:
    """Read keys and indexes from what is deployed, so that adapter and template cannot drift apart."""
    properties = yaml.safe_load(TEMPLATE.read_text())["Resources"]["Table"]["Properties"]
    wanted = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    return {name: properties[name] for name in wanted}


def eventually(found: Callable[[], Any], *, seconds: float = 10) -> Any:
    """Poll until something is found; gives it."""
    deadline = time.monotonic() + seconds
    while not (outcome := found()):
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing after {seconds} s")
        time.sleep(0.02)
    return outcome
