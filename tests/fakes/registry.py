"""A model registry in memory: one package for each attempt of a run, versions counted in each group."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

from chalicelib.errors import NotFoundError
from chalicelib.ports import Package, PackageRequest


class FakeRegistry:
    def __init__(self) -> None:
        self.requests: list[PackageRequest] = []
        """Every package ever created, in order."""
        self._packages: dict[tuple[str, str, int], Package] = {}

    def register(self, package: PackageRequest) -> Package:
        key = (package.group, package.run, package.attempt)
        if key not in self._packages:
            version = 1 + sum(group == package.group for group, _, _ in self._packages)
            arn = f"arn:aws:sagemaker:us-east-1:000000000000:model-package/{package.group}/{version}"
            self._packages[key] = Package(arn, version, "PendingManualApproval", package.run)
            self.requests.append(deepcopy(package))
        if package.approved and self._packages[key].approval == "PendingManualApproval":
            return self.decide(self._packages[key].arn, approved=True, note=package.note)
        return self._packages[key]

    def find(self, group: str, run: str) -> Package | None:
        mine = [found for (of, name, _), found in self._packages.items() if (of, name) == (group, run)]
        return mine[-1] if mine else None

    def run_of(self, group: str, version: int) -> str | None:
        found = self.describe(f"arn:aws:sagemaker:us-east-1:000000000000:model-package/{group}/{version}")
        return found.run if found else None

    def describe(self, arn: str) -> Package | None:
        return next((found for found in self._packages.values() if found.arn == arn), None)

    def decide(self, arn: str, *, approved: bool, note: str) -> Package:
        key = next((key for key, found in self._packages.items() if found.arn == arn), None)
        if key is None:
            raise NotFoundError(f"ModelPackage {arn} does not exist.", name=arn)
        approval = "Approved" if approved else "Rejected"
        self._packages[key] = replace(self._packages[key], approval=approval, note=" ".join(note.split()))
        return self._packages[key]

    # What a test does: SageMaker's side.

    def remove(self, arn: str) -> None:
        """Delete a package, as a person may."""
        self._packages = {key: found for key, found in self._packages.items() if found.arn != arn}
