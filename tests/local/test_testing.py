"""The fixtures in test projects of other people, and docs/howto/test-your-own-sagemaker-code.md, line by line."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from dropforge.cli import cloud
from dropforge.local.faults.rules import read
from dropforge.local.sagemaker.sandbox import spare
from dropforge.testing.server import STRANGERS, ServerError, running
from tests.local.sagemaker import engines
from tests.unit.docs import ROOT, blocks

pytestmark = pytest.mark.slow
PAGE = ROOT / "docs" / "howto" / "test-your-own-sagemaker-code.md"
COMMAND = f"env PYTHONPATH={ROOT} {sys.executable} -m dropforge.cli.main"
_NEEDED = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py.py")
_STRANGER = """
import importlib.util, json, sys, urllib.request

import boto3  # another one than the server's


def test_the_server_answers_and_nothing_of_it_is_here(local_sagemaker):
    assert boto3.__version__ == "0.0.1"
    assert not {"ministack", "botocore", "typer", "dropforge.local", "dropforge.cli"} & set(sys.modules)
    assert importlib.util.find_spec("ministack") is None
    assert importlib.util.find_spec("botocore") is None
    request = urllib.request.Request(local_sagemaker.endpoint, data=b"{}", headers={
        "X-Amz-Target": "SageMaker.ListModels",
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260102/us-east-1/sagemaker/aws4_request, Signature=0",
    })
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.loads(answer.read()) == {"Models": []}


def test_faults_are_there_too(local_sagemaker):
    with local_sagemaker.faults as faults:
        faults.throttle("CreateModel")
        assert [fault["does"] for fault in faults.all()] == ["throttle"]
"""


def pytest_in(folder: Path, *words: str, python: tuple[str, ...] = (sys.executable,), **more: str) -> str:
    """Run pytest in a test project, with our plugin alone; gives what it says, and fails when a test did."""
    environment: Mapping[str, str] = {
        "PATH": os.environ["PATH"],
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": str(ROOT),
        **more,
    }
    command = [*python, "-m", "pytest", "-p", "dropforge.testing.plugin", "-p", "no:cacheprovider", "-q", *words]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_every_line_of_the_how_to_holds(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text("\n".join(block.text for block in blocks("python", PAGE)))
    assert "4 passed" in pytest_in(tmp_path, AWS_PROFILE="nobody", AWS_SESSION_TOKEN="an-old-one")
    for block in blocks("json", PAGE):
        assert all(read(fault) for fault in json.loads(block.text)["faults"])


@pytest.mark.parametrize("line", [line for block in blocks("sh", PAGE) for line in block.commands])
def test_each_command_of_the_how_to_serves_until_ctrl_c(tmp_path: Path, line: str) -> None:
    words = shlex.split(line.replace("--port 4600", "--port 0"))
    assert words[0] == "dropforge"
    command = [sys.executable, "-m", "dropforge.cli.main", *words[1:]]
    away = tmp_path.with_name(f"{tmp_path.name}-engine")
    engine = engines.pretend(away) if "=engine" in line else {}
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)} | engine
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        endpoint = told.split()[5].rstrip(";")
        try:
            with urllib.request.urlopen(f"{endpoint}/_dropforge/status", timeout=30) as answer:  # noqa: S310  loopback
                assert json.loads(answer.read())["sagemaker"]["jobs"] == []
        finally:
            process.send_signal(signal.SIGINT)
        lines = process.stdout.read().splitlines()
        assert process.wait(30) == 0
    exports = dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))
    assert f"unset {' '.join(STRANGERS)}" in lines
    assert exports["AWS_ENDPOINT_URL"] == endpoint
    assert len(exports) == 4
    # Nothing is left but what was to be kept.
    kept = {each.name for each in tmp_path.iterdir()}
    assert kept == ({".sagemaker"} if "--state" in words else set())


def test_a_project_with_another_boto3_keeps_it_and_meets_a_server_of_another_environment(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in _NEEDED:
        (packages / name).symlink_to(Path(pytest.__file__).parents[1] / name)
    ours = packages / "dropforge"
    ours.mkdir()
    (ours / "__init__.py").touch()
    (ours / "testing").symlink_to(ROOT / "dropforge" / "testing")
    (packages / "boto3.py").write_text('__version__ = "0.0.1"\n')
    project = tmp_path / "project"
    project.mkdir()
    (project / "pytest.ini").write_text(f"[pytest]\ndropforge_command = {COMMAND}\n")
    (project / "test_stranger.py").write_text(_STRANGER)
    # Without any site-packages: what is not in that folder is not installed for this project.
    said = pytest_in(project, python=(sys.executable, "-S", "-P"), PYTHONPATH=str(packages))
    assert "2 passed" in said


def test_fixtures_and_commands_take_the_same_variables_away() -> None:
    assert cloud.STRANGERS == STRANGERS


def test_the_command_may_be_named_by_the_environment_and_a_wrong_one_says_why(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "def test_it(local_sagemaker):\n    assert local_sagemaker.card['speed'] == 0.5\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\ndropforge_speed = 0.5\n")
    assert "1 passed" in pytest_in(tmp_path, DROPFORGE_COMMAND=COMMAND)
    with pytest.raises(ServerError, match="No such command"), running(["nonsense"]):
        pass


def test_a_command_that_is_not_there_names_the_setting_that_named_it(tmp_path: Path) -> None:
    with (
        pytest.raises(ServerError, match=r"nowhere/dropforge cannot be run .* dropforge_command in pytest's"),
        running(["sagemaker"], command=[str(tmp_path / "nowhere" / "dropforge")]),
    ):
        pass


_CONFIGURED = """
def test_the_image_is_there(local_sagemaker):
    sagemaker = local_sagemaker.client("sagemaker")
    for name in ("mine", "yours"):
        image = {"Image": f"registry.example/{name}:1"}
        role = "arn:aws:iam::000000000000:role/any"
        sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer=image)
"""


def test_command_images_and_seed_are_configured_and_a_tilde_is_whose_home_it_is(tmp_path: Path) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    for folder in (home / "yours", project / "mine", home / "bin"):
        folder.mkdir(parents=True)
        (folder / "serve").write_text("#!/bin/sh\n")
        (folder / "serve").chmod(0o755)
    (home / "bin" / "dropforge").write_text(f'#!/bin/sh\necho "$@" > {home}/words\nexec {COMMAND} "$@"\n')
    (home / "bin" / "dropforge").chmod(0o755)
    (project / "test_it.py").write_text(_CONFIGURED)
    lines = ("dropforge_command = ~/bin/dropforge", "dropforge_seed = 7", "dropforge_images =")
    (project / "pytest.ini").write_text("\n".join(("[pytest]", *lines, "    mine=mine", "    yours=~/yours")))
    assert "1 passed" in pytest_in(project, HOME=str(home))
    assert "--seed 7" in (home / "words").read_text()


def test_the_whole_cloud_is_a_fixture_too(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import urllib.request\n"
        "def test_it(local_cloud):\n"
        "    stage = local_cloud.card['stages']['dev']\n"
        "    assert urllib.request.urlopen(stage['api'] + '/v1/health', timeout=30).status == 200\n"
        "    assert local_cloud.client('s3').list_buckets()['Buckets']\n"
    )
    (tmp_path / "pytest.ini").write_text(f"[pytest]\ndropforge_project = {ROOT}\n")
    assert "1 passed" in pytest_in(tmp_path)


def test_a_folder_stands_in_for_the_image_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "train").write_text('#!/bin/sh\necho $MARK > "${SAGEMAKER_BASE_DIR:-/opt/ml}/model/mark.txt"\n')
    (tmp_path / "train").chmod(0o755)
    tmp_path.chmod(0o755)
    with running(("sagemaker", "--image", f"mine={tmp_path}")) as server:
        server.client("s3").create_bucket(Bucket="some")
        sagemaker = server.client("sagemaker")
        sagemaker.create_training_job(
            TrainingJobName="of-mine",
            AlgorithmSpecification={"TrainingImage": "registry.example/any/mine:1", "TrainingInputMode": "File"},
            RoleArn="arn:aws:iam::000000000000:role/any",
            OutputDataConfig={"S3OutputPath": "s3://some/out"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 300},
            Environment={"MARK": "seen"},
        )
        waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
        waiter.wait(TrainingJobName="of-mine", WaiterConfig={"Delay": 1})
        assert sagemaker.describe_training_job(TrainingJobName="of-mine")["TrainingJobStatus"] == "Completed"
        other = {"Image": "registry.example/any/other:1"}
        with pytest.raises(ClientError, match=r"`dropforge sagemaker --image other=FOLDER`"):
            sagemaker.create_model(
                ModelName="other", ExecutionRoleArn="arn:aws:iam::000000000000:role/any", PrimaryContainer=other
            )


def test_a_folder_that_only_root_may_read_is_refused_where_programs_run_as_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "train").write_text("#!/bin/sh\n")
    (tmp_path / "train").chmod(0o755)
    tmp_path.chmod(0o700)
    started = running(("sagemaker", "--image", f"mine={tmp_path}"))
    with pytest.raises(ServerError, match=r"chmod -R o\+rX") if spare.user() else nullcontext(), started:
        pass


def test_an_image_for_an_engine_is_refused_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    started = running(("sagemaker", "--image", "mine=engine"))
    with pytest.raises(ServerError, match="neither docker nor podman is on the"), started:
        pass


def test_a_folder_without_a_program_is_no_image(tmp_path: Path) -> None:
    with (
        pytest.raises(ServerError, match="no program train or serve"),
        running(("sagemaker", "--image", f"a={tmp_path}")),
    ):
        pass
