"""What all rooms of one SageMaker share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropforge.local.sagemaker.account import Account
from dropforge.local.sagemaker.images import Images
from dropforge.local.sagemaker.limits import Limits
from dropforge.local.sagemaker.logs import Logs
from dropforge.local.sagemaker.states import Pace
from dropforge.local.sagemaker.store import Store


@dataclass(frozen=True, slots=True)
class Ground:
    home: Path
    """A folder of its own; nothing that runs in a sandbox sees it."""
    store: Store
    account: Account
    client: Callable[[str], Any]
    """Makes boto3 clients that reach S3 and Logs; called from any thread."""
    logs: Logs
    images: Images
    """What runs in the place of an image, or is it."""
    limits: Limits
    """Already scaled."""
    pace: Pace
    scarce: Callable[[str], bool]
    """Tells whether there is no instance of a type just now; asked once for each that is wanted."""
    memory: int | None = None
    """How many bytes a program and all that it started may have; None is this machine's share for one."""


def plenty(_instance_type: str) -> bool:
    """Tell of a cloud that always has one."""
    return False
