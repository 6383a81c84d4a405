"""What a run and its parts decide from: labels in a log, images of a region, digests, stages."""

from __future__ import annotations

from dataclasses import replace
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.decide.digests import digest_of, job_digest, target_digest
from chalicelib.decide.evaluation import labels_in
from chalicelib.decide.run import STRAY_LIMIT, prepare, train, watch
from chalicelib.decide.run_steps import Move, NoRoom, Rest, StartTraining, StopTraining, Wait
from chalicelib.decide.serving import metrics_document
from chalicelib.decide.stage import stage_of
from chalicelib.errors import RefusedError
from chalicelib.images import framework_image
from chalicelib.model import Approval, Candidate, Command, DatasetId, Release, ReleaseStage, Run, RunState, Target
from chalicelib.ports import JobSeen, TrainingJob

RUN = Run("v1" + "ab" * 32, "digits", DatasetId("digits", "mnist"), "version", "digest", sealed_at=5, created_at=5)
JOB = TrainingJob("job", "image", "ml.m5.large", 30, 3600, (), "s3://bucket/out/", request="ours")
CANDIDATE = Candidate("job", request="ours")


def target(run: str = RUN.id, *, sealed_at: float = 5.0) -> Target:
    digest = target_digest(run, {"at": sealed_at})
    return Target(digest, run, "version", "arn", 1, "model", "config", {}, (), (sealed_at, 1.0), "trained")


@given(
    status=st.sampled_from(["InProgress", "Completed", "Failed", "Stopping", "Stopped", "Unheard"]),
    secondary=st.text(max_size=10),
    reason=st.none() | st.text(max_size=20),
    request_=st.sampled_from(["ours", "theirs"]),
    superseded=st.booleans(),
    gone=st.booleans(),
)
def test_whatever_sagemaker_tells_a_run_has_a_next_step(
    status: str, secondary: str, reason: str | None, request_: str, *, superseded: bool, gone: bool
) -> None:
    seen = None if gone else JobSeen("job", status, secondary, reason, request=request_)
    run = replace(RUN, state=RunState.TRAINING, candidate=CANDIDATE, superseded=superseded)
    step = train(run, CANDIDATE, seen, 100.0)
    assert isinstance(step, Move | Wait | StopTraining | NoRoom)
    if isinstance(step, Move) and step.run.state is not RunState.PREPARING:
        assert step.run.state is RunState.EVALUATING or step.run.reason
    assert isinstance(prepare(RUN, JOB, seen, 100.0), Move | StartTraining)
    assert not isinstance(step, Rest)


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_a_run_that_ended_without_a_model_says_what_makes_another_run(status: str) -> None:
    seen = JobSeen("job", status, status, "ValueError: no", request="ours")
    step = train(replace(RUN, state=RunState.TRAINING, candidate=CANDIDATE), CANDIDATE, seen, 100.0)
    assert isinstance(step, Move)
    assert "Change the code, the hyperparameters or the data and drop again" in str(step.run.todo)


@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_log_gives_labels_or_none(lines: list[str]) -> None:
    found = labels_in([*lines, *(f"dropforge.labels={line}" for line in lines)])
    assert found is None or all(isinstance(label, str) for label in found)


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        ('dropforge.labels=["cat", "dog"]', ("cat", "dog")),
        ('2026-01-01 INFO dropforge.labels=["ä,b", "c]"]', ("ä,b", "c]")),
        ("dropforge.labels=[0, 1]", ("0", "1")),
        ("dropforge.labels=[", None),
        ('dropforge.labels=["\\ud800"]', None),
        ('dropforge.labels=["a"] and dropforge.labels=["b"]', None),
        ('dropforge.labels=[["a"]]', None),
        ("labels=['a']", None),
    ],
)
def test_labels_are_read_from_their_line(line: str, labels: tuple[str, ...] | None) -> None:
    assert labels_in([line]) == labels


def test_a_hostile_line_takes_no_longer_than_it_is_long() -> None:
    begun = process_time()
    assert labels_in(["dropforge.labels=[" * 14_000]) is None
    assert process_time() - begun < 0.5


def test_the_last_labels_that_can_be_read_count() -> None:
    assert labels_in(['dropforge.labels=["a"]', 'dropforge.labels=["b"]', "dropforge.labels=[oops]"]) == ("b",)


def test_the_image_stands_in_the_registry_of_its_region() -> None:
    assert framework_image("sklearn", "1.2-1", "eu-west-1") == (
        "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
    )
    assert framework_image("sklearn", "1.2-1", "cn-north-1").startswith(
        "450853457545.dkr.ecr.cn-north-1.amazonaws.com.cn/"
    )


@pytest.mark.parametrize(
    ("framework", "version", "region", "named"),
    [
        ("sklearn", "1.2-1", "xx-west-9", "xx-west-9"),
        ("sklearn", "9.9", "eu-west-1", "9.9"),
        ("pytorch", "1.2-1", "eu-west-1", "pytorch"),
    ],
)
def test_an_image_that_is_not_there_is_refused_by_name(framework: str, version: str, region: str, named: str) -> None:
    with pytest.raises(RefusedError, match=named):
        framework_image(framework, version, region)


def test_a_request_digest_depends_on_everything_but_itself_and_the_order_of_keys() -> None:
    assert job_digest(JOB) == job_digest(replace(JOB, request="other"))
    assert job_digest(JOB) != job_digest(replace(JOB, volume_gb=31))
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert target_digest(RUN.id, {}).endswith("-abababababab")


def test_metrics_that_are_no_numbers_leave_a_document_that_can_be_read() -> None:
    told = metrics_document({"accuracy": 0.5, "loss": float("nan")}).decode()
    assert '"value": 0.5' in told
    assert "NaN," not in told.replace('"NaN"', "")


@pytest.mark.parametrize("state", [state for state in RunState if state is not RunState.REGISTERED])
def test_before_and_without_a_package_a_runs_stage_is_its_state(state: RunState) -> None:
    assert stage_of(replace(RUN, state=state), Release("digits", live=target("v1other"))) == state.value


@pytest.mark.parametrize(
    ("release", "stage"),
    [
        (None, "registered"),
        (Release("digits"), "registered"),
        (Release("digits", pending=target()), "pending"),
        (Release("digits", desired=target(), stage=ReleaseStage.REHEARSING), "rehearsing"),
        (Release("digits", desired=target(), stage=ReleaseStage.ROLLING_OUT), "rolling-out"),
        (Release("digits", desired=target(), live=target()), "live"),
        (Release("digits", live=target("v1new", sealed_at=9), previous=target()), "replaced"),
        (Release("digits", live=target("v1new", sealed_at=9)), "replaced"),
        (Release("digits", live=target("v1old", sealed_at=1)), "registered"),
        (Release("digits", desired=target(), failed={target().digest: "wrong"}), "release-failed"),
        (
            Release("digits", desired=target(), failed={target().digest: "wrong"}, stage=ReleaseStage.ROLLING_BACK),
            "rolling-out",
        ),
        (Release("digits", live=target(), failed={target(sealed_at=4).digest: "an earlier edit"}), "live"),
    ],
)
def test_a_registered_runs_stage_is_told_by_its_release(release: Release | None, stage: str) -> None:
    assert stage_of(replace(RUN, state=RunState.REGISTERED), release) == stage


@pytest.mark.parametrize(
    ("approval", "release", "stage"),
    [
        (Approval.PENDING, None, "awaiting-approval"),
        (Approval.PENDING, Release("digits", live=target("v1new", sealed_at=9)), "awaiting-approval"),
        (Approval.PENDING, Release("digits", pending=target()), "pending"),
        (Approval.APPROVED, Release("digits"), "registered"),
        (Approval.REJECTED, Release("digits", live=target("v1new", sealed_at=9)), "rejected"),
        (Approval.REJECTED, Release("digits", live=target()), "live"),
    ],
)
def test_what_a_person_says_of_a_model_is_its_stage_until_its_release_has_it(
    approval: Approval, release: Release | None, stage: str
) -> None:
    assert stage_of(replace(RUN, state=RunState.REGISTERED, approval=approval), release) == stage


def test_a_rejected_run_that_clients_meet_all_the_same_is_live() -> None:
    rejected = replace(RUN, state=RunState.REJECTED, approval=Approval.REJECTED)
    assert stage_of(rejected, Release("digits", live=target())) == "live"


@given(
    status=st.sampled_from(["InProgress", "Completed", "Failed", "Stopping", "Stopped"]),
    reason=st.none() | st.text(max_size=20) | st.just("CapacityError: none left"),
)
def test_a_run_that_a_person_stops_never_goes_on(status: str, reason: str | None) -> None:
    seen = JobSeen("job", status, status, reason, request="ours")
    run = replace(RUN, state=RunState.TRAINING, candidate=CANDIDATE, stopping=Command("ada", 1.0))
    step = train(run, CANDIDATE, seen, 100.0)
    match step:
        case Move():
            assert step.run.state is RunState.STOPPED
        case StopTraining():
            assert status == "InProgress"
        case _:
            assert (status, isinstance(step, Wait)) == ("Stopping", True)


@given(
    status=st.sampled_from(["InProgress", "Completed", "Failed", "Stopping", "Stopped"]),
    request_=st.sampled_from(["", "ours", "theirs"]),
    known=st.booleans(),
    gone=st.booleans(),
    age=st.floats(0, 2000),
)
def test_a_run_that_has_ended_stops_its_own_late_job_alone_and_comes_to_rest(
    status: str, request_: str, age: float, *, known: bool, gone: bool
) -> None:
    candidate = replace(CANDIDATE, status="InProgress") if known else None
    run = replace(RUN, state=RunState.STOPPED, candidate=candidate, ended_at=100.0)
    seen = None if gone else JobSeen("job", status, status, request=request_)
    step = watch(run, seen, 100.0 + age)
    ours = seen is not None and (request_ == "ours" or (request_ == "theirs" and not known))
    assert isinstance(step, StopTraining) == (ours and status == "InProgress")
    if isinstance(step, Wait) and not ours:
        assert age < STRAY_LIMIT
