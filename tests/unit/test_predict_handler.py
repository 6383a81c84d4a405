from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.predict.handler import Inference, build
from chalicelib.predict.limits import BODY_LIMIT, SERVING_SECONDS
from tests.app.aws_stub import SERVING, AwsStub, Says, aws_stub, says

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20
RUN = "abababababab"
OTHER_RUN = "cdcdcdcdcdcd"


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def aws() -> Iterator[AwsStub]:
    with aws_stub() as stub:
        yield stub


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inference(aws: AwsStub, clock: Clock) -> Iterator[Inference]:
    with serving(aws, clock) as built:
        yield built


@contextmanager
def serving(aws: AwsStub, clock: Clock, deadline: float = 10.0) -> Iterator[Inference]:
    built = build(aws.env, clock=clock, deadline=deadline)
    try:
        yield built
    finally:
        built.close()


def event(
    body: bytes | str | None = PNG, content_type: str | None = "image/png", model: str = "digits"
) -> dict[str, Any]:
    """Make API Gateway's proxy event, as far as the handler reads it."""
    encoded = isinstance(body, bytes)
    return {
        "httpMethod": "POST",
        "pathParameters": {"model": model},
        "headers": {} if content_type is None else {"Content-Type": content_type},
        "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
        "isBase64Encoded": encoded,
        "requestContext": {"requestId": "request-1"},
    }


def ask(inference: Inference, sent: dict[str, Any]) -> tuple[int, dict[str, Any], dict[str, str]]:
    response = inference.handle(sent)
    return response["statusCode"], json.loads(response["body"]), response["headers"]


def refused(inference: Inference, sent: dict[str, Any]) -> tuple[int, str]:
    status, body, headers = ask(inference, sent)
    assert headers["Content-Type"] == "application/problem+json"
    assert set(body) == {"type", "title", "status", "detail", "code", "request_id", "retryable"}
    assert (body["status"], body["request_id"]) == (status, "request-1")
    assert "Traceback" not in body["detail"]
    return status, body["code"]


def test_a_prediction_comes_in_the_one_shape(inference: Inference) -> None:
    status, body, headers = ask(inference, event())
    assert status == 200
    assert headers["Content-Type"] == "application/json"
    assert body.pop("latency_ms") >= 0
    assert body == {
        "results": [{"predictions": [{"label": "1", "score": 0.7}, {"label": "2", "score": 0.2}]}],
        "model": {"name": "digits", "version": 3, "run": RUN, "exact": True},
        "variant": "main",
        "degraded": False,
        "request_id": "request-1",
    }


def test_the_endpoint_gets_the_very_bytes_under_their_type(inference: Inference, aws: AwsStub) -> None:
    ask(inference, event(content_type="Image/PNG; charset=binary"))
    (asked,) = aws.invocations()
    assert (asked.path, asked.body) == ("/endpoints/dropforge-dev-digits-realtime/invocations", PNG)
    assert (asked.headers["content-type"], asked.headers["accept"]) == ("image/png", "application/json")
    assert asked.headers["x-amz-security-token"] == "a/session+token=="
    assert "/eu-west-1/sagemaker/aws4_request" in asked.headers["authorization"]


def test_what_is_live_is_read_once_in_five_seconds(inference: Inference, aws: AwsStub, clock: Clock) -> None:
    for seconds in (0, SERVING_SECONDS - 0.1, 0.2):
        clock.now += seconds
        assert ask(inference, event())[0] == 200
    assert len(aws.reads()) == 2
    assert "/eu-west-1/dynamodb/aws4_request" in aws.reads()[0].headers["authorization"]


@pytest.mark.parametrize("failure", [says({"__type": "InternalServerError"}, 500), Says(hang_up=True), says([])])
def test_what_was_live_serves_on_when_the_table_does_not_answer(
    inference: Inference, aws: AwsStub, clock: Clock, failure: Says
) -> None:
    ask(inference, event())
    aws.table = lambda _: failure
    clock.now += 3600
    assert ask(inference, event())[0] == 200
    reads = len(aws.reads())
    assert ask(inference, event())[0] == 200
    assert len(aws.reads()) == reads


def test_without_a_table_a_cold_start_says_unavailable(inference: Inference, aws: AwsStub) -> None:
    aws.table = lambda _: says({"__type": "InternalServerError"}, 500)
    assert refused(inference, event()) == (503, "unavailable")
    assert ask(inference, event())[2]["Retry-After"] == "1"


def test_an_unknown_model_is_not_found(inference: Inference) -> None:
    assert refused(inference, event(model="cats")) == (404, "not-found")
    assert refused(inference, event(model="x" * 3000)) == (404, "not-found")
    assert refused(inference, event(model="\ud800")) == (404, "not-found")


def test_many_made_up_names_do_not_fill_the_memory(inference: Inference, aws: AwsStub) -> None:
    ask(inference, event())
    for number in range(300):
        ask(inference, event(model=f"made-up-{number}"))
    assert len(aws.reads()) == 301
    ask(inference, event())
    assert len(aws.reads()) == 302  # the first was forgotten


def test_a_model_that_is_not_live_yet_says_when_to_come_again(inference: Inference, aws: AwsStub) -> None:
    aws.items["serving#digits"] = SERVING | {"live": False, "endpoint": None, "run": None, "model_version": None}
    status, body, headers = ask(inference, event())
    assert (status, body["code"], body["retryable"]) == (503, "not-live", True)
    assert int(headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (None, "image/png"),
        ("", "image/png"),
        (b"", "image/png"),
        ("not base64, so it came as text", "image/png"),
        (b"GIF89a", "image/png"),
        (b"\x89PN", "image/png"),
        (PNG, "image/jpeg"),
    ],
)
def test_an_unreadable_body_is_the_clients_mistake(
    inference: Inference, aws: AwsStub, body: bytes | str | None, content_type: str
) -> None:
    assert refused(inference, event(body, content_type)) == (400, "unreadable-body")
    assert aws.invocations() == []


@pytest.mark.parametrize("text", ["%%%%", "YQ", "Yé==", "Y Q==", "YQ==YQ=="])
def test_broken_base64_is_unreadable(inference: Inference, text: str) -> None:
    assert refused(inference, event() | {"body": text}) == (400, "unreadable-body")


@pytest.mark.parametrize("content_type", ["text/plain", "image/gif", "image/*", "", None])
def test_a_type_that_the_model_does_not_take_is_told_the_ones_it_takes(
    inference: Inference, content_type: str | None
) -> None:
    status, body, _ = ask(inference, event(b"anything", content_type))
    assert (status, body["code"]) == (415, "unsupported-type")
    assert "image/png, image/jpeg" in body["detail"]


def test_image_jpg_is_taken_as_image_jpeg(inference: Inference) -> None:
    assert ask(inference, event(b"\xff\xd8\xff\xe0", "image/jpg"))[0] == 200


def test_text_is_taken_where_the_model_takes_text(inference: Inference, aws: AwsStub) -> None:
    aws.items["serving#digits"] = SERVING | {"accept": ["text/csv"]}
    assert ask(inference, event("1,2,ü", "text/csv; charset=utf-8"))[0] == 200
    assert aws.invocations()[0].body == "1,2,ü".encode()


@pytest.mark.parametrize("over", [1, 2, 1000])
def test_too_large_a_body_is_told_the_limit(inference: Inference, aws: AwsStub, over: int) -> None:
    status, body, _ = ask(inference, event(PNG.ljust(BODY_LIMIT + over, b"\x00")))
    assert (status, body["code"]) == (413, "too-large")
    assert str(BODY_LIMIT) in body["detail"]
    assert aws.invocations() == []


def test_a_body_of_exactly_the_limit_fits(inference: Inference, aws: AwsStub) -> None:
    assert ask(inference, event(PNG.ljust(BODY_LIMIT, b"\x00")))[0] == 200
    assert len(aws.invocations()[0].body) == BODY_LIMIT


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            says({"OriginalStatusCode": 500, "OriginalMessage": "Traceback …"}, 424, x_amzn_errortype="ModelError"),
            (502, "model-error"),
        ),
        (says({"__type": "ModelError"}, 424), (502, "model-error")),
        (
            says({"message": "Endpoint … not found."}, 400, x_amzn_errortype="ValidationError:http://internal"),
            (503, "not-live"),
        ),
        (says({"__type": "com.amazonaws#ValidationException"}, 400), (503, "not-live")),
        (says({}, 429, x_amzn_errortype="ThrottlingException"), (429, "throttled")),
        (says({}, 429, x_amzn_errortype="ModelNotReadyException"), (503, "unavailable")),
        (says({}, 503, x_amzn_errortype="ServiceUnavailable"), (503, "unavailable")),
        (says({}, 503), (503, "unavailable")),
        (says({}, 403, x_amzn_errortype="AccessDeniedException"), (500, "internal-error")),
        (Says(200, {}, b"<html>"), (502, "unreadable-answer")),
        (says([0.5, 0.5]), (502, "unreadable-answer")),
        (Says(200, {}, b" " * 1_200_000), (502, "unreadable-answer")),
        (Says(hang_up=True), (503, "unavailable")),
    ],
)
def test_an_endpoint_that_fails_is_a_problem_of_ours(
    inference: Inference, aws: AwsStub, said: Says, expected: tuple[int, str]
) -> None:
    aws.model = lambda _: said
    assert refused(inference, event()) == expected
    assert len(aws.invocations()) == 1


@pytest.mark.parametrize("kind", ["ThrottlingException", "ValidationError", "ServiceUnavailable"])
def test_what_passes_by_itself_says_when_to_come_again(inference: Inference, aws: AwsStub, kind: str) -> None:
    aws.model = lambda _: says({}, 400, x_amzn_errortype=kind)
    _, body, headers = ask(inference, event())
    assert int(headers["Retry-After"]) > 0
    assert body["retryable"] is True


def test_an_endpoint_that_does_not_answer_in_time_is_not_asked_twice(aws: AwsStub, clock: Clock) -> None:
    with serving(aws, clock, deadline=0.3) as inference:
        ask(inference, event())
        asked = len(aws.invocations())
        aws.model = lambda _: Says(200, {}, b"[0, 0, 1]", late=5)
        assert refused(inference, event()) == (504, "model-timeout")
        assert len(aws.invocations()) == asked + 1


def test_after_a_timeout_the_late_answer_meets_nobody(aws: AwsStub, clock: Clock) -> None:
    with serving(aws, clock, deadline=0.3) as inference:
        aws.model = lambda _: Says(200, {}, b"[0, 0, 1]", late=5)
        ask(inference, event())
        aws.model = lambda _: says([1, 0, 0])
        assert ask(inference, event())[1]["results"][0]["predictions"][0]["label"] == "0"


def test_one_connection_serves_many_calls(inference: Inference, aws: AwsStub) -> None:
    for _ in range(5):
        assert ask(inference, event())[0] == 200
    assert len({asked.connection for asked in aws.invocations()}) == 1


def test_a_connection_that_the_host_closed_is_replaced(inference: Inference, aws: AwsStub) -> None:
    aws.model = lambda _: Says(200, {}, b"[0, 0, 1]", close_after=True)
    for _ in range(3):
        assert ask(inference, event())[0] == 200
    assert len(aws.invocations()) == 3


def test_a_kept_connection_that_dies_before_a_byte_of_an_answer_is_tried_once_more(
    inference: Inference, aws: AwsStub
) -> None:
    answers = iter([says([1, 0, 0]), Says(hang_up=True), says([1, 0, 0])])
    aws.model = lambda _: next(answers)
    assert ask(inference, event())[0] == 200
    assert ask(inference, event())[0] == 200
    assert len(aws.invocations()) == 3


def test_the_container_says_which_model_answered(inference: Inference, aws: AwsStub) -> None:
    aws.items["serving#digits"] = SERVING | {"exact": False}
    attributes = f"trace=1, dropforge-run={OTHER_RUN}"
    aws.model = lambda _: says([1, 0, 0], x_amzn_sagemaker_custom_attributes=attributes)
    assert ask(inference, event())[1]["model"] == {"name": "digits", "version": None, "run": OTHER_RUN, "exact": True}


@pytest.mark.parametrize("run", [RUN, "v1" + "ab" * 32])
def test_a_run_that_serving_knows_brings_its_version(inference: Inference, aws: AwsStub, run: str) -> None:
    aws.items["serving#digits"] = SERVING | {"exact": False}
    aws.model = lambda _: says([1, 0, 0], x_amzn_sagemaker_custom_attributes=f"dropforge-run={run}")
    assert ask(inference, event())[1]["model"] == {"name": "digits", "version": 3, "run": RUN, "exact": True}


@pytest.mark.parametrize(
    "attributes", ["", "dropforge-run=", "dropforge-run=../../etc", f"not-dropforge-run={OTHER_RUN}"]
)
def test_without_its_word_the_answer_during_a_rollout_is_not_exact(
    inference: Inference, aws: AwsStub, attributes: str
) -> None:
    aws.items["serving#digits"] = SERVING | {"exact": False}
    aws.model = lambda _: says([1, 0, 0], x_amzn_sagemaker_custom_attributes=attributes)
    assert ask(inference, event())[1]["model"] == {"name": "digits", "version": 3, "run": RUN, "exact": False}


def test_scores_wait_while_labels_change(inference: Inference, aws: AwsStub) -> None:
    aws.items["serving#digits"] = SERVING | {"exact": False, "labels": []}
    aws.model = lambda _: says([1, 0, 0])
    status, said, head = ask(inference, event())
    assert (status, said["code"], said["retryable"], head["Retry-After"]) == (503, "relabelling", True, "5")


def test_predictions_with_labels_of_their_own_need_not_wait_while_labels_change(
    inference: Inference, aws: AwsStub
) -> None:
    aws.items["serving#digits"] = SERVING | {"exact": False, "labels": []}
    aws.model = lambda _: says({"predictions": [{"label": "b", "score": 1.0}]})
    assert ask(inference, event())[1]["results"] == [{"predictions": [{"label": "b", "score": 1.0}]}]


def test_scores_without_any_labels_cannot_be_read(inference: Inference, aws: AwsStub) -> None:
    aws.items["serving#digits"] = SERVING | {"labels": []}
    aws.model = lambda _: says([1, 0, 0])
    assert ask(inference, event())[1]["code"] == "unreadable-answer"


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"httpMethod": "GET"},
        {"httpMethod": "POST"},
        {"httpMethod": "POST", "pathParameters": {"model": "digits"}, "headers": None},
    ],
)
def test_an_event_with_holes_is_refused_without_a_trace(inference: Inference, broken: dict[str, Any]) -> None:
    status, body, _ = ask(inference, broken)
    assert status in {400, 404}
    assert body["request_id"] == ""


def test_each_call_logs_one_line_without_the_payload(
    inference: Inference, aws: AwsStub, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(inference, event())
    aws.model = lambda _: says({}, 424, x_amzn_errortype="ModelError")
    ask(inference, event())
    good, bad = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (good["step"], good["outcome"], good["status"], good["request_id"]) == ("predict", "done", 200, "request-1")
    assert (bad["outcome"], bad["status"], bad["code"]) == ("failed", 502, "model-error")
    assert "PNG" not in json.dumps([good, bad])


def test_each_call_is_counted_by_what_it_was_answered_for_its_stage_and_for_a_pipeline_that_exists(
    inference: Inference, aws: AwsStub, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(inference, event())
    ask(inference, event(model="whatever a client likes"))
    ask(inference, event(content_type="text/plain"))
    aws.model = lambda _: says({}, 424, x_amzn_errortype="ModelError")
    ask(inference, event())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["stage"], line.get("pipeline"), line["answer"], line["Predictions"]) for line in lines] == [
        ("dev", "digits", "200", 1),
        ("dev", None, "4xx", 1),
        ("dev", "digits", "4xx", 1),
        ("dev", "digits", "5xx", 1),
    ]
    (told,) = lines[0]["_aws"]["CloudWatchMetrics"]
    assert told == {
        "Namespace": "Dropforge",
        "Dimensions": [["stage", "answer"], ["stage", "answer", "pipeline"]],
        "Metrics": [{"Name": "Predictions", "Unit": "Count"}],
    }


def test_whatever_a_client_sends_is_answered_or_is_the_clients_mistake(aws: AwsStub, clock: Clock) -> None:
    types = st.sampled_from(["image/png", "image/jpeg", "text/plain", "", "image/png;x", "\r\nx: y"]) | st.text()
    bodies = st.binary().map(lambda sent: base64.b64encode(sent).decode()) | st.text() | st.none()

    with serving(aws, clock) as inference:

        @given(content_type=types, body=bodies, encoded=st.booleans(), model=st.just("digits") | st.text())
        def ask_anything(content_type: str, body: str | None, encoded: bool, model: str) -> None:  # noqa: FBT001 -- drawn
            sent = event(model=model, content_type=content_type) | {"body": body, "isBase64Encoded": encoded}
            assert ask(inference, sent)[0] in {200, 400, 404, 413, 415}

        ask_anything()
