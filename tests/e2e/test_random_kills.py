"""Workers of all functions are killed at random moments while people work: nothing is lost, nothing paid twice.

DROPFORGE_KILLS says how many (with 0 the very same must hold), DROPFORGE_KILLS_SEED makes the same draws again.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from dropforge.local import launch
from tests.e2e.aftermath import Bus, Story, broken, of_functions, under_way, unrest
from tests.e2e.conftest import SPEED, Cloud, wait_until
from tests.e2e.copies import copy_project
from tests.e2e.pipelines import PIXEL, Tiny, fresh, knobs, label_of, push, release_of
from tests.e2e.shooting import Shooter, ShotAt, cut_off, shooting

pytestmark = [pytest.mark.slow, pytest.mark.slowest]  # another draw each time
KILLS = int(os.environ.get("DROPFORGE_KILLS", "12"))
SEED = int(os.environ.get("DROPFORGE_KILLS_SEED") or random.SystemRandom().randrange(10**6))
PATIENCE = 420.0
"""Seconds for a story in which a few workers die, on a busy machine."""
_SHORT_LEASES = "\nLATE_CALLS = 60.0\n"
"""Who is killed between taking a lease and asking for an update leaves it behind: 25 minutes that no speed hastens."""
_SIDE_BY_SIDE = 2
_CLIENTS = ("s3", "sqs", "sagemaker", "events", "cloudformation")


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShotAt]:
    """Deploy the project's copy, in which nobody has to wait long for the lease of a dead worker."""
    folder = tmp_path_factory.mktemp("shot")
    project, home = copy_project(folder / "project"), folder / "home"
    with (project / "chalicelib" / "decide" / "release.py").open("a") as decides:
        decides.write(_SHORT_LEASES)
    yield ShotAt(launch.start(home, speed=SPEED, attached=True, project=project))
    launch.stop(home)


def test_workers_killed_at_random_while_people_work_lose_nothing_and_pay_for_nothing_twice(shot: ShotAt) -> None:
    for service in _CLIENTS:  # boto3 makes one at a time
        shot.client(service)
    bus = Bus(shot)
    with shooting(shot, SEED, KILLS) as shooter, ThreadPoolExecutor(_SIDE_BY_SIDE) as hands:
        told = list(hands.map(lambda _: _stories(shot, shooter), range(_SIDE_BY_SIDE)))
    stories = [story for lane in told for story in lane]
    left = _until_rest(shot, bus, stories)
    wrong = left or [what for story in stories for what in broken(shot, bus, story)]
    wrong += of_functions(shot, len(shot.refusals))
    figures = f"seed {SEED}: {_figures(shot, shooter, stories)}"
    print(figures)  # noqa: T201  the figures are what one runs this test for
    assert wrong == [], f"DROPFORGE_KILLS_SEED={SEED}; {figures}"
    assert len(shooter.hits) == KILLS


def _stories(cloud: Cloud, shooter: Shooter) -> list[Story]:
    """Live through one story after the other, until enough workers were killed."""
    try:
        told = [_story(cloud, shooter)]
        while not shooter.done:
            told.append(_story(cloud, shooter))
    except BaseException:
        shooter.stop()
        raise
    return told


def _story(cloud: Cloud, shooter: Shooter) -> Story:
    tiny = Tiny(fresh("shot"), quiet_seconds=600)
    shooter.step(tiny.name)
    push(cloud, tiny, seconds=PATIENCE)
    _drop_one_by_one(cloud, tiny.name, "one")
    wait_until(partial(_is_live, cloud, tiny.name, "one"), PATIENCE, every=0.3)
    shooter.step(tiny.name)
    _drop_one_by_one(cloud, tiny.name, "two")
    wait_until(partial(_is_live, cloud, tiny.name, "two", before="one"), PATIENCE, every=0.3)
    shooter.step(tiny.name)
    version = push(cloud, replace(tiny, top_k=1, deploy="initial_instance_count = 2"), seconds=PATIENCE)
    wait_until(partial(_is_served_as, cloud, tiny.name, version), PATIENCE, every=0.3)
    return Story(tiny.name, version)


def _drop_one_by_one(cloud: Cloud, pipeline: str, name: str) -> None:
    files = knobs(label=name) | {f"training/{number}.csv": b"%d\n" % number for number in range(4)}
    for path, body in files.items():
        cloud.put(f"datasets/{pipeline}/{name}/{path}", body)
    cloud.put(f"datasets/{pipeline}/{name}/_READY", json.dumps({"training": len(files)}))


def _is_live(cloud: Cloud, pipeline: str, drop: str, *, before: str | None = None) -> bool:
    """Look as a person does, who asks the model meanwhile: who met a model is never without one again."""
    answered = label_of(cloud.predict(pipeline, PIXEL)) if before else drop
    assert answered in {drop, before}
    status = cloud.status_of(f"{pipeline}/{drop}") or {}
    assert status.get("state") != "refused", status
    assert status.get("stage") not in {"failed", "rejected", "stopped", "release-failed", "replaced"}, status
    return bool(status.get("stage") == "live")


def _is_served_as(cloud: Cloud, pipeline: str, version: str) -> bool:
    assert label_of(cloud.predict(pipeline, PIXEL)) == "two"
    release = release_of(cloud, pipeline)
    return bool(release["stage"] == "idle" and release["live"]["pipeline_version"] == version)


def _until_rest(cloud: Cloud, bus: Bus, stories: list[Story]) -> list[str]:
    """Look until nothing is under way any more; gives what still is after the patience."""
    left: list[str] = []
    restless, end = list(stories), time.monotonic() + PATIENCE

    def rests() -> bool:
        found = {story.pipeline: unrest(cloud, bus, story) for story in restless}
        restless[:] = [story for story in restless if found[story.pipeline]]
        left[:] = [*under_way(cloud), *(what for each in found.values() for what in each)]
        return not left or time.monotonic() > end

    wait_until(rests, 2 * PATIENCE, every=1)
    return left


def _figures(cloud: Cloud, shooter: Shooter, stories: list[Story]) -> str:
    middle = {name: requests.total() for name, requests in cut_off(cloud).items()}
    hits = dict(Counter(shooter.hits))
    return f"{len(shooter.hits)} kills in {len(stories)} stories, by function {hits}, in the middle of {middle}"
