"""The clients' door, through the real gateway: what a client may send wrongly, and what a model may do wrongly."""

from __future__ import annotations

import http.client
import json
import random
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import pytest

from tests.e2e.conftest import Cloud, Reply
from tests.e2e.pipelines import PIXEL, Tiny, fresh, go_live, knobs, label_of, push
from tests.e2e.problems import problem

PREDICT_LIMIT = 4_500_000
GATEWAY_LIMIT = 10 * 1024 * 1024
REQUESTS = 100

MOODY = """
import json, os, time

def model_fn(folder):
    with open(os.path.join(folder, "model.json")) as file:
        return json.load(file)

def input_fn(body, content_type):
    return body

def predict_fn(body, model):
    if b"please fail" in body:
        raise RuntimeError("this model cannot predict")
    if b"please hang" in body:
        time.sleep(45)
    label = model["label"] if body.endswith(END) else str(len(body))
    said = {"predictions": [{"label": label, "score": 0.9}, {"label": "other", "score": 0.1}]}
    return "mumble" if b"please mumble" in body else json.dumps(said)

def output_fn(said, accept):
    return said, accept
"""


class Moody(Tiny):
    """Its model passes its smoke test; later it behaves as a request asks it to, or tells how many bytes came."""

    @property
    def files(self) -> dict[str, bytes]:
        return super().files | {"serving/serve.py": f"END = {PIXEL[-8:]!r}\n{MOODY}".encode()}


@dataclass(frozen=True)
class Model:
    """A live model, and an answer that it has been asked for since it went live."""

    name: str
    run: str
    hangs: Future[Reply]


@pytest.fixture(scope="module")
def model(cloud: Cloud) -> Iterator[Model]:
    tiny = Moody(fresh("moody"), expect="cat")
    push(cloud, tiny)
    run = go_live(cloud, tiny.name, "one", knobs(label="cat"))["run"]
    with ThreadPoolExecutor(1) as hand:
        yield Model(tiny.name, run, hand.submit(cloud.predict, tiny.name, PIXEL + b"please hang"))


@pytest.fixture(scope="module")
def unborn(cloud: Cloud) -> str:
    """A pipeline that was accepted and has no model yet."""
    tiny = Tiny(fresh("unborn"))
    push(cloud, tiny)
    return tiny.name


def test_health_is_open(cloud: Cloud) -> None:
    reply = cloud.http("GET", "/v1/health")
    assert (reply.status, reply.json) == (200, {"status": "ok"})


def test_a_prediction_comes_in_the_one_shape(cloud: Cloud, model: Model) -> None:
    reply = cloud.predict(model.name, PIXEL)
    assert label_of(reply) == "cat"
    assert reply.headers["content-type"] == "application/json"
    said = reply.json
    assert said["results"] == [{"predictions": [{"label": "cat", "score": 0.9}, {"label": "other", "score": 0.1}]}]
    assert said["model"] == {"name": model.name, "version": 1, "run": model.run, "exact": True}
    assert said["degraded"] is False
    assert said["latency_ms"] > 0
    assert said["request_id"] == reply.headers["x-amzn-requestid"]


def test_a_model_tells_what_it_takes_and_that_it_is_live(cloud: Cloud, model: Model) -> None:
    reply = cloud.http("GET", f"/v1/models/{model.name}", key=cloud.api_key)
    assert reply.json == {
        "model": model.name,
        "title": None,
        "live": True,
        "version": 1,
        "run": model.run,
        "accept": ["image/png", "image/jpeg"],
        "max_bytes": PREDICT_LIMIT,
        "labels": ["cat", "other"],
        "top_k": 5,
    }


@pytest.mark.parametrize("key", [None, "wrong", "x" * 5000, "käse"])
@pytest.mark.parametrize(("method", "end"), [("GET", ""), ("POST", "/predict")])
def test_without_the_right_key_the_clients_door_stays_shut(
    cloud: Cloud, model: Model, method: str, end: str, key: str | None
) -> None:
    given = key.encode().decode("latin-1") if key else None
    reply = cloud.http(method, f"/v1/models/{model.name}{end}", PIXEL if end else None, key=given)
    assert problem(reply, 403)["code"] == "invalid-api-key"


def test_an_operator_s_signature_does_not_open_the_clients_door(cloud: Cloud, model: Model) -> None:
    assert problem(cloud.http("GET", f"/v1/models/{model.name}", signed=True), 403)["code"] == "invalid-api-key"


@pytest.mark.parametrize("name", ["nobody", "No-Body", "x" * 80, "..", "%2e%2e", "%00", "k%C3%A4se", "a%2Fb"])
def test_an_unknown_model_is_not_found(cloud: Cloud, name: str) -> None:
    for reply in (
        cloud.http("GET", f"/v1/models/{name}", key=cloud.api_key),
        cloud.predict(name, PIXEL),
    ):
        assert problem(reply, 404)["code"] == "not-found"


def test_a_model_of_which_none_is_live_yet_says_when_to_come_again(cloud: Cloud, unborn: str) -> None:
    reply = cloud.predict(unborn, PIXEL)
    said = problem(reply, 503)
    assert (said["code"], said["retryable"]) == ("not-live", True)
    assert int(reply.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "body", [b"", PIXEL[1:], b"GIF89a", b"\x00" * 1000, b"{}", b"\x89PNG"], ids=["empty", *"12345"]
)
def test_an_empty_or_unreadable_body_is_the_client_s_mistake(cloud: Cloud, model: Model, body: bytes) -> None:
    assert problem(cloud.predict(model.name, body), 400)["code"] == "unreadable-body"


@pytest.mark.parametrize("kind", ["image/webp", "image/*", "text/plain", "application/json", "image/png+", "nonsense"])
def test_a_type_that_the_model_does_not_take_is_told_the_ones_it_takes(cloud: Cloud, model: Model, kind: str) -> None:
    said = problem(cloud.predict(model.name, PIXEL, content_type=kind), 415)
    assert said["code"] == "unsupported-type"
    assert "image/png, image/jpeg" in said["detail"]


@pytest.mark.parametrize(
    ("size", "limit"),
    [
        pytest.param(PREDICT_LIMIT + 1, PREDICT_LIMIT, id="more-than-predict-takes"),
        pytest.param(5_000_000, PREDICT_LIMIT, id="more-than-a-function-takes"),
        pytest.param(GATEWAY_LIMIT + 1, GATEWAY_LIMIT, id="more-than-the-gateway-takes"),
    ],
)
def test_too_large_a_body_is_told_the_limit(cloud: Cloud, model: Model, size: int, limit: int) -> None:
    said = problem(cloud.predict(model.name, PIXEL + bytes(size - len(PIXEL))), 413)
    assert said["code"] == "too-large"
    assert str(limit) in said["detail"]


def test_the_largest_body_that_is_taken_reaches_the_model_whole(cloud: Cloud, model: Model) -> None:
    assert label_of(cloud.predict(model.name, PIXEL + bytes(PREDICT_LIMIT - len(PIXEL)))) == str(PREDICT_LIMIT)


def test_a_body_in_chunks_reaches_the_model_whole(cloud: Cloud, model: Model) -> None:
    place = urlsplit(cloud.api)
    connection = http.client.HTTPConnection(place.netloc, timeout=35)
    headers = {"x-api-key": cloud.api_key, "Content-Type": "image/png"}
    parts = [PIXEL, *[b"0123456789"] * 300]
    try:
        connection.request(
            "POST", f"{place.path}/v1/models/{model.name}/predict", iter(parts), headers, encode_chunked=True
        )
        answer = connection.getresponse()
        assert answer.status == 200
        said = json.loads(answer.read())
    finally:
        connection.close()
    assert said["results"][0]["predictions"][0]["label"] == str(sum(map(len, parts)))


def test_head_gets_no_body_and_no_way_in(cloud: Cloud, model: Model) -> None:
    for path in ("/v1/health", f"/v1/models/{model.name}", "/v1/runs"):
        reply = cloud.http("HEAD", path, key=cloud.api_key)
        assert (reply.status, reply.body) == (404, b"")
        assert reply.headers["content-type"] == "application/problem+json"


def test_a_model_s_own_error_is_a_bad_gateway_without_its_insides(cloud: Cloud, model: Model) -> None:
    reply = cloud.predict(model.name, PIXEL + b"please fail")
    said = problem(reply, 502)
    assert (said["code"], said["retryable"]) == ("model-error", True)
    assert b"cannot predict" not in reply.body
    assert label_of(cloud.predict(model.name, PIXEL)) == "cat"


def test_an_answer_of_the_model_that_cannot_be_read_is_a_bad_gateway(cloud: Cloud, model: Model) -> None:
    said = problem(cloud.predict(model.name, PIXEL + b"please mumble"), 502)
    assert said["code"] == "unreadable-answer"


def test_a_model_that_does_not_answer_in_time_is_a_gateway_timeout_of_ours(cloud: Cloud, model: Model) -> None:
    said = problem(model.hangs.result(timeout=60), 504)
    assert (said["code"], said["retryable"]) == ("model-timeout", True)
    assert label_of(cloud.predict(model.name, PIXEL)) == "cat"


def hostile(seed: int, model: str, key: str) -> tuple[str, str, bytes | None, dict[str, str], bool]:
    """Make up a request: method, path with query, body, headers, and whether it is signed."""
    dice = random.Random(seed)  # noqa: S311  the same requests every time
    junk = bytes(dice.randrange(256) for _ in range(dice.choice([0, 1, 30, 2000])))
    words = ["..", ".", "%", "%zz", "%00", "%2e%2e%2f", "'", '"', "{model}", model, quote(junk[:40]), "~" * 300]
    word, other = dice.choice(words), dice.choice(words)
    reads = ["models/", "runs/", "datasets/", "pipelines/", "releases/"]
    asks, looks, lists = f"/v1/models/{model}/predict", f"/v1/{dice.choice(reads)}{word}", f"/v1/{dice.choice(reads)}"
    path = dice.choice([asks, asks, looks, f"{looks}/{other}", lists.rstrip("/"), f"/{word}/{other}", word])
    names = ["limit", "next", "pipeline", "state", "next[]", "__proto__", ""]
    values = ["0", "-1", "1e9", "9" * 400, "%ff", "null", quote(junk[:60]), model, "eyJwayI6e319"]
    query = "&".join(f"{dice.choice(names)}={dice.choice(values)}" for _ in range(dice.randrange(3)))
    method = (
        "POST" if path == asks else dice.choice(["GET"] * 8 + ["PUT", "DELETE", "OPTIONS", "HEAD", "TRACE", "BREW"])
    )
    types = ["image/png", "image/png;a=b", "text/plain", "application/json", "\xff", "x" * 3000]
    headers = {"Content-Type": dice.choice(types), "X-Junk": dice.choice(["", "a" * 4000, "ü", "\t"])}
    headers |= {"x-api-key": key} if dice.random() < 0.8 else {}
    forged = ["Basic eA==", "AWS4-HMAC-SHA256 Credential=a/b/c", "AWS4-HMAC-SHA256"]
    headers |= {"Authorization": dice.choice(forged)} if dice.random() < 0.1 else {}
    body = dice.choice([junk, PIXEL, PIXEL + junk]) if method not in {"GET", "HEAD"} else None
    signed = dice.random() < 0.8 and "Authorization" not in headers
    return method, f"{path}?{query}" if query else path, body, headers, signed


def test_a_hundred_hostile_requests_meet_answers_or_problems_and_never_a_500(cloud: Cloud, model: Model) -> None:
    def ask(seed: int) -> Reply:
        method, path, body, headers, signed = hostile(seed, model.name, cloud.api_key)
        return cloud.http(method, path, body, headers=headers, signed=signed)

    with ThreadPoolExecutor(4) as hands:
        replies = list(hands.map(ask, range(REQUESTS)))
    for seed, reply in enumerate(replies):
        asked = hostile(seed, model.name, cloud.api_key)
        assert reply.status < 500, (asked, reply)
        if reply.status >= 400 and asked[0] != "HEAD":
            problem(reply, reply.status)
    assert {reply.status for reply in replies} >= {200, 400, 403, 404, 415}
    assert label_of(cloud.predict(model.name, PIXEL)) == "cat"
