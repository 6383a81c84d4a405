"""The alarms that a deployment watches."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

logger = logging.getLogger(__name__)


def states(cloudwatch: Any, names: Sequence[str]) -> dict[str, str]:
    """Tell the state of each alarm that is there."""
    answer = cloudwatch.describe_alarms(AlarmNames=list(names), AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    found = [*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ())]
    return {alarm["AlarmName"]: alarm["StateValue"] for alarm in found}


def tripped(cloudwatch: Any, names: Sequence[str]) -> list[str]:
    """Name the alarms that are in ALARM; a CloudWatch that does not answer is asked again at the next look."""
    try:
        return sorted(name for name, state in states(cloudwatch, names).items() if state == "ALARM")
    except (BotoCoreError, ClientError) as error:
        logger.warning("alarms could not be looked at: %s", error)
        return []
