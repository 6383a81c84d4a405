"""Model package groups and the versions in them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from dropforge.local.sagemaker import events, listing, tags
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.registry import fields, refusals
from dropforge.local.sagemaker.store import Doc, Event, MissingError, TakenError
from dropforge.local.sagemaker.wire.operation import Operation

GROUP, PACKAGE = "model-package-group", "model-package"
_CARRIED = (
    "ModelPackageDescription", "InferenceSpecification", "ModelMetrics", "MetadataProperties", "Domain", "Task",
    "CustomerMetadataProperties", "SamplePayloadUrl", "AdditionalInferenceSpecifications", "DriftCheckBaselines",
    "SourceUri", "ApprovalDescription", "ModelCard", "ModelLifeCycle", "ModelPackageRegistrationType",
    "SkipModelValidation", "SecurityConfig",
)  # fmt: skip
_UPDATED = (
    "ModelApprovalStatus", "ApprovalDescription", "InferenceSpecification", "SourceUri", "ModelCard", "ModelLifeCycle",
    "ModelPackageRegistrationType",
)  # fmt: skip
_SUMMARY = (
    "ModelPackageName", "ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn", "ModelPackageDescription",
    "CreationTime", "ModelPackageStatus", "ModelApprovalStatus", "ModelLifeCycle", "ModelPackageRegistrationType",
)  # fmt: skip
_GROUP_SUMMARY = (
    "ModelPackageGroupName", "ModelPackageGroupArn", "ModelPackageGroupDescription", "CreationTime",
    "ModelPackageGroupStatus",
)  # fmt: skip


class Registry:
    """The operations on groups and packages."""

    def __init__(self, ground: Ground) -> None:
        self._store = ground.store
        self._account = ground.account

    def operations(self) -> dict[str, Operation]:
        return {
            "CreateModelPackageGroup": Operation(
                self.create_group, {"ManagedConfiguration": "archives stay where they are"}
            ),
            "DescribeModelPackageGroup": Operation(self.describe_group),
            "ListModelPackageGroups": Operation(
                self.list_groups, {"CrossAccountFilterOption": "nothing is shared by accounts"}
            ),
            "DeleteModelPackageGroup": Operation(self.delete_group),
            "CreateModelPackage": Operation(self.create, fields.CREATE_UNUSED, fields.CREATE_REFUSED),
            "DescribeModelPackage": Operation(self.describe, {"IncludedData": "everything is told"}),
            "ListModelPackages": Operation(self.list),
            "UpdateModelPackage": Operation(self.update, fields.UPDATE_UNUSED),
            "DeleteModelPackage": Operation(self.delete),
        }

    def create_group(self, request: Mapping[str, Any]) -> Doc:
        name = request["ModelPackageGroupName"]
        arn = self._account.arn(GROUP, name)
        doc: Doc = {
            "ModelPackageGroupName": name,
            "ModelPackageGroupArn": arn,
            "ModelPackageGroupDescription": request.get("ModelPackageGroupDescription"),
            "ModelPackageGroupStatus": "Completed",
            "CreationTime": time.time(),
            "CreatedBy": {},
            "_tags": tags.given(request),
        }
        try:
            self._store.create(GROUP, name, doc)
        except TakenError as error:
            raise refusals.GROUP_TAKEN(arn=arn) from error
        return {"ModelPackageGroupArn": arn}

    def describe_group(self, request: Mapping[str, Any]) -> Doc:
        return self._group(request["ModelPackageGroupName"])

    def list_groups(self, request: Mapping[str, Any]) -> Doc:
        found, more = listing.page(self._store, listing.Ask(GROUP, request, descending=False))
        return {
            "ModelPackageGroupSummaryList": [{key: doc.get(key) for key in _GROUP_SUMMARY} for doc in found],
            **more,
        }

    def delete_group(self, request: Mapping[str, Any]) -> Doc:
        group = self._group(request["ModelPackageGroupName"])
        name = group["ModelPackageGroupName"]
        with self._store.alone():
            if self._store.select("kind = ? AND grouped = ?", (PACKAGE, name), limit=1):
                raise refusals.GROUP_IN_USE(arn=group["ModelPackageGroupArn"])
            if not self._store.delete(GROUP, name):
                raise refusals.GROUP_MISSING(arn=group["ModelPackageGroupArn"])
        return {}

    def create(self, request: Mapping[str, Any]) -> Doc:
        """Add the group's next version; the same ClientToken gives the version it gave before."""
        if not request.get("ModelPackageGroupName"):
            raise refusals.NO_GROUP()
        tags.given(request)  # before a version is counted
        group = self._group(request["ModelPackageGroupName"])["ModelPackageGroupName"]
        with self._store.alone():
            if there := self._made_with(group, request.get("ClientToken")):
                return {"ModelPackageArn": _same(there, request)["ModelPackageArn"]}
            doc = self._package(request, group, self._next_version(group))
            name = doc["ModelPackageArn"].partition("/")[2]
            self._store.create(PACKAGE, name, doc, events.package(doc), group=group)
        return {"ModelPackageArn": doc["ModelPackageArn"]}

    def describe(self, request: Mapping[str, Any]) -> Doc:
        return self._find(request["ModelPackageName"])

    def list(self, request: Mapping[str, Any]) -> Doc:
        conditions: list[tuple[str, Any]] = []
        if group := request.get("ModelPackageGroupName"):
            conditions.append(("grouped = ?", self._group(group)["ModelPackageGroupName"]))
        if approval := request.get("ModelApprovalStatus"):
            conditions.append(("json_extract(doc, '$.ModelApprovalStatus') = ?", approval))
        if request.get("ModelPackageType", "Versioned" if group else "Unversioned") == "Unversioned":
            return {"ModelPackageSummaryList": []}  # packages have versions here
        found, more = listing.page(self._store, listing.Ask(PACKAGE, request, descending=False, conditions=conditions))
        return {"ModelPackageSummaryList": [{key: doc.get(key) for key in _SUMMARY} for doc in found], **more}

    def update(self, request: Mapping[str, Any]) -> Doc:
        def edit(doc: Doc) -> list[Event]:
            for key in _UPDATED:
                if request.get(key) is not None:
                    doc[key] = request[key]
            if added := request.get("AdditionalInferenceSpecificationsToAdd"):
                doc["AdditionalInferenceSpecifications"] = [*doc.get("AdditionalInferenceSpecifications", []), *added]
            kept = {**doc.get("CustomerMetadataProperties", {}), **request.get("CustomerMetadataProperties", {})}
            removed = request.get("CustomerMetadataPropertiesToRemove", ())
            doc["CustomerMetadataProperties"] = {key: value for key, value in kept.items() if key not in removed}
            doc["LastModifiedTime"] = time.time()
            return [events.package(doc)]

        found = self._find(request["ModelPackageArn"])
        try:
            self._store.change(PACKAGE, found["ModelPackageArn"].partition("/")[2], edit)
        except MissingError as error:  # deleted in this very moment
            raise refusals.PACKAGE_MISSING(name=request["ModelPackageArn"]) from error
        return {"ModelPackageArn": found["ModelPackageArn"]}

    def delete(self, request: Mapping[str, Any]) -> Doc:
        found = self._find(request["ModelPackageName"])
        if not self._store.delete(PACKAGE, found["ModelPackageArn"].partition("/")[2]):
            raise refusals.PACKAGE_MISSING(name=request["ModelPackageName"])
        return {}

    def container(self, name: str) -> Doc:
        """Give the container of a package, as a model takes it."""
        specification = self._find(name).get("InferenceSpecification")
        if not specification:
            raise refusals.NO_SPECIFICATION(name=name)
        container: Doc = specification["Containers"][0]
        return container

    def _made_with(self, group: str, token: str | None) -> Doc | None:
        condition = "kind = ? AND grouped = ? AND json_extract(doc, '$._token') = ?"
        found = self._store.select(condition, (PACKAGE, group, token), limit=1) if token else []
        return found[0].doc if found else None

    def _next_version(self, group: str) -> int:
        """Count up, also past versions that were deleted: a number is given once."""

        def count(doc: Doc) -> None:
            doc["_versions"] = doc.get("_versions", 0) + 1

        try:
            return int(self._store.change(GROUP, group, count)["_versions"])
        except MissingError as error:  # deleted in this very moment
            raise refusals.GROUP_MISSING(arn=self._account.arn(GROUP, group)) from error

    def _package(self, request: Mapping[str, Any], group: str, version: int) -> Doc:
        doc: Doc = {key: request[key] for key in _CARRIED if request.get(key) is not None}
        return doc | {
            "ModelPackageName": group,
            "ModelPackageGroupName": group,
            "ModelPackageVersion": version,
            "ModelPackageArn": self._account.arn(PACKAGE, f"{group}/{version}"),
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "ModelApprovalStatus": request.get("ModelApprovalStatus", "PendingManualApproval"),
            "CreationTime": time.time(),
            "_tags": tags.given(request),
            "_token": request.get("ClientToken"),
        }

    def _group(self, name: str) -> Doc:
        """Find a group by its name or its ARN, with the name in whatever case."""
        place, _, plain = name.rpartition("/")
        doc = self._store.get(GROUP, plain)
        if doc is None or (place and f"{place}/" != self._account.arn(GROUP, "")):
            raise refusals.GROUP_MISSING(arn=name if place else self._account.arn(GROUP, name))
        return doc

    def _find(self, name: str) -> Doc:
        """Find a package by its ARN, with its group's name in whatever case; one of elsewhere is not here."""
        place, _, plain = name.partition("/")
        doc = self._store.get(PACKAGE, plain)
        if doc is None or f"{place}/" != self._account.arn(PACKAGE, ""):
            raise refusals.PACKAGE_MISSING(name=name)
        return doc


def _same(there: Doc, asked: Mapping[str, Any]) -> Doc:
    if any(there.get(key) != asked.get(key) for key in ("InferenceSpecification", "ModelMetrics")):
        raise refusals.TOKEN_TAKEN()
    return there
