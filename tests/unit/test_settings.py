"""What a deployment is told by its environment."""

from __future__ import annotations

import pytest

from chalicelib.errors import BadSettingError
from chalicelib.settings import Settings, names_from_env

ENV = {
    "DROPFORGE_PREFIX": "dropforge",
    "DROPFORGE_STAGE": "dev",
    "DROPFORGE_BUCKET": "dropforge-dev-000000000000-us-east-1",
    "DROPFORGE_TABLE": "dropforge-dev",
    "DROPFORGE_WAKE_QUEUE": "http://127.0.0.1:4566/000000000000/dropforge-dev-wake",
    "DROPFORGE_JOB_ROLE": "arn:aws:iam::000000000000:role/dropforge-dev-jobs",
    "DROPFORGE_INSTANCE_TYPES": "ml.m5.large, ml.g4dn.2xlarge",
    "DROPFORGE_OVERRIDES": "train.hyperparameters.*,train.instance_type",
    "AWS_REGION": "us-east-1",
}


def test_a_whole_environment_becomes_settings() -> None:
    settings = Settings.from_env(ENV)
    assert settings.names.head == "dropforge-dev-"
    assert settings.instance_types == {"ml.m5.large", "ml.g4dn.2xlarge"}
    assert settings.overrides == ("train.hyperparameters.*", "train.instance_type")
    assert settings.bucket == ENV["DROPFORGE_BUCKET"]
    assert settings.region == "us-east-1"


def test_a_stage_may_allow_no_overrides_at_all() -> None:
    assert Settings.from_env({**ENV, "DROPFORGE_OVERRIDES": ""}).overrides == ()


@pytest.mark.parametrize("variable", sorted(set(ENV) - {"DROPFORGE_OVERRIDES"}))
def test_a_missing_variable_is_named(variable: str) -> None:
    with pytest.raises(BadSettingError, match=variable) as raised:
        Settings.from_env({key: value for key, value in ENV.items() if key != variable})
    assert raised.value.facts["variable"] == variable


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DROPFORGE_PREFIX", "dropforges"),
        ("DROPFORGE_PREFIX", "Drop"),
        ("DROPFORGE_STAGE", "dev-2"),
        ("DROPFORGE_STAGE", "production"),
        ("DROPFORGE_BUCKET", "Bucket_One"),
        ("DROPFORGE_WAKE_QUEUE", "arn:aws:sqs:us-east-1:000000000000:wake"),
        ("DROPFORGE_JOB_ROLE", "jobs"),
        ("DROPFORGE_INSTANCE_TYPES", "ml.m5.large,m5.large"),
        ("DROPFORGE_OVERRIDES", "train.*.epochs"),
        ("AWS_REGION", "here"),
    ],
)
def test_a_bad_value_is_told_with_its_variable(variable: str, value: str) -> None:
    with pytest.raises(BadSettingError, match=variable):
        Settings.from_env({**ENV, variable: value})


def test_prefix_and_stage_can_be_read_alone() -> None:
    names = names_from_env({"DROPFORGE_PREFIX": "df", "DROPFORGE_STAGE": "test"})
    assert names.head == "df-test-"
