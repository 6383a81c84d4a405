"""Endpoints: what the API says of them. `rollout.py` makes it so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dropforge.local.sagemaker import events, listing
from dropforge.local.sagemaker.errors import ValidationError
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.hosting import fields, models
from dropforge.local.sagemaker.store import Doc, Event, MissingError, TakenError
from dropforge.local.sagemaker.wire.operation import Operation

KIND = "endpoint"
_SUMMARY = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")


class Endpoints:
    """The operations on endpoints. `launch` reaches the one who carries a change out."""

    def __init__(self, ground: Ground, launch: Callable[[str], None]) -> None:
        self._store = ground.store
        self._account = ground.account
        self._launch = launch

    def operations(self) -> dict[str, Operation]:
        return {
            "CreateEndpoint": Operation(self.create, fields.ENDPOINT_UNUSED, fields.ENDPOINT_REFUSED),
            "UpdateEndpoint": Operation(self.update, fields.UPDATE_UNUSED, fields.UPDATE_REFUSED),
            "DescribeEndpoint": Operation(self.describe),
            "DeleteEndpoint": Operation(self.delete),
            "ListEndpoints": Operation(self.list),
        }

    def create(self, request: Mapping[str, Any]) -> Doc:
        name = request["EndpointName"]
        arn = self._account.arn(KIND, name)
        if self._store.get(KIND, name) is not None:
            raise ValidationError(f'Cannot create already existing endpoint "{arn}".')
        now = time.time()
        plan = self._plan(request["EndpointConfigName"])
        doc: Doc = {"EndpointName": name, "EndpointArn": arn, "EndpointConfigName": plan["config"]}
        doc |= {"EndpointStatus": "Creating", "CreationTime": now, "LastModifiedTime": now}
        doc |= {"_wanted": plan, "_tags": list(request.get("Tags", ()))}
        try:
            self._store.create(KIND, name, doc, events.endpoint(doc))
        except TakenError as error:
            raise ValidationError(f'Cannot create already existing endpoint "{arn}".') from error
        self._launch(name)
        return {"EndpointArn": arn}

    def update(self, request: Mapping[str, Any]) -> Doc:
        name = request["EndpointName"]
        self._find(name)
        plan = self._plan(request["EndpointConfigName"])

        def begin(doc: Doc) -> list[Event]:
            if doc["EndpointStatus"] != "InService":
                raise ValidationError(f'Cannot update in-progress endpoint "{doc["EndpointArn"]}".')
            doc |= {"EndpointStatus": "Updating", "LastModifiedTime": time.time(), "_wanted": plan}
            doc.pop("FailureReason", None)
            return [events.endpoint(doc)]

        doc = self._change(name, begin)
        self._launch(name)
        return {"EndpointArn": doc["EndpointArn"]}

    def describe(self, request: Mapping[str, Any]) -> Doc:
        doc = self._find(request["EndpointName"])
        wanted = doc.get("_wanted")
        if doc["EndpointStatus"] == "Updating" and wanted:
            doc["PendingDeploymentSummary"] = {
                "EndpointConfigName": wanted["config"],
                "ProductionVariants": summary(wanted),
                "StartTime": doc["LastModifiedTime"],
            }
        return doc

    def delete(self, request: Mapping[str, Any]) -> Doc:
        def begin(doc: Doc) -> list[Event]:
            if doc["EndpointStatus"] in {"Creating", "Updating"}:
                raise ValidationError(f'Cannot delete in-progress endpoint "{doc["EndpointArn"]}".')
            if doc["EndpointStatus"] == "Deleting":
                return []
            doc |= {"EndpointStatus": "Deleting", "LastModifiedTime": time.time()}
            return [events.endpoint(doc)]

        self._change(request["EndpointName"], begin)
        self._launch(request["EndpointName"])
        return {}

    def list(self, request: Mapping[str, Any]) -> Doc:
        found, more = listing.page(self._store, listing.Ask(KIND, request))
        return {"Endpoints": [{key: doc[key] for key in _SUMMARY} for doc in found], **more}

    def _plan(self, config_name: str) -> Doc:
        """Resolve a configuration into all that serving needs; later deletions do not touch it."""
        config = self._store.get(models.CONFIG, config_name)
        if config is None:
            arn = self._account.arn(models.CONFIG, config_name)
            raise ValidationError(f'Could not find endpoint configuration "{arn}".')
        return {"config": config_name, "variants": [self._variant(variant) for variant in config["ProductionVariants"]]}

    def _variant(self, variant: Mapping[str, Any]) -> Doc:
        model = self._store.get(models.MODEL, variant["ModelName"])
        if model is None:
            arn = self._account.arn(models.MODEL, variant["ModelName"])
            raise ValidationError(f'Could not find model "{arn}".')
        container = model["PrimaryContainer"]
        return {
            "name": variant["VariantName"],
            "weight": variant["InitialVariantWeight"],
            "count": variant["InitialInstanceCount"],
            "image": container["Image"],
            "data": container.get("ModelDataUrl"),
            "environment": container.get("Environment", {}),
        }

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

    def _missing(self, name: str) -> ValidationError:
        return ValidationError(f'Could not find endpoint "{self._account.arn(KIND, name)}".')


def summary(plan: Mapping[str, Any]) -> list[Doc]:
    """Tell the variants of a plan as DescribeEndpoint does."""
    return [
        {
            "VariantName": variant["name"],
            "DeployedImages": [{"SpecifiedImage": variant["image"], "ResolvedImage": variant["image"]}],
            "CurrentWeight": variant["weight"],
            "DesiredWeight": variant["weight"],
            "CurrentInstanceCount": variant["count"],
            "DesiredInstanceCount": variant["count"],
        }
        for variant in plan["variants"]
    ]
