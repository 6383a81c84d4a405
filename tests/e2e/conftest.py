"""A real local cloud, with the project's own template deployed in it, for the tests that go the whole way."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from dropforge.local import launch
from dropforge.local.home import Home

ROOT = Path(__file__).resolve().parents[2]
SPEED = 0.02
_LAST_LINES = 60
Seen = TypeVar("Seen")


@dataclass(frozen=True, slots=True)
class Reply:
    """What an HTTP call gave; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Cloud:
    """A running cloud as its card describes it, seen from one stage."""

    card: dict[str, Any]
    stage: str = "dev"
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return Path(self.card["home"])

    @property
    def bucket(self) -> str:
        return str(self.card["stages"][self.stage]["bucket"])

    @property
    def table(self) -> str:
        return str(self.card["stages"][self.stage]["table"])

    @property
    def api(self) -> str:
        return str(self.card["stages"][self.stage]["api"])

    @property
    def api_key(self) -> str:
        return str(self.card["stages"][self.stage]["api_key"])

    @cached_property
    def _session(self) -> boto3.session.Session:
        card = self.card
        return boto3.session.Session(card["access_key"], card["secret_key"], region_name=card["region"])

    def client(self, service: str) -> Any:
        """Give a boto3 client of this cloud."""
        if service not in self._clients:
            config = Config(s3={"addressing_style": "path"}, max_pool_connections=32)
            self._clients[service] = self._session.client(service, endpoint_url=self.card["endpoint"], config=config)
        return self._clients[service]

    def put(self, key: str, body: bytes | str = b"x") -> None:
        """Put an object into the stage's bucket."""
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=body)

    def read(self, key: str) -> bytes | None:
        """Read an object of the stage's bucket; None when there is none."""
        s3 = self.client("s3")
        try:
            return bytes(s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        except s3.exceptions.NoSuchKey:
            return None

    def status_of(self, name: str) -> Any:
        """Read `status/<name>.json` of a dataset (`digits/mnist`) or a pipeline (`digits`); None when there is none."""
        body = self.read(f"status/{name}.json")
        return None if body is None else json.loads(body)

    def http(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
        signed: bool = False,
        seconds: float = 35,
    ) -> Reply:
        """Call the stage's API (`/v1/…`): with an API key, signed, or neither."""
        url, sent = self.api + path, dict(headers or {}) | ({"x-api-key": key} if key else {})
        if signed:
            request = AWSRequest(method, url, data=body, headers=sent)
            credentials = Credentials(self.card["access_key"], self.card["secret_key"])
            SigV4Auth(credentials, "execute-api", self.card["region"]).add_auth(request)
            sent = dict(request.headers)
        return fetch(urllib.request.Request(url, data=body, headers=sent, method=method), seconds)  # noqa: S310  http

    def predict(self, model: str, body: bytes, *, content_type: str = "image/png") -> Reply:
        path = f"/v1/models/{model}/predict"
        return self.http("POST", path, body, headers={"Content-Type": content_type}, key=self.api_key)

    def get(self, path: str) -> Any:
        """Read as an operator: a signed GET that must succeed."""
        reply = self.http("GET", path, signed=True)
        assert reply.status == 200, reply
        return reply.json

    def status(self) -> dict[str, Any]:
        """Give what `/_dropforge/status` tells of the whole cloud."""
        return dict(fetch(urllib.request.Request(f"{self.card['endpoint']}/_dropforge/status"), 10).json)  # noqa: S310  http

    def functions(self) -> dict[str, Any]:
        """Give what the status tells of this stage's functions, by their logical names."""
        head = f"{self.card['stages'][self.stage]['stack']}-"
        return {
            name.removeprefix(head).rpartition("-")[0]: counts
            for name, counts in self.status()["functions"].items()
            if name.startswith(head)
        }

    def at(self, stage: str) -> Cloud:
        """See the same cloud from another stage."""
        return Cloud(self.card, stage)


def fetch(request: urllib.request.Request, seconds: float) -> Reply:
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310  a loopback address
            return Reply(answer.status, _lowered(answer.headers), answer.read())
    except urllib.error.HTTPError as answer:
        with answer:
            return Reply(answer.code, _lowered(answer.headers), answer.read())


def wait_until(seen: Callable[[], Seen | None], seconds: float = 60, *, every: float = 0.1) -> Seen:
    """Look until something true is seen and give it; fails after the deadline with what was seen last."""
    deadline = time.monotonic() + seconds
    while True:
        last = seen()
        if last:
            return last
        assert time.monotonic() < deadline, f"not seen within {seconds} s; last: {last!r}"
        time.sleep(every)


def _lowered(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@pytest.fixture(scope="module")
def cloud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud of the module's own, with quick schedules: what waits in it for long would wake in others' tests.

    It has the stage dev, and those that the module names in STAGES.
    """
    home = tmp_path_factory.mktemp("cloud")
    stages = getattr(request.module, "STAGES", ("dev",))
    card = launch.start(home, speed=SPEED, stages=stages, attached=True, project=ROOT)
    yield Cloud(card)
    launch.stop(home)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show beside a failure what its cloud had to say: it may not fail again for a long time."""
    report = yield
    cloud = getattr(item, "funcargs", {}).get("cloud")
    if report.when == "call" and report.failed and isinstance(cloud, Cloud):
        report.sections.append(("cloud", _told_by(cloud)))
    return report


def _told_by(cloud: Cloud) -> str:
    try:
        told = [str({name: cloud.status()[name] for name in ("functions", "inbox")})]
        told += [cloud.http("GET", f"/v1/{what}", signed=True).body.decode() for what in ("datasets", "runs")]
    except (OSError, KeyError) as error:
        told = [f"It does not answer: {error}"]
    for log in [Home(cloud.home).log, *sorted((cloud.home / "logs").glob("*.log"))]:
        told += [f"== {log.name}", *log.read_text(errors="replace").splitlines()[-_LAST_LINES:]]
    return "\n".join(told)
