"""Model packages, in SageMaker's registry: one for each run."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from chalicelib.aws.clients import Clients, shared
from chalicelib.aws.errors import sagemaker
from chalicelib.aws.tags import tags
from chalicelib.errors import AlreadyExistsError, NotFoundError
from chalicelib.ports import Package, PackageRequest
from chalicelib.settings import Settings

SEARCH_LIMIT = 100
"""Packages looked at, newest first: a run that is registered again was registered moments ago."""
NOTE_LIMIT = 1024
_WAITING, _APPROVED = "PendingManualApproval", "Approved"


class Registry:
    def __init__(self, settings: Settings, clients: Clients | None = None) -> None:
        self._clients = clients or shared(settings.region)
        self._settings = settings

    def register(self, package: PackageRequest) -> Package:
        self._ensure_group(package.group)
        found = self.find(package.group, package.run) or self._create(package)
        if package.approved and found.approval == _WAITING:
            return self._approve(found, package.note)
        return found

    def find(self, group: str, run: str) -> Package | None:
        try:
            with sagemaker():
                answer = self._sagemaker.list_model_packages(
                    ModelPackageGroupName=group,
                    ModelPackageType="Versioned",
                    SortBy="CreationTime",
                    SortOrder="Descending",
                    MaxResults=SEARCH_LIMIT,
                )
        except NotFoundError:
            return None
        arns = (found["ModelPackageArn"] for found in answer["ModelPackageSummaryList"] if _may_be_of(run, found))
        return next((_package(about) for about in map(self._about, arns) if _is_of(run, about)), None)

    def _create(self, package: PackageRequest) -> Package:
        with sagemaker():
            answer = self._sagemaker.create_model_package(**_request(package))
        return _package(self._about(answer["ModelPackageArn"]))

    def _approve(self, package: Package, note: str) -> Package:
        """Approve it with a word why: creating a package takes a status, but no description of it."""
        with sagemaker():
            self._sagemaker.update_model_package(
                ModelPackageArn=package.arn, ModelApprovalStatus=_APPROVED, ApprovalDescription=note[:NOTE_LIMIT]
            )
        return replace(package, approval=_APPROVED)

    def _ensure_group(self, group: str) -> None:
        try:
            with sagemaker():
                self._sagemaker.create_model_package_group(
                    ModelPackageGroupName=group, Tags=tags(self._settings.names, group)
                )
        except AlreadyExistsError:
            return

    def _about(self, arn: str) -> dict[str, Any]:
        with sagemaker():
            answer: dict[str, Any] = self._sagemaker.describe_model_package(ModelPackageName=arn)
        return answer

    @property
    def _sagemaker(self) -> Any:
        return self._clients.get("sagemaker")


def _request(package: PackageRequest) -> dict[str, Any]:
    statistics = {"ContentType": "application/json", "S3Uri": package.metrics_uri}
    metrics = {"ModelMetrics": {"ModelQuality": {"Statistics": statistics}}} if package.metrics_uri else {}
    return {
        "ModelPackageGroupName": package.group,
        "ModelPackageDescription": _description(package.run),
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": package.image,
                    "ModelDataUrl": package.model_uri,
                    "Environment": dict(package.environment),
                }
            ],
            "SupportedContentTypes": list(package.accept),
            "SupportedResponseMIMETypes": ["application/json"],
        },
        "ModelApprovalStatus": _WAITING,
        "CustomerMetadataProperties": {**package.metadata, "run": package.run},
        # At most 36 characters; the same run asks with the same token, so two askers at once make one package.
        "ClientToken": hashlib.sha256(f"{package.group}/{package.run}".encode()).hexdigest()[:36],
        **metrics,
    }


def _description(run: str) -> str:
    return f"Dropforge run {run}"


def _may_be_of(run: str, summary: dict[str, Any]) -> bool:
    """A summary shows no metadata; its description spares describing the packages of other runs."""
    told: str = summary.get("ModelPackageDescription", _description(run))
    return told == _description(run)


def _is_of(run: str, about: dict[str, Any]) -> bool:
    properties: dict[str, str] = about.get("CustomerMetadataProperties", {})
    return properties.get("run") == run


def _package(about: dict[str, Any]) -> Package:
    return Package(about["ModelPackageArn"], int(about["ModelPackageVersion"]), about["ModelApprovalStatus"])
