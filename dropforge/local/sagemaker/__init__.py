"""SageMaker on one machine: the same API, honest states, real programs in sandboxes, real events.

Everything is driven by botocore's own description of the service. Each room lists its operations; all others are
refused by name.
"""

from __future__ import annotations

from dropforge.local.sagemaker.hosting.runtime import INVOCATIONS
from dropforge.local.sagemaker.limits import Limits
from dropforge.local.sagemaker.service import SageMaker

__all__ = ["INVOCATIONS", "Limits", "SageMaker"]
