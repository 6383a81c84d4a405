"""The whole local cloud, started and stopped as people do it, over a small project of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from dropforge.local import launch
from dropforge.local.home import ACCOUNT, Home
from dropforge.local.sagemaker.jobs.states import TRAINING
from dropforge.local.sagemaker.sandbox.wish import VARIABLE
from dropforge.local.sagemaker.states import Pace
from tests.local.projects import make_project, seen
from tests.local.waiting import wait_until

SPEED = 0.005
PACE = (0.02, 7)
ROOT = Path(__file__).parents[2]


class Running:
    """A cloud over a small project, and what tests ask of it."""

    def __init__(self, folder: Path, *, prefix: str = "tiny") -> None:
        self.project = make_project(folder / "project", prefix=prefix)
        self.home = folder / "home"
        self.card: dict[str, Any] = {}

    def start(self) -> Running:
        self.card = launch.start(self.home, speed=SPEED, pace=PACE, attached=True, project=self.project)
        return self

    @property
    def stage(self) -> dict[str, Any]:
        return dict(self.card["stages"]["dev"])

    def client(self, service: str) -> Any:
        session = boto3.session.Session(self.card["access_key"], self.card["secret_key"], region_name="us-east-1")
        config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
        return session.client(service, endpoint_url=self.card["endpoint"], config=config)

    def seen(self, name: str) -> list[Any]:
        return seen(self.project, name)

    def status(self) -> dict[str, Any]:
        return dict((launch.status(self.home) or {})["status"])

    def http(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(self.stage["api"] + path, timeout=60) as answer:  # noqa: S310  a loopback address
                return answer.status, answer.read()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.read()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    made = Running(tmp_path_factory.mktemp("cloud")).start()
    yield made
    launch.stop(made.home)


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in found for child in file.read_text().split()]


def alive(pid: int) -> bool:
    file = Path(f"/proc/{pid}/stat")
    try:
        return file.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_an_object_reaches_its_function_through_rule_queue_and_batch(running: Running) -> None:
    s3 = running.client("s3")
    for n in range(7):
        s3.put_object(Bucket=running.stage["bucket"], Key=f"datasets/a b/{n}+ü.png", Body=b"x")
    s3.put_object(Bucket=running.stage["bucket"], Key="elsewhere/x", Body=b"x")

    def keys() -> list[str]:
        # The cloud is this file's, and poison, which another test sends through the same queue, is not JSON.
        bodies = [record["body"] for batch in running.seen("batches") for record in batch["Records"]]
        events = [json.loads(body) for body in bodies if body.startswith("{")]
        return sorted({event["detail"]["object"]["key"] for event in events})  # each may come twice

    wait_until(lambda: len(keys()) >= 7)
    assert keys() == [f"datasets/a b/{n}+ü.png" for n in range(7)]


def test_sagemakers_states_last_as_long_as_was_asked_for(running: Running) -> None:
    sagemaker, name = running.client("sagemaker"), "slow"
    running.client("s3").create_bucket(Bucket="slow")
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={
            "TrainingImage": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1",
            "TrainingInputMode": "File",
        },
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/any",
        OutputDataConfig={"S3OutputPath": "s3://slow/out/"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )

    def transitions() -> list[Any]:
        return list(sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatusTransitions"])

    starting = wait_until(lambda: [step for step in transitions() if "EndTime" in step])[0]
    asked = Pace(*PACE).seconds(TRAINING, "Starting", name)
    assert asked > 0.5
    assert (starting["EndTime"] - starting["StartTime"]).total_seconds() > asked - 0.01


def test_the_schedule_ticks_at_the_speed_factor(running: Running) -> None:
    def ticks_of_the_rule() -> list[dict[str, Any]]:
        return [tick for tick in running.seen("ticks") if tick["id"] != "by-hand"]

    wait_until(lambda: len(ticks_of_the_rule()) >= 3)
    ticks = ticks_of_the_rule()
    assert ticks[0]["detail-type"] == "Scheduled Event"
    assert len({tick["id"] for tick in ticks}) == len(ticks)


def test_application_auto_scaling_answers_beside_sagemaker(running: Running) -> None:
    scaling = running.client("application-autoscaling")
    assert scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []
    with pytest.raises(scaling.exceptions.ValidationException, match="No scalable resources found"):
        scaling.register_scalable_target(
            ServiceNamespace="sagemaker",
            ResourceId="endpoint/none/variant/main",
            ScalableDimension="sagemaker:variant:DesiredInstanceCount",
            MinCapacity=1,
            MaxCapacity=2,
        )


def test_poison_in_a_batch_ends_in_the_dead_letters_alone(running: Running) -> None:
    sqs = running.client("sqs")
    url = sqs.get_queue_url(QueueName="tiny-dev-uploads")["QueueUrl"]
    dead = sqs.get_queue_url(QueueName="tiny-dev-dead")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    sqs.send_message(QueueUrl=url, MessageBody="medicine")

    def letters() -> list[str]:
        found = sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
        return [message["Body"] for message in found]

    wait_until(lambda: "poison" in letters())
    bodies = [record["body"] for batch in running.seen("batches") for record in batch["Records"]]
    assert bodies.count("poison") >= 3
    assert bodies.count("medicine") >= 1


def test_the_doors_of_the_api_are_as_the_template_says(running: Running) -> None:
    assert running.http("/v1/health") == (200, b'{"ok":true}')
    status, body = running.http("/v1/things/x")
    assert (status, json.loads(body)["code"]) == (404, "not-found")
    request = urllib.request.Request(  # noqa: S310  a loopback address
        running.stage["api"] + "/v1/guarded",
        data=b"12345",
        headers={"x-api-key": running.stage["api_key"], "Content-Type": "image/png"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  a loopback address
        assert json.loads(answer.read()) == {"size": 5}


def test_sagemaker_answers_on_the_same_port_as_everything_else(running: Running) -> None:
    assert running.client("sagemaker").list_endpoints()["Endpoints"] == []
    runtime = running.client("sagemaker-runtime")
    with pytest.raises(runtime.exceptions.ClientError, match="ValidationError"):
        runtime.invoke_endpoint(EndpointName="nowhere", Body=b"x")


def test_what_a_function_prints_is_in_cloudwatch_logs(running: Running) -> None:
    running.http("/v1/health")
    [name] = [name for name in running.status()["functions"] if "APIHandler" in name]
    logs = running.client("logs")

    def lines() -> list[str]:
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for event in events if event["message"].startswith("REPORT")]

    assert wait_until(lines)
    assert "REPORT" in (running.home / "logs" / f"{name}.log").read_text()


def test_the_tool_shows_what_functions_have_logged_and_counted(running: Running) -> None:
    assert running.http("/v1/health")[0] == 200

    def shown(*words: str) -> str:
        where = ["--home", str(running.home), "--stage", "dev"]
        command = [sys.executable, "-m", "dropforge.cli.main", *words, *where]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout

    def tool(*words: str) -> list[Any]:
        out = shown(*words, "--json")
        return [json.loads(line) for line in out.splitlines()] if words[0] == "log" else list(json.loads(out))

    def steps() -> list[str]:
        lines = [each["line"] for each in tool("log", "api_handler", "--functions", "--since", "1h")]
        return [line["step"] for line in lines if isinstance(line, dict) and line.get("step") == "health"]

    def asked() -> list[float]:
        return [each["sum"] for each in tool("metrics") if each["metric"] == "Asked"]

    assert "health" in wait_until(steps)
    assert wait_until(asked)[0] >= 1
    assert "api_handler           health done  kind=health" in shown("log", "--functions")
    assert "Asked\thealth\t(all)\t" in shown("metrics")


def test_the_status_counts_what_each_function_did(running: Running) -> None:
    running.http("/v1/health")
    status = running.status()
    [counts] = [counts for name, counts in status["functions"].items() if "APIHandler" in name]
    assert counts["invocations"] >= 1
    assert counts["errors"] == 0
    assert all(alive(pid) for pid in counts["workers"])
    assert {"inbox", "dead", "sagemaker"} <= set(status)


def test_a_function_can_be_invoked_through_the_api_of_lambda(running: Running) -> None:
    [name] = [name for name in running.status()["functions"] if "Reconcile" in name]
    before = len(running.seen("ticks"))
    event: dict[str, Any] = {"id": "by-hand", "detail-type": "d", "source": "s", "account": "a", "time": "t"}
    event |= {"region": "r", "resources": [], "detail": {}, "version": "0"}
    answer = running.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode())
    assert (answer["StatusCode"], answer.get("FunctionError")) == (200, None)
    assert len(running.seen("ticks")) > before
    assert any(tick["id"] == "by-hand" for tick in running.seen("ticks"))


def test_a_second_start_on_the_same_home_says_so(running: Running) -> None:
    with pytest.raises(launch.LaunchError, match="already runs"):
        launch.start(running.home, project=running.project)
    command = [sys.executable, "-m", "dropforge.local", "--home", str(running.home), "--project", str(running.project)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 1
    assert "already runs" in told.stderr
    assert launch.status(running.home)


def test_two_clouds_run_side_by_side_and_a_parent_s_death_takes_its_own_along(running: Running, tmp_path: Path) -> None:
    other = Running(tmp_path)
    program = f"""
import time
from pathlib import Path
from dropforge.local import launch
launch.start(Path({str(other.home)!r}), speed=1, attached=True, project=Path({str(other.project)!r}))
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    try:
        card = wait_until(lambda: Home(other.home).read_card(), 60)
        assert card["endpoint"] != running.card["endpoint"]
        other.card = card
        assert other.http("/v1/health")[0] == 200
        pids = [card["pid"], *children(card["pid"])]
        assert len(pids) >= 2
        other.client("s3").put_object(Bucket=other.stage["bucket"], Key="only-here", Body=b"x")
        assert "Contents" not in running.client("s3").list_objects_v2(
            Bucket=running.stage["bucket"], Prefix="only-here"
        )
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: not any(alive(pid) for pid in pids))
    assert launch.status(other.home) is None
    assert not Home(other.home).card.exists()
    assert launch.status(running.home)


def test_a_stop_and_start_finds_everything_as_it_was(tmp_path: Path) -> None:
    cloud = Running(tmp_path).start()
    try:
        first = cloud.card
        cloud.client("s3").put_object(Bucket=cloud.stage["bucket"], Key="kept", Body=b"object")
        cloud.client("dynamodb").put_item(TableName=cloud.stage["table"], Item={"pk": {"S": "kept"}})
        url = cloud.client("sqs").get_queue_url(QueueName="tiny-dev-dead")["QueueUrl"]
        cloud.client("sqs").send_message(QueueUrl=url, MessageBody="kept")
        assert launch.stop(cloud.home) is True
        assert launch.status(cloud.home) is None
        assert not alive(first["pid"])

        cloud.start()
        assert {**cloud.card, "pid": 0} == {**first, "pid": 0}
        assert cloud.client("s3").get_object(Bucket=cloud.stage["bucket"], Key="kept")["Body"].read() == b"object"
        item = cloud.client("dynamodb").get_item(TableName=cloud.stage["table"], Key={"pk": {"S": "kept"}})
        assert "Item" in item
        [message] = cloud.client("sqs").receive_message(QueueUrl=url)["Messages"]
        assert message["Body"] == "kept"
        assert cloud.http("/v1/health")[0] == 200

        # And the same after a kill: what the table took a moment ago is there, and the card is known as stale.
        workers = children(cloud.card["pid"])
        cloud.client("dynamodb").put_item(TableName=cloud.stage["table"], Item={"pk": {"S": "late"}})
        os.kill(cloud.card["pid"], signal.SIGKILL)
        wait_until(lambda: not any(alive(pid) for pid in workers))
        assert launch.status(cloud.home) is None
        with socket.socket() as stranger:
            # Somebody took the port meanwhile: another is found, and queues are reached there.
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            stranger.bind(("127.0.0.1", int(first["endpoint"].rpartition(":")[2])))
            stranger.listen()
            cloud.start()
        assert cloud.card["endpoint"] != first["endpoint"]
        assert cloud.card["stages"] == first["stages"]
        item = cloud.client("dynamodb").get_item(TableName=cloud.stage["table"], Key={"pk": {"S": "late"}})
        assert "Item" in item
        before = len(cloud.seen("batches"))
        cloud.client("s3").put_object(Bucket=cloud.stage["bucket"], Key="datasets/again", Body=b"x")
        wait_until(lambda: len(cloud.seen("batches")) > before)
    finally:
        launch.stop(cloud.home)


def test_a_cloud_that_was_killed_before_it_had_saved_anything_starts_again(tmp_path: Path) -> None:
    running = Running(tmp_path, prefix="killed").start()
    os.kill(running.card["pid"], signal.SIGKILL)
    wait_until(lambda: not Home(running.home).claimed())
    # As if it had died a second earlier: buckets stand on the disk at once, all else a little later.
    (running.home / "state").unlink()
    assert running.start().http("/v1/health")[0] == 200
    launch.stop(running.home)


def test_a_cloud_whose_template_is_wrong_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    cloud = Running(tmp_path)
    (cloud.project / "app.py").write_text("raise RuntimeError('no such app')")
    with pytest.raises(launch.LaunchError, match="no such app"):
        cloud.start()
    assert launch.status(cloud.home) is None
    assert not Home(cloud.home).claimed()


def test_a_machine_without_user_namespaces_is_told_so_once_and_serves_all_the_same(tmp_path: Path) -> None:
    # In a namespace of its own the limit is one's own to set.
    start = f"{sys.executable} -m dropforge.cli.main sagemaker --until-stdin-closes --state {tmp_path / 'home'}"
    inside = f"echo 0 > /proc/sys/user/max_user_namespaces && exec {start}"
    with subprocess.Popen(
        ["unshare", "-Ur", "sh", "-c", inside],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={name: value for name, value in os.environ.items() if name != VARIABLE},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        first = process.stdout.readline()
        _, told = process.communicate(timeout=60)
    assert "SageMaker and S3 answer at" in first, told
    assert process.returncode == 0
    assert "without walls" in told
    assert "namespaces" in told
    assert len(told.strip().splitlines()) == 1
