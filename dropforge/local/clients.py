"""boto3 clients of one local cloud."""

from __future__ import annotations

import threading
from typing import Any

import boto3
from botocore.config import Config

from dropforge.local.home import REGION, Keys


class Clients:
    """Makes boto3 clients of this cloud, one for each service."""

    def __init__(self, endpoint: str, keys: Keys, region: str = REGION) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, Any] = {}
        self._session = boto3.session.Session(keys.access, keys.secret, region_name=region)
        self._endpoint = endpoint
        self._config = Config(
            retries={"total_max_attempts": 3, "mode": "standard"},
            max_pool_connections=50,
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
        )

    def __call__(self, service: str) -> Any:
        with self._lock:
            if service not in self._made:
                self._made[service] = self._session.client(service, endpoint_url=self._endpoint, config=self._config)
            return self._made[service]
