"""What DescribeTrainingJob tells of members that a request left out: AWS fills them in, and clients count on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SWITCHES = ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining")


def training(request: Mapping[str, Any]) -> dict[str, Any]:
    """Give the members with their values."""
    filled: dict[str, Any] = {name: bool(request.get(name)) for name in _SWITCHES}
    return filled | {"OutputDataConfig": {"KmsKeyId": "", **request["OutputDataConfig"]}}
