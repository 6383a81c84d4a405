"""The SageMaker Python SDK, second line: each story is a script as people write them, run by the SDK's own Python."""

from __future__ import annotations

import pytest

from tests.clients.clients import Cloud
from tests.clients.conftest import TOOLKIT

pytestmark = pytest.mark.slow


def test_a_script_is_fitted_deployed_asked_updated_and_taken_down(cloud: Cloud) -> None:
    told = cloud.tell("sdk2", "sdk2_deploy").told
    assert told["before"] == [1.5, 3.5]
    assert told["after"] == [6.0, 14.0]
    assert told["instances"] == 2
    assert told["attached"]
    assert [(each["metric_name"], each["value"]) for each in told["metrics"]] == [("accuracy", 0.5)]
    assert told["left"] == []


def test_it_waits_by_itself_and_shows_the_log(cloud: Cloud) -> None:
    ended = cloud.tell("sdk2", "sdk2_wait")
    assert ended.told["answer"] == [1.0, 2.0]
    assert "rows=3; accuracy=0.25;" in ended.out


def test_what_fails_is_refused_or_stopped_is_told_as_the_sdk_tells_it(cloud: Cloud) -> None:
    told = cloud.tell("sdk2", "sdk2_fail").told
    assert "invalid float value: 'much'" in told["failed"]
    assert told["refused"].startswith("ClientError: An error occurred (ValidationException)")
    assert "No S3 objects found under S3 URL" in told["refused"]
    assert told["stopped"] == "Stopped"


def test_a_model_is_registered_approved_and_deployed_from_the_registry(cloud: Cloud) -> None:
    told = cloud.tell("sdk2", "sdk2_registry").told
    assert (told["status"], told["metrics"], told["metadata"]) == ("Approved", True, {"of": told["mark"]})
    assert told["answer"] == [1.0]


def test_an_image_with_the_public_toolkit_trains_without_a_network(cloud: Cloud) -> None:
    told = cloud.tell("sdk2", "sdk2_toolkit", f"000000000000.dkr.ecr.us-east-1.amazonaws.com/{TOOLKIT}:5.1.4").told
    assert (told["status"], told["channels"], told["metrics"]) == ("Completed", ["code", "training"], [0.75])


def test_processors_run_a_script_and_a_failure_is_told(cloud: Cloud) -> None:
    told = cloud.tell("sdk2", "sdk2_process").told
    assert (told["status"], told["framework"], told["plain"]) == ("Completed", "6", "12")
    assert "AlgorithmError: See job logs for more information" in told["failed"]


def test_a_model_answers_for_every_line_in_s3(cloud: Cloud) -> None:
    told = cloud.tell("sdk2", "sdk2_transform").told
    assert told == {"answers": "1,2,1.5\n3,4,3.5\n", "status": "Completed"}


def test_a_tuner_finds_the_best_rate_and_deploys_it(cloud: Cloud) -> None:
    told = cloud.tell("sdk2", "sdk2_tune").told
    assert told["tried"] == [0.25, 0.5, 0.75]
    assert (told["best"], told["answer"], told["bayes"]) == ("0.75", [3.0], 3)
