"""Makes a stage at home: its template deployed as AWS does it, through a change set."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from dropforge.local import packaging
from dropforge.local.packaging import DeployError

_EMPTY_ZIP = b"PK\x05\x06" + bytes(18)
_DEPLOY_WITHIN = 120
_NEVER_WHOLE = {"REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}
"""A first creation that never ended (or was cut short by a kill): nothing in it is of use."""

Client = Callable[[str], Any]


def deploy(client: Client, name: str, template: str) -> bool:
    """Create the stack, or update it when its template changed; tells whether anything was done."""
    cloudformation = client("cloudformation")
    status = _status(cloudformation, name)
    change = f"template-{hashlib.sha256(template.encode()).hexdigest()[:32]}"
    if status in _NEVER_WHOLE:
        cloudformation.delete_stack(StackName=name)
        status = _settled(cloudformation, name)
    if status and _last_change(cloudformation, name) == change and not status.endswith("ROLLBACK_COMPLETE"):
        return False
    try:
        cloudformation.create_change_set(
            StackName=name,
            ChangeSetName=change,
            ChangeSetType="UPDATE" if status else "CREATE",
            TemplateURL=_upload(client("s3"), name, template),
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            Tags=[{"Key": "dropforge:change", "Value": change}],
        )
    except cloudformation.exceptions.ClientError as error:
        raise DeployError(f"stack {name} cannot be deployed: {error.response['Error']['Message']}") from error
    if not _planned(cloudformation, name, change):
        return False
    cloudformation.execute_change_set(StackName=name, ChangeSetName=change)
    ended = _settled(cloudformation, name)
    if ended not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        raise DeployError(f"stack {name} ended as {ended}: {_why(cloudformation, name)}")
    return True


def _upload(s3: Any, name: str, template: str) -> str:
    """Put the template (too large to be sent along) and the placeholder where CloudFormation finds them."""
    key = f"{name}.json"
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=packaging.BUCKET)
    s3.put_object(Bucket=packaging.BUCKET, Key=packaging.PLACEHOLDER, Body=_EMPTY_ZIP)
    s3.put_object(Bucket=packaging.BUCKET, Key=key, Body=template.encode())
    return f"https://s3.amazonaws.com/{packaging.BUCKET}/{key}"


def _status(cloudformation: Any, name: str) -> str | None:
    stack = _describe(cloudformation, name)
    return str(stack["StackStatus"]) if stack and stack["StackStatus"] != "DELETE_COMPLETE" else None


def _describe(cloudformation: Any, name: str) -> dict[str, Any] | None:
    try:
        return dict(cloudformation.describe_stacks(StackName=name)["Stacks"][0])
    except cloudformation.exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return None
        raise


def _last_change(cloudformation: Any, name: str) -> str | None:
    stack = _describe(cloudformation, name) or {}
    tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
    return tags.get("dropforge:change")


def _planned(cloudformation: Any, name: str, change: str) -> bool:
    deadline = time.monotonic() + _DEPLOY_WITHIN
    while time.monotonic() < deadline:
        plan = cloudformation.describe_change_set(StackName=name, ChangeSetName=change)
        if plan["Status"] == "CREATE_COMPLETE":
            return True
        if plan["Status"] == "FAILED":
            reason = plan.get("StatusReason", "")
            cloudformation.delete_change_set(StackName=name, ChangeSetName=change)
            if "didn't contain changes" in reason or "No updates" in reason:
                return False
            raise DeployError(f"the change set for stack {name} was refused: {reason}")
        time.sleep(0.05)
    raise DeployError(f"the change set for stack {name} was not ready within {_DEPLOY_WITHIN} s")


def _settled(cloudformation: Any, name: str) -> str | None:
    deadline = time.monotonic() + _DEPLOY_WITHIN
    while (status := _status(cloudformation, name)) and status.endswith("_IN_PROGRESS"):
        if time.monotonic() > deadline:
            raise DeployError(f"stack {name} was still {status} after {_DEPLOY_WITHIN} s")
        time.sleep(0.05)
    return status


def _why(cloudformation: Any, name: str) -> str:
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
    return "; ".join(
        f"{event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason', '')}"
        for event in reversed(failed)
    )
