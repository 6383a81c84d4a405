"""Endpoints: what the API says of them. `rollout.py` makes it so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from dropforge.local.sagemaker import events, listing, tags
from dropforge.local.sagemaker.errors import SageMakerError
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.hosting import alarms, fields, plans, refusals, traffic
from dropforge.local.sagemaker.store import Doc, Event, MissingError, TakenError
from dropforge.local.sagemaker.wire.operation import Operation

KIND = "endpoint"
_BUSY = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack"})
_FAILED = frozenset({"Failed", "UpdateRollbackFailed"})
_SUMMARY = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")


class Scaled(Protocol):
    """Which variants of an endpoint are targets of Application Auto Scaling."""

    def variants(self, endpoint: str) -> set[str]: ...


class Endpoints:
    """The operations on endpoints. `launch` reaches the one who carries a change out."""

    def __init__(self, ground: Ground, launch: Callable[[str], None], scaled: Scaled) -> None:
        self._scaled = scaled
        self._ground = ground
        self._store = ground.store
        self._account = ground.account
        self._launch = launch

    def operations(self) -> dict[str, Operation]:
        return {
            "CreateEndpoint": Operation(self.create),
            "UpdateEndpoint": Operation(self.update),
            "UpdateEndpointWeightsAndCapacities": Operation(self.reweigh, refused=fields.REWEIGH_REFUSED),
            "DescribeEndpoint": Operation(self.describe),
            "DeleteEndpoint": Operation(self.delete),
            "ListEndpoints": Operation(self.list),
        }

    def create(self, request: Mapping[str, Any]) -> Doc:
        name = request["EndpointName"]
        arn = self._account.arn(KIND, name)
        if self._store.get(KIND, name) is not None:
            raise refusals.TAKEN(kind=KIND, arn=arn)
        plan = plans.resolve(self._ground, request["EndpointConfigName"])
        deployment = request.get("DeploymentConfig")
        self._check(deployment, plan)
        now = time.time()
        doc: Doc = {"EndpointName": name, "EndpointArn": arn, "EndpointConfigName": plan["config"]}
        doc |= {"EndpointStatus": "Creating", "CreationTime": now, "LastModifiedTime": now}
        doc |= {"_wanted": {**plan, "began": now}, "_tags": tags.given(request)}
        doc |= {"LastDeploymentConfig": deployment} if deployment else {}
        try:
            self._store.create(KIND, name, doc, events.endpoint(doc))
        except TakenError as error:
            raise refusals.TAKEN(kind=KIND, arn=arn) from error
        self._launch(name)
        return {"EndpointArn": arn}

    def update(self, request: Mapping[str, Any]) -> Doc:
        seen = self._find(request["EndpointName"])
        _refuse_update(seen)
        plan = plans.resolve(self._ground, request["EndpointConfigName"])
        last = seen.get("LastDeploymentConfig") if request.get("RetainDeploymentConfig") else None
        deployment = request.get("DeploymentConfig") or last
        if seen.get("_plan"):
            if (new := plans.way(plan)) != (old := plans.way(seen["_plan"])):
                raise refusals.OTHER_KIND(arn=seen["EndpointArn"], new=new, old=old)
            if held := plans.retyped(seen["_plan"], plan) & self._scaled.variants(seen["EndpointName"]):
                raise refusals.TYPE_SCALED(arn=seen["EndpointArn"], variants=", ".join(sorted(held)))
            self._check(deployment, _retained(request, plan, seen["_plan"]), seen["_plan"])

        def wanted(doc: Doc) -> Doc:
            doc |= {"LastDeploymentConfig": deployment} if deployment else {}
            return {**_retained(request, plan, doc["_plan"]), "deployment": deployment, "began": time.time()}

        return self._begin(request["EndpointName"], wanted)

    def reweigh(self, request: Mapping[str, Any]) -> Doc:
        def wanted(doc: Doc) -> Doc:
            return plans.changed(doc["_plan"], doc["EndpointArn"], request["DesiredWeightsAndCapacities"])

        return self._begin(request["EndpointName"], wanted)

    def describe(self, request: Mapping[str, Any]) -> Doc:
        doc = self._find(request["EndpointName"])
        under_way = plans.pending(doc)
        queue = (doc.get("_plan") or doc.get("_wanted") or {}).get("async")
        more = {"PendingDeploymentSummary": under_way, "AsyncInferenceConfig": queue}
        return doc | {name: value for name, value in more.items() if value}

    def delete(self, request: Mapping[str, Any]) -> Doc:
        begun: list[Event] = []

        def begin(doc: Doc) -> list[Event]:
            if doc["EndpointStatus"] in _BUSY:
                raise refusals.DELETE_BUSY(arn=doc["EndpointArn"])
            if doc["EndpointStatus"] != "Deleting":
                doc |= {"EndpointStatus": "Deleting", "LastModifiedTime": time.time()}
                begun.append(events.endpoint(doc))
            return begun

        doc = self._change(request["EndpointName"], begin)
        if begun:  # a second deletion would end with the first one's endpoint gone, and another of its name there
            self._launch(doc["EndpointName"])
        return {}

    def list(self, request: Mapping[str, Any]) -> Doc:
        found, more = listing.page(self._store, listing.Ask(KIND, request, at_once=True))
        return {"Endpoints": [{key: doc[key] for key in _SUMMARY} for doc in found], **more}

    def _begin(self, name: str, wanted: Callable[[Doc], Doc]) -> Doc:
        """Accept a change of an endpoint that serves, and have it carried out."""

        def step(doc: Doc) -> list[Event]:
            _refuse_update(doc)
            doc["_wanted"] = wanted(doc)
            doc |= {"EndpointStatus": "Updating", "LastModifiedTime": time.time(), "_stage": None}
            if doc["_wanted"].get("in_place"):
                doc |= plans.summaries(doc["_plan"], doc["_wanted"])
            doc.pop("FailureReason", None)
            return [events.endpoint(doc)]

        doc = self._change(name, step)
        self._launch(doc["EndpointName"])
        return {"EndpointArn": doc["EndpointArn"]}

    def _check(self, deployment: Doc | None, plan: Doc, before: Doc | None = None) -> None:
        if not deployment:
            return
        if plans.way(plan) == "serverless":
            raise refusals.SERVERLESS_GUARDED(config=plan["config"])
        traffic.check(deployment, plans.largest(plan))
        names = sorted(variant["name"] for variant in plan["variants"])
        if deployment.get("RollingUpdatePolicy") and len(names) > 1:
            raise refusals.ROLLING_ALONE(count=len(names))
        if before and names != sorted(variant["name"] for variant in before["variants"]):
            raise refusals.OTHER_VARIANTS(names=", ".join(sorted(variant["name"] for variant in before["variants"])))
        watched = traffic.plan(deployment, plans.largest(plan)).alarms
        if watched and (gone := set(watched) - set(alarms.states(self._ground.client("cloudwatch"), watched))):
            raise refusals.NO_ALARM(names=", ".join(sorted(gone)))

    def _find(self, name: str) -> Doc:
        doc = self._store.get(KIND, name)
        if doc is None:
            raise self._missing(name)
        return doc

    def _change(self, name: str, edit: Callable[[Doc], Iterable[Event]]) -> Doc:
        try:
            return self._store.change(KIND, name, edit)
        except MissingError as error:
            raise self._missing(name) from error

    def _missing(self, name: str) -> SageMakerError:
        return refusals.MISSING(kind=KIND, arn=self._account.arn(KIND, name))


def _retained(request: Mapping[str, Any], plan: Doc, before: Mapping[str, Any]) -> Doc:
    """Give the plan with what an update is to keep of the one before."""
    if not request.get("RetainAllVariantProperties"):
        return plan
    excluded = {each["VariantPropertyType"] for each in request.get("ExcludeRetainedVariantProperties", ())}
    return plans.retained(plan, before, excluded)


def _refuse_update(doc: Doc) -> None:
    if doc["EndpointStatus"] in _FAILED:
        raise refusals.UPDATE_FAILED(arn=doc["EndpointArn"])
    if doc["EndpointStatus"] != "InService":
        raise refusals.UPDATE_BUSY(arn=doc["EndpointArn"])
