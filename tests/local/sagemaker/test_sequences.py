"""Whatever several clients ask for at once, legal or not: statuses move along AWS's graph, and nothing is lost."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropforge.local.sagemaker.hosting.states import ENDPOINT
from dropforge.local.sagemaker.jobs.states import TRAINING
from dropforge.local.sagemaker.kinds.kind import FINAL
from dropforge.local.sagemaker.states import Graph
from tests.local.sagemaker.world import ROLE, World, until

_IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/quick:1"
_QUICK = {"quick": Path(__file__).parent / "images" / "quick"}
_CLIENTS = 3
_NAMES = 3
_MOVING = frozenset({"Creating", "Updating", "Deleting", "RollingBack"})
_SPELLED = {status.upper(): status for status in ("Creating", "Updating", "Deleting", "Failed")} | {
    "IN_SERVICE": "InService",
    "ROLLING_BACK": "RollingBack",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One call: what is done to which of a few names, and whether its program is to fail."""

    what: str
    number: int
    fails: bool


_ASKS = st.builds(
    Ask,
    what=st.sampled_from(
        ["train", "stop", "endpoint", "endpoint", "update", "update", "delete", "invoke", "config", "forget"]
    ),
    number=st.integers(0, _NAMES - 1),
    fails=st.booleans(),
)
_SOME = st.lists(_ASKS, max_size=4)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory, neighbours: int) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("home"), neighbours, _QUICK)
    yield made
    made.stop()


class Client:
    """Asks, and remembers what it was answered."""

    def __init__(self, world: World, serial: str) -> None:
        self._world = world
        self._serial = serial
        self.jobs: set[str] = set()
        self.wrong: list[str] = []

    def ask(self, asks: list[Ask]) -> None:
        for each in asks:
            try:
                getattr(self, each.what)(f"{self._serial}-{each.number}", fails=each.fails)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 500:
                    self.wrong.append(f"{each}: {error}")

    def train(self, name: str, *, fails: bool) -> None:
        self._world.sagemaker.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={"TrainingImage": _IMAGE, "TrainingInputMode": "File"},
            RoleArn=ROLE,
            OutputDataConfig={"S3OutputPath": f"s3://{self._world.bucket}/out"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
            Environment={"FAIL": "1"} if fails else {},
        )
        self.jobs.add(name)

    def stop(self, name: str, *, fails: bool) -> None:
        del fails
        self._world.sagemaker.stop_training_job(TrainingJobName=name)

    def config(self, name: str, *, fails: bool) -> None:
        environment = {"SAYS": "" if fails else name}
        container = {"Image": _IMAGE, "Environment": environment}
        self._world.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        variant = {"VariantName": "main", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        self._world.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])

    def forget(self, name: str, *, fails: bool) -> None:
        if fails:
            self._world.sagemaker.delete_endpoint_config(EndpointConfigName=name)
        self._world.sagemaker.delete_model(ModelName=name)

    def endpoint(self, name: str, *, fails: bool) -> None:
        del fails
        self._world.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)

    def update(self, name: str, *, fails: bool) -> None:
        other = f"{self._serial}-0" if fails else name
        self._world.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=other)

    def delete(self, name: str, *, fails: bool) -> None:
        del fails
        self._world.sagemaker.delete_endpoint(EndpointName=name)

    def invoke(self, name: str, *, fails: bool) -> None:
        del fails
        self._world.runtime.invoke_endpoint(EndpointName=name, Body=b"x")


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    first=st.lists(_ASKS, max_size=4), asks=st.lists(st.lists(_ASKS, max_size=8), min_size=_CLIENTS, max_size=_CLIENTS)
)
def test_statuses_move_along_their_graph_and_events_agree_with_describe(
    quick: World, first: list[Ask], asks: list[list[Ask]]
) -> None:
    serial = f"s{uuid.uuid4().hex[:10]}"
    clients = [Client(quick, serial) for _ in asks]
    for number in range(_NAMES):
        clients[0].ask([Ask("config", number, fails=False)])
    clients[0].ask(first)
    with ThreadPoolExecutor(len(clients)) as hands:
        list(hands.map(Client.ask, clients, asks))
    assert [wrong for client in clients for wrong in client.wrong] == []
    jobs = set().union(*(client.jobs for client in clients))
    _check_jobs(quick, serial, jobs)
    _check_endpoints(quick, serial)


def _check_jobs(world: World, serial: str, jobs: set[str]) -> None:
    """Every job that was taken is there, ends, and was told of along its way."""
    listed = world.sagemaker.list_training_jobs(NameContains=serial, MaxResults=100)["TrainingJobSummaries"]
    assert {each["TrainingJobName"] for each in listed} == jobs
    for name in jobs:
        ended = world.ended(name)
        assert ended["TrainingJobStatus"] in FINAL
        told = until(lambda name=name: _told(world, name, "TrainingJobStatus", FINAL))  # type: ignore[misc] # bound for this turn
        _check_way(TRAINING, told)
        assert told[-1] == ended["TrainingJobStatus"]


def _check_endpoints(world: World, serial: str) -> None:
    """Every endpoint rests in the end, in the status that was told last, and answers if and only if it serves."""
    names = {detail["EndpointName"] for kind, detail in list(world.events) if "Endpoint" in kind}
    for name in sorted(each for each in names if each.startswith(serial)):
        status = until(lambda name=name: _resting(world, name))  # type: ignore[misc] # bound for this turn
        told = until(lambda name=name, status=status: _last(world, name, status))  # type: ignore[misc] # as above
        for life in _lives(told):
            _check_way(ENDPOINT, life)
        assert _answers(world, name) == (status == "InService")


def _resting(world: World, name: str) -> str | None:
    found = world.sagemaker.list_endpoints(NameContains=name)["Endpoints"]
    status = str(found[0]["EndpointStatus"]) if found else "gone"
    return None if status in _MOVING else status


def _last(world: World, name: str, status: str) -> list[str] | None:
    wanted = "Deleting" if status == "gone" else status
    return _told(world, name, "EndpointStatus", frozenset({wanted}))


def _told(world: World, name: str, member: str, last: frozenset[str]) -> list[str] | None:
    """Give the statuses that were told of a thing once the last one is among `last`."""
    found = [
        detail
        for _, detail in list(world.events)
        if name in {detail.get("TrainingJobName"), detail.get("EndpointName")}
    ]
    told = [_SPELLED.get(detail[member], detail[member]) for detail in found if member in detail]
    return told if told and told[-1] in last else None


def _lives(told: list[str]) -> list[list[str]]:
    """Part the statuses of all endpoints that had one name: each begins with Creating."""
    lives: dict[int, list[str]] = defaultdict(list)
    number = 0
    for status in told:
        number += status == "Creating"
        lives[number].append(status)
    return list(lives.values())


def _check_way(graph: Graph, told: list[str]) -> None:
    for before, status in zip(["", *told], told, strict=False):
        graph.check(before, status)


def _answers(world: World, name: str) -> bool:
    try:
        answer: dict[str, Any] = world.runtime.invoke_endpoint(EndpointName=name, Body=b"x")
    except ClientError:
        return False
    return bool(answer["Body"].read())
