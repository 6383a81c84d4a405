"""botocore's descriptions of services: each is read once and in memory once, whoever in this process asks."""

from __future__ import annotations

import functools
from typing import Any

import botocore.loaders
import botocore.model

_LOADER = botocore.loaders.Loader()


@functools.cache
def service(name: str) -> Any:
    """Describe a service; tens of milliseconds and some megabytes the first time. UnknownServiceError for none."""
    return botocore.model.ServiceModel(_LOADER.load_service_model(name, "service-2"), name)


def share() -> None:
    """Let every session that is made from now on read them here: each would load its own."""
    botocore.loaders.create_loader = lambda search_path_string=None: _LOADER  # noqa: ARG005  named by its callers
