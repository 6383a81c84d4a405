"""What a deployment is told by its environment."""

from __future__ import annotations

import pytest

from chalicelib.errors import BadSettingError
from chalicelib.settings import Settings, check_before_deployment, names_from_env

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


def test_what_a_stage_is_told_is_checked_before_there_is_a_stack() -> None:
    told = {name: ENV[name] for name in ("DROPFORGE_PREFIX", "DROPFORGE_STAGE", "DROPFORGE_INSTANCE_TYPES")}
    check_before_deployment(told)
    check_before_deployment({**told, "AWS_REGION": ""})
    for given in ({}, {"DROPFORGE_BUCKET": "made-by-others"}):
        with pytest.raises(BadSettingError, match="DROPFORGE_BUS"):
            check_before_deployment({**told, **given, "DROPFORGE_BUS": "no bus"})


@pytest.mark.parametrize("variable", sorted(set(ENV) - {"AWS_REGION"}))
def test_what_the_stack_would_tell_is_checked_where_a_stage_tells_it(variable: str) -> None:
    with pytest.raises(BadSettingError, match=variable):
        check_before_deployment({**ENV, variable: "not, that!"})


def test_a_function_is_loaded_with_whatever_it_is_told() -> None:
    check_before_deployment({"AWS_LAMBDA_FUNCTION_NAME": "dropforge-dev-Reconcile"})


def test_a_stage_may_allow_no_overrides_at_all() -> None:
    assert Settings.from_env({**ENV, "DROPFORGE_OVERRIDES": ""}).overrides == ()


def test_events_go_to_the_default_bus_unless_another_is_named() -> None:
    assert Settings.from_env(ENV).bus == "default"
    for bus in ("ours", "arn:aws:events:us-east-1:000000000000:event-bus/ours"):
        assert Settings.from_env({**ENV, "DROPFORGE_BUS": bus}).bus == bus


def test_buckets_of_others_are_read_only_where_they_are_named() -> None:
    assert Settings.from_env(ENV).sources == ()
    named = "data-lake/digits/, other-bucket"
    assert Settings.from_env({**ENV, "DROPFORGE_SOURCES": named}).sources == ("data-lake/digits/", "other-bucket")


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
        ("DROPFORGE_BUS", "arn:aws:sqs:us-east-1:000000000000:bus"),
        ("DROPFORGE_BUS", "two words"),
        ("DROPFORGE_INSTANCE_TYPES", "ml.m5.large,m5.large"),
        ("DROPFORGE_OVERRIDES", "train.*.epochs"),
        ("DROPFORGE_SOURCES", "s3://data-lake/"),
        ("AWS_REGION", "here"),
    ],
)
def test_a_bad_value_is_told_with_its_variable(variable: str, value: str) -> None:
    with pytest.raises(BadSettingError, match=variable):
        Settings.from_env({**ENV, variable: value})


HOOKED = {"DROPFORGE_WEBHOOK_URL": "https://example.com/hook", "DROPFORGE_WEBHOOK_SECRET": "/dropforge-dev/webhook"}
TOPIC = "arn:aws:sns:us-east-1:000000000000:dropforge-dev-news"


def test_nobody_is_notified_unless_a_setting_says_so() -> None:
    settings = Settings.from_env({**ENV, "DROPFORGE_TOPIC": "", "DROPFORGE_WEBHOOK_URL": " "})
    assert (settings.topic, settings.webhook, settings.webhook_secret) == (None, None, None)


def test_a_topic_and_a_webhook_can_be_named() -> None:
    settings = Settings.from_env({**ENV, **HOOKED, "DROPFORGE_TOPIC": TOPIC})
    assert (settings.topic, settings.webhook, settings.webhook_secret) == (TOPIC, *HOOKED.values())


def test_a_webhook_without_a_secret_is_refused() -> None:
    with pytest.raises(BadSettingError, match="DROPFORGE_WEBHOOK_SECRET is not set"):
        Settings.from_env({**ENV, "DROPFORGE_WEBHOOK_URL": HOOKED["DROPFORGE_WEBHOOK_URL"]})


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/hook", "http://localhost/", "http://[::1]:1/", "https://10.0.0.1"]
)
def test_plain_http_is_for_this_machine_alone(url: str) -> None:
    assert Settings.from_env({**ENV, **HOOKED, "DROPFORGE_WEBHOOK_URL": url}).webhook == url


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "http://10.0.0.1/",
        "ftp://example.com/",
        "https://",
        "https://user:password@example.com/",
        "https://example.com:port/",
        "https://[::1/",
        "https://169.254.169.254/latest/meta-data",
        "https://169.254.1.2/",
        "https://[fd00:ec2::254]/",
        "https://[fe80::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://2852039166/",
        "https://0xA9FEA9FE/",
        "https://169.16689662/",
    ],
)
def test_a_webhook_that_is_none_or_leads_to_the_metadata_is_refused(url: str) -> None:
    with pytest.raises(BadSettingError, match="DROPFORGE_WEBHOOK_URL"):
        Settings.from_env({**ENV, **HOOKED, "DROPFORGE_WEBHOOK_URL": url})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DROPFORGE_TOPIC", "dropforge-dev-news"),
        ("DROPFORGE_TOPIC", "arn:aws:sns:us-east-1:000000000000:dropforge-prod-news"),
        ("DROPFORGE_WEBHOOK_SECRET", "webhook"),
        ("DROPFORGE_WEBHOOK_SECRET", "/dropforge-prod/webhook"),
    ],
)
def test_a_topic_or_secret_out_of_the_roles_reach_is_told_at_start(variable: str, value: str) -> None:
    with pytest.raises(BadSettingError, match=variable):
        Settings.from_env({**ENV, **HOOKED, variable: value})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DROPFORGE_WEBHOOK_SECRET", "hunter2"),
        ("DROPFORGE_WEBHOOK_URL", "https://user:hunter2@example.com/hook"),
        ("DROPFORGE_WEBHOOK_URL", "http://example.com/hook/hunter2"),
        ("DROPFORGE_WEBHOOK_URL", "https://[hunter2"),
        ("DROPFORGE_WEBHOOK_URL", "https://169.254.169.254/hunter2"),
    ],
)
def test_what_may_be_a_secret_is_not_told_with_what_is_wrong_with_it(variable: str, value: str) -> None:
    with pytest.raises(BadSettingError) as error:
        Settings.from_env({**ENV, **HOOKED, variable: value})
    assert "hunter2" not in f"{error.value!r} {error.value} {error.value.facts}"


def test_prefix_and_stage_can_be_read_alone() -> None:
    names = names_from_env({"DROPFORGE_PREFIX": "df", "DROPFORGE_STAGE": "test"})
    assert names.head == "df-test-"
