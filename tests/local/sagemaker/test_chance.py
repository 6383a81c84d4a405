"""Who answers is drawn, and drawn again from the same seed it is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from dropforge.local.sagemaker.account import Account
from dropforge.local.sagemaker.ground import Ground, plenty
from dropforge.local.sagemaker.hosting.fleet import Fleet
from dropforge.local.sagemaker.hosting.route import Route
from dropforge.local.sagemaker.images import Images
from dropforge.local.sagemaker.limits import Limits
from dropforge.local.sagemaker.logs import Logs
from dropforge.local.sagemaker.states import Pace
from dropforge.local.sagemaker.store import Store


class Ready:
    """A server that is always up."""

    healthy, in_flight = True, 0

    def __init__(self, variant: str) -> None:
        self.variant = variant


def _nobody(_service: str) -> Any:
    return None


def _drawn(folder: Path, seed: int) -> list[str]:
    store = Store(folder / f"{seed}.sqlite", {})
    account = Account("000000000000", "us-east-1")
    ground = Ground(
        folder, store, account, _nobody, Logs(_nobody), Images({}, folder), Limits(), Pace(0.0, seed), plenty
    )

    def fleet(*names: str) -> Fleet:
        made = Fleet(ground, "some", {"variants": [{"name": name, "weight": 1.0} for name in names]})
        made.servers = [cast("Any", Ready(name)) for name in names]
        return made

    route = Route(fleet("a", "b"), fleet("c", "d"), share=0.5)
    drawn = [route.take(None)[1].variant for _ in range(64)]
    store.close()
    return drawn


def test_the_same_seed_draws_the_same_servers_and_another_draws_others(tmp_path: Path) -> None:
    first = _drawn(tmp_path, 1)
    assert set(first) == {"a", "b", "c", "d"}
    assert _drawn(tmp_path, 1) == first
    assert _drawn(tmp_path, 2) != first
