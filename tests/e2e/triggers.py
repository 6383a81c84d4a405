"""The triggers that a stack deploys, by their names in its template: switched off and on as on AWS, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.conftest import Cloud, wait_until

UPLOADS = "UploadsRule"
JOBS = "OnJobChangedOnJobChangedEvent"
ENDPOINTS = "OnEndpointChangedOnEndpointChangedEvent"
SCHEDULE = "ReconcileReconcileEvent"
WAKES = "OnWakeOnWakeSqsEventSource"
PACKAGES = "OnPackageChangedOnPackageChangedEvent"
EVENTS = (UPLOADS, JOBS, ENDPOINTS, PACKAGES, WAKES)
"""All but the schedule."""

_QUIET_LOOKS = 25
_PROBE = "pipeline:nobody"


def physical(cloud: Cloud, logical: str) -> str:
    """Give the name that a resource of the template got."""
    stack = cloud.card["stages"][cloud.stage]["stack"]
    found = cloud.client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=logical)
    return str(found["StackResourceDetail"]["PhysicalResourceId"])


def queue_of(cloud: Cloud, name: str) -> str:
    """Give the address of the queue `uploads` or `wake`."""
    return physical(cloud, f"{name.capitalize()}Queue")


@contextmanager
def switched_off(cloud: Cloud, *triggers: str) -> Iterator[None]:
    """Switch rules and mappings off; on again when the block ends."""
    try:
        for trigger in triggers:
            _switch(cloud, trigger, on=False)
        if WAKES in triggers:
            _until_left_alone(cloud, queue_of(cloud, "wake"))
        yield
    finally:
        for trigger in triggers:
            _switch(cloud, trigger, on=True)


def waiting_in(cloud: Cloud, queue: str, *, delayed: bool = False) -> int:
    """Count the messages of a queue that wait, are being handled or (if asked) lie in their delay."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    names += ["ApproximateNumberOfMessagesDelayed"] if delayed else []
    found = cloud.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def calls(cloud: Cloud, service: str) -> dict[str, int]:
    """Give how often each operation of a service was called in this cloud's life."""
    return dict(cloud.status()["aws"].get(service, {}))


def more(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    """Give what was added between two counts."""
    return {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}


def invocations(cloud: Cloud) -> dict[str, int]:
    return {name: int(counts["invocations"]) for name, counts in cloud.functions().items()}


def errors(cloud: Cloud) -> dict[str, int]:
    """Give the functions that failed, with how often."""
    return {name: int(counts["errors"]) for name, counts in cloud.functions().items() if counts["errors"]}


def _switch(cloud: Cloud, trigger: str, *, on: bool) -> None:
    name = physical(cloud, trigger)
    if trigger == WAKES:
        cloud.client("lambda").update_event_source_mapping(UUID=name, Enabled=on)
    elif on:
        cloud.client("events").enable_rule(Name=name)
    else:
        cloud.client("events").disable_rule(Name=name)


def _until_left_alone(cloud: Cloud, queue: str) -> None:
    """Wait until nobody takes messages any more: a poll that was under way when the mapping was switched off may."""
    looks = 0

    def untouched() -> bool:
        nonlocal looks
        found = cloud.client("sqs").get_queue_attributes(
            QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]
        looks = looks + 1 if int(found["ApproximateNumberOfMessages"]) else 0
        if not looks:
            cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=_PROBE)
        return looks > _QUIET_LOOKS

    wait_until(untouched, 60)
