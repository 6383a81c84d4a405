"""Model packages, in SageMaker's registry: one for each run."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from chalicelib.aws.clients import Clients, shared
from chalicelib.aws.errors import sagemaker
from chalicelib.aws.tags import tags
from chalicelib.errors import AlreadyExistsError, NotFoundError
from chalicelib.ports import NOTE_LIMIT, Package, PackageRequest
from chalicelib.settings import Settings

SEARCH_LIMIT = 100
"""Packages looked at, newest first: a run that is registered again was registered moments ago."""
VERSION_LIMIT = 999_999_999
"""The longest number that an ARN of a package takes."""
_WAITING, _APPROVED, _REJECTED = "PendingManualApproval", "Approved", "Rejected"


class Registry:
    def __init__(self, settings: Settings, clients: Clients | None = None) -> None:
        self._clients = clients or shared(settings.region)
        self._settings = settings

    def register(self, package: PackageRequest) -> Package:
        self._ensure_group(package.group)
        found = self._find(package.group, package.run, package.attempt) or self._create(package)
        if package.approved and found.approval == _WAITING:
            return self.decide(found.arn, approved=True, note=package.note)
        return found

    def find(self, group: str, run: str) -> Package | None:
        return self._find(group, run, None)

    def describe(self, arn: str) -> Package | None:
        try:
            found = _package(self._about(arn))
        except NotFoundError:
            return None
        return found if found.run else None

    def decide(self, arn: str, *, approved: bool, note: str) -> Package:
        """Give it as it was asked for: a describe may lag behind, and creating takes a status, but no word why."""
        says = _APPROVED if approved else _REJECTED
        # One line: SageMaker's pattern takes no line breaks.
        told = " ".join(note.split())[:NOTE_LIMIT]
        with sagemaker():
            self._sagemaker.update_model_package(
                ModelPackageArn=arn, ModelApprovalStatus=says, ApprovalDescription=told
            )
        return replace(_package(self._about(arn)), approval=says, note=told or None)

    def _find(self, group: str, run: str, attempt: int | None) -> Package | None:
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
        return next((_package(about) for about in map(self._about, arns) if _is_of(run, attempt, about)), None)

    def run_of(self, group: str, version: int) -> str | None:
        """Describe takes no group's name, and an ARN holds the account: any package of the group tells it."""
        try:
            with sagemaker():
                one = self._sagemaker.list_model_packages(ModelPackageGroupName=group, MaxResults=1)
            if not one["ModelPackageSummaryList"] or not 0 < version <= VERSION_LIMIT:
                return None
            about = self._about(one["ModelPackageSummaryList"][0]["ModelPackageArn"].rpartition("/")[0] + f"/{version}")
        except NotFoundError:
            return None
        found: str | None = about.get("CustomerMetadataProperties", {}).get("run")
        return found

    def _create(self, package: PackageRequest) -> Package:
        with sagemaker():
            answer = self._sagemaker.create_model_package(**_request(package))
        return _package(self._about(answer["ModelPackageArn"]))

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
        "CustomerMetadataProperties": {**package.metadata, "run": package.run, "attempt": str(package.attempt)},
        # At most 36 characters; the same attempt asks with the same token, so two askers at once make one package.
        "ClientToken": hashlib.sha256(_asked(package).encode()).hexdigest()[:36],
        **metrics,
    }


def _asked(package: PackageRequest) -> str:
    return f"{package.group}/{package.run}" + (f"/{package.attempt}" if package.attempt > 1 else "")


def _description(run: str) -> str:
    return f"Dropforge run {run}"


def _may_be_of(run: str, summary: dict[str, Any]) -> bool:
    """A summary shows no metadata; its description spares describing the packages of other runs."""
    told: str = summary.get("ModelPackageDescription", _description(run))
    return told == _description(run)


def _is_of(run: str, attempt: int | None, about: dict[str, Any]) -> bool:
    """Tell whether it is the run's, by this attempt of it where one is meant; older packages are of the first."""
    properties = _metadata(about)
    return properties.get("run") == run and attempt in {None, int(properties.get("attempt", "1"))}


def _metadata(about: dict[str, Any]) -> dict[str, str]:
    return about.get("CustomerMetadataProperties") or {}


def _package(about: dict[str, Any]) -> Package:
    return Package(
        about["ModelPackageArn"],
        int(about["ModelPackageVersion"]),
        about["ModelApprovalStatus"],
        run=_metadata(about).get("run", ""),
        note=about.get("ApprovalDescription") or None,
        by=about.get("LastModifiedBy", {}).get("IamIdentity", {}).get("Arn"),
    )
