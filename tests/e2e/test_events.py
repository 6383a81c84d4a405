"""Events are hints: whatever happens to them on their way, the same comes of a drop."""

from __future__ import annotations

import json
import random
from functools import partial
from typing import Any

from tests.e2e.conftest import Cloud, wait_until
from tests.e2e.courier import Courier, bad_courier
from tests.e2e.pipelines import (
    PIXEL,
    Registered,
    Tiny,
    drop,
    fresh,
    go_live,
    jobs_of,
    knobs,
    label_of,
    push,
    put_all,
    release_of,
    until_dataset,
    until_sealed,
    until_stage,
)
from tests.e2e.triggers import SCHEDULE, errors, invocations, more, switched_off

_MANUAL = '[gate]\nmetric = "validation:accuracy"\napproval = "manual"\n'
_LONG = {"seconds": 25}
"""Training that goes on while its files are dropped again."""


def test_every_event_delivered_twice_and_in_random_order_ends_in_the_same_state(cloud: Cloud) -> None:
    seed = random.randrange(10**6)  # noqa: S311  an order, no secret
    plain, shaken = Tiny(fresh("plain")), Tiny(fresh("shaken"))
    push(cloud, plain)
    wanted = [go_live(cloud, plain.name, name, knobs(label=name)) for name in ("one", "two")]
    failed = errors(cloud)
    with bad_courier(cloud, seed) as courier:
        before = invocations(cloud)
        put_all(cloud, f"pipelines/{shaken.name}/", shaken.files)
        courier.work(lambda: (cloud.status_of(shaken.name) or {}).get("state") == "accepted")
        for name in ("one", "two"):
            drop(cloud, shaken.name, name, knobs(label=name))
            courier.work(partial(_is_live, cloud, shaken.name, name))
        courier.finish()
        courier.again()
        courier.finish()
        woken = more(invocations(cloud), before)

    found = [cloud.get(f"/v1/runs/{cloud.get(f'/v1/datasets/{shaken.name}/{name}')['run']}") for name in ("one", "two")]
    assert [_told(run) for run in found] == [_told(run) for run in _again(cloud, wanted)], f"seed {seed}"
    assert _shape(release_of(cloud, shaken.name)) == _shape(release_of(cloud, plain.name)), f"seed {seed}"
    assert label_of(cloud.predict(shaken.name, PIXEL)) == "two"
    # One training job for each drop; of each model one rehearsal; one endpoint for clients, made once and updated once.
    rehearsal, made, updated = _endpoints(courier, shaken.name)
    assert len(jobs_of(cloud, shaken.name)) == 2, jobs_of(cloud, shaken.name)
    assert (rehearsal, made, updated) == (2, 1, 1), f"seed {seed}"
    assert not more(errors(cloud), failed), f"seed {seed}"
    # Each event came at least twice, and nothing else woke anybody.
    for function in ("OnWake", "OnJobChanged", "OnEndpointChanged", "OnPackageChanged"):
        assert woken[function] == courier.handed[function], (seed, woken)
        assert courier.handed[function] >= 2 * sum(kind == function for kind, _ in courier.seen), (seed, woken)
    assert "Reconcile" not in woken, (seed, woken)


def test_the_same_files_dropped_again_mid_training_stop_nothing_and_start_nothing(cloud: Cloud) -> None:
    tiny = Tiny(fresh("again"), hyperparameters=_LONG)
    files = knobs(label="b")
    push(cloud, tiny)
    drop(cloud, tiny.name, "one", files)
    run = until_sealed(cloud, tiny.name, "one")
    wait_until(lambda: cloud.get(f"/v1/runs/{run}")["stage"] == "training")
    sealed = cloud.get(f"/v1/datasets/{tiny.name}/one")["sealed_at"]
    before = invocations(cloud)["OnUploads"]
    drop(cloud, tiny.name, "one", files, ready=False)
    wait_until(lambda: invocations(cloud)["OnUploads"] > before)
    drop(cloud, tiny.name, "one", files)  # its _READY makes it seal once more
    wait_until(lambda: until_dataset(cloud, tiny.name, "one")["sealed_at"] > sealed)
    assert cloud.get(f"/v1/runs/{run}")["stage"] == "training", "no drop came mid-training: this machine is too busy"

    seen = until_stage(cloud, run)
    assert until_sealed(cloud, tiny.name, "one") == run
    assert jobs_of(cloud, tiny.name) == [seen["candidate"]["job"]]
    job = cloud.client("sagemaker").describe_training_job(TrainingJobName=seen["candidate"]["job"])
    assert [each["Status"] for each in job["SecondaryStatusTransitions"]][-1] == "Completed"
    assert "Stopping" not in {each["Status"] for each in job["SecondaryStatusTransitions"]}
    assert label_of(cloud.predict(tiny.name, PIXEL)) == "b"


def test_what_is_approved_or_rejected_with_sagemakers_own_sdk_is_followed(cloud: Cloud) -> None:
    tiny = Registered(fresh("asked"), more=_MANUAL)
    push(cloud, tiny)
    runs = {}
    for status in ("Approved", "Rejected"):
        drop(cloud, tiny.name, status, knobs(label=status))
        runs[status] = until_sealed(cloud, tiny.name, status)
    packages = {status: until_stage(cloud, run, "awaiting-approval")["package"] for status, run in runs.items()}
    before = invocations(cloud)["OnPackageChanged"]
    with switched_off(cloud, SCHEDULE):  # which would find it, too, within a minute
        for status, stage in (("Approved", "registered"), ("Rejected", "rejected")):
            cloud.client("sagemaker").update_model_package(
                ModelPackageArn=packages[status], ModelApprovalStatus=status, ApprovalDescription="seen by eye"
            )
            seen = until_stage(cloud, runs[status], stage)
            assert (seen["approval"], seen["verdict"]["reason"]) == (status.lower(), "seen by eye")
    assert invocations(cloud)["OnPackageChanged"] >= before + 2


def test_an_event_of_ones_own_starts_a_run_and_one_for_another_deployment_wakes_nobody(cloud: Cloud) -> None:
    tiny = Registered(fresh("begun"), quiet_seconds=900)
    push(cloud, tiny)
    for name in ("ours", "theirs"):
        drop(cloud, tiny.name, name, knobs(label=name), ready=False)
        until_dataset(cloud, tiny.name, name, "collecting")
    before = invocations(cloud)["OnRunRequested"]
    asked = [("dropforge-theirs", "theirs"), (cloud.card["stages"][cloud.stage]["stack"], "ours")]
    put = cloud.client("events").put_events(Entries=[_asking(tiny.name, *each) for each in asked])
    assert put["FailedEntryCount"] == 0, put
    run = until_sealed(cloud, tiny.name, "ours")
    until_stage(cloud, run, "registered")
    [line] = [
        entry["facts"]
        for entry in cloud.get(f"/v1/datasets/{tiny.name}/ours/timeline")["timeline"]
        if entry["what"] == "start asked for"
    ]
    account = cloud.card["account"]
    assert line == {"by": f"lab.scheduler (account {account})", "reason": "nightly", "request": "night-ours"}
    assert invocations(cloud)["OnRunRequested"] == before + 1
    assert until_dataset(cloud, tiny.name, "theirs", "collecting")["run"] is None
    assert len(jobs_of(cloud, tiny.name)) == 1


def _asking(pipeline: str, deployment: str, dataset: str) -> dict[str, str]:
    named = {"deployment": deployment, "pipeline": pipeline, "dataset": dataset}
    detail = {**named, "requestId": f"night-{dataset}", "reason": "nightly"}
    return {"Source": "lab.scheduler", "DetailType": "Dropforge Run Requested", "Detail": json.dumps(detail)}


def _is_live(cloud: Cloud, pipeline: str, name: str) -> bool:
    return bool((cloud.status_of(f"{pipeline}/{name}") or {}).get("stage") == "live")


def _endpoints(courier: Courier, pipeline: str) -> tuple[int, int, int]:
    """Count from SageMaker's own events: rehearsals made, endpoints for clients made, and updates of those."""
    told = [event["detail"] for kind, event in courier.seen if kind == "OnEndpointChanged"]
    mine = [each for each in told if f"-{pipeline}-" in each["EndpointName"]]
    rehearsals = {(each["EndpointName"], each["CreationTime"]) for each in mine if "-rehearse-" in each["EndpointName"]}
    live = [each for each in mine if each["EndpointName"].endswith("-realtime")]
    updates = {each["LastModifiedTime"] for each in live if each["EndpointStatus"] == "UPDATING"}
    return len(rehearsals), len({each["CreationTime"] for each in live}), len(updates)


def _again(cloud: Cloud, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [dict(cloud.get(f"/v1/runs/{run['run']}")) for run in runs]


def _told(run: dict[str, Any]) -> dict[str, Any]:
    """Give what two runs of the same data through the same pipeline have in common: all but names and times."""
    same = ("state", "stage", "reason", "todo", "channels", "metrics", "labels", "release")
    attempts = (run["candidate"]["attempt"], run["candidate"]["status"])
    return {name: run[name] for name in same} | {"attempts": attempts}


def _shape(release: dict[str, Any]) -> dict[str, Any]:
    slots = ("live", "desired", "pending", "previous")
    kept = {name: release[name] and (release[name]["model_version"], release[name]["labels"]) for name in slots}
    return kept | {name: release[name] for name in ("stage", "generation", "failed")}
