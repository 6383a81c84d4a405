"""What intake would say, through the real route over a world in memory, which is the same after as before."""

from __future__ import annotations

import json
from hashlib import md5
from typing import Any

import pytest

import app
from tests.app import raw
from tests.app.acts import PIPELINE, drop_dataset, push_pipeline, wake_until_quiet
from tests.app.raw import Context
from tests.app.test_simulations import READING, snapshot
from tests.fakes.world import World

Json = dict[str, Any]
SCRIPT = "print('training')"


def sums(files: dict[str, str]) -> list[list[Any]]:
    return [[name, len(text), md5(text.encode(), usedforsecurity=False).hexdigest()] for name, text in files.items()]


def a_check(toml: str = PIPELINE, script: str = SCRIPT, **more: Any) -> Json:
    files = {"pipeline.toml": toml, "src/train.py": script} | more.pop("beside", {})
    return {"name": "digits", "toml": toml, "files": sums(files), "count": len(files)} | more


def a_drop(*names: str, body: str = "pixels", **more: Any) -> Json:
    files = {f"training/{name}": body for name in names or ("1.png", "2.png")}
    counts = {"training": [len(files), sum(map(len, files.values()))]}
    return {"name": "mnist", "files": sums(files), "channels": counts} | more


def check(world: World, **fields: Any) -> Json:
    """Check, and see that the world is what it was and that no port was asked to write."""
    before, made = snapshot(world), len(world.calls)
    response = app.app(raw.post("/v1/checks", body=fields), Context())
    said: Json = json.loads(response["body"])
    assert response["statusCode"] == 200, said
    assert snapshot(world) == before
    assert {str(call) for call in world.calls[made:]} <= READING
    return said


def accept(world: World, toml: str = PIPELINE, **beside: str) -> None:
    for path, text in beside.items():
        world.bucket.put(f"pipelines/digits/{path}", text)
    push_pipeline(world)
    world.bucket.put("pipelines/digits/pipeline.toml", toml)
    wake_until_quiet(world, seconds=30)


def deploy(world: World, toml: str = PIPELINE, **beside: str) -> str:
    """Take a drop all the way to live; gives its run."""
    accept(world, toml, **beside)
    drop_dataset(world, "1.png", "2.png")
    wake_until_quiet(world)
    (job,) = world.jobs.names
    world.jobs.finish(job, {}, ["7", "1"])
    app.on_job_changed(raw.job_changed(job), Context())
    for _ in range(10):
        wake_until_quiet(world, seconds=60)
        world.hosting.settle()
        app.reconcile(raw.schedule(), Context())
    return job.split("-")[3]


def test_a_folder_that_nobody_knows_would_be_accepted_and_trained(world: World) -> None:
    said = check(world, **a_check())
    assert (said["ok"], said["problems"], said["dataset"]) == (True, [], None)
    assert (said["would"]["train"], said["would"]["why"]) == (
        True,
        "no version of this pipeline has been accepted yet",
    )
    assert said["would"]["release"]["what"] == "nothing is live"


def test_every_problem_is_told_with_line_and_key_as_intake_would(world: World) -> None:
    toml = PIPELINE.replace('"train.py"', '"absent.py"') + 'instance_type = "ml.p4d.24xlarge"\nepochs = 3\n'
    said = check(world, **a_check(toml))
    accept(world, toml)
    told = json.loads(world.bucket.peek("status/digits.json"))["problems"]
    assert (said["ok"], said["problems"]) == (False, told)
    assert [problem["line"] for problem in told] == [4, 5, 6]
    assert said["would"]["train"] is False


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "Digits!"}, "'Digits!' is no name of a pipeline"),
        ({"files": []}, "pipelines/digits/ is empty"),
        ({"files": [["src/train.py", 3]]}, "pipelines/digits/ holds no pipeline.toml"),
        ({"files": [["pipeline.toml", 300_000]]}, "pipeline.toml has 300000 bytes; 262144 are allowed"),
        ({"toml": "= 3"}, "is not TOML"),
    ],
)
def test_a_folder_that_can_be_no_pipeline_is_refused(world: World, fields: Json, message: str) -> None:
    (problem,) = check(world, **a_check() | fields)["problems"]
    assert message in problem["message"]


def test_a_dataset_is_looked_at_as_a_listing_of_it_would_be(world: World) -> None:
    said = check(world, **a_check(), dataset=a_drop())
    assert said["dataset"] == {
        "name": "mnist",
        "ok": True,
        "reason": None,
        "todo": None,
        "channels": [{"name": "training", "objects": 2, "bytes": 12}],
    }
    assert said["ok"]


@pytest.mark.parametrize(
    ("drop", "reason"),
    [
        ({"files": [["loose.png", 3]]}, "directly under the dataset, in no channel: datasets/digits/mnist/loose.png"),
        ({"files": [["training/1.png", 0]]}, "empty file: datasets/digits/mnist/training/1.png"),
        ({"files": [["x/1.png", 3]], "channels": {"x": [1, 3]}}, 'The pipeline requires the channel "training"'),
        ({"files": [], "channels": {}}, "The dataset is empty."),
        ({"name": "~mnist"}, '"~mnist" cannot be the name of a dataset'),
        ({"files": [["mnist.manifest", 3]], "single": True}, "not supported yet: datasets that are a .manifest"),
        (
            {"files": [["training/1.png", 3], ["run.toml", 9]], "overrides": "[train]\nvolume_size_gb = 9"},
            "run.toml is refused: ",
        ),
    ],
)
def test_a_dataset_that_would_be_refused_says_why(world: World, drop: Json, reason: str) -> None:
    said = check(world, **a_check(), dataset=a_drop() | drop)
    assert (said["ok"], said["problems"]) == (False, [])
    assert said["dataset"]["reason"].startswith(reason)
    assert said["dataset"]["todo"]
    assert said["would"]["train"] is False


def test_a_dataset_too_large_to_name_is_judged_by_its_counts(world: World) -> None:
    drop = a_drop("1.png") | {"channels": {"training": [70_000, 7], "evaluation": [2, 9]}}
    said = check(world, **a_check(), dataset=drop)
    assert said["ok"]
    assert said["notes"] == ["1 of the dataset's 70,002 files were looked at; all were counted."]


def test_a_large_drop_is_named_by_no_run_since_not_all_of_its_files_were_told(world: World) -> None:
    accept(world)
    drop = a_drop("1.png") | {"channels": {"training": [70_000, 420_000]}}
    would = check(world, **a_check(), dataset=drop)["would"]
    assert (would["train"], would["run"], would["job"]) == (None, None, None)
    assert would["why"].startswith("nothing that a run is named by changes")


def test_known_content_would_train_nothing_and_new_content_is_named_as_it_would_be(world: World) -> None:
    accept(world)
    would = check(world, **a_check(), dataset=a_drop())["would"]
    assert (would["train"], would["why"]) == (True, "this content is new")
    drop_dataset(world, "1.png", "2.png")
    wake_until_quiet(world)
    assert world.jobs.names == (would["job"],)
    assert would["run"] == would["job"].split("-")[3]
    again = check(world, **a_check(), dataset=a_drop())["would"]
    assert (again["train"], again["run"], again["stage"]) == (False, would["run"], "training")
    assert check(world, **a_check(), dataset=a_drop(body="other!"))["would"]["run"] != would["run"]


def test_an_edit_of_the_training_or_of_its_code_would_train_anew_and_says_by_which_keys(world: World) -> None:
    accept(world)
    same = check(world, **a_check())["would"]
    assert (same["train"], same["training"]) == (False, [])
    edited = check(world, **a_check(PIPELINE + "hyperparameters = { epochs = 3 }\n"))["would"]
    assert (edited["train"], edited["training"]) == (
        True,
        [{"key": "train.hyperparameters.epochs", "accepted": None, "new": 3}],
    )
    coded = check(world, **a_check(script="print('better')"))["would"]
    assert (coded["train"], coded["training"]) == (
        True,
        [{"key": "src/train.py", "accepted": "as accepted", "new": "changed"}],
    )
    gone = check(world, **a_check(beside={"src/new.py": ""}))["would"]
    assert [edit["key"] for edit in gone["training"]] == ["src/new.py"]


def test_what_a_refused_push_left_in_the_bucket_cannot_be_compared(world: World) -> None:
    accept(world)
    world.bucket.put("pipelines/digits/pipeline.toml", "[train]\n")
    push = raw.batch(raw.created("pipelines/digits/pipeline.toml", world.clock()))
    app.on_uploads(push, Context())
    wake_until_quiet(world, seconds=30)
    would = check(world, **a_check())["would"]
    assert (would["train"], "nobody can compare the code" in would["why"]) == (None, True)


def test_the_same_folder_changes_nothing_of_what_is_live(world: World) -> None:
    run = deploy(world)
    release = check(world, **a_check())["would"]["release"]
    assert release == {
        "live": {"run": run, "model_version": 1},
        "rolls_out": False,
        "what": "the live model stays as it is",
        "changes": [],
    }


@pytest.mark.parametrize(
    ("more", "released", "changes"),
    [
        ('title = "Digits"\n', "as it is", [("title", "Digits")]),
        ('[gate]\nmetric = "acc"\nat_least = 0.9\n', "as it is", [("gate.metric", "acc"), ("gate.at_least", 0.9)]),
        ('[deploy]\ninstance_type = "ml.m5.xlarge"\n', "anew", [("deploy.instance_type", "ml.m5.xlarge")]),
        ("[serve]\ntop_k = 3\n", "anew", [("serve.top_k", 3)]),
    ],
)
def test_an_edit_of_how_it_is_served_tells_what_changes_and_whether_that_rolls_out(
    world: World, more: str, released: str, changes: list[tuple[str, Any]]
) -> None:
    deploy(world)
    toml = more + PIPELINE if more.startswith("title") else PIPELINE + more
    would = check(world, **a_check(toml))["would"]
    told = [(edit["key"], edit["new"]) for edit in would["release"]["changes"]]
    assert all(change in told for change in changes)
    assert (would["release"]["rolls_out"], would["train"]) == (released == "anew", False)
    assert would["release"]["what"].endswith(released)

    accept(world, toml)
    release = world.records.release("digits")
    assert release is not None
    assert (release.desired != release.live or release.pending is not None) == (released == "anew")


def test_an_edit_that_the_release_has_refused_already_rolls_nothing_out(world: World) -> None:
    deploy(world)
    toml = PIPELINE + "[serve]\ntop_k = 3\n"
    accept(world, toml)
    app.app(raw.post("/v1/releases/{pipeline}/rollback", {"pipeline": "digits"}), Context())
    release = check(world, **a_check(toml))["would"]["release"]
    assert (release["rolls_out"], release["what"]) == (
        False,
        "nothing is rolled out: the release knows that already",
    )


def test_a_file_that_deploys_no_more_leaves_the_live_model(world: World) -> None:
    deploy(world)
    release = check(world, **a_check("deploy = false\n" + PIPELINE))["would"]["release"]
    assert (release["rolls_out"], release["what"]) == (False, "the live model stays: the file deploys no more")


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"files": None}, '"files" is a list of [path, size] or [path, size, md5 in hex].'),
        ({"files": [["a"]]}, '"files" is a list of'),
        ({"files": [["a", -1]]}, '"files" is a list of'),
        ({"files": [["a", 1, 2]]}, '"files" is a list of'),
        ({"toml": 3}, '"toml" is text.'),
        ({"dataset": {"nam": "x"}}, 'There is no field "dataset.nam" here'),
        ({"dataset": {"files": [], "channels": {}}}, '"dataset" has a name'),
        ({"dataset": {"name": "x", "files": [], "channels": []}}, '"dataset.channels" is an object of'),
        ({"dataset": {"name": "x", "files": [], "channels": {"a": 1}}}, '"dataset.channels" is an object of'),
        ({"fils": []}, 'There is no field "fils" here'),
    ],
)
def test_what_cannot_be_checked_is_refused(world: World, fields: Json, detail: str) -> None:
    response = app.app(raw.post("/v1/checks", body=a_check() | fields), Context())
    said = json.loads(response["body"])
    assert (response["statusCode"], said["detail"][: len(detail)]) == (400, detail)
    assert world.calls == ()
