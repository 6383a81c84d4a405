"""A pipeline file that cannot be used: its status says where and why, and the last good version serves on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.e2e.conftest import Cloud, wait_until
from tests.e2e.pipelines import (
    PATIENCE,
    PIXEL,
    Tiny,
    drop,
    fresh,
    go_live,
    jobs_of,
    knobs,
    label_of,
    push,
    put_all,
    until_dataset,
    until_sealed,
    until_stage,
)

SKLEARN = 'framework = "sklearn"'
IMAGE = 'image_uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/frames:3"'


@dataclass(frozen=True)
class Bad:
    """A good pipeline file with `old` made `new`, and the problem that it has then: `key`, on the line with `at`."""

    old: str
    new: str
    key: str
    at: str
    says: str

    def toml(self, good: str) -> str:
        changed = good.replace(self.old, self.new, 1) if self.old else f"{good}\n{self.new}\n"
        assert changed != good
        return changed

    def line(self, good: str) -> int:
        lines = self.toml(good).splitlines()
        return next(number for number, line in enumerate(lines, 1) if self.at in line)


MISTAKES = {
    "not-toml": Bad("[train]\n", "[train\n", "", "[train", "TOML"),
    "unknown-key": Bad(SKLEARN, f'{SKLEARN}\ninstance_typ = "x"', "train.instance_typ", "_typ ", '"instance_type"'),
    "unknown-table": Bad("", "[gates]\nat_least = 0.5", "gates", "[gates]", 'the nearest known one is "gate"'),
    "text-for-a-number": Bad(
        "quiet_seconds = 1", 'quiet_seconds = "soon"', "trigger.quiet_seconds", "soon", "a whole number of seconds"
    ),
    "number-for-a-list": Bad(
        "accept = [", "accept = 3 #", "serve.accept", "accept = 3", "a list of 1 to 20 media types"
    ),
    "impossible-size": Bad(SKLEARN, f"{SKLEARN}\nvolume_size_gb = 99999", "train.volume_size_gb", "99999", "16384"),
    "impossible-time": Bad(
        "max_runtime_seconds = 600", "max_runtime_seconds = 0", "train.max_runtime_seconds", "= 0", "1"
    ),
    "path-out-of-the-folder": Bad(
        "smoke/pixel.png", "../cats/pixel.png", "deploy.smoke_test[0].payload", "../cats", '".." is not allowed'
    ),
    "absolute-path": Bad('source_dir = "src"', 'source_dir = "/etc"', "train.source_dir", "/etc", "relative path"),
    "no-such-script": Bad('"train.py"', '"gone.py"', "train.entry_point", "gone.py", "gone.py is not there"),
    "no-such-folder": Bad('"src"', '"gone"', "train.source_dir", '"gone"', "no file under gone/"),
    "no-such-payload": Bad(
        "smoke/pixel.png", "smoke/gone.png", "deploy.smoke_test[0].payload", "gone.png", "not there"
    ),
    "instance-type-that-the-stage-forbids": Bad(
        SKLEARN, f'{SKLEARN}\ninstance_type = "ml.p4d.24xlarge"', "train.instance_type", "ml.p4d", "ml.m5.large"
    ),
}
LATER = {
    "prepare": ("", f'[prepare]\n{IMAGE}\nentry_point = "src/train.py"'),
    "train.instance_count": ("[train]", "instance_count = 2"),
    "train.input_mode": ("[train]", 'input_mode = "FastFile"'),
    "train.use_spot_instances": ("[train]", "use_spot_instances = true"),
    "train.max_wait_seconds": ("[train]", "max_wait_seconds = 7200"),
    "train.start_from": ("[train]", 'start_from = "champion"'),
    "sweep": ("", "[sweep]\nhyperparameters = { metric = [0.1, 0.2] }"),
    "evaluate": ("", "[evaluate]"),
    "deploy.mode": ("[deploy]", 'mode = "serverless"'),
    "deploy.memory_mb": ("[deploy]", "memory_mb = 2048"),
    "deploy.max_concurrency": ("[deploy]", "max_concurrency = 2"),
    "deploy.rollout": ("[deploy]", 'rollout = "canary"'),
    "deploy.alarms": ("[deploy]", 'alarms = ["too-slow"]'),
    "serve.fallback": ("[serve]", 'fallback = { label = "unknown" }'),
    "budget": ("", "[budget]\nmax_usd_per_run = 5.0"),
}
"""What a file may say one day: (the table that the line goes under, or none, and the line)."""
INSTEAD = {
    "another-framework": (SKLEARN, 'framework = "pytorch"', "train.framework"),
    "an-image": (SKLEARN, IMAGE, "train.image_uri"),
    "an-algorithm": (SKLEARN, 'algorithm = "xgboost"', "train.algorithm"),
    "async": ("[deploy]\n", '[deploy]\nmode = "async"\n', "deploy.mode"),
    "linear": ("[deploy]\n", '[deploy]\nrollout = "linear"\n', "deploy.rollout"),
}
"""What cannot stand in one file with those: (old, new, key)."""


def with_everything_later(good: str) -> str:
    """Give a file that asks for all of LATER at once."""
    text = good
    for table, line in LATER.values():
        text = text.replace(f"{table}\n", f"{table}\n{line}\n", 1) if table else f"{text}\n{line}\n"
    return text


@pytest.fixture(scope="module")
def pushed(cloud: Cloud) -> dict[str, Tiny]:
    """Every bad pipeline at once: each settles for seconds, and they can do so together."""
    tinies = {case: Tiny(fresh("bad")) for case in (*MISTAKES, *INSTEAD, "later")}
    texts = {case: bad.toml(tinies[case].toml) for case, bad in MISTAKES.items()}
    texts |= {case: tinies[case].toml.replace(old, new, 1) for case, (old, new, _) in INSTEAD.items()}
    texts["later"] = with_everything_later(tinies["later"].toml)
    folders = {
        f"{tiny.name}/{path}": body
        for case, tiny in tinies.items()
        for path, body in (tiny.files | {"pipeline.toml": texts[case].encode()}).items()
    }
    put_all(cloud, "pipelines/", folders)
    return tinies


@pytest.fixture(scope="module")
def champion(cloud: Cloud) -> Tiny:
    """A pipeline with a live model that answers "a"."""
    tiny = Tiny(fresh("good"), expect="a")
    push(cloud, tiny)
    go_live(cloud, tiny.name, "first", knobs(label="a"))
    return tiny


def until_refused(cloud: Cloud, pipeline: str) -> dict[str, Any]:
    """Wait until a pipeline's newest upload is refused; gives its status."""

    def refused() -> dict[str, Any] | None:
        status = cloud.status_of(pipeline)
        return dict(status) if status and status["state"] == "refused" else None

    return wait_until(refused, PATIENCE)


@pytest.mark.parametrize("case", MISTAKES)
def test_what_is_wrong_with_a_pipeline_file_stands_in_its_status_with_line_key_and_what_is_allowed(
    cloud: Cloud, pushed: dict[str, Tiny], case: str
) -> None:
    tiny, bad = pushed[case], MISTAKES[case]
    status = until_refused(cloud, tiny.name)
    assert status["pipeline"] == tiny.name
    assert status["version"] is None
    (told,) = status["problems"]
    assert (told["key"], told["line"]) == (bad.key, bad.line(tiny.toml))
    assert bad.says in told["message"]


def test_everything_that_is_later_work_is_refused_at_once_each_with_its_line(
    cloud: Cloud, pushed: dict[str, Tiny]
) -> None:
    tiny = pushed["later"]
    told = {problem["key"]: problem for problem in until_refused(cloud, tiny.name)["problems"]}
    assert set(told) == set(LATER)
    lines = with_everything_later(tiny.toml).splitlines()
    for key, (table, line) in LATER.items():
        assert told[key]["message"].startswith("not supported yet: "), key
        begins = [line] if table else line.split("\n")
        assert lines[told[key]["line"] - 1] in begins, key


@pytest.mark.parametrize("case", INSTEAD)
def test_what_is_later_work_is_the_only_problem_and_says_what_works_now(
    cloud: Cloud, pushed: dict[str, Tiny], case: str
) -> None:
    (told,) = until_refused(cloud, pushed[case].name)["problems"]
    assert told["key"] == INSTEAD[case][2]
    assert told["message"].startswith("not supported yet: ")
    assert "what works now: " in told["message"] or "leave it out" in told["message"]


def test_operators_read_over_http_why_a_pipeline_was_refused(cloud: Cloud, pushed: dict[str, Tiny]) -> None:
    name = pushed["unknown-key"].name
    until_refused(cloud, name)
    seen = wait_until(lambda: _in_state(cloud, name, "refused"), PATIENCE)
    assert "train.instance_typ" in seen["problem"]
    assert seen["version"] is None


def _in_state(cloud: Cloud, pipeline: str, state: str) -> Any:
    seen = cloud.get(f"/v1/pipelines/{pipeline}")
    return seen if seen["state"] == state else None


def test_a_dataset_of_a_pipeline_that_was_only_ever_refused_waits_and_says_so(
    cloud: Cloud, pushed: dict[str, Tiny]
) -> None:
    name = pushed["not-toml"].name
    until_refused(cloud, name)
    drop(cloud, name, "early")
    why = f"The pipeline {name} has no accepted version yet; status/{name}.json says why."
    wait_until(lambda: until_dataset(cloud, name, "early", "collecting")["waiting"] == why, PATIENCE)
    assert jobs_of(cloud, name) == []


def test_the_last_good_version_goes_on_serving_and_training_until_a_better_one_is_accepted(
    cloud: Cloud, champion: Tiny
) -> None:
    good = cloud.status_of(champion.name)["version"]
    bad = MISTAKES["unknown-key"]
    put_all(cloud, f"pipelines/{champion.name}/", {"pipeline.toml": bad.toml(champion.toml).encode()})
    status = until_refused(cloud, champion.name)
    assert status["version"] == good
    assert label_of(cloud.predict(champion.name, PIXEL)) == "a"

    # What is dropped now meets the version that was accepted last.
    drop(cloud, champion.name, "second", knobs(label="a", seconds=0.1))
    run = until_stage(cloud, until_sealed(cloud, champion.name, "second"), "live")
    assert run["version"] == good
    assert label_of(cloud.predict(champion.name, PIXEL)) == "a"

    better = replace(champion, top_k=1)
    assert push(cloud, better) != good
    assert cloud.status_of(champion.name)["problems"] == []
    wait_until(lambda: len(_predictions(cloud, champion.name)) == 1, PATIENCE)
    assert len(jobs_of(cloud, champion.name)) == 2


def _predictions(cloud: Cloud, model: str) -> list[Any]:
    reply = cloud.predict(model, PIXEL)
    assert reply.status == 200, reply
    return list(reply.json["results"][0]["predictions"])
