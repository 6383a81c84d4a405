from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropforge.local.sagemaker.store import Store
from dropforge.local.sagemaker.tuning.jobs import KIND
from tests.local.sagemaker.world import FINAL, World, until

_RANGE = {"Name": "place", "MinValue": "0.0", "MaxValue": "1.0"}
_RANGES = {"ContinuousParameterRanges": [_RANGE]}


def _request(world: World, mode: str = "tell", **config: Any) -> dict[str, Any]:
    job = world.job_request("tunes.py", HyperParameters={"mode": mode})
    shared = ("RoleArn", "OutputDataConfig", "ResourceConfig", "StoppingCondition")
    algorithm = {**job["AlgorithmSpecification"], "MetricDefinitions": [{"Name": "score", "Regex": "score=([0-9.-]+)"}]}
    return {
        "HyperParameterTuningJobName": f"tune-{uuid.uuid4().hex[:12]}",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": _RANGES,
            "RandomSeed": 7,
            **config,
        },
        "TrainingJobDefinition": {
            **{name: job[name] for name in shared},
            "AlgorithmSpecification": algorithm,
            "StaticHyperParameters": job["HyperParameters"],
        },
    }


def _begin(world: World, request: dict[str, Any]) -> str:
    world.sagemaker.create_hyper_parameter_tuning_job(**request)
    return str(request["HyperParameterTuningJobName"])


def _job(world: World, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = world.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    return answer


def _ended(world: World, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        job = _job(world, name)
        return job if job["HyperParameterTuningJobStatus"] in FINAL else None

    return until(look, seconds=60)


def _run(world: World, request: dict[str, Any]) -> dict[str, Any]:
    return _ended(world, _begin(world, request))


def _trained(world: World, name: str, **more: Any) -> list[dict[str, Any]]:
    answer = world.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, **{"MaxResults": 100, **more}
    )
    found: list[dict[str, Any]] = answer["TrainingJobSummaries"]
    return found


def test_a_tuning_job_trains_real_jobs_and_tells_the_best_of_them(world: World) -> None:
    job = _run(world, {**_request(world), "Tags": [{"Key": "team", "Value": "digits"}]})
    name = job["HyperParameterTuningJobName"]
    assert job["HyperParameterTuningJobStatus"] == "Completed", job.get("FailureReason")
    assert job["TrainingJobStatusCounters"]["Completed"] == 3
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 3, "Pending": 0, "Failed": 0}
    trained = _trained(world, name, SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    figures = [one["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for one in trained]
    assert figures == sorted(figures, reverse=True)
    best = job["BestTrainingJob"]
    assert best["TrainingJobName"] == trained[0]["TrainingJobName"]
    assert figures[0] == pytest.approx(1 - (float(best["TunedHyperParameters"]["place"]) - 0.3) ** 2, abs=1e-5)
    single = world.job(best["TrainingJobName"])
    assert single["TuningJobArn"] == job["HyperParameterTuningJobArn"]
    assert single["HyperParameters"]["_tuning_objective_metric"] == "score"
    assert world.unpack(single["ModelArtifacts"]["S3ModelArtifacts"]).keys() == {"x.txt"}
    assert world.sagemaker.list_tags(ResourceArn=single["TrainingJobArn"])["Tags"][0]["Value"] == "digits"
    names = sorted(one["TrainingJobName"] for one in trained)
    assert [one.rpartition("-")[0] for one in names] == [f"{name}-00{number}" for number in (1, 2, 3)]
    told = world.told(name, 2)
    assert [event["HyperParameterTuningJobStatus"] for event in told] == ["InProgress", "Completed"]
    ended = job["HyperParameterTuningEndTime"].timestamp() * 1000
    assert told[-1]["HyperParameterTuningEndTime"] == pytest.approx(ended, abs=2)


def test_the_same_seed_tries_the_same_values(world: World) -> None:
    limits = {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 2}
    runs = [_run(world, _request(world, ResourceLimits=limits))["HyperParameterTuningJobName"] for _ in range(2)]
    once, again = ([one["TunedHyperParameters"] for one in _trained(world, name)] for name in runs)
    assert once == again


def test_a_grid_trains_each_combination(world: World) -> None:
    choices = {"CategoricalParameterRanges": [{"Name": "kind", "Values": ["good", "bad"]}]}
    limits = {"MaxParallelTrainingJobs": 1}
    job = _run(world, _request(world, Strategy="Grid", ParameterRanges=choices, ResourceLimits=limits))
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"kind": "good"}
    assert job["TrainingJobStatusCounters"]["Completed"] == 2


def test_a_tuning_job_ends_when_its_target_is_reached(world: World) -> None:
    criteria = {"TargetObjectiveMetricValue": 0.0}
    limits = {"MaxNumberOfTrainingJobs": 9, "MaxParallelTrainingJobs": 1}
    job = _run(world, _request(world, TuningJobCompletionCriteria=criteria, ResourceLimits=limits))
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["Completed"] == 1


def test_a_tuning_job_whose_training_jobs_all_fail_has_failed(world: World) -> None:
    job = _run(world, _request(world, "fail"))
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("No training job succeeded after 3 attempts.")
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 3


def test_a_tuning_job_whose_training_jobs_tell_no_figure_has_failed(world: World) -> None:
    assert _run(world, _request(world, "silent"))["FailureReason"].startswith("No objective metrics found")


def _waits(world: World) -> tuple[str, list[str]]:
    """Begin a tuning job whose training jobs wait to be stopped; gives its name and theirs when they run."""
    name = _begin(world, _request(world, "wait"))
    names = until(
        lambda: found if len(found := [one["TrainingJobName"] for one in _trained(world, name)]) == 2 else None
    )
    for one in names:
        until(lambda one=one: "here" in world.log(one) or None)  # type: ignore[misc] # bound now, asked now
    return name, names


def test_stopping_stops_what_runs(world: World) -> None:
    name, names = _waits(world)
    until(lambda: _job(world, name)["TrainingJobStatusCounters"]["InProgress"] == 2)
    world.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    job = _ended(world, name)
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert job["TrainingJobStatusCounters"]["Stopped"] == 2
    assert {world.job(one)["TrainingJobStatus"] for one in names} == {"Stopped"}
    assert _trained(world, name, StatusEquals="Completed") == []
    assert [event["HyperParameterTuningJobStatus"] for event in world.told(name, 3)][-2:] == ["Stopping", "Stopped"]


def test_another_life_of_the_cloud_tries_again_what_was_lost_and_goes_on(world: World) -> None:
    name, names = _waits(world)
    world.stop()
    world.start()
    later = until(
        lambda: found if len(found := [one["TrainingJobName"] for one in _trained(world, name)]) == 4 else None
    )
    values = {one["TrainingJobName"]: one["TunedHyperParameters"] for one in _trained(world, name)}
    assert [values[one] for one in later[:2]] == [values[one] for one in later[2:]]
    assert later[:2] == names
    assert _job(world, name)["HyperParameterTuningJobStatus"] == "InProgress"
    world.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert _ended(world, name)["TrainingJobStatusCounters"]["RetryableError"] == 2


def test_a_training_job_that_was_remembered_and_never_started_is_started_by_the_next_life(world: World) -> None:
    limits = {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1}
    request = _request(world, "silent", ResourceLimits=limits)
    name = _run(world, request)["HyperParameterTuningJobName"]
    only = _trained(world, name)[0]["TrainingJobName"]
    world.stop()
    store = Store(world.home / "sagemaker" / "state.sqlite", {})  # no graph holds it: time is turned back
    store.delete("training-job", only)
    store.change(KIND.name, name, lambda doc: doc.update(HyperParameterTuningJobStatus="InProgress"))
    store.close()
    world.start()
    assert _ended(world, name)["FailureReason"].startswith("No objective metrics found")
    assert world.job(only)["TuningJobArn"].endswith(name)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "other"}}, "A metric is required for"),
        ({"ParameterRanges": {}}, "at least one parameter range is required"),
        ({"ParameterRanges": {"ContinuousParameterRanges": [{**_RANGE, "MaxValue": "0"}]}}, "place is invalid"),
        ({"ParameterRanges": {"ContinuousParameterRanges": [_RANGE, _RANGE]}}, "place can have one range"),
        ({"ParameterRanges": {"ContinuousParameterRanges": [{**_RANGE, "Name": "mode"}]}}, "mode can have one range"),
        ({"ResourceLimits": {"MaxParallelTrainingJobs": 1}}, "MaxNumberOfTrainingJobs is required"),
        ({"Strategy": "Grid"}, "categorical parameter ranges only; place is none"),
        ({"Strategy": "Hyperband"}, "Hyperband is not in the local cloud"),
    ],
)
def test_what_cannot_be_tuned_is_refused_at_once(world: World, config: dict[str, Any], said: str) -> None:
    with pytest.raises(ClientError, match=said) as refused:
        world.sagemaker.create_hyper_parameter_tuning_job(**_request(world, **config))
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_names_are_used_once_and_what_is_not_there_is_told_as_aws_tells_it(world: World) -> None:
    criteria = {"TargetObjectiveMetricValue": 0.0}
    request = _request(world, TuningJobCompletionCriteria=criteria)
    name = _run(world, request)["HyperParameterTuningJobName"]
    with pytest.raises(world.sagemaker.exceptions.ResourceInUse, match="already exists"):
        world.sagemaker.create_hyper_parameter_tuning_job(**request)
    with pytest.raises(world.sagemaker.exceptions.ResourceNotFound, match="can't find a tuning job called none"):
        _job(world, "none")
    with pytest.raises(ClientError, match="is in status Completed"):
        world.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    found = world.sagemaker.list_hyper_parameter_tuning_jobs(NameContains=name)["HyperParameterTuningJobSummaries"]
    assert [(one["Strategy"], one["HyperParameterTuningJobStatus"]) for one in found] == [("Random", "Completed")]


def test_the_list_of_training_jobs_comes_in_pages(world: World) -> None:
    name = _run(world, _request(world))["HyperParameterTuningJobName"]
    pages = world.sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
        HyperParameterTuningJobName=name, PaginationConfig={"PageSize": 2}
    )
    names = [[one["TrainingJobName"] for one in page["TrainingJobSummaries"]] for page in pages]
    assert [len(page) for page in names] == [2, 1]
    flat = [one for page in names for one in page]
    assert flat == sorted(flat)


def test_instances_may_be_named_as_the_sdk_names_them(world: World) -> None:
    request = _request(world)
    definition = request["TrainingJobDefinition"]
    definition["HyperParameterTuningResourceConfig"] = definition.pop("ResourceConfig")
    job = _run(world, request)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert world.job(job["BestTrainingJob"]["TrainingJobName"])["ResourceConfig"]["InstanceType"] == "ml.m5.large"
