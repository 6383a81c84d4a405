from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from chalicelib.pipeline import Pipeline, PipelineRefused, parse, schema
from chalicelib.pipeline.later import TABLE

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "pipeline-file.md"
TRAIN = '\n[train]\nframework = "sklearn"\nsource_dir = "src"\nentry_point = "train.py"\n'
SECTIONS: dict[str, type[BaseModel]] = {
    "At the top": schema.Pipeline,
    "[trigger]": schema.Trigger,
    "[prepare]": schema.Prepare,
    "[train]": schema.Train,
    "[sweep]": schema.Sweep,
    "[evaluate]": schema.Evaluate,
    "[gate]": schema.Gate,
    "[deploy]": schema.Deploy,
    "[[deploy.smoke_test]]": schema.SmokeTest,
    "[serve]": schema.Serve,
    "[serve.fallback]": schema.Fallback,
    "[budget]": schema.Budget,
}


def blocks() -> list[tuple[str, str]]:
    """Every TOML block of the docs, named by file and line."""
    found = []
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for block in re.finditer(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, block.start()) + 1
            found.append((f"{path.relative_to(ROOT)}:{line}", block[1]))
    return found


def problems(text: str) -> list[str]:
    try:
        parse(text)
    except PipelineRefused as refusal:
        return [str(each) for each in refusal.problems]
    return []


def whole_file() -> str:
    return max((text for where, text in blocks() if where.startswith("docs/pipeline-file.md")), key=len)


@pytest.mark.parametrize("text", [pytest.param(text, id=where) for where, text in blocks()])
def test_every_toml_block_of_the_docs_is_a_pipeline_file_or_shows_later_work(text: str) -> None:
    given = tomllib.loads(text)
    excerpt = "framework" not in given.get("train", {})
    whole = text.replace("[train]\n", TRAIN) if excerpt and "[train]\n" in text else text + (TRAIN if excerpt else "")

    assert [said for said in problems(whole) if "not supported yet: " not in said] == []


def test_the_whole_pipeline_file_is_read_by_the_schema() -> None:
    read = Pipeline.model_validate(tomllib.loads(whole_file()))

    assert read.prepare is not None
    assert read.sweep is not None
    assert read.budget is not None
    assert read.train.hyperparameters == {"epochs": 20, "betas": [0.9, 0.999]}
    assert read.deploy is not None
    assert read.deploy.smoke_test[0].expect_label == "7"


def test_the_whole_pipeline_file_is_refused_for_later_work_alone_key_by_key() -> None:
    with pytest.raises(PipelineRefused) as refused:
        parse(whole_file())

    assert [(each.key, each.message.split(":")[0]) for each in refused.value.problems] == [
        (key, "not supported yet")
        for key in (
            "prepare",
            "train.use_spot_instances",
            "train.max_wait_seconds",
            "train.start_from",
            "sweep",
            "evaluate",
            "deploy.rollout",
            "serve.fallback",
            "budget",
        )
    ]


@pytest.mark.parametrize("section", SECTIONS)
def test_the_reference_tells_every_key_and_what_is_allowed(section: str) -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    table = text.split(f"\n### {section}\n", 1)[1].split("\n### ", 1)[0]

    for key, field in SECTIONS[section].model_fields.items():
        row = next((line for line in table.splitlines() if line.startswith(f"| `{key}` |")), "")
        assert f"| {field.description} |" in row, key


def test_the_reference_marks_whatever_is_later_work() -> None:
    text = REFERENCE.read_text(encoding="utf-8")

    for later in TABLE:
        *tables, key = later.key.split(".")
        section = f"[{'.'.join(tables)}]" if tables else "At the top"
        table = text.split(f"\n### {section}\n", 1)[1].split("\n### ", 1)[0]
        row = next(line for line in table.splitlines() if line.startswith(f"| `{key}` |"))
        assert "*not yet*" in row, later.key
