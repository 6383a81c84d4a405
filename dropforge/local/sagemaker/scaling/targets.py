"""Scalable targets: which variants are scaled, and within which limits."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from dropforge.local.sagemaker import listing
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.hosting import endpoints
from dropforge.local.sagemaker.scaling import refusals
from dropforge.local.sagemaker.store import Doc, Store
from dropforge.local.sagemaker.wire.operation import Operation

TARGET, POLICY, ACTION, ACTIVITY = "scalable-target", "scaling-policy", "scheduled-action", "scaling-activity"
EXACT = frozenset({TARGET, POLICY, ACTION})
"""The kinds whose names are told apart by their case: a variant's figures are kept by its name as it is."""
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
_PARTS = 4


class Targets:
    """The operations on scalable targets."""

    def __init__(self, ground: Ground) -> None:
        self._store = ground.store
        self._account = ground.account

    def operations(self) -> dict[str, Operation]:
        unused = {"RoleARN": "there are no roles to take on; it is kept and told", "Tags": "nothing here tells them"}
        return {
            "RegisterScalableTarget": Operation(self.register, unused),
            "DescribeScalableTargets": Operation(self.describe),
            "DeregisterScalableTarget": Operation(self.deregister),
        }

    def register(self, request: Mapping[str, Any]) -> Doc:
        resource = check(request)
        floor = self._floor(resource)
        number, region = self._account.number, self._account.region
        role = f"arn:aws:iam::{number}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/scaling"
        arn = f"arn:aws:application-autoscaling:{region}:{number}:scalable-target/{uuid.uuid4().hex}"
        before = self._store.get(TARGET, resource)
        doc = before or {"CreationTime": time.time(), "RoleARN": role, "ScalableTargetARN": arn, "SuspendedState": {}}
        suspended = {**doc["SuspendedState"], **request.get("SuspendedState", {})}
        doc |= {key: value for key, value in request.items() if key != "Tags" and value is not None}
        doc["SuspendedState"] = suspended
        if doc.get("MinCapacity") is None or doc.get("MaxCapacity") is None:
            raise refusals.CAPACITY_WANTED(resource=resource)
        if not floor <= doc["MinCapacity"] <= doc["MaxCapacity"]:
            raise refusals.CAPACITY_ORDER(least=doc["MinCapacity"], floor=floor, most=doc["MaxCapacity"])
        save(self._store, TARGET, resource, doc, resource)
        return {"ScalableTargetARN": doc["ScalableTargetARN"]}

    def describe(self, request: Mapping[str, Any]) -> Doc:
        conditions = [*place(request, request.get("ResourceIds")), *one_of("name", request.get("ResourceIds"))]
        found, more = listing.page(self._store, listing.Ask(TARGET, request, conditions=conditions))
        return {"ScalableTargets": found, **more}

    def deregister(self, request: Mapping[str, Any]) -> Doc:
        resource = check(request)
        if not _forget(self._store, resource):
            raise refusals.NO_TARGET(resource=resource)
        return {}

    def _floor(self, resource: str) -> int:
        """Say how few instances a variant may have; it must be there."""
        endpoint, name = split(resource)
        seen = self._store.get(endpoints.KIND, endpoint) or {}
        plan = seen.get("_plan") or {"variants": []}
        there = any(variant["name"] == name and "serverless" not in variant for variant in plan["variants"])
        if not there or seen["EndpointName"] != endpoint:  # its figures are kept by its name as it is
            raise refusals.NO_RESOURCE(resource=resource)
        return 0 if plan.get("async") else 1


class Scaled:
    """What endpoints need to know of scalable targets, and to make of them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def variants(self, endpoint: str) -> set[str]:
        """Name the variants of an endpoint that are registered."""
        found = self._store.select("kind = ? AND instr(name, ?) = 1", (TARGET, f"endpoint/{endpoint}/variant/"))
        return {split(row.name)[1] for row in found}

    def forget(self, endpoint: str) -> None:
        """Deregister the variants of an endpoint, with their policies and scheduled actions."""
        for variant in self.variants(endpoint):
            _forget(self._store, f"endpoint/{endpoint}/variant/{variant}")


def _forget(store: Store, resource: str) -> bool:
    with store.alone():
        for kind in (POLICY, ACTION):
            for row in store.select("kind = ? AND grouped = ?", (kind, resource)):
                store.delete(kind, row.name)
        return store.delete(TARGET, resource)


def check(request: Mapping[str, Any]) -> str:
    """Give the resource of a request; a refusal where it is none that is scaled here."""
    resource, dimension = str(request["ResourceId"]), request.get("ScalableDimension", DIMENSION)
    parts = resource.split("/")
    if (request["ServiceNamespace"], dimension) != ("sagemaker", DIMENSION) or parts[0::2] != ["endpoint", "variant"]:
        raise refusals.NOT_SCALED(dimension=dimension, resource=resource)
    if len(parts) != _PARTS:
        raise refusals.NOT_SCALED(dimension=dimension, resource=resource)
    return resource


def split(resource: str) -> tuple[str, str]:
    """Give the endpoint and the variant of a resource."""
    _, endpoint, _, variant = resource.split("/")
    return endpoint, variant


def place(request: Mapping[str, Any], resources: Sequence[str] | None) -> list[tuple[str, Any]]:
    """Give the conditions of a Describe that say what is scaled: of which service, and of what."""
    dimension = request.get("ScalableDimension")
    if dimension and not resources:
        raise refusals.DIMENSION_ALONE(dimension=dimension)
    asked = {"ServiceNamespace": request["ServiceNamespace"], "ScalableDimension": dimension}
    return [(f"json_extract(doc, '$.{name}') = ?", value) for name, value in asked.items() if value]


def one_of(column: str, values: Sequence[str] | None) -> list[tuple[str, Any]]:
    """Give a condition that holds where a column has one of some values; none where there are none to compare."""
    return [(f"instr(?, char(10) || {column} || char(10)) > 0", "\n".join(["", *values, ""]))] if values else []


def save(store: Any, kind: str, name: str, doc: Doc, resource: str) -> None:
    """Put a document in the place of the one before."""
    with store.alone():
        store.delete(kind, name)
        store.create(kind, name, doc, group=resource)
