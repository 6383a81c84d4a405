"""The clients of one process: made when first asked for, all from one botocore session.

Attempts and time-outs are chosen so that a function answers, or fails with an error of ours, before its own time-out:
what fails is asked again by the event that comes again, so long waits here would only hide that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from botocore.config import Config
from botocore.session import get_session

_PATIENT = {"connect_timeout": 3, "read_timeout": 15, "retries": {"mode": "standard", "total_max_attempts": 3}}
_QUICK = {"connect_timeout": 2, "read_timeout": 5, "retries": {"mode": "standard", "total_max_attempts": 4}}

_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {**_PATIENT, "signature_version": "s3v4"},
    "dynamodb": _QUICK,
    "sqs": _QUICK,
    "events": _QUICK,
    "logs": _QUICK,
    "sagemaker": _PATIENT,
    "sns": _QUICK,
    "ssm": _QUICK,
}


class Clients:
    def __init__(self, region: str, make: Callable[..., Any] | None = None) -> None:
        """`make` is botocore's `create_client`, where its session or its endpoint is not the environment's."""
        self._region = region
        self._make = make or get_session().create_client
        self._made: dict[tuple[str, float], Any] = {}
        self._lock = threading.Lock()

    def get(self, service: str) -> Any:
        """Give the client of a service, as patient as that service deserves."""
        return self._get(service, 0, _OPTIONS[service])

    def runtime(self, seconds: float) -> Any:
        """Give a client that calls an endpoint once: a model that was slow is not asked the same again."""
        options = {"connect_timeout": 2, "read_timeout": seconds, "retries": {"total_max_attempts": 1}}
        return self._get("sagemaker-runtime", seconds, options)

    def _get(self, service: str, seconds: float, options: dict[str, Any]) -> Any:
        with self._lock:  # making a client is not safe in threads; using one is
            if (service, seconds) not in self._made:
                config = Config(user_agent_extra="dropforge", **options)
                self._made[service, seconds] = self._make(service, region_name=self._region, config=config)
            return self._made[service, seconds]


@cache
def shared(region: str) -> Clients:
    """Give the clients that all adapters of this process share."""
    return Clients(region)
