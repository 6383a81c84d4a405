"""What programs leave is removed, whatever it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropforge.local.sagemaker import removal
from tests.local.sagemaker.world import World, until


@pytest.fixture
def own(tmp_path: Path, neighbours: int) -> Iterator[World]:
    made = World(tmp_path, neighbours)
    yield made
    made.stop()


def test_a_folder_deeper_than_a_path_may_be_long_is_removed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT, dir_fd=here))
    os.close(here)
    removal.remove(top)
    assert not top.exists()


def test_folders_that_nobody_may_enter_are_removed_and_links_lead_to_nothing(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("kept")
    top = tmp_path / "top"
    (top / "shut" / "inner").mkdir(parents=True)
    (top / "shut" / "inner" / "file").write_text("x")
    (top / "link").symlink_to(kept)
    os.mkfifo(top / "pipe")
    (top / "shut" / "inner").chmod(0)
    (top / "shut").chmod(0)
    removal.remove(top)
    assert not top.exists()
    assert (kept / "file").read_text() == "kept"


def test_what_is_not_there_needs_no_removal(tmp_path: Path) -> None:
    removal.remove(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_a_job_that_leaves_a_folder_without_end_is_removed_and_the_cloud_starts_again(own: World) -> None:
    job = own.train("leaves_a_deep_folder.py")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    until(lambda: not list((own.home / "sagemaker" / "jobs").iterdir()))
    own.stop()
    own.start()
    assert own.job(job["TrainingJobName"])["TrainingJobStatus"] == "Completed"
