"""Each contract test runs twice: against the fakes, and against the adapters in front of the local cloud."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.aws.clients import Clients
from dropforge.local import launch
from tests.contracts.cloud import CloudSide, clients_of
from tests.contracts.worlds import ContractWorld, FakeSide


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Start one local cloud for all tests of this process; each of them has its own bucket, table, queue and names."""
    home = tmp_path_factory.mktemp("cloud")
    yield clients_of(launch.start(home, attached=True))
    launch.stop(home)


@pytest.fixture(params=["fake", "local"])
def world(request: pytest.FixtureRequest) -> Iterator[ContractWorld]:
    if request.param == "fake":
        yield FakeSide()
        return
    side = CloudSide(request.getfixturevalue("clients"))
    yield side
    side.clean()
