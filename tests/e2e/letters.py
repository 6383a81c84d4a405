"""A queue that is subscribed to a topic, as a user would have it: keeps what it was sent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.conftest import Cloud


@dataclass
class Letters:
    cloud: Cloud
    queue: str
    taken: list[dict[str, Any]] = field(default_factory=list)
    """What came from the topic, in SNS's own form."""

    @classmethod
    def subscribe(cls, cloud: Cloud, topic: str, policy: Mapping[str, Sequence[str]]) -> Letters:
        """Make the topic, and a queue for those of its messages that the policy lets through."""
        name = topic.rpartition(":")[2]
        made = cloud.client("sns").create_topic(Name=name)["TopicArn"]
        assert made == topic, made
        queue = cloud.client("sqs").create_queue(QueueName=f"{name}-letters")["QueueUrl"]
        about = cloud.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
        cloud.client("sns").subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=about["QueueArn"],
            Attributes={"FilterPolicy": json.dumps(policy)},
        )
        return cls(cloud, queue)

    def of(self, pipeline: str) -> list[dict[str, Any]]:
        """Take what has come by now; gives all that ever came of a pipeline."""
        sqs = self.cloud.client("sqs")
        for message in sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", []):
            self.taken.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return [each for each in self.taken if each["MessageAttributes"]["pipeline"]["Value"] == pipeline]
