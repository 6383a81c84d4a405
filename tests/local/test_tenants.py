"""Accounts and regions are apart, in SageMaker as in the other services, and after a restart, too."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from dropforge.local.tenants import Tenant, tenant_of
from dropforge.testing.server import Server, running
from tests.local.sagemaker.world import IMAGE, ROLE
from tests.local.waiting import wait_until

OWN = Tenant("000000000000", "us-east-1")


def client(server: Server, service: str, region: str = "us-east-1", account: str = "") -> Any:
    key = account or server.card["access_key"]
    keys = {"aws_access_key_id": key, "aws_secret_access_key": server.card["secret_key"]}
    return boto3.client(service, endpoint_url=server.endpoint, region_name=region, **keys)


def role(account: str) -> str:
    return ROLE.replace(OWN.account, account or OWN.account)


def models(server: Server, region: str = "us-east-1", account: str = "") -> list[str]:
    told = client(server, "sagemaker", region, account).list_models()["Models"]
    return [each["ModelArn"] for each in told]


def test_what_is_made_in_one_region_or_account_is_seen_in_no_other_and_is_kept(tmp_path: Path) -> None:
    places = [("us-east-1", ""), ("eu-west-1", ""), ("us-east-1", "123456789012")]
    with running(["sagemaker", "--state", str(tmp_path)]) as server:
        for region, account in places:
            client(server, "sagemaker", region, account).create_model(
                ModelName="same", ExecutionRoleArn=role(account), PrimaryContainer={"Image": IMAGE}
            )
        seen = [models(server, region, account) for region, account in places]
        assert models(server, "eu-west-1", "123456789012") == []
        with urllib.request.urlopen(f"{server.endpoint}/_dropforge/status", timeout=30) as answer:  # noqa: S310  loopback
            assert json.loads(answer.read())["sagemaker"] == {"jobs": [], "endpoints": {}}
    assert seen == [
        ["arn:aws:sagemaker:us-east-1:000000000000:model/same"],
        ["arn:aws:sagemaker:eu-west-1:000000000000:model/same"],
        ["arn:aws:sagemaker:us-east-1:123456789012:model/same"],
    ]
    with running(["sagemaker", "--state", str(tmp_path)]) as server:
        assert [models(server, region, account) for region, account in places] == seen


def test_a_job_of_another_region_reads_its_bucket_and_its_events_stay_there(tmp_path: Path) -> None:
    with running(["sagemaker", "--state", str(tmp_path)]) as server:
        heard = {region: _listen(server, region) for region in ("us-east-1", "eu-west-1")}
        client(server, "s3", "eu-west-1").create_bucket(
            Bucket="there", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        sagemaker = client(server, "sagemaker", "eu-west-1")
        sagemaker.create_training_job(
            TrainingJobName="there",
            AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            RoleArn=ROLE,
            OutputDataConfig={"S3OutputPath": "s3://there/out/"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )
        receive = client(server, "sqs", "eu-west-1").receive_message
        [message] = wait_until(lambda: receive(QueueUrl=heard["eu-west-1"]).get("Messages"))
        event = json.loads(message["Body"])
        assert (event["region"], event["detail"]["TrainingJobName"]) == ("eu-west-1", "there")
        assert "Messages" not in client(server, "sqs").receive_message(QueueUrl=heard["us-east-1"])


def _listen(server: Server, region: str) -> str:
    sqs, events = client(server, "sqs", region), client(server, "events", region)
    url = str(sqs.create_queue(QueueName="heard")["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="heard", EventPattern=json.dumps({"source": ["aws.sagemaker"]}))
    events.put_targets(Rule="heard", Targets=[{"Id": "queue", "Arn": arn}])
    return url


def test_two_run_side_by_side_and_a_taken_port_is_told(tmp_path: Path) -> None:
    with running(["sagemaker", "--state", str(tmp_path / "one")]) as one, running(["sagemaker"]) as two:
        client(one, "sagemaker").create_model(
            ModelName="only-here", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE}
        )
        assert (len(models(one)), len(models(two))) == (1, 0)
        with pytest.raises(ClientError, match="Could not find"):
            client(two, "sagemaker").describe_model(ModelName="only-here")
        port = one.endpoint.rpartition(":")[2]
        with pytest.raises(Exception, match="is taken"), running(["sagemaker", "--port", port]):
            pass
        with pytest.raises(Exception, match="already runs"), running(["sagemaker", "--state", str(tmp_path / "one")]):
            pass


@pytest.mark.parametrize(
    ("credential", "tenant"),
    [
        ("AKIA/20260102/eu-west-1/sagemaker/aws4_request", Tenant("000000000000", "eu-west-1")),
        ("123456789012/20260102/us-gov-west-1/sagemaker/aws4_request", Tenant("123456789012", "us-gov-west-1")),
        ("AKIA/20260102/../sagemaker/aws4_request", OWN),
        ("AKIA/20260102/us-east-1.x/sagemaker/aws4_request", OWN),
    ],
)
def test_a_signature_says_whose_sagemaker_is_meant(credential: str, tenant: Tenant) -> None:
    header = f"AWS4-HMAC-SHA256 Credential={credential}, Signature=0".encode()
    assert tenant_of({"headers": [(b"authorization", header)]}, OWN) == tenant
    assert tenant_of({"headers": []}, OWN) == OWN
