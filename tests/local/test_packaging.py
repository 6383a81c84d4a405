"""Templates are made once, and again when anything has changed that they are made of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dropforge.local.home import REGION
from dropforge.local.packaging import DeployError, package, template, translated
from tests.local.projects import make_project

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project") / "tiny", prefix="kept")


def test_the_template_is_plain_cloudformation(project: Path) -> None:
    made = json.loads(translated(project, "dev", REGION))
    assert "Transform" not in made
    kinds = {resource["Type"] for resource in made["Resources"].values()}
    assert "AWS::Lambda::Function" in kinds
    assert not {kind for kind in kinds if kind.startswith("AWS::Serverless")}


def test_a_template_is_kept_until_its_project_changes(project: Path, tmp_path: Path) -> None:
    made = template(project, "dev", REGION, tmp_path)
    [kept] = tmp_path.iterdir()
    kept.write_text("kept")
    assert template(project, "dev", REGION, tmp_path) == "kept"
    (project / "chalicelib" / "new.py").write_text("")
    assert template(project, "dev", REGION, tmp_path) == made
    assert len(list(tmp_path.iterdir())) == 1


def test_what_cannot_be_translated_is_told(tmp_path: Path) -> None:
    project = make_project(tmp_path / "bad", prefix="bad")
    merge = project / "infra" / "template.yaml"
    merged = json.loads(merge.read_text())
    merged["Resources"]["Nonsense"] = {"Type": "AWS::Serverless::Function"}
    merge.write_text(json.dumps(merged))
    with pytest.raises(DeployError, match=r"(?s)cannot be translated.*Nonsense"):
        translated(project, "dev", REGION)


def test_a_bad_setting_of_a_stage_is_told_in_its_own_sentence_whatever_the_shell_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("app.py", "chalicelib", "infra"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / ".chalice", tmp_path / ".chalice")
    monkeypatch.setenv("DROPFORGE_BUCKET", "of-the-shell")
    monkeypatch.setenv("DROPFORGE_BUS", "the shell's, and of no function")
    assert package(tmp_path, "dev", REGION)
    config = tmp_path / ".chalice" / "config.json"
    config.write_text(config.read_text().replace('"ml.m5.large,', '"m5.large,'))
    with pytest.raises(DeployError, match=r"^stage dev is set up wrongly: DROPFORGE_INSTANCE_TYPES is 'm5\.large'; "):
        package(tmp_path, "dev", REGION)
