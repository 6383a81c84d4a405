"""The world of fakes: what it records, what it lets fail, and that nothing in it is shared."""

from __future__ import annotations

import pytest

from chalicelib.errors import ThrottledError
from chalicelib.model import Channel, Run
from chalicelib.model import DatasetId as Id
from chalicelib.ports import ConfigRequest, ModelRequest, TrainingJob
from tests.fakes.calls import CrashError
from tests.fakes.world import World


def job(name: str = "df-test-digits-0123456789ab-0-a1") -> TrainingJob:
    return TrainingJob(
        name=name,
        image="123456789012.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1",
        instance_type="ml.m5.large",
        volume_gb=30,
        max_runtime_seconds=3600,
        channels=(Channel("training", 1, 1, "s3://bucket/runs/digits/x/input/training.manifest"),),
        output_uri="s3://bucket/runs/digits/x/output/",
        request="abc",
    )


def run(metrics: str = "v1" + "ab" * 32) -> Run:
    return Run(metrics, "digits", Id("digits", "mnist"), "version", "digest", sealed_at=1, created_at=1)


def test_the_calls_of_a_flow_are_logged_and_those_of_a_test_are_not() -> None:
    world = World()
    world.bucket.put("datasets/digits/mnist/training/1.png", b"1")
    world.bucket.page("datasets/")
    world.jobs.start(job())
    world.jobs.finish(job().name)
    assert [str(call) for call in world.calls] == ["bucket.page", "jobs.start"]
    assert world.count("jobs.start") == 1


def test_a_call_that_crashes_before_it_acts_has_done_nothing() -> None:
    world = World()
    world.fail_at(2)
    world.bucket.head("a")
    with pytest.raises(CrashError):
        world.bucket.write("b", b"")
    assert world.bucket.keys() == ()


def test_a_call_that_crashes_after_it_acted_has_done_it() -> None:
    world = World()
    world.fail_at(1, after=True)
    with pytest.raises(CrashError):
        world.bucket.write("b", b"")
    assert world.bucket.keys() == ("b",)
    world.bucket.write("c", b"")


def test_a_crash_cannot_be_caught_as_an_error() -> None:
    assert not issubclass(CrashError, Exception)


def test_a_fault_may_be_an_error_of_ours() -> None:
    world = World()
    world.fail_at(1, error=ThrottledError)
    with pytest.raises(ThrottledError):
        world.records.pipeline("digits")
    assert world.records.pipeline("digits") is None


def test_a_job_leaves_its_model_and_its_labels_where_sagemaker_would() -> None:
    world = World()
    world.jobs.start(job())
    world.clock.advance(7)
    world.jobs.step(job().name, "Training")
    world.clock.advance(60)
    world.jobs.finish(job().name, {"validation:accuracy": 0.97}, ["0", "1"])
    seen = world.jobs.describe(job().name)
    assert seen is not None
    assert (seen.status, seen.metrics, seen.billable_seconds) == ("Completed", {"validation:accuracy": 0.97}, 60)
    assert world.bucket.keys() == (f"runs/digits/x/output/{job().name}/output/model.tar.gz",)
    assert 'dropforge.labels=["0", "1"]' in [line.text for line in world.jobs.log(job().name).items]


def test_a_job_that_is_told_to_stop_takes_its_time() -> None:
    world = World()
    world.jobs.start(job())
    world.jobs.stop(job().name)
    before = world.jobs.describe(job().name)
    world.jobs.settle()
    after = world.jobs.describe(job().name)
    assert (before and before.status, after and after.status) == ("Stopping", "Stopped")


def hosting(world: World, *configs: str) -> None:
    world.bucket.put("model.tar.gz", b"weights")
    for config in configs:
        world.hosting.ensure_model(
            ModelRequest(f"m-{config}", "image", "s3://bucket/model.tar.gz", {"DROPFORGE_RUN": config})
        )
        world.hosting.ensure_config(ConfigRequest(config, f"m-{config}", "ml.m5.large", 1))


@pytest.mark.parametrize("how", ["fails-creation", "fails-update"])
def test_a_failed_update_is_in_service_again_with_the_old_configuration(how: str) -> None:
    world = World()
    hosting(world, "one", "two")
    world.hosting.create_endpoint("e", "one")
    world.hosting.settle()
    world.hosting.broken("two", "fails-update" if how == "fails-update" else "fails-creation")
    world.hosting.update_endpoint("e", "two")
    world.hosting.settle()
    seen = world.hosting.endpoint("e")
    assert seen is not None
    assert (seen.status, seen.config) == ("InService", "one")


def test_what_is_in_service_answers_until_the_update_is_done() -> None:
    world = World()
    hosting(world, "one", "two")
    world.hosting.create_endpoint("e", "one")
    world.hosting.settle()
    world.hosting.update_endpoint("e", "two")

    def ask() -> str:
        return world.hosting.invoke("e", b"", content_type="image/png", accept="application/json", seconds=1).attributes

    during = ask()
    world.hosting.settle()
    assert (during, ask()) == ("dropforge-run=one", "dropforge-run=two")


def test_what_an_endpoint_uses_cannot_be_deleted_unnoticed() -> None:
    world = World()
    hosting(world, "one")
    world.hosting.create_endpoint("e", "one")
    with pytest.raises(AssertionError, match="in use"):
        world.hosting.delete_model("m-one")


def test_what_was_saved_is_not_shared() -> None:
    world = World()
    saved = world.records.save(run())
    first = world.records.run(saved.id)
    assert first == saved
    assert first is not saved


def test_a_timer_gives_what_has_arrived_and_keeps_the_rest() -> None:
    world = World()
    world.timer.wake("run:b", seconds=60)
    world.timer.wake("run:a", seconds=5)
    world.clock.advance(10)
    assert world.timer.due() == ("run:a",)
    assert [subject for _, subject in world.timer.pending] == ["run:b"]
