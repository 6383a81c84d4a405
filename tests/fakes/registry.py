"""A model registry in memory: one package for each run, versions counted in each group."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

from chalicelib.ports import Package, PackageRequest


class FakeRegistry:
    def __init__(self) -> None:
        self.requests: list[PackageRequest] = []
        """Every package ever created, in order."""
        self._packages: dict[tuple[str, str], Package] = {}

    def register(self, package: PackageRequest) -> Package:
        key = (package.group, package.run)
        if key not in self._packages:
            version = 1 + sum(group == package.group for group, _ in self._packages)
            arn = f"arn:aws:sagemaker:us-east-1:000000000000:model-package/{package.group}/{version}"
            self._packages[key] = Package(arn, version, "PendingManualApproval")
            self.requests.append(deepcopy(package))
        if package.approved and self._packages[key].approval == "PendingManualApproval":
            self._packages[key] = replace(self._packages[key], approval="Approved")
        return self._packages[key]

    def find(self, group: str, run: str) -> Package | None:
        return self._packages.get((group, run))
