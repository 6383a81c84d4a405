"""Looks at every scalable target again and again, and gives variants the instances that their policies want."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from dropforge.local.sagemaker.errors import SageMakerError
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.hosting import endpoints
from dropforge.local.sagemaker.scaling import decide, schedules
from dropforge.local.sagemaker.scaling.decide import Streak
from dropforge.local.sagemaker.scaling.policies import INVOCATIONS
from dropforge.local.sagemaker.scaling.targets import ACTION, ACTIVITY, DIMENSION, POLICY, TARGET, split
from dropforge.local.sagemaker.store import Doc, MissingError

_MINUTE = 60.0
_SHORTEST = 0.2
_LEAST_WINDOW = 1.0
_RECENT = timedelta(minutes=5)

logger = logging.getLogger(__name__)

Reweigh = Callable[[Mapping[str, Any]], Any]
Rate = Callable[[str, str, float], float]
"""Says how many invocations each instance of a variant had in the last seconds."""


class Loop:
    """One thread; it looks once in a minute of the cloud's time."""

    def __init__(self, ground: Ground, reweigh: Reweigh, rate: Rate) -> None:
        self._ground, self._reweigh, self._rate = ground, reweigh, rate
        self._store = ground.store
        self._speed = ground.limits.speed
        self._streaks: dict[str, Streak] = {}
        self.looks = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scaling", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _run(self) -> None:
        while not self._closing.wait(max(_SHORTEST, _MINUTE * self._speed)):
            for row in self._store.select("kind = ?", (TARGET,)):
                try:
                    self._look(row.name, row.doc)
                except Exception:  # the edge of the thread: one target's trouble must not stop the others
                    logger.exception("%s could not be scaled", row.name)
            self.looks += 1

    def _look(self, resource: str, target: Doc) -> None:
        endpoint, name = split(resource)
        seen = self._store.get(endpoints.KIND, endpoint) or {}
        variants = (seen.get("_plan") or {"variants": []})["variants"]
        current = next((int(variant["count"]) for variant in variants if variant["name"] == name), None)
        if current is None or seen["EndpointStatus"] != "InService":
            return
        self._settle(resource, seen, current)
        target = self._scheduled(resource, target)
        wants = list(self._wants(resource, current))
        wanted = decide.choose((count for count, _, _ in wants), current, target["MinCapacity"], target["MaxCapacity"])
        if wanted == current:
            return
        within = target["MinCapacity"] <= current <= target["MaxCapacity"]
        policy, cause = next(
            ((policy, cause) for count, policy, cause in wants if within and (count > current) == (wanted > current)),
            ({}, f"the capacity must be between {target['MinCapacity']} and {target['MaxCapacity']}"),
        )
        if not policy or decide.may(current, wanted, target, self._waits(policy), time.time()):
            self._act(resource, current, wanted, cause)

    def _wants(self, resource: str, current: int) -> Iterator[tuple[int, Doc, str]]:
        """Give what each policy wants, with its configuration and its reason."""
        for row in self._store.select("kind = ? AND grouped = ?", (POLICY, resource)):
            if tracking := row.doc.get("TargetTrackingScalingPolicyConfiguration"):
                metric = self._metric(resource, tracking)
                if metric is not None:
                    streak = self._streaks.get(row.name, Streak()).then(metric, tracking["TargetValue"])
                    self._streaks[row.name] = streak
                    cause = f"policy {row.doc['PolicyName']} tracks {tracking['TargetValue']} and found {metric:g}"
                    yield decide.track(current, metric, tracking, streak), tracking, cause
            elif stepping := row.doc.get("StepScalingPolicyConfiguration"):
                for alarm, breach in self._breaches(row.doc["PolicyARN"], stepping):
                    cause = f"monitor alarm {alarm} in state ALARM triggered policy {row.doc['PolicyName']}"
                    yield decide.step(current, breach, stepping), stepping, cause

    def _metric(self, resource: str, tracking: Mapping[str, Any]) -> float | None:
        if customized := tracking.get("CustomizedMetricSpecification"):
            return self._latest({**customized, "Period": int(_MINUTE)})
        if tracking["PredefinedMetricSpecification"]["PredefinedMetricType"] != INVOCATIONS:
            return None
        return self._rate(*split(resource), max(_LEAST_WINDOW, _MINUTE * self._speed))

    def _breaches(self, policy: str, stepping: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
        """Give each alarm that calls for a policy, and how far its metric is from its threshold."""
        for alarm in self._ground.client("cloudwatch").describe_alarms(StateValue="ALARM").get("MetricAlarms", ()):
            if policy in alarm.get("AlarmActions", ()):
                statistic = stepping.get("MetricAggregationType", alarm.get("Statistic", "Average"))
                metric = self._latest({**alarm, "Statistic": statistic})
                yield alarm["AlarmName"], 0.0 if metric is None else metric - alarm["Threshold"]

    def _latest(self, named: Mapping[str, Any]) -> float | None:
        now, statistic = datetime.now(UTC), named["Statistic"]
        found = self._ground.client("cloudwatch").get_metric_statistics(
            Namespace=named["Namespace"],
            MetricName=named["MetricName"],
            Dimensions=named.get("Dimensions", []),
            Period=named["Period"],
            Statistics=[statistic],
            StartTime=now - _RECENT,
            EndTime=now + timedelta(minutes=1),
        )["Datapoints"]
        return float(max(found, key=lambda point: point["Timestamp"])[statistic]) if found else None

    def _waits(self, policy: Mapping[str, Any]) -> tuple[float, float]:
        both = policy.get("Cooldown", decide.COOLDOWN)
        out, back = policy.get("ScaleOutCooldown", both), policy.get("ScaleInCooldown", both)
        return out * self._speed, back * self._speed

    def _scheduled(self, resource: str, target: Doc) -> Doc:
        """Carry out the scheduled actions that are due; gives the target as it is then."""
        for row in self._store.select("kind = ? AND grouped = ?", (ACTION, resource)):
            now = time.time()
            if not schedules.due(row.doc, now, self._speed):
                continue
            if not target.get("SuspendedState", {}).get("ScheduledScalingSuspended"):
                action = dict(row.doc["ScalableTargetAction"])
                target = self._change(TARGET, resource, action)
            self._change(ACTION, row.name, {"_seen": now + 1e-3})
        return target

    def _act(self, resource: str, current: int, wanted: int, cause: str) -> None:
        endpoint, variant = split(resource)
        asked = [{"VariantName": variant, "DesiredInstanceCount": wanted}]
        try:
            self._reweigh({"EndpointName": endpoint, "DesiredWeightsAndCapacities": asked})
        except SageMakerError as error:
            logger.info("%s could not be scaled now: %s", resource, error)
            return
        now, name = time.time(), str(uuid.uuid4())
        self._change(TARGET, resource, {"_out" if wanted > current else "_in": now})
        self._store.create(ACTIVITY, name, _activity(name, resource, wanted, cause, now), group=resource)

    def _settle(self, resource: str, endpoint: Doc, current: int) -> None:
        """Say how activities ended, now that the endpoint is not being changed any more."""
        condition = "kind = ? AND grouped = ? AND json_extract(doc, '$.StatusCode') = 'InProgress'"
        for row in self._store.select(condition, (ACTIVITY, resource)):
            done = row.doc["_wanted"] == current
            told = f"Successfully set desired instance count to {current}. Change successfully fulfilled by sagemaker."
            failed = f"Failed to set desired instance count to {row.doc['_wanted']}: {endpoint.get('FailureReason')}"
            end = {"StatusCode": "Successful" if done else "Failed", "StatusMessage": told if done else failed}
            self._change(ACTIVITY, row.name, {**end, "EndTime": endpoint["LastModifiedTime"]})

    def _change(self, kind: str, name: str, values: Mapping[str, Any]) -> Doc:
        try:
            return self._store.change(kind, name, lambda doc: doc.update(values))
        except MissingError:
            return dict(values)  # deleted in this moment: there is nothing to remember


def _activity(name: str, resource: str, wanted: int, cause: str, now: float) -> Doc:
    return {
        "ActivityId": name,
        "ServiceNamespace": "sagemaker",
        "ResourceId": resource,
        "ScalableDimension": DIMENSION,
        "Description": f"Setting desired instance count to {wanted}.",
        "Cause": cause,
        "StartTime": now,
        "CreationTime": now,
        "StatusCode": "InProgress",
        "StatusMessage": f"Successfully set desired instance count to {wanted}. Waiting for change to be fulfilled.",
        "_wanted": wanted,
    }
