"""Templates are made once, and again when anything has changed that they are made of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dropforge.local.home import REGION
from dropforge.local.packaging import DeployError, template, translated
from tests.local.projects import make_project


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
