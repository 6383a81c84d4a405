from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import events
from chalicelib.errors import InvalidError
from chalicelib.events import EndpointChanged, JobChanged, PackageChanged, UploadSeen, Woken
from tests.app import raw

NOW = 1_800_000_000.0
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Records", "body", "messageId", "detail", "object", "key", "time", "detail-type"]), inner
        )
    ),
)


def test_uploads_are_read_with_the_keys_as_they_are() -> None:
    keys = ["datasets/digits/a b/training/ü+%20.png", "pipelines/digits/pipeline.toml"]
    seen = events.uploads(raw.batch(*(raw.created(key, NOW, size=7) for key in keys)))
    assert seen == (UploadSeen("m0", keys[0], 7, NOW), UploadSeen("m1", keys[1], 7, NOW))


@pytest.mark.parametrize("subject", ["dataset:digits/a:b/c", "pipeline:digits", "run:0123456789ab", "release:digits"])
def test_wake_ups_keep_their_subject_whole(subject: str) -> None:
    assert events.woken(raw.batch(subject)) == (Woken("m0", subject),)


def test_the_names_of_jobs_and_endpoints_are_read() -> None:
    assert events.job_changed(raw.job_changed("a-job")) == JobChanged("a-job")
    assert events.endpoint_changed(raw.endpoint_changed("an-endpoint")) == EndpointChanged("an-endpoint")
    arn = "arn:aws:sagemaker:us-east-1:000000000000:model-package/df-test-digits/3"
    assert events.package_changed(raw.package_changed("df-test-digits", 3)) == PackageChanged(arn)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "run:",
        "nothing:digits",
        "null",
        "[]",
        json.dumps(
            {"detail-type": "Object Deleted", "time": "2027-01-15T08:00:00Z", "detail": {"object": {"key": "k"}}}
        ),
        json.dumps({"detail-type": "Object Created", "time": "yesterday", "detail": {"object": {"key": "k"}}}),
        json.dumps(
            {"detail-type": "Object Created", "time": "2027-01-15T08:00:00", "detail": {"object": {"key": "k"}}}
        ),
        json.dumps(
            {"detail-type": "Object Created", "time": "2027-01-15T08:00:00Z", "detail": {"object": {"key": ""}}}
        ),
        json.dumps({"detail-type": "Object Created", "time": "2027-01-15T08:00:00Z", "detail": {"object": {"key": 7}}}),
        json.dumps({"detail-type": "Object Created", "time": "2027-01-15T08:00:00Z", "detail": "gone"}),
        "{" * 100_000,
    ],
)
def test_what_is_no_news_is_left_out_and_named(body: str) -> None:
    event = raw.batch("run:0123456789ab", body)
    assert [wake.message_id for wake in events.woken(event)] == ["m0"]
    assert events.uploads(event) == ()
    assert events.unreadable(event) == ("m1",)


@pytest.mark.parametrize("event", [{}, {"detail": None}, {"detail": {}}, {"detail": {"TrainingJobName": 7}}])
def test_an_event_without_a_name_is_an_error_of_ours(event: dict[str, object]) -> None:
    with pytest.raises(InvalidError, match="TrainingJobName"):
        events.job_changed(event)
    with pytest.raises(InvalidError, match="EndpointName"):
        events.endpoint_changed(event)


def test_a_message_is_named_once_among_the_failures() -> None:
    assert events.failures(["m1", "m0", "m1"]) == {
        "batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m0"}]
    }


def test_a_request_is_read_into_text_and_toml() -> None:
    detail = {"pipeline": "digits", "channels": {"training": "s3://lake/"}, "set": {"train.hyperparameters.epochs": 7}}
    asked = events.run_requested({"id": "1", "detail": detail})
    assert (asked.channels, asked.values) == ({"training": "s3://lake/"}, "train.hyperparameters.epochs = 7\n")
    with pytest.raises(InvalidError, match="holds no text under"):
        events.run_requested({"id": "1", "detail": {"pipeline": "digits", "channels": {"training": ["s3://lake/"]}}})


@pytest.mark.parametrize(
    ("kind", "source"),
    [("Scheduled Event", "lab"), ("Dropforge Run Requested", "aws.s3"), ("Dropforge Run Requested", ""), ("", "lab")],
)
def test_an_event_from_somebody_else_is_not_heard(kind: str, source: str) -> None:
    with pytest.raises(InvalidError, match="Nothing here hears an event"):
        events.heard({"detail-type": kind, "source": source})


@given(
    st.dictionaries(st.sampled_from(["Records", "detail"]), JSON)
    | st.lists(JSON.map(json.dumps)).map(lambda bodies: raw.batch(*bodies))
)
def test_whatever_comes_is_read_or_left_out(event: dict[str, object]) -> None:
    read = {upload.message_id for upload in events.uploads(event)} | {wake.message_id for wake in events.woken(event)}
    assert read.isdisjoint(events.unreadable(event))


@pytest.mark.parametrize("more", [{"reason": "\ud800"}, {"set": {"\udfff": 1}}, {"channels": {"a": ["\ud83d"]}}])
def test_a_request_that_holds_half_a_character_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(InvalidError, match="half a character"):
        events.run_requested({"id": "1", "detail": {"pipeline": "digits", "dataset": "mnist"} | more})
