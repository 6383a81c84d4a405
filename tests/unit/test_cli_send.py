"""What the command line sends, and how it points other programs at a cloud."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.clitool import RUN, Tool, run
from tests.unit.stubcloud import StubCloud, problem, running


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[StubCloud]:
    with running(tmp_path / "home") as cloud:
        cloud.says("digits", pipeline="digits", state="accepted")
        yield cloud


@pytest.fixture
def dropforge(cloud: StubCloud) -> Tool:
    return Tool(cloud)


def test_operators_calls_are_signed_and_clients_calls_carry_the_key(
    cloud: StubCloud, dropforge: Tool, tmp_path: Path
) -> None:
    cloud.routes["/api/v1/runs"] = 200, {"runs": [], "next": None}
    cloud.routes["/api/v1/models/digits/predict"] = 200, prediction("7")
    (tmp_path / "seven.png").write_bytes(b"png")
    dropforge("runs")
    ended = dropforge("predict", "digits", str(tmp_path / "seven.png"))
    assert ended.code == 0, ended.err
    (_, _, signed), (_, _, keyed) = cloud.seen
    assert "/us-east-1/execute-api/aws4_request" in signed["Authorization"]
    assert (keyed["x-api-key"], keyed["Content-Type"]) == ("the-key", "image/png")
    assert "7\t0.900\t1 0.10\tdigits v3 (0123456789ab)" in ended.out


def prediction(label: str) -> dict[str, Any]:
    scores = [{"label": label, "score": 0.9}, {"label": "1", "score": 0.1}]
    model = {"name": "digits", "version": 3, "run": RUN}
    return {"results": [{"predictions": scores}], "model": model, "latency_ms": 4.2, "degraded": False}


def test_an_error_of_the_api_is_one_sentence_with_its_request_id(
    cloud: StubCloud, dropforge: Tool, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    no = problem(503, "not-live", "The model digits is not live yet.", retryable=True)
    cloud.routes["/api/v1/models/digits/predict"] = 503, no
    ended = dropforge("predict", "digits", str(tmp_path / "a.png"))
    assert ended.code == 1
    _, said = ended.err.splitlines()
    assert said == (
        "dropforge: The API answered 503: The model digits is not live yet. "
        "`dropforge runs` shows how far its runs are. [request r-1]"
    )


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (404, 2, "`dropforge runs --state live` lists the models that are live."),
        (403, 1, "set DROPFORGE_API_KEY to the one to use."),
        (415, 2, "no md"),
    ],
)
def test_a_model_that_cannot_be_asked_says_what_to_do(
    cloud: StubCloud, dropforge: Tool, tmp_path: Path, status: int, code: int, advice: str
) -> None:
    (tmp_path / "a.md").write_bytes(b"x")
    said = problem(status, {404: "not-found", 415: "unsupported-media-type"}.get(status, ""), "no md")
    cloud.routes["/api/v1/models/nope/predict"] = status, {"message": "Forbidden"} if status == 403 else said
    ended = dropforge("predict", "nope", str(tmp_path / "a.md"))
    assert (ended.code, advice in ended.err) == (code, True), ended


def make_pictures(tmp_path: Path, *names: str) -> list[str]:
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    return [str(tmp_path / name) for name in names]


def one_bad(cloud: StubCloud, status: int, code: str) -> None:
    """Answer the second picture with an error."""
    answers = [(200, prediction("7")), (status, problem(status, code, "It is no picture.")), (200, prediction("8"))]
    cloud.routes["/api/v1/models/digits/predict"] = lambda _: answers.pop(0)


def test_one_bad_picture_is_named_and_takes_no_good_answer_away(
    cloud: StubCloud, dropforge: Tool, tmp_path: Path
) -> None:
    files = make_pictures(tmp_path, "a.png", "b.png", "c.png")
    one_bad(cloud, 422, "unreadable")
    ended = dropforge("predict", "digits", *files)
    assert [line.split("\t")[0] for line in ended.out.splitlines()[1:]] == [files[0], files[2]]
    told = f"dropforge: {files[1]}: The API answered 422: It is no picture. [request r-1]"
    assert (ended.code, ended.err.splitlines()[1:]) == (3, [told])
    one_bad(cloud, 400, "invalid-request")
    ended = dropforge("predict", "digits", *files, "--json")
    assert ended.code == 2
    assert [(each["file"], each["results"]) for each in json.loads(ended.out)] == [
        (files[0], prediction("7")["results"]),
        (files[2], prediction("8")["results"]),
    ]


def test_a_model_that_is_not_there_is_asked_about_one_picture_alone(
    cloud: StubCloud, dropforge: Tool, tmp_path: Path
) -> None:
    ended = dropforge("predict", "nobody", *make_pictures(tmp_path, "a.png", "b.png", "c.png"))
    assert (ended.code, ended.out, len(cloud.seen)) == (2, "", 1)
    assert "a.png: The API answered 404" in ended.err


def test_a_key_of_another_cloud_in_the_environment_is_named(cloud: StubCloud, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    cloud.routes["/api/v1/models/digits/predict"] = 403, {"message": "Forbidden"}
    ended = Tool(cloud, {"DROPFORGE_API_KEY": "another"})("predict", "digits", str(tmp_path / "a.png"))
    assert "answered 403: Forbidden. DROPFORGE_API_KEY holds another key than this cloud's: unset it." in ended.err


def test_env_points_a_shell_at_the_cloud(cloud: StubCloud, dropforge: Tool) -> None:
    del cloud
    ended = dropforge("env")
    shell = subprocess.run(
        ["sh", "-c", f"{ended.out}\necho $AWS_ACCESS_KEY_ID $DROPFORGE_BUCKET $AWS_PROFILE"],
        env={"PATH": os.environ["PATH"], "AWS_PROFILE": "mine"},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert shell.stdout == "local stub-bucket\n"


def test_env_names_the_key_of_its_own_cloud_whatever_the_shell_has_from_before(cloud: StubCloud) -> None:
    told = {Tool(cloud, {"DROPFORGE_API_KEY": key})("env").out for key in ("", "another")}
    assert len(told) == 1
    assert "another" not in told.pop()


def test_exec_runs_a_command_in_that_environment_and_keeps_its_exit_code(dropforge: Tool) -> None:
    ended = dropforge("exec", "--", "sh", "-c", "echo $AWS_ACCESS_KEY_ID $1; exit 9", "sh", "--json")
    assert (ended.code, ended.out) == (9, "local --json\n")


def test_exec_of_a_command_that_is_not_there_is_one_sentence(dropforge: Tool) -> None:
    ended = dropforge("exec", "--", "no-such-command")
    assert (ended.code, ended.err.splitlines()[-1]) == (
        2,
        "dropforge: no-such-command cannot be run: No such file or directory.",
    )


def test_drop_sends_ready_last_and_names_the_run(cloud: StubCloud, dropforge: Tool, tmp_path: Path) -> None:
    folder = make_drop(tmp_path)
    cloud.on_put = lambda key: seal(cloud, "sealed", run=RUN) if key.endswith("_READY") else None
    ended = dropforge("drop", "digits", str(folder))
    assert ended.code == 0, ended.err
    assert cloud.put == ["datasets/digits/first/training/1.png", "datasets/digits/first/_READY"]
    assert json.loads(cloud.objects["datasets/digits/first/_READY"]) == {"training": 1}
    assert f"is sealed: run {RUN}" in ended.out


OLD, NEW = "2001-05-01T10:00:00.000+00:00", "2999-05-01T10:00:00.000+00:00"


def known(stage: str, *, created: str = OLD, again: str | None = None) -> dict[str, Any]:
    """Make a run as the API tells it; `again` is when it was taken up once more."""
    timeline = [{"at": again, "what": "trying again: wanted again", "facts": {}}] if again else []
    return run(stage, created_at=created, timeline=timeline)


@pytest.mark.parametrize("stage", ["training", "live", "rejected", "failed"])
def test_content_that_is_a_run_already_is_said_to_train_nothing(
    cloud: StubCloud, dropforge: Tool, tmp_path: Path, stage: str
) -> None:
    folder = make_drop(tmp_path)
    seal(cloud, "sealed", run=RUN)
    cloud.on_put = lambda key: seal(cloud, "sealed", run=RUN) if key.endswith("_READY") else None
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, known(stage, again=OLD)
    ended = dropforge("drop", "digits", str(folder))
    assert (ended.code, f"This content is run {RUN} already: {stage}; nothing new is trained." in ended.out) == (
        0,
        True,
    )
    said = json.loads(dropforge("drop", "digits", str(folder), "--json").out)
    assert (said["known"], said["stage"]) == (True, stage)


@pytest.mark.parametrize("seen", [known("training", created=NEW), known("stopped"), known("training", again=NEW), None])
def test_a_run_that_is_new_or_tried_again_is_not_called_known(
    cloud: StubCloud, dropforge: Tool, tmp_path: Path, seen: dict[str, Any] | None
) -> None:
    folder = make_drop(tmp_path)
    cloud.on_put = lambda key: seal(cloud, "sealed", run=RUN) if key.endswith("_READY") else None
    cloud.routes[f"/api/v1/runs/{RUN}"] = (200, seen) if seen else (403, {"message": "Forbidden"})
    said = json.loads(dropforge("drop", "digits", str(folder), "--json").out)
    assert (said["known"], said["run"]) == (False, RUN)


def test_a_drop_for_a_pipeline_that_is_not_there_is_sent_with_a_warning(
    cloud: StubCloud, dropforge: Tool, tmp_path: Path
) -> None:
    ended = dropforge("drop", "nope", str(make_drop(tmp_path)))
    assert ended.code == 0, ended.err
    assert ended.err.splitlines()[1:] == ["There is no pipeline nope yet: the files will wait for it."]
    assert cloud.put[-1] == "datasets/nope/first/_READY"
    waits = "The dataset nope/first waits for the pipeline nope: `dropforge push FOLDER --name nope` brings it."
    assert ended.out.splitlines()[-1] == waits


@pytest.mark.parametrize(
    ("name", "names", "told"),
    [
        ("digitz", ["cats", "digits"], "did you mean digits?"),
        ("sunday", ["cats", "digits"], "there are: cats, digits"),
        ("sunday", list("abcdefgh"), "there are: a, b, c, d, e, f, …"),
    ],
)
def test_a_drop_for_a_misspelt_pipeline_is_told_the_names_that_there_are_first(
    cloud: StubCloud, dropforge: Tool, tmp_path: Path, name: str, names: list[str], told: str
) -> None:
    cloud.routes["/api/v1/pipelines"] = 200, {"pipelines": [{"pipeline": each} for each in names], "next": None}
    ended = dropforge("drop", name, str(make_drop(tmp_path)))
    _, warned = ended.err.splitlines()
    assert warned == f"There is no pipeline {name} yet ({told}): the files will wait for it."


@pytest.mark.parametrize("before", [None, RUN])
def test_a_drop_that_waits_to_be_started_by_hand_is_not_waited_for(
    cloud: StubCloud, dropforge: Tool, tmp_path: Path, before: str | None
) -> None:
    why = "It starts when somebody starts it: dropforge start digits --dataset first."
    cloud.on_put = lambda _: seal(cloud, "collecting", run=before, reason=why)
    ended = dropforge("drop", "digits", str(make_drop(tmp_path)), "--verdict", "3600")
    assert (ended.code, f"is not sealed yet. {why} `dropforge show" in ended.out) == (0, True), ended.err


def test_one_object_is_one_object(cloud: StubCloud, dropforge: Tool, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"1,2")
    cloud.on_put = lambda _: cloud.says("digits/rows", dataset="digits/rows", state="sealed", run=RUN)
    assert ": 1 object sent\n" in dropforge("drop", "digits", str(tmp_path / "rows.csv")).out


def test_a_drop_that_is_refused_exits_3_with_the_reason(cloud: StubCloud, dropforge: Tool, tmp_path: Path) -> None:
    folder = make_drop(tmp_path)
    cloud.on_put = lambda _: seal(cloud, "refused", run=None, reason="no evaluation channel", todo="Add one.")
    ended = dropforge("drop", "digits", str(folder))
    assert ended.code == 3
    assert "was refused: no evaluation channel. Add one." in ended.err


def make_drop(tmp_path: Path) -> Path:
    (tmp_path / "first" / "training").mkdir(parents=True)
    (tmp_path / "first" / "training" / "1.png").write_bytes(b"x")
    return tmp_path / "first"


def seal(cloud: StubCloud, state: str, **more: Any) -> None:
    cloud.says("digits/first", dataset="digits/first", state=state, **more)


def test_push_removes_what_the_folder_no_longer_holds(cloud: StubCloud, dropforge: Tool, tmp_path: Path) -> None:
    folder = make_pipeline(tmp_path)
    cloud.objects |= {"pipelines/cats/old.py": b"x", "pipelines/cats-2/kept.py": b"x"}
    cloud.on_put = lambda _: cloud.says("cats", pipeline="cats", state="accepted", version="a" * 64, problems=[])
    ended = dropforge("push", str(folder))
    assert ended.code == 0, ended.err
    assert {key for key in cloud.objects if key.startswith("pipelines/")} == {
        "pipelines/cats/pipeline.toml",
        "pipelines/cats-2/kept.py",
    }
    assert "accepted, version aaaaaaaaaaaa" in ended.out


def test_a_pipeline_that_is_refused_exits_3_with_line_and_key(
    cloud: StubCloud, dropforge: Tool, tmp_path: Path
) -> None:
    problems = [{"line": 4, "key": "train.instance_type", "message": "must be an instance type"}]
    folder = make_pipeline(tmp_path)
    cloud.on_put = lambda _: cloud.says("cats", pipeline="cats", state="refused", version=None, problems=problems)
    ended = dropforge("push", str(folder))
    assert ended.code == 3
    assert "pipeline.toml:4 train.instance_type: must be an instance type" in ended.out


def make_pipeline(tmp_path: Path) -> Path:
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "pipeline.toml").write_text("[train]\n")
    return tmp_path / "cats"


def test_a_drop_that_is_interrupted_says_what_was_sent_and_how_it_goes_on(
    cloud: StubCloud, dropforge: Tool, tmp_path: Path
) -> None:
    folder = tmp_path / "friday" / "training"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.png").write_bytes(b"png")
    started: list[subprocess.Popen[str]] = []
    cloud.on_put = lambda key: started[0].send_signal(signal.SIGINT) if key.endswith("1.png") else None
    with dropforge.start("drop", "digits", str(folder.parent)) as process:
        started.append(process)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "1 of 4 objects were sent. The same command completes digits/friday; else it is sealed as it is" in err
    assert "Traceback" not in err
