"""How a deployment moves the traffic: checked when it is asked for, its steps decided before the first is taken.

https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dropforge.local.sagemaker.hosting import refusals

_LIMIT = 28_800.0
"""Seconds a deployment may take where it does not say."""
_SIZES = {"CANARY": ("CanarySize", 1, 50), "LINEAR": ("LinearStepSize", 10, 50)}
_BATCH = ("MaximumBatchSize", 5, 50)


@dataclass(frozen=True, slots=True)
class Step:
    """The new servers get a share of the requests, and are watched for some seconds before the next step."""

    share: float
    bake: float
    replaces: bool = False
    """Whether only that share of the new servers is there, and that of the old ones is gone."""


@dataclass(frozen=True, slots=True)
class Shift:
    """All of one deployment; times in seconds."""

    steps: tuple[Step, ...] = (Step(1.0, 0.0),)
    back: tuple[float, ...] = (0.0,)
    """The shares that the new servers keep on the way back, step by step."""
    end: float = 0.0
    """How long the old servers stay when the last step is done."""
    limit: float = _LIMIT
    alarms: tuple[str, ...] = ()


def plan(deployment: Mapping[str, Any] | None, count: int, speed: float = 1.0) -> Shift:
    """Decide the steps of a deployment to `count` instances, with its times scaled."""
    given = deployment or {}
    watched = given.get("AutoRollbackConfiguration", {}).get("Alarms", ())
    alarms = tuple(one["AlarmName"] for one in watched if one.get("AlarmName"))
    if rolling := given.get("RollingUpdatePolicy"):
        bake = rolling["WaitIntervalInSeconds"] * speed
        shares = _shares(_batch(rolling["MaximumBatchSize"], count))
        back = rolling.get("RollbackMaximumBatchSize")
        return Shift(
            tuple(Step(share, bake, replaces=True) for share in shares),
            tuple(1 - share for share in _shares(_batch(back, count) if back else 1.0)),
            limit=rolling.get("MaximumExecutionTimeoutInSeconds", _LIMIT) * speed,
            alarms=alarms,
        )
    policy = given.get("BlueGreenUpdatePolicy")
    if not policy:
        return Shift(alarms=alarms)
    routing = policy["TrafficRoutingConfiguration"]
    bake = routing["WaitIntervalInSeconds"] * speed
    return Shift(
        tuple(Step(share, bake) for share in _routed(routing, count)),
        end=policy.get("TerminationWaitInSeconds", 0) * speed,
        limit=policy.get("MaximumExecutionTimeoutInSeconds", _LIMIT) * speed,
        alarms=alarms,
    )


def check(deployment: Mapping[str, Any], count: int) -> None:
    """Raise the refusal of a deployment that AWS would not begin."""
    blue_green, rolling = deployment.get("BlueGreenUpdatePolicy"), deployment.get("RollingUpdatePolicy")
    if blue_green and rolling:
        raise refusals.TWO_POLICIES(policies=", ".join(deployment))
    if rolling:
        _check_size(rolling["MaximumBatchSize"], count, *_BATCH)
    if blue_green:
        routing = blue_green["TrafficRoutingConfiguration"]
        for kind, (member, least, most) in _SIZES.items():
            if (routing["Type"] == kind) != bool(routing.get(member)):
                raise refusals.SIZE_WANTED(member=member, kind=kind)
            if routing.get(member):
                _check_size(routing[member], count, member, least, most)
    shift = plan(deployment, count)
    waits = sum(step.bake for step in shift.steps) + shift.end
    if waits >= shift.limit:
        raise refusals.TOO_SHORT(waits=waits)


def capacity(share: float, count: int) -> int:
    """Say how many servers of `count` carry a share: whole ones, and always enough."""
    return math.ceil(round(share * count, 6))


def _routed(routing: Mapping[str, Any], count: int) -> tuple[float, ...]:
    match routing["Type"]:
        case "CANARY":
            return (_fraction(routing["CanarySize"], count), 1.0)
        case "LINEAR":
            return _shares(_fraction(routing["LinearStepSize"], count))
        case _:
            return (1.0,)


def _shares(step: float) -> tuple[float, ...]:
    """Give what has moved after each step; the last one moves the rest."""
    return tuple(min(1.0, number * step) for number in range(1, math.ceil(round(1 / step, 6)) + 1))


def _fraction(size: Mapping[str, Any], count: int) -> float:
    whole = 100 if size["Type"] == "CAPACITY_PERCENT" else count
    return min(1.0, float(size["Value"]) / whole)


def _batch(size: Mapping[str, Any], count: int) -> float:
    """Give a batch as a fraction: whole instances only, so one at least."""
    return max(1, capacity(_fraction(size, count), count)) / count


def _check_size(size: Mapping[str, Any], count: int, member: str, least: int, most: int) -> None:
    if not least / 100 <= float(size["Value"]) / (100 if size["Type"] == "CAPACITY_PERCENT" else count) <= most / 100:
        raise refusals.SIZE_RANGE(member=member, least=least, most=most, count=count)
