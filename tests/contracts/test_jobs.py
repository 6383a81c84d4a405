"""What `ports.Jobs` promises."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.errors import AlreadyExistsError, InvalidError, NotFoundError, RefusedError
from chalicelib.model import Channel
from chalicelib.ports import LogLine
from tests.contracts import programs
from tests.contracts.worlds import ContractWorld, eventually, existing


def name_of(world: ContractWorld, attempt: int = 1) -> str:
    return world.names.job("digits", "0123456789ab", 0, attempt)


def test_a_job_that_never_was_is_none(world: ContractWorld) -> None:
    assert world.jobs.describe(name_of(world)) is None


def test_a_started_job_is_in_progress_and_carries_the_digest_of_its_request(world: ContractWorld) -> None:
    job = world.job(name_of(world), "waits")
    world.jobs.start(job)
    seen = existing(world.jobs.describe(job.name))
    assert (seen.name, seen.status, seen.request) == (job.name, "InProgress", job.request)
    assert (seen.ended_at, seen.reason) == (None, None)


def test_a_job_that_completes_tells_its_metrics_its_times_and_where_its_model_lies(world: ContractWorld) -> None:
    job = world.job(name_of(world))
    world.jobs.start(job)
    seen = world.ended(job.name)
    assert (seen.status, seen.secondary) == ("Completed", "Completed")
    assert dict(seen.metrics) == {"validation:accuracy": pytest.approx(programs.ACCURACY)}
    assert seen.model_uri == f"{job.output_uri}{job.name}/output/model.tar.gz"
    assert existing(seen.started_at) <= existing(seen.ended_at)
    assert existing(seen.billable_seconds) >= 0
    assert seen.request == job.request
    assert world.bucket.head(existing(seen.model_uri).removeprefix(f"s3://{world.bucket.name}/")) is not None


def test_a_job_that_breaks_tells_why(world: ContractWorld) -> None:
    job = world.job(name_of(world), "breaks")
    world.jobs.start(job)
    seen = world.ended(job.name)
    assert (seen.status, seen.secondary) == ("Failed", "Failed")
    assert programs.REASON in existing(seen.reason)


def test_a_name_is_used_once_for_ever(world: ContractWorld) -> None:
    job = world.job(name_of(world), "breaks")
    world.jobs.start(job)
    with pytest.raises(AlreadyExistsError):
        world.jobs.start(job)
    ended = world.ended(job.name)
    with pytest.raises(AlreadyExistsError):
        world.jobs.start(replace(job, request="cd" * 32))
    assert world.jobs.describe(job.name) == ended


def test_a_bad_request_is_refused_and_starts_nothing(world: ContractWorld) -> None:
    good = world.job(name_of(world))
    bad = [
        replace(good, name="under_score"),
        replace(good, name="x" * 64),
        replace(good, hyperparameters={"epochs": "1" * 2501}),
        replace(good, output_uri="/tmp/somewhere"),  # noqa: S108  not written to: it is refused
        replace(good, channels=(Channel("training", 1, 1, "/data", manifest=False),)),
    ]
    for job in bad:
        with pytest.raises(RefusedError) as raised:
            world.jobs.start(job)
        assert raised.value.message
    assert world.jobs.describe(good.name) is None


def test_a_job_that_is_told_to_stop_ends_as_stopped(world: ContractWorld) -> None:
    job = world.job(name_of(world), "waits")
    world.jobs.start(job)
    world.ended(job.name)
    world.jobs.stop(job.name)
    world.jobs.stop(job.name)
    assert eventually(lambda: world.ended(job.name).ended_at)
    assert existing(world.jobs.describe(job.name)).status == "Stopped"


def test_stopping_what_has_ended_or_never_was_is_fine(world: ContractWorld) -> None:
    job = world.job(name_of(world), "breaks")
    world.jobs.start(job)
    ended = world.ended(job.name)
    world.jobs.stop(job.name)
    world.jobs.stop(name_of(world, 2))
    assert world.jobs.describe(job.name) == ended


def test_the_log_of_a_job_that_has_none_yet_is_empty_and_can_be_followed(world: ContractWorld) -> None:
    job = world.job(name_of(world))
    page = world.jobs.log(job.name)
    assert page.items == ()
    world.jobs.start(job)
    world.ended(job.name)
    followed = eventually(lambda: world.jobs.log(job.name, after=page.next).items)
    assert {line.text for line in followed} >= set(programs.LINES)


def test_a_log_is_read_oldest_first_and_never_twice(world: ContractWorld) -> None:
    job = world.job(name_of(world))
    world.jobs.start(job)
    world.ended(job.name)
    whole = world.jobs.log(job.name).items
    seen: list[LogLine] = []
    token: str | None = None
    for _ in range(len(whole) + 3):
        page = world.jobs.log(job.name, after=token, limit=1)
        assert len(page.items) <= 1
        assert page.next is not None
        seen += page.items
        token = page.next
    assert tuple(seen) == whole
    assert [line.text for line in whole if line.text in programs.LINES] == list(programs.LINES)
    assert [line.at for line in whole] == sorted(line.at for line in whole)


def test_the_logs_of_two_jobs_do_not_mix(world: ContractWorld) -> None:
    first, second = world.job(name_of(world, 1)), world.job(name_of(world, 10))
    world.jobs.start(second)
    world.ended(second.name)
    assert world.jobs.log(first.name).items == ()


def test_a_token_that_no_log_gave_is_refused(world: ContractWorld) -> None:
    for token in ("nonsense!", "ünï", ""):
        with pytest.raises(InvalidError):
            world.jobs.log(name_of(world), after=token)


def test_a_model_that_was_never_left_is_not_there(world: ContractWorld) -> None:
    job = world.job(name_of(world), "leaves-no-model")
    world.jobs.start(job)
    uri = world.ended(job.name).model_uri
    key = (uri or "s3://none/none").split("/", 3)[3]
    with pytest.raises(NotFoundError):
        world.bucket.read(key)
