"""The whole cloud is killed at random moments while people work: nothing is lost, nothing paid twice, and it ends live.

DROPFORGE_KILLS says how many times, DROPFORGE_KILLS_SEED makes the same draws again.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from dropforge.local import launch
from tests.e2e.aftermath import Story, under_way
from tests.e2e.conftest import SPEED, wait_until
from tests.e2e.copies import copy_project
from tests.e2e.killing import Killer, Mortal, killing
from tests.e2e.pipelines import PIXEL, Tiny, fresh, jobs_of, knobs, label_of, release_of

pytestmark = [pytest.mark.slow, pytest.mark.slowest]
KILLS = int(os.environ.get("DROPFORGE_KILLS", "5"))
SEED = int(os.environ.get("DROPFORGE_KILLS_SEED") or random.SystemRandom().randrange(10**6))
PATIENCE = 420.0
_SHORT_LEASES = "\nLATE_CALLS = 60.0\n"
"""Who dies between taking a lease and asking for an update leaves it behind: 25 minutes that no speed hastens."""
_CUT_SHORT = "The local cloud was stopped"
_LOST = {"failed", "release-failed"}


@pytest.fixture
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killer]:
    folder = tmp_path_factory.mktemp("mortal")
    project, home = copy_project(folder / "project"), folder / "home"
    with (project / "chalicelib" / "decide" / "release.py").open("a") as decides:
        decides.write(_SHORT_LEASES)
    cloud = Mortal(launch.start(home, speed=SPEED, attached=True, project=project))
    yield Killer(cloud, project, SEED, KILLS)
    launch.stop(home)


def test_a_cloud_killed_at_random_while_people_work_loses_nothing_and_pays_for_nothing_twice(mortal: Killer) -> None:
    cloud, stories = mortal.cloud, list[Story]()
    with killing(mortal):
        while not mortal.over or not stories:
            stories.append(_story(cloud))
    wrong = [f"{story.pipeline}: {what}" for story in stories for what in _until_right(cloud, story)]
    figures = f"seed {SEED}: {mortal.done} kills, {mortal.starts_cut} starts cut short, {len(stories)} stories"
    print(figures)  # noqa: T201  the figures are what one runs this test for
    assert wrong == [], f"DROPFORGE_KILLS_SEED={SEED}; {figures}"
    assert mortal.done == KILLS


def _story(cloud: Mortal) -> Story:
    tiny = Tiny(fresh("mortal"), quiet_seconds=600)
    _push(cloud, tiny)
    for name in ("one", "two"):
        _drop(cloud, tiny.name, name)
        wait_until(partial(_is_live, cloud, tiny.name, name), PATIENCE, every=0.3)
    version = _push(cloud, replace(tiny, top_k=1, deploy="initial_instance_count = 2"))
    wait_until(partial(_is_served_as, cloud, tiny.name, version), PATIENCE, every=0.3)
    return Story(tiny.name, version)


def _push(cloud: Mortal, tiny: Tiny) -> str:
    before = (cloud.status_of(tiny.name) or {}).get("version")
    for path, body in tiny.files.items():
        cloud.put(f"pipelines/{tiny.name}/{path}", body)

    def accepted() -> str | None:
        status = cloud.status_of(tiny.name) or {}
        assert status.get("state") != "refused", status
        return str(status["version"]) if status.get("version") not in {None, before} else None

    return wait_until(accepted, PATIENCE)


def _drop(cloud: Mortal, pipeline: str, name: str) -> None:
    files = knobs(label=name) | {f"training/{number}.csv": b"%d\n" % number for number in range(4)}
    for path, body in files.items():
        cloud.put(f"datasets/{pipeline}/{name}/{path}", body)
    cloud.put(f"datasets/{pipeline}/{name}/_READY", json.dumps({"training": len(files)}))


def _is_live(cloud: Mortal, pipeline: str, drop: str) -> bool:
    status = cloud.status_of(f"{pipeline}/{drop}") or {}
    assert status.get("state") != "refused", status
    if status.get("stage") in _LOST:
        # What a kill cut short says so, and waits for somebody to try it again.
        assert _CUT_SHORT in str(status["reason"]), status
        cloud.http("POST", f"/v1/runs/{status['run']}/retry", b"{}", signed=True)
    return bool(status.get("stage") == "live")


def _is_served_as(cloud: Mortal, pipeline: str, version: str) -> bool:
    release = release_of(cloud, pipeline)
    return bool(release["stage"] == "idle" and release["live"]["pipeline_version"] == version)


def _until_right(cloud: Mortal, story: Story) -> list[str]:
    """Look until everything is as it must be; gives what is still wrong after the patience."""
    end = time.monotonic() + PATIENCE

    def looked() -> list[list[str]]:
        wrong = [*under_way(cloud), *_broken(cloud, story)]
        return [wrong] if not wrong or time.monotonic() > end else []

    return wait_until(looked, 2 * PATIENCE, every=1)[0]


def _broken(cloud: Mortal, story: Story) -> list[str]:
    """Say what of a story was lost, paid for twice or left behind."""
    release, sagemaker = release_of(cloud, story.pipeline), cloud.client("sagemaker")
    head = f"{cloud.card['stages'][cloud.stage]['stack']}-{story.pipeline}"
    runs = [_run(cloud, story, drop) for drop in story.drops]
    packages = sagemaker.list_model_packages(ModelPackageGroupName=head)["ModelPackageSummaryList"]
    configs = [each["EndpointConfigName"] for each in _all(cloud, "list_endpoint_configs", head)]
    kept = sorted({release[name]["config"] for name in ("live", "previous")})
    endpoint = sagemaker.describe_endpoint(EndpointName=f"{head}-realtime")
    expected: dict[str, tuple[Any, Any]] = {
        "release": ((release["stage"], release["pending"], release["failed"]), ("idle", None, {})),
        "version": (release["live"]["pipeline_version"], story.version),
        "stages": ([run["stage"] for run in runs], ["replaced", "live"]),
        "answer": (label_of(cloud.predict(story.pipeline, PIXEL)), story.drops[1]),
        "all runs": (len(cloud.get(f"/v1/runs?pipeline={story.pipeline}")["runs"]), 2),
        "packages": (sorted(each["ModelPackageArn"] for each in packages), sorted(run["package"] for run in runs)),
        "configurations": (sorted(configs), kept),
        "endpoints": ([each["EndpointName"] for each in _all(cloud, "list_endpoints", head)], [f"{head}-realtime"]),
        "endpoint": (
            (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]),
            ("InService", release["live"]["config"]),
        ),
        "jobs": (_ends_of_jobs(cloud, story), {"Completed": 2}),
    }
    return [f"{name} {seen}, not {due}" for name, (seen, due) in expected.items() if seen != due]


def _ends_of_jobs(cloud: Mortal, story: Story) -> dict[str, int]:
    """Count how the jobs ended, but for those that a kill cut short: what they cost was lost with the cloud."""
    sagemaker = cloud.client("sagemaker")
    jobs = [sagemaker.describe_training_job(TrainingJobName=name) for name in jobs_of(cloud, story.pipeline)]
    return dict(Counter(job["TrainingJobStatus"] for job in jobs if _CUT_SHORT not in str(job.get("FailureReason"))))


def _all(cloud: Mortal, listing: str, head: str) -> list[dict[str, Any]]:
    pages = cloud.client("sagemaker").get_paginator(listing).paginate(NameContains=head)
    return [each for page in pages for key in page if key.startswith("Endpoint") for each in page[key]]


def _run(cloud: Mortal, story: Story, drop: str) -> Any:
    return cloud.get(f"/v1/runs/{cloud.get(f'/v1/datasets/{story.pipeline}/{drop}')['run']}")
