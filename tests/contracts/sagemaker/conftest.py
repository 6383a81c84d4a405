from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import pytest

from dropforge.local import launch
from tests.contracts.sagemaker.place import Place

_HOME, _AWS = 60.0, 1800.0
"""Seconds that a thing may take at home, and on AWS."""


@pytest.fixture(scope="session")
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The SageMaker that `--against` names; each test makes names of its own in it."""
    if request.config.getoption("--against") == "aws":
        yield from _opened(_aws())
        return
    home = tmp_path_factory.mktemp("cloud")
    yield from _opened(_local(launch.start(home, speed=0.02, attached=True)))
    launch.stop(home)


def _opened(place: Place) -> Iterator[Place]:
    try:
        place.open()
        yield place
    finally:
        place.close()


def _aws() -> Place:
    session = boto3.session.Session()
    region = session.region_name or "us-east-1"
    return Place(cache(session.client), region, os.environ["DROPFORGE_CONTRACT_ROLE"], _AWS)


def _local(card: dict[str, Any]) -> Place:
    session = boto3.session.Session(card["access_key"], card["secret_key"], region_name=card["region"])

    @cache
    def client(service: str) -> Any:
        return session.client(service, endpoint_url=card["endpoint"])

    return Place(client, card["region"], f"arn:aws:iam::{card['account']}:role/contract", _HOME)
