"""Ten thousand of something, and what that costs: counted at the one port that every call goes through."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chalicelib.aws.records import Records
from chalicelib.model import Channel, Dataset, DatasetId, DatasetState, Run, RunState
from dropforge.local.functions.schedules import scheduled_event
from tests.contracts.cloud import clients_of
from tests.e2e.conftest import Cloud, wait_until
from tests.e2e.pipelines import PIXEL, Tiny, drop, fresh, jobs_of, label_of, push, until_sealed, until_stage
from tests.e2e.triggers import SCHEDULE, calls, errors, invocations, more, physical, queue_of, switched_off, waiting_in
from tests.fakes.world import SETTINGS

pytestmark = pytest.mark.slow
STAGES = ("dev", "prod")
_MANY = 10_000
_HANDS = 8
_WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem")
_READS = ("GetItem", "Query", "Scan", "BatchGetItem", "TransactGetItems")
_PATIENCE = 300


def test_ten_thousand_objects_at_once_are_one_run_for_a_few_hundred_invocations_and_writes(cloud: Cloud) -> None:
    tiny = Tiny(fresh("flood"), quiet_seconds=5)
    push(cloud, tiny)
    files = {f"training/{number:05}.csv": b"%d\n" % number for number in range(_MANY)}
    with switched_off(cloud, SCHEDULE):
        before, table = invocations(cloud), calls(cloud, "dynamodb")
        drop(cloud, tiny.name, "big", files)
        run = until_sealed(cloud, tiny.name, "big", seconds=_PATIENCE)
        wait_until(lambda: not waiting_in(cloud, queue_of(cloud, "uploads")), _PATIENCE)
        seen = until_stage(cloud, run, seconds=_PATIENCE)
        woken, table = more(invocations(cloud), before), more(calls(cloud, "dynamodb"), table)
    del woken["APIHandler"]  # this test's own questions
    writes = sum(table.get(name, 0) for name in _WRITES)
    assert seen["channels"] == [{"name": "training", "objects": _MANY, "bytes": sum(map(len, files.values()))}]
    assert jobs_of(cloud, tiny.name) == [seen["candidate"]["job"]]
    assert label_of(cloud.predict(tiny.name, PIXEL)) == "a"
    assert not errors(cloud)
    figures = f"{sum(woken.values())} invocations ({woken}), {writes} writes ({table})"
    print(f"{_MANY} objects: {figures}")  # noqa: T201  the figures are what one runs this test for
    assert sum(woken.values()) < 500, woken
    assert writes < 500, table


@pytest.mark.slowest  # tests/flows/test_reconcile.py counts the same in memory
def test_a_tick_with_ten_thousand_finished_runs_reads_as_much_as_with_ten(cloud: Cloud) -> None:
    prod = cloud.at("prod")
    records = Records(replace(SETTINGS, stage="prod", table=prod.table), clients_of(prod.card), time.time)
    with switched_off(prod, SCHEDULE), switched_off(cloud, SCHEDULE):
        tick = _ticker(prod)
        wait_until(lambda: not prod.status()["inbox"])
        _save_finished_runs(records, range(10))
        tick()  # the first one may have more to do: the stage is new
        few = tick()
        _save_finished_runs(records, range(10, _MANY))
        many = tick()
    listed = prod.get(f"/v1/runs?pipeline={_PIPELINE}&limit=100")
    assert (len(listed["runs"]), listed["next"] is not None) == (100, True)
    print(f"a tick reads {few} with 10 finished runs and {many} with {_MANY}")  # noqa: T201  as above
    assert many == few
    assert sum(few.values()) < 20, few


_PIPELINE = "finished"


def _save_finished_runs(records: Records, numbers: range) -> None:
    """Write runs and their datasets as they stand when nothing is open any more."""
    now = time.time()

    def save(number: int) -> None:
        dataset = DatasetId(_PIPELINE, f"d{number:05}")
        run = Run(
            id=f"v1{number:012x}{'0' * 52}",
            pipeline=_PIPELINE,
            dataset=dataset,
            version="0" * 64,
            digest=f"{number:064x}",
            sealed_at=now,
            created_at=now + number / 1000,
            ended_at=now,
            state=RunState.REGISTERED,
            channels=(Channel("training", 1, 1, "s3://bucket/manifest"),),
            told="registered",  # its events are long sent: thousands that wait would be read and sent by each tick
        )
        records.save(run)
        if number % 10 == 0:
            records.save(
                Dataset(dataset, DatasetState.SEALED, run=run.id, sealed_at=now, digest=run.digest, told="sealed")
            )

    with ThreadPoolExecutor(_HANDS) as hands:
        list(hands.map(save, numbers))


def _ticker(cloud: Cloud) -> Callable[[], dict[str, int]]:
    """Give a tick that counts its own reads: it is invoked by hand, while the schedule is off."""
    function = physical(cloud, "Reconcile")
    event = json.dumps(scheduled_event("arn:aws:events:::rule/by-hand", "0" * 12, "us-east-1", datetime.now(UTC)))

    def tick() -> dict[str, int]:
        before = {service: calls(cloud, service) for service in ("dynamodb", "s3", "sagemaker")}
        answer = cloud.client("lambda").invoke(FunctionName=function, Payload=event)
        assert "FunctionError" not in answer, answer
        done = {service: more(calls(cloud, service), counts) for service, counts in before.items()}
        return {
            f"{service} {name}": count
            for service, counted in done.items()
            for name, count in counted.items()
            if service != "dynamodb" or name in _READS
        }

    return tick
