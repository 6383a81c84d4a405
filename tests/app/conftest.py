"""The real app.py over a world in memory. `chalice package` sets these variables when it imports app.py; so do we."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from chalicelib import wiring
from tests.fakes.world import SETTINGS, World

os.environ.setdefault("DROPFORGE_PREFIX", SETTINGS.prefix)
os.environ.setdefault("DROPFORGE_STAGE", SETTINGS.stage)
os.environ.setdefault("DROPFORGE_INSTANCE_TYPES", ",".join(SETTINGS.instance_types))


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    with wiring.use(wiring.Flows(made)):
        yield made
