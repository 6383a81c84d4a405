"""A SageMaker on a port of its own, as a test meets it: clients, sources to upload, jobs and endpoints to wait for."""

from __future__ import annotations

import io
import socket
import tarfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from dropforge.local.express import posts
from dropforge.local.sagemaker import INVOCATIONS, Limits, SageMaker
from dropforge.local.sagemaker.images import STAND_INS, StandIn
from dropforge.local.sagemaker.states import AT_ONCE, Pace
from dropforge.local.serving import Server
from tests.local.held import let_load
from tests.local.sagemaker.neighbours import ACCESS, SECRET

PROGRAMS = Path(__file__).parent / "programs"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
ROLE = "arn:aws:iam::000000000000:role/jobs"
FINAL = {"Completed", "Failed", "Stopped"}
LIMITS = Limits(stop=1000, least_startup=60, startup=100, invoke=30, idle=6000)
"""For what is to come up, to answer and to end by itself, however busy the machine is."""
IMPATIENT = replace(LIMITS, stop=100, invoke=2)
"""For what never does."""
SPEED = 0.01
Found = TypeVar("Found")


class World:
    """One home, one bucket; `restart` is the cloud stopped and started over that home."""

    def __init__(
        self,
        home: Path,
        neighbours: int,
        images: Mapping[str, StandIn] = STAND_INS,
        pace: Pace = AT_ONCE,
        speed: float = SPEED,
        limits: Limits = LIMITS,
        memory: int | None = None,
    ) -> None:
        self._limits = limits
        self._memory = memory
        self.home = home
        self.pace, self._speed = pace, speed
        self._images = images
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.bucket = f"bucket-{uuid.uuid4().hex[:12]}"
        self._neighbours = neighbours
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, int], Any] = {}
        self.s3, self.logs = self.client("s3"), self.client("logs")
        self.s3.create_bucket(Bucket=self.bucket)
        self.start()

    def client(self, service: str, port: int | None = None) -> Any:
        """Give the client of a service; made once, for that takes its time."""
        port = port or self._neighbours
        with self._lock:
            if (service, port) not in self._clients:
                self._clients[service, port] = boto3.session.Session(ACCESS, SECRET, region_name="us-east-1").client(
                    service,
                    endpoint_url=f"http://127.0.0.1:{port}",
                    config=Config(
                        retries={"total_max_attempts": 1}, max_pool_connections=20, s3={"addressing_style": "path"}
                    ),
                )
            return self._clients[service, port]

    def start(self) -> None:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        self.cloud = SageMaker(
            self.home,
            client=self.client,
            emit=lambda kind, detail, _: self.events.append((kind, detail)),
            speed=self._speed,
            account="000000000000",
            region="us-east-1",
            limits=self._limits,
            pace=self.pace,
            known=self._images,
            memory=self._memory,
        )
        self._server = Server(self.cloud.asgi, listening, name="sagemaker-test", often=posts(INVOCATIONS))
        self._server.start()
        self.cloud.start()
        self.sagemaker = self.client("sagemaker", self._server.port)
        self.runtime = self.client("sagemaker-runtime", self._server.port)

    def stop(self) -> None:
        self.cloud.stop()
        self._server.stop()

    def put(self, key: str, body: bytes | str = b"x") -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def put_archive(self, files: Mapping[str, bytes | str]) -> str:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, content in files.items():
                data = content.encode() if isinstance(content, str) else content
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        return self.put(f"archives/{uuid.uuid4().hex}.tar.gz", packed.getvalue())

    def job_request(self, program: str, **more: Any) -> dict[str, Any]:
        """Ask for a job that runs one of the programs beside this file."""
        hyperparameters = {"sagemaker_program": program, "sagemaker_submit_directory": self.source(program)}
        return {
            "TrainingJobName": f"job-{uuid.uuid4().hex[:12]}",
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/out/"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            **more,
            "HyperParameters": {**hyperparameters, **more.get("HyperParameters", {})},
        }

    def source(self, program: str) -> str:
        return self.put_archive({program: (PROGRAMS / program).read_bytes()})

    def begin(self, program: str, **more: Any) -> str:
        request = self.job_request(program, **more)
        self.sagemaker.create_training_job(**request)
        return str(request["TrainingJobName"])

    def train(self, program: str, **more: Any) -> dict[str, Any]:
        return self.ended(self.begin(program, **more))

    def ended(self, name: str) -> dict[str, Any]:
        return until(lambda: self._if(self.job(name), "TrainingJobStatus", FINAL))

    def job(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
        return answer

    def log(self, name: str, group: str = "/aws/sagemaker/TrainingJobs") -> list[str]:
        """Read what a job has logged so far."""
        try:
            streams = self.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
        except self.logs.exceptions.ResourceNotFoundException:
            return []
        pages = [
            self.logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)
            for stream in streams
        ]
        return [event["message"] for page in pages for event in page["events"]]

    def unpack(self, uri: str) -> dict[str, bytes]:
        """Read an archive out of the bucket."""
        body = self.s3.get_object(Bucket=self.bucket, Key=uri.removeprefix(f"s3://{self.bucket}/"))["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            files = [(member.name, archive.extractfile(member)) for member in archive if member.isfile()]
            return {name: file.read() for name, file in files if file}

    def config(self, program: str, count: int = 1, model: Mapping[str, bytes | str] | None = None, **env: str) -> str:
        """Make a model and a configuration of it; gives the configuration's name."""
        name = f"made-{uuid.uuid4().hex[:12]}"
        container = {
            "Image": IMAGE,
            "ModelDataUrl": self.put_archive(model or {"answer.txt": "forty-two"}),
            "Environment": {"SAGEMAKER_PROGRAM": program, "SAGEMAKER_SUBMIT_DIRECTORY": self.source(program), **env},
        }
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        variant = {"VariantName": "main", "ModelName": name, "InstanceType": "ml.m5.large"}
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{**variant, "InitialInstanceCount": count}]
        )
        return name

    def deploy(self, program: str, count: int = 1) -> str:
        """Make an endpoint and wait until it is InService or Failed; gives its name."""
        name = f"endpoint-{uuid.uuid4().hex[:12]}"
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=self.config(program, count))
        self.settled(name)
        return name

    def endpoint(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
        return answer

    def settled(self, name: str) -> dict[str, Any]:
        return until(lambda: self._if(self.endpoint(name), "EndpointStatus", {"InService", "Failed", "Deleting"}))

    def let_load(self, name: str) -> dict[str, Any]:
        """Let servers load that wait to be let, and wait until the endpoint is settled."""

        def settled() -> dict[str, Any] | None:
            let_load(self.home, name)
            return self._if(self.endpoint(name), "EndpointStatus", {"InService", "Failed"})

        return until(settled)

    def busy(self, name: str) -> int:
        """Say how many requests an endpoint answers now."""
        return int(self.cloud.status()["endpoints"][name]["busy"])

    def if_in(self, endpoint: str, status: str) -> dict[str, Any] | None:
        return self._if(self.endpoint(endpoint), "EndpointStatus", {status})

    def invoke(self, endpoint: str, body: bytes = b"", **more: Any) -> str:
        answer = self.runtime.invoke_endpoint(EndpointName=endpoint, Body=body, **more)
        return str(answer["Body"].read().decode())

    def told(self, name: str, count: int) -> list[dict[str, Any]]:
        """Wait for so many events about a job, an endpoint or a package; gives them in order."""
        until(lambda: len(self._told(name)) >= count)
        return self._told(name)

    def last_told(self, name: str) -> dict[str, Any]:
        return self.told(name, 1)[-1]

    def _told(self, name: str) -> list[dict[str, Any]]:
        keys = (
            "TrainingJobName", "EndpointName", "ModelPackageArn", "ProcessingJobName", "TransformJobName",
            "HyperParameterTuningJobName", "LabelingJobName",
        )  # fmt: skip
        return [detail for _, detail in self.events if name in {detail.get(key) for key in keys}]

    @staticmethod
    def _if(answer: dict[str, Any], key: str, wanted: set[str]) -> dict[str, Any] | None:
        return answer if answer[key] in wanted else None


def until(look: Callable[[], Found | None], seconds: float = 120) -> Found:
    """Look again and again until there is something to see; fails when the time has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        threading.Event().wait(0.02)
    raise AssertionError(f"nothing was seen within {seconds} s")
