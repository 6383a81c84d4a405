"""Training and serving scripts as people write them: SageMaker's way, unchanged, and with jobkit."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from examples.digits.make_dataset import make
from tests.e2e.conftest import ROOT, Cloud, fetch
from tests.e2e.pipelines import fresh, label_of, log_of, until_sealed, until_stage
from tests.e2e.tool import Tool
from tests.typed import Ended

PLAIN = ROOT / "examples" / "plain_script" / "pipeline"
EVERY = 5
ASKED = 20

TOML = """
title = "Wide or tall"
[trigger]
quiet_seconds = 1
[train]
framework = "sklearn"
source_dir = "src"
entry_point = "train.py"
[train.hyperparameters]
accuracy = 0.95
words = ["a", 1]
[gate]
metric = "validation:accuracy"
at_least = 0.9
[[deploy.smoke_test]]
payload = "smoke/turned.jpg"
content_type = "image/jpeg"
expect_label = "tall"
[serve]
entry_point = "serve.py"
accept = ["image/jpeg"]
"""
TRAIN = """
import json
import tempfile

import jobkit


def train(job):
    (archive,) = job.channels["training"].files()
    files = jobkit.unpack(archive, tempfile.mkdtemp())
    print("hyperparameters", json.dumps(dict(job.hyperparameters), sort_keys=True))
    for number, path in enumerate(files, 1):
        picture = jobkit.image(path)
        print("seen {}/{} {}x{}".format(path.parent.name, path.name, picture.width, picture.height))
        job.progress(number / len(files), "{} of {}".format(number, len(files)))
    job.metric("validation:accuracy", job.hyperparameters["accuracy"])
    job.labels(["tall", "wide"])
    (job.output / "rule.json").write_text(json.dumps({"wide from": 1}))
    (job.extras / "report.txt").write_text("all well")


jobkit.main(train)
"""
SERVE = """
import json

import jobkit


def load(folder):
    return json.loads((folder / "rule.json").read_text())["wide from"]


def predict(wide_from, picture):
    return [0.1, 0.9] if picture.width / picture.height > wide_from else [0.9, 0.1]


model_fn, input_fn, predict_fn, output_fn = jobkit.serve(load, predict)
"""


def jpeg(orientation: int | None = None) -> bytes:
    """Make a picture of 8x4 pixels; with orientation 6 a camera means 4x8."""
    kept, exif = io.BytesIO(), Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.new("RGB", (8, 4), "gray").save(kept, "JPEG", exif=exif)
    return kept.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return kept.getvalue()


def with_a_link() -> bytes:
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w:gz") as archive:
        link = tarfile.TarInfo("passwords.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return kept.getvalue()


HOSTILE = {
    "outside.zip": (zipped({"../../evil.jpg": jpeg()}), "leads out of the folder"),
    "link.tar.gz": (with_a_link(), "is a link or a device"),
    "bomb.zip": (zipped({"zeros.jpg": bytes(8 * 2**20)}), "unpacks to far more than it weighs"),
    "garbage.zip": (b"PK\x03\x04 and no more", "neither a zip nor a tar archive"),
    "no-picture.zip": (zipped({"a.jpg": b"no picture"}), "no picture that can be opened"),
}
"""Archives that no script should fall for, and what the failure says."""


@dataclass(frozen=True)
class Jobkit:
    """A pipeline of scripts that use jobkit, with a live model and a hostile archive or two dropped after it."""

    pipeline: str
    pushed: Ended
    run: dict[str, Any]


@pytest.fixture(scope="module")
def tool(cloud: Cloud) -> Tool:
    return Tool(cloud.home)


@pytest.fixture(scope="module")
def jobkit(cloud: Cloud, tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Jobkit:
    name, folder = fresh("kit"), tmp_path_factory.mktemp("kit")
    for path, body in {
        "pipeline.toml": TOML.encode(),
        "src/train.py": TRAIN.encode(),
        "src/serve.py": SERVE.encode(),
        "smoke/turned.jpg": jpeg(6),
    }.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(body)
    pushed = tool("push", folder, "--name", name)
    assert pushed.code == 0, pushed
    cloud.put(f"datasets/{name}/photos.zip", zipped({"wide/a.jpg": jpeg(), "tall/b.jpg": jpeg(6)}))
    run = until_stage(cloud, until_sealed(cloud, name, "photos"), "live")
    for file, (body, _) in HOSTILE.items():
        cloud.put(f"datasets/{name}/{file}", body)
    return Jobkit(name, pushed, run)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Some of scikit-learn's digits: `drop` to train on, `held-out` to ask about."""
    every, some = tmp_path_factory.mktemp("digits"), tmp_path_factory.mktemp("some")
    make(every)
    for path in sorted(every.rglob("*.png"))[::EVERY]:
        (some / path.relative_to(every)).parent.mkdir(parents=True, exist_ok=True)
        path.rename(some / path.relative_to(every))
    shutil.rmtree(every)
    yield some
    shutil.rmtree(some)


def test_scripts_written_for_sagemaker_train_and_serve_unchanged(cloud: Cloud, tool: Tool, digits: Path) -> None:
    name = fresh("plain")
    pushed = tool("push", PLAIN, "--name", name)
    assert pushed.code == 0, pushed
    folder = f"pipelines/{name}/src/"
    keys = [each["Key"] for each in cloud.client("s3").list_objects_v2(Bucket=cloud.bucket, Prefix=folder)["Contents"]]
    assert keys == [f"{folder}digits.py"]
    assert cloud.read(f"{folder}digits.py") == (PLAIN / "src" / "digits.py").read_bytes()

    dropped = tool("drop", name, digits / "drop", "--name", "some")
    assert dropped.code == 0, dropped
    run = until_stage(cloud, until_sealed(cloud, name, "some"), "live")
    assert run["metrics"]["validation:accuracy"] >= 0.9
    assert "--n-neighbors 3" in "\n".join(log_of(cloud, run["run"]))
    asked = sorted((digits / "held-out").rglob("*.png"))[:ASKED]
    answers = [label_of(cloud.predict(name, path.read_bytes())) for path in asked]
    right = [answer == path.parent.name for answer, path in zip(answers, asked, strict=True)]
    assert len(asked) == ASKED
    assert sum(right) >= 0.85 * ASKED


def test_push_puts_jobkit_beside_a_source_that_imports_it(cloud: Cloud, jobkit: Jobkit) -> None:
    folder = f"pipelines/{jobkit.pipeline}/src/"
    found = cloud.client("s3").list_objects_v2(Bucket=cloud.bucket, Prefix=folder)["Contents"]
    keys = {each["Key"].removeprefix(folder) for each in found}
    assert {"train.py", "serve.py", "jobkit/__init__.py", "jobkit/archive.py", "jobkit/__main__.py"} <= keys
    assert not [key for key in keys if "pycache" in key]


def test_hyperparameters_arrive_as_the_values_they_were(cloud: Cloud, jobkit: Jobkit) -> None:
    assert 'hyperparameters {"accuracy": 0.95, "words": ["a", 1]}' in log_of(cloud, jobkit.run["run"])


def test_progress_and_metrics_are_log_lines_and_the_metric_opens_the_gate(cloud: Cloud, jobkit: Jobkit) -> None:
    said = log_of(cloud, jobkit.run["run"])
    assert [line for line in said if line.startswith("dropforge.progress=")] == [
        "dropforge.progress=0.50 1 of 2",
        "dropforge.progress=1.00 2 of 2",
    ]
    assert jobkit.run["metrics"] == {"validation:accuracy": 0.95}


def test_a_user_sees_progress_and_metrics_in_show(tool: Tool, jobkit: Jobkit) -> None:
    ended = tool("show", jobkit.run["run"], "--follow")
    assert ended.code == 0, ended
    assert "100% 2 of 2" in ended.out
    assert "validation:accuracy = 0.95" in ended.out


def test_an_archive_is_unpacked_and_its_pictures_are_turned_as_the_camera_meant(cloud: Cloud, jobkit: Jobkit) -> None:
    seen = [line for line in log_of(cloud, jobkit.run["run"]) if line.startswith("seen ")]
    assert seen == ["seen wide/a.jpg 8x4", "seen tall/b.jpg 4x8"]


@pytest.mark.parametrize(("orientation", "label"), [(None, "wide"), (1, "wide"), (6, "tall"), (8, "tall")])
def test_pictures_are_turned_when_they_are_asked_about_too(
    cloud: Cloud, jobkit: Jobkit, orientation: int | None, label: str
) -> None:
    assert label_of(cloud.predict(jobkit.pipeline, jpeg(orientation), content_type="image/jpeg")) == label


def test_labels_travel_with_the_model(cloud: Cloud, jobkit: Jobkit) -> None:
    assert jobkit.run["labels"] == ["tall", "wide"]
    model = cloud.http("GET", f"/v1/models/{jobkit.pipeline}", key=cloud.api_key).json
    assert (model["labels"], model["title"]) == (["tall", "wide"], "Wide or tall")
    assert json.loads(artifact(cloud, jobkit.run["run"], "model")["labels.json"]) == ["tall", "wide"]


def test_what_is_written_beside_the_model_can_be_downloaded(cloud: Cloud, jobkit: Jobkit) -> None:
    assert artifact(cloud, jobkit.run["run"], "output")["report.txt"] == b"all well"
    assert json.loads(artifact(cloud, jobkit.run["run"], "model")["rule.json"]) == {"wide from": 1}


def artifact(cloud: Cloud, run: str, name: str) -> dict[str, bytes]:
    """Download one of a run's archives by its link; gives its files."""
    links = {each["name"]: each["url"] for each in cloud.get(f"/v1/runs/{run}/artifacts")["artifacts"]}
    body = fetch(urllib.request.Request(links[name]), 35).body  # noqa: S310  http
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return {each.name: file.read() for each in archive if (file := archive.extractfile(each))}


@pytest.mark.parametrize("file", HOSTILE)
def test_what_cannot_be_unpacked_or_opened_fails_with_its_reason_everywhere_and_the_live_model_serves_on(
    cloud: Cloud, tool: Tool, jobkit: Jobkit, file: str
) -> None:
    dataset, why = file.partition(".")[0], HOSTILE[file][1]
    run = until_stage(cloud, until_sealed(cloud, jobkit.pipeline, dataset), "failed")
    assert why in run["reason"]
    assert "(train.py:" in run["reason"]
    shown = tool("show", run["run"])
    assert why in shown.out
    assert label_of(cloud.predict(jobkit.pipeline, jpeg(), content_type="image/jpeg")) == "wide"
