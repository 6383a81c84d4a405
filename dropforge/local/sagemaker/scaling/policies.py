"""Scaling policies, scheduled actions, and what came of them."""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from dropforge.local.sagemaker import listing
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.scaling import decide, refusals, schedules
from dropforge.local.sagemaker.scaling.targets import ACTION, ACTIVITY, POLICY, TARGET, check, one_of, place, save
from dropforge.local.sagemaker.store import Doc
from dropforge.local.sagemaker.wire.operation import Operation

INVOCATIONS = "SageMakerVariantInvocationsPerInstance"
_KINDS = {
    "TargetTrackingScaling": "TargetTrackingScalingPolicyConfiguration",
    "StepScaling": "StepScalingPolicyConfiguration",
}
_TRACKING = "TargetTrackingScalingPolicyConfiguration"


class Policies:
    """The operations on policies and scheduled actions, and the list of activities."""

    def __init__(self, ground: Ground) -> None:
        self._store = ground.store
        self._account = ground.account
        self._client = ground.client

    def operations(self) -> dict[str, Operation]:
        return {
            "PutScalingPolicy": Operation(
                self.put,
                {f"{_TRACKING}.CustomizedMetricSpecification.Unit": "figures are compared as they are"},
                {
                    "PredictiveScalingPolicyConfiguration": "nobody here tells the future",
                    "PolicyType=PredictiveScaling": "nobody here tells the future",
                    f"{_TRACKING}.CustomizedMetricSpecification.Metrics": "one metric is tracked; name it",
                    f"{_TRACKING}.PredefinedMetricSpecification.ResourceLabel": "variants have none",
                },
            ),
            "DescribeScalingPolicies": Operation(self.describe),
            "DeleteScalingPolicy": Operation(self.delete),
            "PutScheduledAction": Operation(self.put_action, refused={"Timezone": "schedules are in UTC"}),
            "DescribeScheduledActions": Operation(self.describe_actions),
            "DeleteScheduledAction": Operation(self.delete_action),
            "DescribeScalingActivities": Operation(
                self.activities, {"IncludeNotScaledActivities": "what was not done is not told"}
            ),
        }

    def put(self, request: Mapping[str, Any]) -> Doc:
        resource, name = self._registered(request), request["PolicyName"]
        before = self._store.get(POLICY, f"{resource}/{name}")
        kind = request.get("PolicyType") or (before or {}).get("PolicyType", "StepScaling")
        _check_policy(name, kind, request)
        self._check_metric(resource, request)
        arn = f"{self._arn()}:scalingPolicy:{uuid.uuid4()}:resource/sagemaker/{resource}:policyName/{name}"
        doc = before or {"PolicyARN": arn, "CreationTime": time.time()}
        doc = {key: value for key, value in doc.items() if key not in _KINDS.values()} | {**request, "PolicyType": kind}
        save(self._store, POLICY, f"{resource}/{name}", doc, resource)
        return {"PolicyARN": doc["PolicyARN"], "Alarms": []}

    def describe(self, request: Mapping[str, Any]) -> Doc:
        found, more = self._page(POLICY, request, "PolicyName", request.get("PolicyNames"))
        calling = self._calling() if any(policy["PolicyType"] == "StepScaling" for policy in found) else {}
        return {
            "ScalingPolicies": [{**policy, "Alarms": calling.get(policy["PolicyARN"], [])} for policy in found],
            **more,
        }

    def delete(self, request: Mapping[str, Any]) -> Doc:
        resource, name = check(request), request["PolicyName"]
        if not self._store.delete(POLICY, f"{resource}/{name}"):
            raise refusals.NO_POLICY(resource=resource, name=name)
        return {}

    def put_action(self, request: Mapping[str, Any]) -> Doc:
        resource, name = self._registered(request), request["ScheduledActionName"]
        before, now = self._store.get(ACTION, f"{resource}/{name}"), time.time()
        arn = f"{self._arn()}:scheduledAction:{uuid.uuid4()}:resource/sagemaker/{resource}:scheduledActionName/{name}"
        doc = before or {"ScheduledActionARN": arn, "CreationTime": now}
        doc |= request
        if not schedules.readable(doc.get("Schedule", "")):
            raise refusals.BAD_SCHEDULE(schedule=doc.get("Schedule", ""))
        if not doc.get("ScalableTargetAction"):
            raise refusals.NO_CHANGE(name=name)
        least, most = (doc["ScalableTargetAction"].get(limit) for limit in ("MinCapacity", "MaxCapacity"))
        if least is not None and most is not None and least > most:
            raise refusals.CAPACITY_ORDER(least=least, floor=0, most=most)
        doc["_seen"] = now
        save(self._store, ACTION, f"{resource}/{name}", doc, resource)
        return {}

    def describe_actions(self, request: Mapping[str, Any]) -> Doc:
        found, more = self._page(ACTION, request, "ScheduledActionName", request.get("ScheduledActionNames"))
        return {"ScheduledActions": found, **more}

    def delete_action(self, request: Mapping[str, Any]) -> Doc:
        resource, name = check(request), request["ScheduledActionName"]
        if not self._store.delete(ACTION, f"{resource}/{name}"):
            raise refusals.NO_ACTION(resource=resource, name=name)
        return {}

    def activities(self, request: Mapping[str, Any]) -> Doc:
        found, more = self._page(ACTIVITY, request, "ActivityId", None)
        return {"ScalingActivities": found, **more}

    def _page(
        self, kind: str, request: Mapping[str, Any], key: str, names: list[str] | None
    ) -> tuple[list[Doc], dict[str, str]]:
        resources = [request["ResourceId"]] if request.get("ResourceId") else []
        conditions = [
            *place(request, resources),
            *one_of(f"json_extract(doc, '$.{key}')", names),
            *one_of("grouped", resources),
        ]
        return listing.page(self._store, listing.Ask(kind, request, conditions=conditions))

    def _calling(self) -> Mapping[str, list[Doc]]:
        """Find the alarms that call for something, by what they call for."""
        found: dict[str, list[Doc]] = defaultdict(list)
        for page in self._client("cloudwatch").get_paginator("describe_alarms").paginate():
            for alarm in page.get("MetricAlarms", ()):
                for action in alarm.get("AlarmActions", ()):
                    found[action].append({"AlarmName": alarm["AlarmName"], "AlarmARN": alarm["AlarmArn"]})
        return found

    def _check_metric(self, resource: str, request: Mapping[str, Any]) -> None:
        """Raise the refusal of a policy that tracks what another one of the variant does."""
        for row in self._store.select("kind = ? AND grouped = ?", (POLICY, resource)):
            if row.doc["PolicyName"] != request["PolicyName"] and _metric(row.doc) == _metric(request) is not None:
                raise refusals.SAME_METRIC(name=row.doc["PolicyName"])

    def _registered(self, request: Mapping[str, Any]) -> str:
        resource = check(request)
        if self._store.get(TARGET, resource) is None:
            raise refusals.NO_TARGET(resource=resource)
        return resource

    def _arn(self) -> str:
        return f"arn:aws:autoscaling:{self._account.region}:{self._account.number}"


def _check_policy(name: str, kind: str, request: Mapping[str, Any]) -> None:
    if {member for member in _KINDS.values() if request.get(member)} != {_KINDS[kind]}:
        raise refusals.WRONG_POLICY(kind=kind, member=_KINDS[kind])
    policy = request[_KINDS[kind]]
    if kind == "StepScaling":
        if not policy.get("StepAdjustments") or not policy.get("AdjustmentType"):
            raise refusals.BAD_STEPS(name=name)
        if not decide.fit_together(policy["StepAdjustments"]):
            raise refusals.LOOSE_STEPS(name=name)
        return
    if policy["TargetValue"] <= 0:
        raise refusals.BAD_TARGET(value=policy["TargetValue"])
    predefined, customized = policy.get("PredefinedMetricSpecification"), policy.get("CustomizedMetricSpecification")
    wanted = all((customized or {}).get(member) for member in ("MetricName", "Namespace", "Statistic"))
    if bool(predefined) == bool(customized) or not (predefined or wanted):
        raise refusals.ONE_METRIC(name=name)
    if predefined and predefined["PredefinedMetricType"] != INVOCATIONS:
        raise refusals.OTHER_METRIC(metric=predefined["PredefinedMetricType"])


def _metric(policy: Mapping[str, Any]) -> Any:
    """Give the metric that a policy tracks; None where it tracks none."""
    tracking = policy.get(_TRACKING) or {}
    return tracking.get("PredefinedMetricSpecification") or tracking.get("CustomizedMetricSpecification")
