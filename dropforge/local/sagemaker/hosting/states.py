"""The statuses of endpoints."""

from __future__ import annotations

from dropforge.local.sagemaker.states import Graph

_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference"

ENDPOINT = Graph(
    "EndpointStatus",
    {
        "": frozenset({"Creating"}),
        "Creating": frozenset({"InService", "Failed", "Deleting"}),
        "InService": frozenset({"Updating", "SystemUpdating", "Deleting", "OutOfService"}),
        "Updating": frozenset({"InService", "RollingBack", "Failed", "UpdateRollbackFailed"}),
        "SystemUpdating": frozenset({"InService", "RollingBack"}),
        "RollingBack": frozenset({"InService", "UpdateRollbackFailed"}),
        "UpdateRollbackFailed": frozenset({"Deleting"}),
        "OutOfService": frozenset({"Deleting"}),
        "Failed": frozenset({"Deleting"}),
    },
    f"{_API}/API_DescribeEndpoint.html",
    seconds={"Creating": 120.0, "Updating": 120.0, "Deleting": 10.0},
    never={
        "Creating": frozenset({"Deleting"}),  # refused as busy
        "InService": frozenset({"SystemUpdating", "OutOfService"}),  # nobody maintains this machine
        "Updating": frozenset({"Failed", "UpdateRollbackFailed"}),  # an update that fails is rolled back
        "SystemUpdating": frozenset({"InService", "RollingBack"}),
        "OutOfService": frozenset({"Deleting"}),
    },
)
