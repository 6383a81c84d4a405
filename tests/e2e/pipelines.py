"""Tiny pipelines to push, tiny datasets to drop, and eyes on what becomes of them, for tests that go the whole way.

tiny = Tiny(fresh("cats"))
push(cloud, tiny)
drop(cloud, tiny.name, "one", knobs(label="b"))
run = until_stage(cloud, until_sealed(cloud, tiny.name, "one"), "live")["run"]
assert label_of(cloud.predict(tiny.name, PIXEL)) == "b"
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from tests.e2e import programs
from tests.e2e.conftest import Cloud, Reply, wait_until

PATIENCE = 120.0
"""Seconds for what takes a few on an idle machine."""
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
_LAST_STAGES = frozenset({"live", "replaced", "release-failed", "rejected", "failed", "stopped"})
_HANDS = 16
_EVERY = 0.2
"""Each look is a signed call that a function answers: looking all the time would slow down what is waited for."""


def fresh(word: str = "tiny") -> str:
    """Name a pipeline as no other test does."""
    return f"{word}-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True)
class Tiny:
    """A pipeline that trains and serves in an instant; what it is made of can be told, see programs.py for the knobs.

    `serve` is given to the serving script itself, `hyperparameters` to training. `expect` makes the smoke test one of
    that label; `at_least` adds a gate. `more` is TOML of whole tables to append, `top` to put before all tables.
    """

    name: str
    quiet_seconds: int = 1
    hyperparameters: Mapping[str, str | float] = field(default_factory=dict)
    max_runtime_seconds: int = 600
    required_channels: tuple[str, ...] = ("training",)
    at_least: float | None = None
    expect: str | None = None
    serve: Mapping[str, str] = field(default_factory=dict)
    top_k: int = 5
    accept: tuple[str, ...] = ("image/png", "image/jpeg")
    deploy: str = ""
    more: str = ""
    top: str = ""

    @property
    def toml(self) -> str:
        gate = (
            f'[gate]\nmetric = "validation:accuracy"\nat_least = {self.at_least}' if self.at_least is not None else ""
        )
        expect = f"expect_label = {json.dumps(self.expect)}" if self.expect else ""
        given = "\n".join(f"{name} = {json.dumps(value)}" for name, value in self.hyperparameters.items())
        return f"""
{self.top}
[trigger]
quiet_seconds = {self.quiet_seconds}
[train]
framework = "sklearn"
source_dir = "src"
entry_point = "train.py"
required_channels = {json.dumps(self.required_channels)}
max_runtime_seconds = {self.max_runtime_seconds}
[train.hyperparameters]
{given}
[train.metrics]
"validation:accuracy" = "accuracy=([0-9.]+)"
{gate}
[deploy]
{self.deploy}
[[deploy.smoke_test]]
payload = "smoke/pixel.png"
content_type = "image/png"
{expect}
[serve]
source_dir = "serving"
entry_point = "serve.py"
accept = {json.dumps(self.accept)}
top_k = {self.top_k}
{self.more}
"""

    @property
    def files(self) -> dict[str, bytes]:
        """The folder, by relative path: serving code lies apart, so that editing it is no new training code."""
        return {
            "pipeline.toml": self.toml.encode(),
            "src/train.py": programs.TRAIN.encode(),
            "serving/serve.py": programs.serve(**self.serve).encode(),
            "smoke/pixel.png": PIXEL,
        }


class Registered(Tiny):
    """One whose models are trained and registered only: nothing is deployed."""

    @property
    def toml(self) -> str:
        before, _, rest = super().toml.partition("[deploy]")
        return f"deploy = false\n{before}[serve]{rest.partition('[serve]')[2]}"


def put_all(cloud: Cloud, folder: str, files: Mapping[str, bytes]) -> None:
    """Put many objects at once, in no particular order; over bare HTTP, which costs a tenth of what boto3 does."""
    items = [(folder + name, body) for name, body in files.items()]
    hands = min(_HANDS, len(items))
    with ThreadPoolExecutor(hands) as pool:
        list(pool.map(lambda hand: _put_some(cloud, items[hand::hands]), range(hands)))


def _put_some(cloud: Cloud, items: Sequence[tuple[str, bytes]]) -> None:
    connection = http.client.HTTPConnection(urlsplit(cloud.card["endpoint"]).netloc, timeout=PATIENCE)
    with contextlib.closing(connection):
        for key, body in items:
            connection.request("PUT", f"/{cloud.bucket}/{quote(key)}", body)
            reply = connection.getresponse()
            said = reply.read()
            assert reply.status == HTTPStatus.OK, (key, reply.status, said)


def push(cloud: Cloud, tiny: Tiny, *, seconds: float = PATIENCE) -> str:
    """Put a pipeline's folder into the bucket and wait until it is accepted; gives the version's digest."""
    before = cloud.status_of(tiny.name) or {}
    put_all(cloud, f"pipelines/{tiny.name}/", tiny.files)

    def accepted() -> str | None:
        status = cloud.status_of(tiny.name)
        if not status or (status["state"], status["at"]) == (before.get("state"), before.get("at")):
            return None
        assert status["state"] != "refused", status
        return str(status["version"]) if status["state"] == "accepted" else None

    return wait_until(accepted, seconds)


def knobs(name: str = "training", **values: str | float) -> dict[str, bytes]:
    """Give the files of a smallest drop; what is told to training makes it differ from others."""
    return {f"{name}/knobs.json": json.dumps(values).encode(), f"{name}/data.csv": b"1,2\n"}


def drop(
    cloud: Cloud, pipeline: str, dataset: str, files: Mapping[str, bytes] | None = None, *, ready: bool = True
) -> None:
    """Drop files (relative to the dataset's folder); with `_READY` and its counts last, so that it seals at once."""
    dropped = knobs() if files is None else files
    folder = f"datasets/{pipeline}/{dataset}/"
    put_all(cloud, folder, dropped)
    if ready:
        cloud.put(f"{folder}_READY", json.dumps(_counts(dropped)))


def _counts(files: Mapping[str, bytes]) -> dict[str, int]:
    names = [path.partition("/")[0] for path in files if "/" in path]
    return {name: names.count(name) for name in sorted(set(names))}


def until_dataset(
    cloud: Cloud, pipeline: str, dataset: str, state: str = "sealed", *, seconds: float = PATIENCE
) -> dict[str, Any]:
    """Wait until operators see a dataset in a state."""

    def seen() -> dict[str, Any] | None:
        reply = cloud.http("GET", f"/v1/datasets/{pipeline}/{dataset}", signed=True)
        return dict(reply.json) if reply.status == 200 and reply.json["state"] == state else None

    return wait_until(seen, seconds, every=_EVERY)


def until_sealed(cloud: Cloud, pipeline: str, dataset: str, *, seconds: float = PATIENCE) -> str:
    """Wait until a dataset is sealed; gives its run."""
    return str(until_dataset(cloud, pipeline, dataset, seconds=seconds)["run"])


def until_stage(cloud: Cloud, run: str, stage: str = "live", *, seconds: float = PATIENCE) -> dict[str, Any]:
    """Wait until operators see a run in a stage; fails at once when it ended in another one."""

    def there() -> dict[str, Any] | None:
        seen = dict(cloud.get(f"/v1/runs/{run}"))
        assert seen["stage"] == stage or seen["stage"] not in _LAST_STAGES, seen
        return seen if seen["stage"] == stage else None

    return wait_until(there, seconds, every=_EVERY)


def go_live(cloud: Cloud, pipeline: str, dataset: str, files: Mapping[str, bytes] | None = None) -> dict[str, Any]:
    """Drop a dataset and wait until its model is live; gives the run as operators see it."""
    drop(cloud, pipeline, dataset, files)
    return until_stage(cloud, until_sealed(cloud, pipeline, dataset))


def label_of(reply: Reply) -> str:
    """Read the best label from a prediction that must have succeeded."""
    assert reply.status == 200, reply
    return str(reply.json["results"][0]["predictions"][0]["label"])


def jobs_of(cloud: Cloud, pipeline: str) -> list[str]:
    """Name the training jobs that were ever started for a pipeline, as SageMaker knows them."""
    head = f"{cloud.card['stages'][cloud.stage]['stack']}-{pipeline}-"
    pages = cloud.client("sagemaker").get_paginator("list_training_jobs").paginate(NameContains=head)
    return sorted(each["TrainingJobName"] for page in pages for each in page["TrainingJobSummaries"])


def release_of(cloud: Cloud, pipeline: str) -> dict[str, Any]:
    return dict(cloud.get(f"/v1/releases/{pipeline}"))


def log_of(cloud: Cloud, run: str) -> list[str]:
    """Give the first page of a run's training log."""
    return [str(line["text"]) for line in cloud.get(f"/v1/runs/{run}/log")["lines"]]
