"""What becomes of jobs when the cloud takes its time, ends, or is killed."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dropforge.local.sagemaker.jobs.states import TRAINING
from dropforge.local.sagemaker.states import AT_ONCE, Pace
from tests.local.sagemaker.test_sandbox import _processes_with
from tests.local.sagemaker.world import IMPATIENT, World, until

_FOR_EVER = Pace(speed=1_000_000)


@pytest.fixture
def made(tmp_path: Path, neighbours: int) -> Iterator[Callable[[Pace], World]]:
    """What makes a SageMaker of another pace."""
    worlds: list[World] = []

    def make(pace: Pace) -> World:
        worlds.append(World(tmp_path / str(len(worlds)), neighbours, pace=pace, limits=IMPATIENT))
        return worlds[-1]

    yield make
    for world in worlds:
        world.stop()


def _steps(world: World, name: str) -> list[str]:
    return [step["Status"] for step in world.job(name)["SecondaryStatusTransitions"]]


def test_each_step_takes_as_long_as_the_pace_says(made: Callable[[Pace], World]) -> None:
    pace = Pace(speed=0.01, seed=3)
    world = made(pace)
    steps = world.train("leaves_no_model.py")["SecondaryStatusTransitions"]
    name = world.sagemaker.list_training_jobs()["TrainingJobSummaries"][0]["TrainingJobName"]
    lasted = {step["Status"]: (step["EndTime"] - step["StartTime"]).total_seconds() for step in steps}
    for status in ("Starting", "Downloading", "Uploading"):
        assert lasted[status] >= pace.seconds(TRAINING, status, name) > 0
    assert all(one["EndTime"] == other["StartTime"] for one, other in itertools.pairwise(steps))


def test_a_job_takes_its_time_to_stop(made: Callable[[Pace], World]) -> None:
    pace = Pace(speed=0.1, seed=3)
    world = made(pace)
    name = world.begin("writes_lines_for_ever.py")
    until(lambda: world.job(name)["SecondaryStatus"] == "Training")
    world.sagemaker.stop_training_job(TrainingJobName=name)
    *_, stopping, _ = world.ended(name)["SecondaryStatusTransitions"]
    assert stopping["Status"] == "Stopping"
    assert (stopping["EndTime"] - stopping["StartTime"]).total_seconds() >= pace.seconds(TRAINING, "Stopping", name) > 0


def test_a_job_that_waits_for_its_instances_is_stopped_at_once(made: Callable[[Pace], World]) -> None:
    world = made(_FOR_EVER)
    name = world.begin("leaves_no_model.py")
    until(lambda: "Preparing" in world.job(name)["SecondaryStatusTransitions"][0]["StatusMessage"])
    world.sagemaker.stop_training_job(TrainingJobName=name)
    job = world.ended(name)
    assert _steps(world, name) == ["Starting", "Stopping", "Stopped"]
    assert "TrainingStartTime" not in job


def test_a_job_that_had_no_instance_yet_when_the_cloud_ended_is_started_by_the_next_one(
    made: Callable[[Pace], World],
) -> None:
    world = made(_FOR_EVER)
    name = world.begin("leaves_no_model.py")
    world.stop()
    world.pace = AT_ONCE
    world.start()
    assert world.ended(name)["TrainingJobStatus"] == "Completed"
    assert _steps(world, name) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]


def test_a_job_that_was_to_be_stopped_when_the_cloud_ended_is_stopped(made: Callable[[Pace], World]) -> None:
    world = made(AT_ONCE)
    name = world.begin("ignores_sigterm.py")
    until(lambda: "deaf" in world.log(name))
    world.sagemaker.stop_training_job(TrainingJobName=name)
    world.stop()
    world.start()
    assert (world.ended(name)["TrainingJobStatus"], _steps(world, name)[-1]) == ("Stopped", "Stopped")


def test_a_job_whose_time_is_over_says_so_though_the_cloud_ends_before_it(made: Callable[[Pace], World]) -> None:
    world = made(AT_ONCE)
    name = world.begin("ignores_sigterm.py", StoppingCondition={"MaxRuntimeInSeconds": 1})
    until(lambda: world.job(name)["TrainingJobStatus"] == "Stopping")
    world.stop()
    world.start()
    assert (world.ended(name)["TrainingJobStatus"], _steps(world, name)[-1]) == ("Stopped", "MaxRuntimeExceeded")


def test_a_program_that_runs_when_the_cloud_ends_is_killed_and_not_asked(made: Callable[[Pace], World]) -> None:
    world = made(AT_ONCE)
    name = world.begin("says_when_asked.py")
    until(lambda: "waiting" in world.log(name))
    world.stop()
    world.start()
    assert world.ended(name)["TrainingJobStatus"] == "Failed"
    assert "asked" not in world.log(name)


def test_what_a_killed_cloud_left_of_its_jobs_is_gone_when_the_next_one_is_there(made: Callable[[Pace], World]) -> None:
    world = made(AT_ONCE)
    world.stop()
    left = world.home / "sagemaker" / "jobs" / "cut-short" / "algo-1" / "ml"
    left.mkdir(parents=True)
    (left / "weights.bin").write_text("of a job that had ended, but for this")
    world.start()
    assert list((world.home / "sagemaker" / "jobs").iterdir()) == []


@pytest.mark.walls("algo-1, algo-2, …")
def test_hosts_and_their_network_die_with_the_cloud_even_by_kill_9(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    code = (
        "import sys, pathlib\n"
        "from dropforge.local.sagemaker import sandbox\n"
        "from dropforge.local.sagemaker.sandbox import network\n"
        "switch = pathlib.Path(sys.argv[1]) / sys.argv[2] / 'switch.py'\n"
        "net = network.Network(('algo-1', 'algo-2'), switch)\n"
        "command, top, running = ('sleep', '3600.' + sys.argv[3]), pathlib.Path(sys.argv[1]), []\n"
        "for name in net.hosts:\n"
        "    running.append(sandbox.start(sandbox.Spec(command, top / name, seat=net.seat(name))))\n"
        "    running[-1].begin()\n"
        "print('up', flush=True)\n"
        "sys.stdin.read()\n"
    )
    number = str(int(mark[:6], 16))
    (tmp_path / mark).mkdir()
    real = Path(sys.modules["dropforge.local.sagemaker.sandbox"].__file__ or "").with_name("switch.py")
    (tmp_path / mark / "switch.py").write_text(real.read_text())
    command = [sys.executable, "-c", code, str(tmp_path), mark, number]
    parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        until(lambda: len(_processes_with(f"3600.{number}")) == 2)
        assert len(_processes_with(f"{mark}/switch.py")) == 1
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.communicate()
    until(lambda: not _processes_with(f"3600.{number}") and not _processes_with(f"{mark}/switch.py"))
