"""The house's rules about imports hold, and a broken one shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.imports import violations

ROOT = Path(__file__).parents[2]


def sources() -> Mapping[str, str]:
    files = [ROOT / "app.py", *(ROOT / "chalicelib").rglob("*.py"), *(ROOT / "dropforge").rglob("*.py")]
    return {file.relative_to(ROOT).as_posix(): file.read_text() for file in files if file.exists()}


def test_the_rules_hold_in_every_file() -> None:
    assert violations(sources()) == []


def test_there_is_something_to_hold_them_over() -> None:
    rooms = {path.rsplit("/", 1)[0] for path in sources()}
    assert {"chalicelib/decide", "chalicelib/predict", "chalicelib/aws", "dropforge/cli", "dropforge/jobkit"} <= rooms


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("chalicelib/decide/run.py", "import time"),
        ("chalicelib/decide/run.py", "from random import choice"),
        ("chalicelib/decide/run.py", "import uuid as u"),
        ("chalicelib/decide/run.py", "def f():\n    import os.path"),
        ("chalicelib/decide/run.py", "from chalicelib.aws import bucket"),
        ("chalicelib/decide/run.py", "from chalicelib.flows.runs import Runs"),
        ("chalicelib/decide/run.py", "from ..flows import runs"),
        ("chalicelib/decide/run.py", "from chalicelib.ports import Bucket"),
        ("chalicelib/decide/run.py", "from datetime import datetime\nx = datetime.now()"),
        ("chalicelib/decide/run.py", "open('x')"),
        ("chalicelib/decide/run.py", "import numpy"),
        ("chalicelib/flows/runs.py", "import boto3"),
        ("chalicelib/flows/runs.py", "from botocore.exceptions import ClientError"),
        ("chalicelib/flows/runs.py", "import importlib\nimportlib.import_module('boto3')"),
        ("chalicelib/http/operators.py", "if True:\n    from botocore import session"),
        ("app.py", "import boto3"),
        ("app.py", "from dropforge.cli import main"),
        ("chalicelib/aws/bucket.py", "import dropforge"),
        ("chalicelib/wiring.py", "from tests.fakes.world import World"),
        ("dropforge/cli/main.py", "from chalicelib.model import Run"),
        ("dropforge/cli/main.py", "import chalicelib.names"),
        ("dropforge/jobkit/program.py", "import numpy"),
        ("dropforge/jobkit/program.py", "import PIL"),
        ("dropforge/jobkit/program.py", "from dropforge.jobkit import job"),
        ("dropforge/jobkit/program.py", "from dropforge.local import launch"),
        ("dropforge/jobkit/program.py", "from ..local import launch"),
        ("chalicelib/predict/handler.py", "from chalice import Chalice"),
        ("chalicelib/predict/handler.py", "import pydantic"),
        ("chalicelib/predict/handler.py", "from aws_lambda_powertools import Logger"),
    ],
)
def test_a_planted_violation_is_named_with_its_line(path: str, source: str) -> None:
    broken = violations({path: source})
    assert broken, source
    assert all(told.startswith(f"{path}:{source.count(chr(10)) + 1} ") for told in broken)


def test_predict_may_not_reach_what_is_heavy_through_others() -> None:
    tree = {
        "chalicelib/predict/handler.py": "from chalicelib.errors import DropforgeError",
        "chalicelib/errors.py": "from chalicelib import parser",
        "chalicelib/parser.py": "import pydantic",
    }
    assert violations(tree) == ["chalicelib/parser.py:1 imports pydantic: predict/ reaches it"]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("chalicelib/decide/run.py", "from datetime import UTC, datetime\nx = datetime.fromtimestamp(0, UTC)"),
        ("chalicelib/decide/run.py", "from chalicelib import names\nfrom chalicelib.model import Run"),
        ("chalicelib/decide/run.py", "from chalicelib.ports import TrainingJob"),
        ("chalicelib/aws/bucket.py", "import botocore"),
        ("chalicelib/predict/handler.py", "import pybase64\nimport http.client"),
        ("dropforge/jobkit/program.py", "from . import job\nfrom .job import read\nimport jobkit"),
        ("dropforge/jobkit/picture.py", "def open_picture():\n    from PIL import Image"),
        ("dropforge/cli/main.py", "import boto3, typer"),
        ("dropforge/local/stack.py", "import chalice"),
    ],
)
def test_what_is_allowed_is_not_named(path: str, source: str) -> None:
    assert violations({path: source}) == []
