"""A script made for SageMaker, with no word of ours in it, goes live unchanged; the command line takes it there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples.digits.make_dataset import make
from tests.e2e.conftest import Cloud

pytestmark = [pytest.mark.slow, pytest.mark.slowest]  # test_scripts.py has a smaller one
EXAMPLE = Path(__file__).parents[2] / "examples" / "plain_script" / "pipeline"


def dropforge(cloud: Cloud, *words: str) -> str:
    """Call the command line as a user does; it must succeed."""
    ended = subprocess.run(
        [sys.executable, "-m", "dropforge.cli.main", *words],
        env={"PATH": os.environ["PATH"], "DROPFORGE_HOME": str(cloud.home), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_script_made_for_sagemaker_goes_live_unchanged(cloud: Cloud, tmp_path: Path) -> None:
    make(tmp_path, 400)
    assert "accepted" in dropforge(cloud, "push", str(EXAMPLE), "--name", "plain")
    said = json.loads(dropforge(cloud, "drop", "plain", str(tmp_path / "drop"), "--name", "first", "--json"))
    dropforge(cloud, "wait", "plain/first", "--for", "live", "--timeout", "240")

    pictures = [min((tmp_path / "held-out" / label).glob("*.png")) for label in "0123456789"]
    answers = json.loads(dropforge(cloud, "predict", "plain", *map(str, pictures), "--json"))
    best = [answer["results"][0]["predictions"][0]["label"] for answer in answers]
    assert sum(label == truth for label, truth in zip(best, "0123456789", strict=True)) >= 8

    shown = json.loads(dropforge(cloud, "show", "plain/first", "--json"))
    assert (shown["stage"], shown["run"]) == ("live", said["run"])
    assert shown["metrics"]["validation:accuracy"] >= 0.9
    log = dropforge(cloud, "log", said["run"])
    assert "digits.py --n-neighbors 3" in log
    assert "accuracy=" in log


def test_the_script_has_no_word_of_ours() -> None:
    for path in (EXAMPLE / "src").rglob("*.py"):
        code = path.read_text("utf-8").split('"""', 2)[2]
        assert "jobkit" not in code
        assert "dropforge" not in code.lower()
