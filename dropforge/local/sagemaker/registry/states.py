"""The statuses of groups of model packages and of their versions."""

from __future__ import annotations

from dropforge.local.sagemaker.states import Graph

_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference"

GROUP = Graph("ModelPackageGroupStatus", {"": frozenset({"Completed"})}, f"{_API}/API_DescribeModelPackageGroup.html")
PACKAGE = Graph("ModelPackageStatus", {"": frozenset({"Completed"})}, f"{_API}/API_DescribeModelPackage.html")
