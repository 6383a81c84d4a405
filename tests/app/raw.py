"""Raw events as AWS sends them, and the context that Lambda passes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

Event = dict[str, Any]
_ids = count(1)


@dataclass(frozen=True)
class Context:
    function_name: str = "df-test-function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:df-test-function"
    aws_request_id: str = "request-1"


def batch(*bodies: str) -> Event:
    """Make an SQS batch: message ids `m0`, `m1`, …"""
    return {"Records": [_record(f"m{place}", body) for place, body in enumerate(bodies)]}


def _record(message: str, body: str) -> Event:
    return {
        "messageId": message,
        "receiptHandle": "handle",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:df-test-uploads",
        "awsRegion": "us-east-1",
    }


def created(key: str, at: float, *, size: int = 1) -> str:
    """Make an "Object Created" event as EventBridge puts it into a queue: keys are not URL-encoded."""
    return json.dumps(
        {
            **_envelope("aws.s3", "Object Created", at),
            "detail": {
                "version": "0",
                "bucket": {"name": "bucket"},
                "object": {"key": key, "size": size, "etag": "d41d8cd98f00b204e9800998ecf8427e", "sequencer": "00"},
                "reason": "PutObject",
            },
        }
    )


def job_changed(name: str, status: str = "Completed") -> Event:
    detail = {"TrainingJobName": name, "TrainingJobStatus": status}
    return {**_envelope("aws.sagemaker", "SageMaker Training Job State Change", 0), "detail": detail}


def endpoint_changed(name: str, status: str = "IN_SERVICE") -> Event:
    detail = {"EndpointName": name, "EndpointStatus": status}
    return {**_envelope("aws.sagemaker", "SageMaker Endpoint State Change", 0), "detail": detail}


def package_changed(group: str, version: int = 1, approval: str = "Approved") -> Event:
    arn = f"arn:aws:sagemaker:us-east-1:000000000000:model-package/{group}/{version}"
    detail = {"ModelPackageGroupName": group, "ModelPackageArn": arn, "ModelApprovalStatus": approval}
    return {**_envelope("aws.sagemaker", "SageMaker Model Package State Change", 0), "detail": detail}


def run_requested(detail: dict[str, Any], *, event: str = "event-1") -> Event:
    """Make a request as EventBridge delivers it."""
    return {
        "version": "0",
        "id": event,
        "detail-type": "Dropforge Run Requested",
        "source": "lab.scheduler",
        "account": "123456789012",
        "time": "2031-05-01T10:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {"deployment": "df-test", "pipeline": "digits"} | detail,
    }


def schedule() -> Event:
    return {**_envelope("aws.events", "Scheduled Event", 0), "detail": {}}


def _envelope(source: str, kind: str, at: float) -> Event:
    return {
        "version": "0",
        "id": f"00000000-0000-0000-0000-{next(_ids):012}",
        "detail-type": kind,
        "source": source,
        "account": "000000000000",
        "time": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": "us-east-1",
        "resources": [],
    }


def get(
    resource: str, names: Mapping[str, str] | None = None, query: Mapping[str, str | list[str]] | None = None
) -> Event:
    """Make API Gateway's proxy event for a GET: the resource with its placeholders, and what fills them."""
    path = resource.format(**(names or {}))
    several = {name: [value] if isinstance(value, str) else value for name, value in (query or {}).items()}
    return {
        "resource": resource,
        "path": path,
        "httpMethod": "GET",
        "headers": {"Accept": "*/*", "Host": "api.example", "Content-Type": "text/plain"},
        "multiValueHeaders": {"Accept": ["*/*"], "Host": ["api.example"], "Content-Type": ["text/plain"]},
        "queryStringParameters": {name: values[-1] for name, values in several.items()} or None,
        "multiValueQueryStringParameters": several or None,
        "pathParameters": dict(names) if names else None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": "GET",
            "path": f"/api{path}",
            "stage": "api",
            "requestId": "request-1",
            "identity": {"sourceIp": "127.0.0.1"},
        },
        "body": None,
        "isBase64Encoded": False,
    }


def post(
    resource: str, names: Mapping[str, str] | None = None, body: object = None, *, caller: str | None = "arn:ada"
) -> Event:
    """Make API Gateway's proxy event for a signed POST of a JSON object (None: no body)."""
    event = get(resource, names)
    event["httpMethod"] = event["requestContext"]["httpMethod"] = "POST"
    event["requestContext"]["identity"]["userArn"] = caller
    return event | {"body": None if body is None else json.dumps(body)}
