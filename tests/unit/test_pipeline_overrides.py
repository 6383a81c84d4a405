from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.pipeline import Pipeline, PipelineRefused, Problem, apply_overrides, parse, training_part

ALLOWED = ("train.hyperparameters.*", "train.instance_type", "train.max_runtime_seconds")
PIPELINE = parse("""
deploy = false
[train]
framework = "sklearn"
source_dir = "src"
entry_point = "train.py"
[train.hyperparameters]
epochs = 20
layers = { first = 3, second = 4 }
""")


def refused(text: str | bytes, allowed: tuple[str, ...] = ALLOWED) -> list[str]:
    with pytest.raises(PipelineRefused) as refusal:
        apply_overrides(PIPELINE, text, allowed)
    return [str(each) for each in refusal.value.problems]


def test_an_empty_run_toml_changes_nothing() -> None:
    assert apply_overrides(PIPELINE, "", ALLOWED) == PIPELINE
    assert apply_overrides(PIPELINE, "# nothing\n", ()) == PIPELINE


def test_allowed_keys_take_the_place_of_the_pipelines_own() -> None:
    text = "[train]\nmax_runtime_seconds = 60\n[train.hyperparameters]\nepochs = 40\nrate = [0.1]\n"

    given_ = apply_overrides(PIPELINE, text, ALLOWED)

    assert given_.train.max_runtime_seconds == 60
    assert given_.train.hyperparameters == {"epochs": 40, "layers": {"first": 3, "second": 4}, "rate": [0.1]}
    assert given_.deploy is None
    assert PIPELINE.train.hyperparameters["epochs"] == 20


def test_an_override_names_another_run() -> None:
    changed = apply_overrides(PIPELINE, "[train.hyperparameters]\nepochs = 40\n", ALLOWED)

    assert training_part(changed) != training_part(PIPELINE)


def test_a_star_allows_every_key_below() -> None:
    changed = apply_overrides(PIPELINE, "[train.hyperparameters.layers]\nsecond = 9\n", ALLOWED)

    assert changed.train.hyperparameters["layers"] == {"first": 3, "second": 9}


@pytest.mark.parametrize("key", ["train.hyperparameters", "train", "deploy", "train.volume_size_gb", "title"])
def test_a_key_that_the_stage_does_not_name_is_refused_with_those_it_does(key: str) -> None:
    values = {
        "train.hyperparameters": "train.hyperparameters = 1",
        "train": "train = 1",
        "deploy": "deploy = {}",
        "train.volume_size_gb": "[train]\nvolume_size_gb = 500",
        "title": "title = 'mine'",
    }

    found = refused(values[key])

    assert len(found) == 1
    assert f"{key}: " in found[0]


def test_a_forbidden_override_is_refused_with_its_line_and_what_is_allowed() -> None:
    assert refused("\n[train]\nvolume_size_gb = 500\n") == [
        (
            "line 3, train.volume_size_gb: cannot be overridden on this stage; what can: "
            "train.hyperparameters.*, train.instance_type, train.max_runtime_seconds"
        )
    ]


def test_a_stage_may_allow_nothing() -> None:
    assert refused("[train.hyperparameters]\nepochs = 1", ()) == [
        "line 2, train.hyperparameters.epochs: cannot be overridden on this stage; what can: nothing"
    ]


def test_an_unknown_key_is_refused_by_name_and_not_as_forbidden() -> None:
    found = refused("[train]\nmax_runtime_second = 5\n")

    assert len(found) == 1
    assert found[0].startswith(
        'line 2, train.max_runtime_second: unknown key; the nearest known one is "max_runtime_sec'
    )


def test_a_value_of_the_wrong_type_is_refused() -> None:
    assert refused("[train]\nmax_runtime_seconds = true\n") == [
        "line 2, train.max_runtime_seconds: must be a whole number of seconds from 1 to 2419200, not true"
    ]


def test_later_work_is_refused_in_a_run_toml_too() -> None:
    found = refused("[train]\nuse_spot_instances = true\n", ("train.use_spot_instances",))

    assert found[0].startswith("line 2, train.use_spot_instances: not supported yet: ")


def test_an_override_cannot_reach_past_the_stages_instance_types() -> None:
    text = '[train]\ninstance_type = "ml.p3.2xlarge"\n'

    assert apply_overrides(PIPELINE, text, ALLOWED).train.instance_type == "ml.p3.2xlarge"
    with pytest.raises(PipelineRefused) as refusal:
        apply_overrides(PIPELINE, text, ALLOWED, instance_types=frozenset({"ml.m5.large"}))
    assert refusal.value.problems[0] == Problem(
        2,
        "train.instance_type",
        'must be an instance type that this stage allows (ml.m5.large), not "ml.p3.2xlarge"',
    )


def test_what_is_no_toml_is_refused() -> None:
    assert refused("epochs = ")[0].startswith("line 1: is not TOML: ")


@settings(deadline=None)
@given(
    st.binary(max_size=500) | st.from_regex(r"(\[train(\.hyperparameters)?\]\n)?([a-z_]{1,9} = [0-9a-z\"{}]{1,9}\n)*")
)
def test_any_run_toml_gives_a_pipeline_or_a_refusal(text: bytes | str) -> None:
    try:
        assert isinstance(apply_overrides(PIPELINE, text, ("train.*",)), Pipeline)
    except PipelineRefused as refusal:
        assert refusal.problems  # noqa: PT017 (either outcome is right; this is what the second must hold)
