"""One asynchronous inference: what goes into a server, where its answer goes, and who is told.

https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html
"""

from __future__ import annotations

import base64
import json
import logging
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from dropforge.local.sagemaker.hosting import refusals
from dropforge.local.sagemaker.hosting.calls import call
from dropforge.local.sagemaker.hosting.exchange import BrokenError, Headers
from dropforge.local.sagemaker.hosting.runtime import Request
from dropforge.local.sagemaker.hosting.serving import Server
from dropforge.local.sagemaker.places import split_uri
from dropforge.local.sagemaker.store import Doc

KIND = "async-inference"
LONGEST = 3600.0
"""Seconds that an answer may take at most.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointAsync.html
"""
_LARGEST = 1024**3
"""Bytes that an answer may have: as many as an input on AWS, which names no number for answers (assumed).

https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html
"""
logger = logging.getLogger(__name__)
_TTL, _PATIENCE = 6 * 3600, 900
"""Seconds that a request waits, and that its answer may take, where it does not say."""


class FailedError(Exception):
    """The inference failed; the message is what the failure object says."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an inference ended: with an answer, or with a reason."""

    body: bytes
    content_type: str = "text/plain"
    reason: str | None = None


def accept(request: Request, config: Mapping[str, Any], speed: float) -> Doc:
    """Make what is remembered of a request; a refusal where it cannot be carried out."""
    members, output = request.members, config["OutputConfig"]
    location = members.get("InputLocation", "")
    if bool(location) == bool(request.body):
        raise refusals.ONE_INPUT(endpoint=request.endpoint)
    name, now = str(uuid.uuid4()), time.time()
    folder = "/".join(filter(None, (output["S3OutputPath"].rstrip("/"), members.get("S3OutputPathExtension"))))
    failures = output.get("S3FailurePath")
    return {
        "_name": name,
        "InferenceId": members.get("InferenceId", str(uuid.uuid4())),
        "EndpointName": request.endpoint,
        "InputLocation": location or None,
        "Body": base64.b64encode(request.body).decode(),
        "OutputLocation": f"{folder}/{members.get('Filename', f'{name}.out')}",
        "FailureLocation": failures and f"{failures.rstrip('/')}/{name}-error.out",
        "CreationTime": now,
        "Expires": now + int(members.get("RequestTTLSeconds", _TTL)) * speed,
        "Seconds": int(members.get("InvocationTimeoutSeconds", _PATIENCE)),
        "ContentType": members.get("ContentType", "application/octet-stream"),
        "Headers": request.passed(),
        "Topics": output.get("NotificationConfig", {}),
    }


def carry_out(s3: Any, doc: Doc, server: Server) -> Outcome:
    """Bring the input to a server and give what it says, or why it says nothing; SandboxError where it is not up."""
    try:
        body = _input(s3, doc)
        return _asked(server, [(name, value) for name, value in doc["Headers"]], body, doc["Seconds"])
    except FailedError as error:
        return Outcome(str(error).encode(), reason=str(error))


def put(s3: Any, doc: Doc, outcome: Outcome) -> None:
    """Put the answer, or the reason, where it was promised."""
    location = doc["FailureLocation"] if outcome.reason else doc["OutputLocation"]
    if location:
        bucket, key = split_uri(location)
        s3.put_object(Bucket=bucket, Key=key, Body=outcome.body, ContentType=outcome.content_type)


def tell(sns: Any, doc: Doc, outcome: Outcome, region: str) -> None:
    """Tell the topic; one that is not there hears nothing."""
    if topic := doc["Topics"].get("ErrorTopic" if outcome.reason else "SuccessTopic"):
        try:
            sns.publish(TopicArn=topic, Message=json.dumps(notification(doc, outcome, region, time.time())))
        except (ClientError, ParamValidationError):
            logger.warning("an asynchronous inference could not be told to %s", topic)


def notification(doc: Doc, outcome: Outcome, region: str, now: float) -> Doc:
    """Word what a topic is told."""
    asked = {"contentType": doc["ContentType"], "endpointName": doc["EndpointName"]}
    asked |= {"inputLocation": doc["InputLocation"]} if doc["InputLocation"] else {}
    kind, place = ("failureLocation", "FailureLocation") if outcome.reason else ("outputLocation", "OutputLocation")
    told = {"contentType": outcome.content_type} | ({kind: doc[place]} if doc[place] else {})
    return {
        "awsRegion": region,
        "eventTime": _moment(now),
        "receivedTime": _moment(doc["CreationTime"]),
        "invocationStatus": "Failed" if outcome.reason else "Completed",
        **({"failureReason": outcome.reason} if outcome.reason else {}),
        "requestParameters": asked,
        "responseParameters": told,
        "inferenceId": doc["InferenceId"],
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }


def _input(s3: Any, doc: Doc) -> bytes:
    if not doc["InputLocation"]:
        return base64.b64decode(doc["Body"])
    bucket, key = split_uri(doc["InputLocation"])
    try:
        body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except (ClientError, BotoCoreError) as error:
        raise FailedError(f"ClientError: Failed to download the input {doc['InputLocation']}: {error}") from error
    return body


def _asked(server: Server, headers: Headers, body: bytes, seconds: float) -> Outcome:
    try:
        answer = call(server, "POST", "/invocations", headers, body, seconds=seconds, largest=_LARGEST)
    except TimeoutError as error:
        raise FailedError(f"ClientError: The container did not answer within {seconds} seconds.") from error
    except (OSError, BrokenError) as error:
        raise FailedError(f"ClientError: The container gave no whole answer: {error}.") from error
    if answer.status // 100 != 2:  # noqa: PLR2004 - the class of successes
        who = "client" if answer.status // 100 == 4 else "server"  # noqa: PLR2004 - the class of the client's mistakes
        quoted = answer.body.decode(errors="replace")
        raise FailedError(f'ClientError: Received {who} error ({answer.status}) from primary with message "{quoted}".')
    return Outcome(answer.body, answer.headers.get("content-type", "application/octet-stream"))


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
