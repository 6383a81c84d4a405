"""The ways to the inference handler: the function's own, app.py's for packaging, the route's for `chalice local`."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.session import get_session

import app
from chalicelib.predict import handler
from tests.app import raw
from tests.app.aws_stub import AwsStub, aws_stub
from tests.app.raw import Context

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsStub]:
    with aws_stub() as stub:
        for name, value in stub.env.items():
            monkeypatch.setenv(name, value)
        handler.from_environment.cache_clear()
        yield stub
        handler.from_environment().close()
        handler.from_environment.cache_clear()


def post(body: bytes, content_type: str = "image/png") -> dict[str, Any]:
    event = raw.get("/v1/models/{model}/predict", {"model": "digits"})
    event |= {"httpMethod": "POST", "body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    event["headers"]["Content-Type"] = content_type
    event["multiValueHeaders"]["Content-Type"] = [content_type]
    event["requestContext"]["httpMethod"] = "POST"
    return event


@pytest.mark.parametrize("way", [handler.handle, app.predict, app.app])
def test_every_way_gives_the_same_answer(aws: AwsStub, way: Any) -> None:
    response = way(post(PNG), Context())
    assert response["statusCode"] == 200
    assert response["headers"]["Content-Type"] == "application/json"
    assert json.loads(response["body"])["results"][0]["predictions"][0] == {"label": "1", "score": 0.7}
    assert [asked.body for asked in aws.invocations()] == [PNG]


@pytest.mark.parametrize("way", [handler.handle, app.predict, app.app])
def test_every_way_refuses_alike(aws: AwsStub, way: Any) -> None:
    response = way(post(b"GIF89a"), Context())
    assert (response["statusCode"], json.loads(response["body"])["code"]) == (400, "unreadable-body")
    assert response["headers"]["Content-Type"] == "application/problem+json"
    assert aws.invocations() == []


def test_credentials_that_change_are_used_at_once(aws: AwsStub, monkeypatch: pytest.MonkeyPatch) -> None:
    handler.handle(post(PNG), Context())
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
    handler.handle(post(PNG), Context())
    keys = [asked.headers["authorization"].partition("Credential=")[2].partition("/")[0] for asked in aws.invocations()]
    assert keys == ["AKIDEXAMPLE", "AKIDOTHER"]


def test_an_address_for_one_service_wins_over_the_one_for_all(aws: AwsStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", aws.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", aws.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert handler.handle(post(PNG), Context())["statusCode"] == 200


@pytest.mark.parametrize("region", ["eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1"])
def test_without_an_address_the_hosts_are_those_of_botocore(region: str) -> None:
    for service, variable, host in (
        ("sagemaker-runtime", "SAGEMAKER_RUNTIME", "runtime.sagemaker"),
        ("dynamodb", "DYNAMODB", "dynamodb"),
    ):
        client = get_session().create_client(service, region, aws_access_key_id="key", aws_secret_access_key="secret")
        assert handler.address({"AWS_REGION": region}, variable, host) == client.meta.endpoint_url
