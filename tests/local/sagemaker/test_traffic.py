from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropforge.local.sagemaker.errors import SageMakerError
from dropforge.local.sagemaker.hosting import traffic
from dropforge.local.sagemaker.hosting.traffic import Step

_POLICY = {"TerminationWaitInSeconds", "MaximumExecutionTimeoutInSeconds"}


def _percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def _instances(value: int) -> dict[str, Any]:
    return {"Type": "INSTANCE_COUNT", "Value": value}


def _blue_green(kind: str, **more: Any) -> dict[str, Any]:
    policy = {
        key: more.pop(key) for key in ("TerminationWaitInSeconds", "MaximumExecutionTimeoutInSeconds") & more.keys()
    }
    routing = {"Type": kind, "WaitIntervalInSeconds": 60, **more}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, **policy}}


def _rolling(**more: Any) -> dict[str, Any]:
    return {"RollingUpdatePolicy": {"WaitIntervalInSeconds": 60, **more}}


@pytest.mark.parametrize(
    ("deployment", "count", "shares"),
    [
        pytest.param(None, 2, [1.0], id="nothing said"),
        pytest.param(_blue_green("ALL_AT_ONCE"), 2, [1.0], id="all at once"),
        pytest.param(_blue_green("CANARY", CanarySize=_percent(10)), 1, [0.1, 1.0], id="canary by percent"),
        pytest.param(_blue_green("CANARY", CanarySize=_instances(1)), 4, [0.25, 1.0], id="canary by instances"),
        pytest.param(_blue_green("LINEAR", LinearStepSize=_percent(40)), 1, [0.4, 0.8, 1.0], id="linear by percent"),
        pytest.param(_blue_green("LINEAR", LinearStepSize=_instances(1)), 2, [0.5, 1.0], id="linear by instances"),
        pytest.param(_rolling(MaximumBatchSize=_percent(50)), 3, [2 / 3, 1.0], id="rolling: whole instances"),
        pytest.param(_rolling(MaximumBatchSize=_percent(5)), 2, [0.5, 1.0], id="rolling: one at least"),
    ],
)
def test_traffic_moves_in_the_steps_that_were_asked_for(
    deployment: dict[str, Any] | None, count: int, shares: list[float]
) -> None:
    assert [step.share for step in traffic.plan(deployment, count).steps] == pytest.approx(shares)


def test_its_times_hurry_with_the_cloud() -> None:
    asked = _blue_green("ALL_AT_ONCE", TerminationWaitInSeconds=100, MaximumExecutionTimeoutInSeconds=600)
    shift = traffic.plan(asked, 1, speed=0.5)
    assert (shift.steps, shift.end, shift.limit) == ((Step(1.0, 30.0),), 50.0, 300.0)


def test_the_way_back_is_one_step_unless_a_batch_is_named() -> None:
    batches = {"MaximumBatchSize": _instances(2)}
    assert traffic.plan(_rolling(**batches), 4).back == (0.0,)
    assert traffic.plan(_rolling(**batches, RollbackMaximumBatchSize=_instances(1)), 4).back == (0.75, 0.5, 0.25, 0.0)


@pytest.mark.parametrize(
    ("deployment", "words"),
    [
        (_blue_green("CANARY"), "CanarySize must be given with"),
        (
            _blue_green("LINEAR", CanarySize=_percent(10)),
            "CanarySize must be given with the traffic routing type CANARY",
        ),
        (_blue_green("CANARY", CanarySize=_percent(51)), "CanarySize must be between 1% and 50%"),
        (_blue_green("CANARY", CanarySize=_instances(3)), "of the variant's 4 instances"),
        (_blue_green("LINEAR", LinearStepSize=_percent(9)), "LinearStepSize must be between 10% and 50%"),
        (_rolling(MaximumBatchSize=_percent(4)), "MaximumBatchSize must be between 5% and 50%"),
        ({**_blue_green("ALL_AT_ONCE"), **_rolling(MaximumBatchSize=_percent(50))}, "Only one update policy"),
        (
            _blue_green("ALL_AT_ONCE", TerminationWaitInSeconds=540, MaximumExecutionTimeoutInSeconds=600),
            "must be larger than the 600",
        ),
    ],
)
def test_a_deployment_that_cannot_be_is_refused_before_it_begins(deployment: dict[str, Any], words: str) -> None:
    with pytest.raises(SageMakerError, match=re.escape(words)) as refused:
        traffic.check(deployment, 4)
    assert refused.value.code == "ValidationException"


@given(st.integers(1, 40), st.integers(1, 100), st.sampled_from(["CAPACITY_PERCENT", "INSTANCE_COUNT"]))
def test_every_way_ends_with_all_of_the_traffic_and_never_with_too_few_servers(
    count: int, value: int, kind: str
) -> None:
    size = {"Type": kind, "Value": value}
    for asked in (_rolling(MaximumBatchSize=size), _blue_green("LINEAR", LinearStepSize=size)):
        shares = [step.share for step in traffic.plan(asked, count).steps]
        assert shares == sorted(set(shares))
        assert shares[-1] == 1.0
        for share in shares:
            assert traffic.capacity(share, count) + traffic.capacity(1 - share, count) >= count
