"""What push and drop would upload, decided before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from dropforge.cli.drop import plan_drop
from dropforge.cli.errors import UsageError
from dropforge.cli.push import plan_push


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def tree(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    return folder


def keys(plan: object) -> list[str]:
    return [key for key, _ in plan.objects]  # type: ignore[attr-defined]  # a Push or a Drop


def test_a_folder_of_channels_is_dropped_with_its_counts(tmp_path: Path) -> None:
    folder = tree(tmp_path / "friday", "training/a/1.png", "training/b/2.png", "evaluation/a/3.png", "run.toml")
    plan = plan_drop("digits", folder, None)
    assert keys(plan) == [
        "datasets/digits/friday/evaluation/a/3.png",
        "datasets/digits/friday/run.toml",
        "datasets/digits/friday/training/a/1.png",
        "datasets/digits/friday/training/b/2.png",
    ]
    assert plan.counts == {"evaluation": 1, "training": 2}
    assert plan.last_key == "datasets/digits/friday/_READY"


def test_what_file_managers_leave_behind_is_neither_sent_nor_counted(tmp_path: Path) -> None:
    folder = tree(
        tmp_path / "d", "training/1.png", "training/.DS_Store", "__MACOSX/training/1.png", "Thumbs.db", "_READY"
    )
    plan = plan_drop("digits", folder, None)
    assert keys(plan) == ["datasets/digits/d/training/1.png"]
    assert plan.counts == {"training": 1}


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("mnist.zip", "mnist.zip"),
        ("mnist.tar.gz", "mnist.tar.gz"),
        ("v1.2.csv", "v1.2.csv"),
        ("rows.csv.gz", "rows.csv.gz"),
    ],
)
def test_one_file_is_a_whole_dataset_without_a_marker(tmp_path: Path, file: str, key: str) -> None:
    tree(tmp_path, file)
    plan = plan_drop("digits", tmp_path / file, None)
    assert keys(plan) == [f"datasets/digits/{key}"]
    assert (plan.counts, plan.last_key) == (None, f"datasets/digits/{key}")


def test_a_file_dropped_under_another_name_keeps_its_extension(tmp_path: Path) -> None:
    tree(tmp_path, "mnist.tar.gz")
    plan = plan_drop("digits", tmp_path / "mnist.tar.gz", "friday")
    assert (keys(plan), plan.dataset) == (["datasets/digits/friday.tar.gz"], "digits/friday")


@pytest.mark.parametrize(
    ("names", "why"),
    [(["loose.png"], "lies in no channel"), ([".DS_Store"], "holds no files"), (["run.toml"], "holds no files")],
)
def test_a_folder_that_would_be_refused_is_not_even_uploaded(tmp_path: Path, names: list[str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        plan_drop("digits", tree(tmp_path / "d", *names), None)


@pytest.mark.parametrize("file", ["loose.png", ".DS_Store"])
def test_a_folder_without_channels_is_told_which_folder_to_drop(tmp_path: Path, file: str) -> None:
    with pytest.raises(UsageError, match="drop a folder that holds training/"):
        plan_drop("digits", tree(tmp_path / "d", file), None)


@pytest.mark.parametrize("name", ["Digits", "a--b", "-a", "a_b", "x" * 21, "", "../up"])
def test_what_cannot_name_a_pipeline_is_told_before_anything_is_sent(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a pipeline"):
        plan_drop(name, tree(tmp_path / "d", "training/1.png"), None)


def test_a_pipeline_is_pushed_whole_with_its_file_last(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "cats", **{"pipeline.toml": '[train]\nsource_dir = "src"\n', "src__train.py": "", "z.txt": ""}
    )
    tree(folder, "src/__pycache__/train.cpython-311.pyc", ".git/HEAD")
    assert keys(plan_push(folder, None)) == [
        "pipelines/cats/src/train.py",
        "pipelines/cats/z.txt",
        "pipelines/cats/pipeline.toml",
    ]


@pytest.mark.parametrize("line", ["import jobkit", "from jobkit import main", "import os, jobkit.serving as s"])
def test_jobkit_goes_beside_a_source_that_imports_it(tmp_path: Path, line: str) -> None:
    file = '[train]\nsource_dir = "code"\n[serve]\nsource_dir = "other"\n'
    folder = write(tmp_path / "cats", **{"pipeline.toml": file, "code__train.py": line, "other__serve.py": "import os"})
    pushed = keys(plan_push(folder, None))
    assert "pipelines/cats/code/jobkit/__init__.py" in pushed
    assert "pipelines/cats/code/jobkit/serving.py" in pushed
    assert not any(key.startswith("pipelines/cats/other/jobkit") for key in pushed)


@pytest.mark.parametrize("text", ["import jobkitten", "from .jobkit import x", "# import jobkit", "def broken(:"])
def test_jobkit_goes_nowhere_else(tmp_path: Path, text: str) -> None:
    folder = write(tmp_path / "cats", **{"pipeline.toml": '[train]\nsource_dir = "src"\n', "src__train.py": text})
    assert not any("jobkit" in key for key in keys(plan_push(folder, None)))


def test_a_jobkit_of_the_users_own_is_left_alone(tmp_path: Path) -> None:
    files = {"pipeline.toml": '[train]\nsource_dir = "src"\n', "src__train.py": "import jobkit", "src__jobkit.py": ""}
    pushed = keys(plan_push(write(tmp_path / "cats", **files), None))
    assert [key for key in pushed if "jobkit" in key] == ["pipelines/cats/src/jobkit.py"]


def test_a_pipeline_file_that_is_not_toml_is_pushed_for_the_service_to_refuse(tmp_path: Path) -> None:
    folder = write(tmp_path / "cats", **{"pipeline.toml": "= nonsense", "src__train.py": "import jobkit"})
    assert "pipelines/cats/src/jobkit/__init__.py" in keys(plan_push(folder, None))


def test_a_folder_without_a_pipeline_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no pipeline\.toml"):
        plan_push(tmp_path, "cats")
