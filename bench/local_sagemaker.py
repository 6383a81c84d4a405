"""Measures the local cloud and its SageMaker: `python bench/local_sagemaker.py`, some minutes.

Prints each figure beside its aim and writes them into bench/results.json. Times are medians of this machine; what a
program of a user's own takes is measured beside them, so that what the cloud adds shows.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import boto3

from dropforge.local import launch
from dropforge.local.sagemaker.service import GRAPHS
from dropforge.local.sagemaker.store import Store

_PROJECT = Path(__file__).resolve().parents[1]
_RESULTS = Path(__file__).with_name("results.json")
_IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1"
_ROLE = "arn:aws:iam::000000000000:role/bench"
_MB = 1024 * 1024
_TIMES = 7
_BODY = os.urandom(100 * 1024)
_CLIENTS, _CALLS = 8, 150
_PAGES, _PAGE = 1000, 100
_TRAIN = "print('nothing to do')\n"
_SERVE = """
def model_fn(folder):
    return None

def input_fn(body, content_type):
    return body

def predict_fn(body, model):
    return str(len(body))

def output_fn(said, accept):
    return said, "text/plain"
"""


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    value: float
    unit: str
    aim: float | None = None


class Bench:
    """One cloud that is measured, and its clients."""

    def __init__(self, card: dict[str, Any]) -> None:
        self.card = card
        session = boto3.session.Session(card["access_key"], card["secret_key"], region_name=card["region"])
        self.s3, self.sagemaker = (session.client(name, endpoint_url=card["endpoint"]) for name in ("s3", "sagemaker"))
        self.bucket = "bench"
        self.s3.create_bucket(Bucket=self.bucket)
        self.train, self.serve = (self._archive(name, text) for name, text in (("train", _TRAIN), ("serve", _SERVE)))

    def job(self) -> tuple[float, float]:
        """Run an empty training job; gives the seconds to Completed, and those in which its program ran."""
        name = f"job-{uuid.uuid4().hex[:10]}"
        steering = {"sagemaker_program": "train.py", "sagemaker_submit_directory": self.train}
        begun = time.perf_counter()
        self.sagemaker.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={"TrainingImage": _IMAGE, "TrainingInputMode": "File"},
            RoleArn=_ROLE,
            HyperParameters=steering,
            OutputDataConfig={"S3OutputPath": f"s3://{self.bucket}/out"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 600},
        )
        seen: dict[str, Any] = {"TrainingJobStatus": "InProgress"}
        while seen["TrainingJobStatus"] == "InProgress":
            time.sleep(0.01)
            seen = self.sagemaker.describe_training_job(TrainingJobName=name)
        took = time.perf_counter() - begun
        if seen["TrainingJobStatus"] != "Completed":
            raise SystemExit(f"the job failed: {seen.get('FailureReason')}")
        program = next(step for step in seen["SecondaryStatusTransitions"] if step["Status"] == "Training")
        return took, (program["EndTime"] - program["StartTime"]).total_seconds()

    def endpoint(self) -> tuple[str, float]:
        """Make an endpoint; gives its name and the seconds to InService."""
        name = f"endpoint-{uuid.uuid4().hex[:10]}"
        environment = {"SAGEMAKER_PROGRAM": "serve.py", "SAGEMAKER_SUBMIT_DIRECTORY": self.serve}
        container = {"Image": _IMAGE, "Environment": environment}
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=_ROLE, PrimaryContainer=container)
        variant = {"VariantName": "main", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        begun = time.perf_counter()
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        status = "Creating"
        while status == "Creating":
            time.sleep(0.01)
            status = self.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"]
        if status != "InService":
            raise SystemExit(f"the endpoint is {status}")
        return name, time.perf_counter() - begun

    def _archive(self, name: str, text: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / f"{name}.py").write_text(text)
            subprocess.run(["tar", "-czf", "code.tar.gz", f"{name}.py"], cwd=folder, check=True)
            self.s3.upload_file(f"{folder}/code.tar.gz", self.bucket, f"{name}.tar.gz")
        return f"s3://{self.bucket}/{name}.tar.gz"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the local cloud and its SageMaker.")
    measures = {each.__name__: each for each in (start, memory, training, serving, lists)}
    parser.add_argument("names", nargs="*", choices=[*measures, []], help="what to measure (default: all)")
    chosen = parser.parse_args().names or list(measures)
    known = json.loads(_RESULTS.read_text()) if _RESULTS.exists() else {}
    print(f"{'':58}{'figure':>10}{'aim':>8}")
    for name in chosen:
        for figure in measures[name]():
            aim = "" if figure.aim is None else f"< {figure.aim:g}"
            print(f"{figure.name:58}{figure.value:>10.2f}{aim:>8} {figure.unit}", flush=True)
            known[figure.name] = {key: value for key, value in asdict(figure).items() if key != "name"}
    _RESULTS.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")


def start() -> Iterator[Figure]:
    """From the command to the first call that is answered, over a home whose stage is deployed."""
    with tempfile.TemporaryDirectory() as home:
        with cloud(Path(home)):
            pass
        times = []
        for _ in range(_TIMES):
            begun = time.perf_counter()
            with cloud(Path(home)) as card:
                session = boto3.session.Session(card["access_key"], card["secret_key"], region_name=card["region"])
                session.client("s3", endpoint_url=card["endpoint"]).list_buckets()
                times.append(time.perf_counter() - begun)
    yield Figure("the whole cloud, from its start to the first answer", median(times), "s", 1.5)


def memory() -> Iterator[Figure]:
    """What the processes of an idle cloud hold, what they share counted once."""
    with tempfile.TemporaryDirectory() as home, cloud(Path(home)) as card:
        while not _invocations(Path(home)):  # the schedule keeps one function warm
            time.sleep(0.5)
        time.sleep(5)
        whole, own = sum(map(_share, _tree(card["pid"]))), _share(card["pid"])
    yield Figure("the whole cloud, idle", whole / _MB, "MB", 150)
    yield Figure("of which the cloud's own process", own / _MB, "MB", None)


def training() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as home, cloud(Path(home), speed=0) as card:
        bench = Bench(card)
        bench.job()
        took = [bench.job() for _ in range(_TIMES)]
    yield Figure("an empty training job, to Completed", median(each[0] for each in took), "s", 1)
    yield Figure("of which the cloud's own", median(whole - program for whole, program in took), "s", 0.4)


def serving() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as home, cloud(Path(home), speed=0) as card:
        bench = Bench(card)
        made = [bench.endpoint() for _ in range(_TIMES)]
        yield Figure("an endpoint, to InService", median(each[1] for each in made), "s", 1.5)
        signed = f"AWS4-HMAC-SHA256 Credential={card['access_key']}/20260101/{card['region']}/sagemaker/aws4_request"
        path, headers = f"/endpoints/{made[0][0]}/invocations", {"Authorization": signed}
        with _server() as address:
            # By turns, for a machine is not equally fast from one second to the next.
            both = [(_ask(address, "/invocations", {}), _ask(card["endpoint"], path, headers)) for _ in range(_TIMES)]
    straight = median(each for each, _ in both)
    yield Figure("100 KB by 8 clients, straight to the serving program", 1000 * straight, "ms")
    yield Figure("what InvokeEndpoint adds", 1000 * median(through - each for each, through in both), "ms", 1.5)


def lists() -> Iterator[Figure]:
    """Page through 100,000 jobs, a hundred at a time: the last pages beside the first."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "sagemaker"
        folder.mkdir()
        Store(folder / "state.sqlite", GRAPHS).close()
        with closing(sqlite3.connect(folder / "state.sqlite")) as database, database:
            rows = (_row(number) for number in range(_PAGES * _PAGE))
            database.executemany("INSERT INTO things VALUES (?, ?, '', 'Completed', ?, ?, ?)", rows)
        with cloud(Path(home)) as card:
            bench = Bench(card)
            times = list(_page_times(bench.sagemaker))
    few = len(times) // 20
    yield Figure("a page of 100 jobs of 100,000, the first", 1000 * median(times[:few]), "ms")
    yield Figure("the last pages, as many times the first", median(times[-few:]) / median(times[:few]), "times", 2)


def _page_times(sagemaker: Any) -> Iterator[float]:
    token: dict[str, str] = {}
    for _ in range(_PAGES):
        begun = time.perf_counter()
        page = sagemaker.list_training_jobs(MaxResults=_PAGE, **token)
        yield time.perf_counter() - begun
        token = {"NextToken": page["NextToken"]} if page.get("NextToken") else {}


def _row(number: int) -> tuple[str, str, float, float, str]:
    name, at = f"job-{number:06}", 1_700_000_000.0 + number
    arn = f"arn:aws:sagemaker:us-east-1:000000000000:training-job/{name}"
    job = {"TrainingJobName": name, "TrainingJobArn": arn, "TrainingJobStatus": "Completed", "CreationTime": at}
    return "training-job", name, at, at, json.dumps(job)


@contextmanager
def cloud(home: Path, speed: float = 0.1) -> Iterator[dict[str, Any]]:
    card = launch.start(home, speed=speed, attached=True, project=_PROJECT)
    try:
        yield card
    finally:
        launch.stop(home)


@contextmanager
def _server() -> Iterator[str]:
    """Run the same program that an endpoint runs, with nothing before it."""
    image = _PROJECT / "dropforge" / "local" / "images" / "sklearn"
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        (Path(folder) / "serve.py").write_text(_SERVE)
        environment = {
            **os.environ,
            "PYTHONPATH": folder,
            "SAGEMAKER_PROGRAM": "serve.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": folder,
            "SAGEMAKER_BIND_TO_PORT": str(port),
        }
        with subprocess.Popen([sys.executable, str(image / "serve")], env=environment) as process:
            try:
                _until_pinged(port)
                yield f"http://127.0.0.1:{port}"
            finally:
                process.kill()


def _until_pinged(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit("the serving program did not come up")


def _ask(address: str, path: str, headers: dict[str, str]) -> float:
    """Give the median seconds of a call, asked by several clients at once."""

    def one(_: int) -> list[float]:
        connection = http.client.HTTPConnection(address.removeprefix("http://"))
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return [_timed(lambda: _post(connection, path, headers)) for _ in range(_CALLS)][10:]

    with ThreadPoolExecutor(_CLIENTS) as hands:
        return median(took for times in hands.map(one, range(_CLIENTS)) for took in times)


def _post(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> None:
    connection.request("POST", path, _BODY, {"Content-Type": "application/octet-stream", **headers})
    answer = connection.getresponse()
    said = answer.read()
    if answer.status != http.HTTPStatus.OK:
        raise SystemExit(f"{answer.status}: {said[:200]!r}")


def _timed(do: Callable[[], None]) -> float:
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun


def _invocations(home: Path) -> int:
    status = launch.status(home)
    return sum(function["invocations"] for function in status["status"]["functions"].values()) if status else 0


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for thread in (Path("/proc") / str(pid) / "task").iterdir():  # each has children of its own
        for line in (thread / "children").read_text().split():
            yield from _tree(int(line))


def _share(pid: int) -> int:
    """Read the bytes of a process, a page that several share divided among them (Linux)."""
    lines = (Path("/proc") / str(pid) / "smaps_rollup").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("Pss:")).split()[1])


if __name__ == "__main__":
    main()
