"""Functions that are killed in the middle of a step: what they began ends as if nothing had happened.

The deployed code is the project's own, in a copy that knows how to kill itself: right after a call that a test names
has gone through, before anything could tell of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dropforge.local import launch
from tests.e2e.conftest import SPEED, Cloud, wait_until
from tests.e2e.copies import copy_project
from tests.e2e.hook import SECRET, Hook, listening
from tests.e2e.letters import Letters
from tests.e2e.pipelines import (
    PIXEL,
    Registered,
    Tiny,
    drop,
    fresh,
    go_live,
    jobs_of,
    knobs,
    label_of,
    log_of,
    push,
    release_of,
    until_sealed,
    until_stage,
)
from tests.e2e.tool import Tool

pytestmark = pytest.mark.slow
PATIENCE = 420.0
"""Seconds for a few deaths in each of a few pipelines, on a busy machine."""
_TOPIC = "arn:aws:sns:us-east-1:000000000000:dropforge-dev-news"
_LAKE = "lake"
_KILLS_ITSELF = """

def _die_where_planned():
    import json, os, pathlib, signal
    from botocore.client import BaseClient

    plans, call = pathlib.Path(__file__).parents[2] / "plans", BaseClient._make_api_call

    def called(self, operation, params):
        answer = call(self, operation, params)
        told = json.dumps(params, default=str)
        if self.meta.service_model.service_name == "sagemaker":
            with (plans / "calls").open("a") as calls:
                calls.write(json.dumps([operation, params], default=str) + "\\n")
        for plan in plans.glob("*.plan"):
            try:
                wanted = json.loads(plan.read_text())
                if operation == wanted["operation"] and all(word in told for word in wanted["words"]):
                    plan.rename(plan.with_suffix(".done"))
                    os.kill(os.getpid(), signal.SIGKILL)
            except FileNotFoundError:
                continue  # another worker died for it
        return answer

    BaseClient._make_api_call = called

_die_where_planned()
"""


@dataclass(frozen=True)
class Moment:
    """A call to die right after: its operation, and words that are in it beside the pipeline's name."""

    operation: str
    words: tuple[str, ...] = ()


# Every third of them is one pipeline's: each death has to be made good for before the next can come.
MOMENTS = {
    "the wake-up of a drop is set": Moment("SendMessage", ("dataset:",)),
    "the sealed keys are frozen": Moment("PutObject", ("sealed.json",)),
    "the training job is created": Moment("CreateTrainingJob"),
    "the training is remembered": Moment("TransactWriteItems", ("training started",)),
    "the package is registered": Moment("CreateModelPackage"),
    "the release is asked": Moment("SendMessage", ("release:",)),
    "the model is created": Moment("CreateModel"),
    "the configuration is created": Moment("CreateEndpointConfig"),
    "the rehearsal endpoint is created": Moment("CreateEndpoint", ("-rehearse-",)),
    "the smoke test is answered": Moment("InvokeEndpoint", ("-rehearse-",)),
    "the rehearsal endpoint is deleted": Moment("DeleteEndpoint", ("-rehearse-",)),
    "the live endpoint is created": Moment("CreateEndpoint", ("-realtime",)),
}


_PIPELINES = 3


@dataclass(frozen=True)
class Untouched:
    """A pipeline of which nobody died, and what two with the same story have in common."""

    pipeline: str
    run: str
    outcome: dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """A cloud whose functions die where they are told to."""

    cloud: Cloud
    plans: Path
    hook: Hook
    letters: Letters

    def plan(self, pipeline: str, *moments: Moment) -> None:
        for moment in moments:
            written = self.plans / f"{_plan_of(pipeline, moment)}.new"
            written.write_text(json.dumps({"operation": moment.operation, "words": [pipeline, *moment.words]}))
            written.rename(written.with_suffix(".plan"))

    def died(self, pipeline: str, moment: Moment) -> bool:
        return (self.plans / f"{_plan_of(pipeline, moment)}.done").exists()

    def calls(self, pipeline: str) -> Counter[str]:
        """Count the calls to SageMaker that went through for a pipeline and changed something."""
        lines = (json.loads(line) for line in (self.plans / "calls").read_text().splitlines())
        mine = [(operation, params) for operation, params in lines if pipeline in json.dumps(params)]
        return Counter(
            f"{operation} {_kind(params)}".strip()
            for operation, params in mine
            if operation in {"CreateTrainingJob", "CreateEndpoint", "UpdateEndpoint"}
        )


def _plan_of(pipeline: str, moment: Moment) -> str:
    words = "".join(filter(str.isalpha, "".join(moment.words)))
    return f"{pipeline}-{moment.operation}-{words}"


def _kind(params: dict[str, Any]) -> str:
    name = params.get("EndpointName", "")
    return "rehearsal" if "-rehearse-" in name else "live" if name else ""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Deploy the project's copy that can kill itself."""
    folder = tmp_path_factory.mktemp("kills")
    project, home, plans = folder / "project", folder / "home", folder / "project" / "plans"
    plans.mkdir(parents=True)
    copy_project(project)
    with (project / "chalicelib" / "aws" / "clients.py").open("a") as clients:
        clients.write(_KILLS_ITSELF)
    with listening() as hook:
        _set_up(project / ".chalice" / "config.json", hook.url)
        cloud = Cloud(launch.start(home, speed=SPEED, attached=True, project=project))
        cloud.client("ssm").put_parameter(Name="/dropforge-dev/webhook", Type="SecureString", Value=SECRET)
        yield Stage(cloud, plans, hook, Letters.subscribe(cloud, _TOPIC, {"state": ["live"]}))
        launch.stop(home)


def _set_up(file: Path, url: str) -> None:
    """Name who is told of what happens, and a bucket that data may lie in."""
    config = json.loads(file.read_text())
    told = {"DROPFORGE_WEBHOOK_URL": url, "DROPFORGE_WEBHOOK_SECRET": "/dropforge-dev/webhook"}
    more = {"DROPFORGE_TOPIC": _TOPIC, "DROPFORGE_SOURCES": f"{_LAKE}/digits/"}
    config["stages"]["dev"]["environment_variables"] |= told | more
    file.write_text(json.dumps(config))


def outcome(stage: Stage, pipeline: str) -> dict[str, Any]:
    """Give all that two pipelines with the same story have in common, names aside."""
    cloud, release = stage.cloud, release_of(stage.cloud, pipeline)
    sagemaker, head = cloud.client("sagemaker"), f"dropforge-dev-{pipeline}"
    [run] = cloud.get(f"/v1/runs?pipeline={pipeline}")["runs"]
    return {
        "run": {name: run[name] for name in ("state", "stage", "reason", "metrics", "labels", "channels")},
        "release": {name: release[name] for name in ("stage", "generation", "pending", "failed", "previous")},
        "live is desired": release["live"] == release["desired"],
        "jobs": len(jobs_of(cloud, pipeline)),
        "packages": len(sagemaker.list_model_packages(ModelPackageGroupName=head)["ModelPackageSummaryList"]),
        "models": len(sagemaker.list_models(NameContains=head)["Models"]),
        "configurations": len(sagemaker.list_endpoint_configs(NameContains=head)["EndpointConfigs"]),
        "endpoints": [name["EndpointName"][len(head) :] for name in _endpoints(sagemaker, head)],
        "calls": stage.calls(pipeline),
        "answer": label_of(cloud.predict(pipeline, PIXEL)),
    }


def _endpoints(sagemaker: Any, head: str) -> list[dict[str, Any]]:
    return list(sagemaker.list_endpoints(NameContains=head)["Endpoints"])


@pytest.fixture(scope="module")
def untouched(stage: Stage) -> Untouched:
    """Let a pipeline go live in peace, and remember how that ended."""
    tiny = Tiny(fresh("calm"))
    push(stage.cloud, tiny, seconds=PATIENCE)
    run = go_live(stage.cloud, tiny.name, "one", knobs(label="a"))
    return Untouched(tiny.name, run["run"], outcome(stage, tiny.name))


def test_a_function_killed_in_the_middle_of_a_step_ends_as_if_nothing_had_happened(
    stage: Stage, untouched: Untouched
) -> None:
    expected = untouched.outcome
    assert expected["calls"] == {"CreateTrainingJob": 1, "CreateEndpoint rehearsal": 1, "CreateEndpoint live": 1}
    assert expected["endpoints"] == ["-realtime"]
    assert (expected["jobs"], expected["packages"], expected["models"], expected["configurations"]) == (1, 1, 1, 1)
    assert (expected["run"]["stage"], expected["release"]["generation"], expected["answer"]) == ("live", 1, "a")

    deadly = {fresh("kill"): [*MOMENTS][first::_PIPELINES] for first in range(_PIPELINES)}
    with ThreadPoolExecutor(_PIPELINES) as hands:
        list(hands.map(lambda name: push(stage.cloud, Tiny(name), seconds=PATIENCE), deadly))
    for name, moments in deadly.items():
        stage.plan(name, *(MOMENTS[moment] for moment in moments))
        drop(stage.cloud, name, "one", knobs(label="a"))
    for name in deadly:
        run = until_sealed(stage.cloud, name, "one", seconds=PATIENCE)
        until_stage(stage.cloud, run, "live", seconds=PATIENCE)
    survived = [it for name, moments in deadly.items() for it in moments if not stage.died(name, MOMENTS[it])]
    assert survived == []
    assert {name: outcome(stage, name) for name in deadly} == dict.fromkeys(deadly, expected)


def test_a_function_killed_right_after_it_asked_for_an_update_asks_for_no_second_one(
    stage: Stage, untouched: Untouched
) -> None:
    name, moment = untouched.pipeline, Moment("UpdateEndpoint")
    stage.plan(name, moment)
    drop(stage.cloud, name, "new", knobs(label="new"))
    until_stage(stage.cloud, until_sealed(stage.cloud, name, "new"), "live", seconds=PATIENCE)
    assert stage.died(name, moment)
    assert label_of(stage.cloud.predict(name, PIXEL)) == "new"
    told = stage.calls(name)
    assert (told["CreateTrainingJob"], told["CreateEndpoint live"], told["UpdateEndpoint live"]) == (2, 1, 1)
    assert [each["EndpointName"] for each in _endpoints(stage.cloud.client("sagemaker"), f"-{name}-")] == [
        f"dropforge-dev-{name}-realtime"
    ]


def test_a_webhook_hears_of_a_model_that_goes_live_signed_and_again_after_it_failed(
    stage: Stage, untouched: Untouched
) -> None:
    def told() -> list[list[dict[str, Any]]]:
        found = stage.hook.tried(untouched.pipeline, "Dropforge Release State Change", "live")
        mine = [tries for tries in found if tries[0]["detail"]["run"] == untouched.run]
        return mine if mine and all(len(tries) >= 2 for tries in mine) else []

    ((first, again, *_),) = wait_until(told, PATIENCE)
    assert first == again
    assert (first["source"], first["detail"]["stage"]) == ("dropforge", "dev")
    assert stage.hook.unsigned == []


def test_a_topic_hears_of_a_model_that_goes_live_beside_the_webhook(stage: Stage, untouched: Untouched) -> None:
    def told() -> list[dict[str, Any]]:
        found = [json.loads(letter["Message"]) for letter in stage.letters.of(untouched.pipeline)]
        return [each for each in found if each["detail"]["run"] == untouched.run]

    event, *_ = wait_until(told, PATIENCE)
    assert (event["source"], event["detail-type"]) == ("dropforge", "Dropforge Release State Change")
    assert (event["detail"]["stage"], event["detail"]["state"]) == ("dev", "live")
    assert {letter["MessageAttributes"]["state"]["Value"] for letter in stage.letters.taken} == {"live"}


def test_a_run_on_data_elsewhere_trains_on_it_where_it_lies(stage: Stage) -> None:
    tiny, tool = Registered(fresh("lake")), Tool(stage.cloud.home)
    push(stage.cloud, tiny, seconds=PATIENCE)
    s3 = stage.cloud.client("s3")
    s3.create_bucket(Bucket=_LAKE)
    for name, body in knobs("digits", label="l").items():
        s3.put_object(Bucket=_LAKE, Key=name, Body=body)
    started = tool("start", tiny.name, "--channel", f"training=s3://{_LAKE}/digits/", "--json")
    assert started.code == 0, started
    run = str(json.loads(started.out)["run"])
    job = until_stage(stage.cloud, run, "registered", seconds=PATIENCE)["candidate"]["job"]
    assert {"seen training/data.csv", "seen training/knobs.json"} <= {*log_of(stage.cloud, run)}
    [channel] = stage.cloud.client("sagemaker").describe_training_job(TrainingJobName=job)["InputDataConfig"]
    manifest = stage.cloud.read(urlsplit(channel["DataSource"]["S3DataSource"]["S3Uri"]).path.lstrip("/"))
    assert json.loads(manifest or b"") == [{"prefix": f"s3://{_LAKE}/digits/"}, "data.csv", "knobs.json"]
