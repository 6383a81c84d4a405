"""A place where there is a SageMaker: its clients, a bucket, a queue that hears its events, what tests ask of it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from tests.contracts.sagemaker import programs

PREFIX = "dropforge-contract-"
_ACCOUNTS = {"us-east-1": "683313688378", "us-west-2": "246618743249", "eu-west-1": "141502667606"}
"""Whose registry has the scikit-learn image in a region (docs.aws.amazon.com/sagemaker, docker registry paths)."""
_ENDED = frozenset({"Completed", "Failed", "Stopped"})
Found = TypeVar("Found")
_STILL = frozenset({"InService", "Failed", "OutOfService", "UpdateRollbackFailed"})


@dataclass
class Place:
    """`client` gives boto3 clients; `patience` is how many seconds a thing may take here."""

    client: Callable[[str], Any]
    region: str
    role: str
    patience: float
    serial: str = field(default_factory=lambda: uuid.uuid4().hex[:10])
    _made: list[Callable[[], object]] = field(default_factory=list)

    def open(self) -> None:
        """Make the bucket and the ear; `close` removes all that was made."""
        self.sagemaker, self.s3, self.runtime = map(self.client, ("sagemaker", "s3", "sagemaker-runtime"))
        self.bucket = f"{PREFIX}{self.serial}"
        elsewhere = {} if self.region == "us-east-1" else {"LocationConstraint": self.region}
        self.s3.create_bucket(Bucket=self.bucket, **({"CreateBucketConfiguration": elsewhere} if elsewhere else {}))
        self._made.append(self._remove_bucket)
        self._ear = self._listen()

    def close(self) -> None:
        for remove in reversed(self._made):
            remove()

    @property
    def image(self) -> str:
        return f"{_ACCOUNTS[self.region]}.dkr.ecr.{self.region}.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"

    def name(self, what: str) -> str:
        return f"{PREFIX}{what}-{uuid.uuid4().hex[:8]}"

    def put(self, key: str, body: bytes) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def job(self, behave: str = "works", **more: Any) -> str:
        """Start a training job; gives its name."""
        request = self.job_request(behave, **more)
        self.sagemaker.create_training_job(**request)
        return str(request["TrainingJobName"])

    def job_request(self, behave: str = "works", **more: Any) -> dict[str, Any]:
        source = self.put("code/train.tar.gz", programs.archive(train=programs.TRAIN))
        steering = {"sagemaker_program": "train.py", "sagemaker_submit_directory": source, "behave": behave}
        metric = {"Name": "accuracy", "Regex": r"accuracy=([0-9.]+);"}
        return {
            "TrainingJobName": self.name("job"),
            "AlgorithmSpecification": {
                "TrainingImage": self.image,
                "TrainingInputMode": "File",
                "MetricDefinitions": [metric],
            },
            "RoleArn": self.role,
            "HyperParameters": {key: json.dumps(value) for key, value in steering.items()},
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **more,
        }

    def ended(self, job: str) -> dict[str, Any]:
        return self.until(lambda: _if(self._job(job), "TrainingJobStatus", _ENDED))

    def training(self, job: str) -> dict[str, Any]:
        """Wait until a job's program runs."""
        return self.until(lambda: _if(self._job(job), "SecondaryStatus", frozenset({"Training"})))

    def config(self, says: str = "hello", behave: str = "works") -> str:
        """Make a model and a configuration of one variant of it; gives its name."""
        name = self.name("config")
        source = self.put("code/serve.tar.gz", programs.archive(inference=programs.SERVE))
        environment = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": source}
        container = {
            "Image": self.image,
            "ModelDataUrl": self.put("models/empty.tar.gz", programs.archive(nothing="")),
            "Environment": {**environment, "SAYS": says, "BEHAVE": behave},
        }
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=self.role, PrimaryContainer=container)
        self._made.append(lambda: self.sagemaker.delete_model(ModelName=name))
        variant = {"VariantName": "main", "ModelName": name, "InstanceType": "ml.m5.large"}
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
        )
        self._made.append(lambda: self.sagemaker.delete_endpoint_config(EndpointConfigName=name))
        return name

    def endpoint(self, config: str) -> str:
        """Begin to make an endpoint; gives its name."""
        name = self.name("endpoint")
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        self._made.append(lambda: self._remove_endpoint(name))
        return name

    def settled(self, endpoint: str) -> dict[str, Any]:
        return self.until(lambda: _if(self._endpoint(endpoint), "EndpointStatus", _STILL))

    def invoke(self, endpoint: str, body: str = "x") -> str:
        answer = self.runtime.invoke_endpoint(
            EndpointName=endpoint, Body=body, ContentType="text/plain", Accept="text/plain"
        )
        return str(answer["Body"].read().decode())

    def group(self) -> str:
        name = self.name("group")
        self.sagemaker.create_model_package_group(ModelPackageGroupName=name)
        self._made.append(lambda: self.sagemaker.delete_model_package_group(ModelPackageGroupName=name))
        return name

    def package(self, group: str) -> str:
        """Register a version; gives its ARN."""
        data = self.put("models/empty.tar.gz", programs.archive(nothing=""))
        containers = [{"Image": self.image, "ModelDataUrl": data}]
        specification = {"Containers": containers, "SupportedContentTypes": [], "SupportedResponseMIMETypes": []}
        made = self.sagemaker.create_model_package(ModelPackageGroupName=group, InferenceSpecification=specification)
        arn = str(made["ModelPackageArn"])
        self._made.append(lambda: self.sagemaker.delete_model_package(ModelPackageName=arn))
        return arn

    def heard(self, about: str, enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Wait for the events about a thing until there are enough; in the order of their own times."""

        def found() -> list[dict[str, Any]] | None:
            self._hear()
            mine = [event for event in self._events if about in json.dumps(event["detail"])]
            return mine if enough(mine) else None

        return self.until(found)

    def until(self, look: Callable[[], Found | None]) -> Found:
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            found = look()
            if found:
                return found
            time.sleep(min(1.0, self.patience / 100))
        raise AssertionError(f"not seen within {self.patience:.0f} s")

    def _job(self, name: str) -> dict[str, Any]:
        return dict(self.sagemaker.describe_training_job(TrainingJobName=name))

    def _endpoint(self, name: str) -> dict[str, Any]:
        return dict(self.sagemaker.describe_endpoint(EndpointName=name))

    def _listen(self) -> str:
        sqs, events, name = self.client("sqs"), self.client("events"), f"{PREFIX}{self.serial}"
        queue = str(sqs.create_queue(QueueName=name)["QueueUrl"])
        self._made.append(lambda: sqs.delete_queue(QueueUrl=queue))
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        rule = events.put_rule(Name=name, EventPattern=json.dumps({"source": ["aws.sagemaker"]}))["RuleArn"]
        self._made.append(lambda: events.delete_rule(Name=name))
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
        events.put_targets(Rule=name, Targets=[{"Id": "ear", "Arn": arn}])
        self._made.append(lambda: events.remove_targets(Rule=name, Ids=["ear"]))
        self._events: list[dict[str, Any]] = []
        return queue

    def _hear(self) -> None:
        sqs = self.client("sqs")
        while messages := sqs.receive_message(QueueUrl=self._ear, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._events.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self._ear, ReceiptHandle=message["ReceiptHandle"])

    def _remove_endpoint(self, name: str) -> None:
        try:
            self.settled(name)
            self.sagemaker.delete_endpoint(EndpointName=name)
        except ClientError as error:
            assert refusal(error)[0] == "ValidationException", error  # the test has deleted it  # noqa: PT017 - see there

    def _remove_bucket(self) -> None:
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            for found in page.get("Contents", ()):
                self.s3.delete_object(Bucket=self.bucket, Key=found["Key"])
        self.s3.delete_bucket(Bucket=self.bucket)


def refusal(error: ClientError) -> tuple[str, str]:
    """Give the code and the message of a refusal."""
    return error.response["Error"]["Code"], error.response["Error"]["Message"]


def _if(seen: dict[str, Any], member: str, wanted: frozenset[str]) -> dict[str, Any] | None:
    return seen if seen[member] in wanted else None
