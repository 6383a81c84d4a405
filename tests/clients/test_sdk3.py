"""The SageMaker Python SDK, third line: each story is a script as people write them, run by the SDK's own Python."""

from __future__ import annotations

import pytest

from tests.clients.clients import Cloud
from tests.local.sagemaker.world import IMAGE

pytestmark = pytest.mark.slow


def test_a_script_and_a_command_are_trained_and_a_failure_is_told(cloud: Cloud) -> None:
    told = cloud.tell("sdk3", "sdk3_train", IMAGE).told
    assert told["script"][0] == told["command"] == "Completed"
    assert told["script"][1].endswith("/output/model.tar.gz")
    assert told["failed"].startswith("FailedStatusError: ")
    assert "fit.py', '--rate', 'much']' returned non-zero exit status 2" in told["failed"]


def test_a_model_is_built_deployed_asked_registered_and_taken_down(cloud: Cloud) -> None:
    told = cloud.tell("sdk3", "sdk3_deploy", IMAGE).told
    assert told == {"answer": [1.5, 3.5], "approval": "Approved", "transformed": "1.5\n3.5\n"}


def test_a_processor_runs_a_script_and_a_tuner_finds_the_best_rate(cloud: Cloud) -> None:
    assert cloud.tell("sdk3", "sdk3_jobs", IMAGE).told == {"sum": "18", "best": "0.5"}
