"""Values that an order sets, as TOML: written, and laid over a run.toml."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.pipeline import PipelineRefused, lay_over, write_values

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LEAVES = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXT
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))
TABLES = st.dictionaries(TEXT.filter(lambda key: "." not in key), VALUES, max_size=4)


@given(TABLES)
def test_what_is_written_is_read_back_the_same(values: dict[str, Any]) -> None:
    assert tomllib.loads(write_values(values)) == values


@given(TABLES, TABLES)
def test_what_is_laid_over_a_text_wins_and_laying_it_over_again_changes_nothing(
    under: dict[str, Any], over: dict[str, Any]
) -> None:
    once = lay_over(write_values(under), write_values(over))
    assert lay_over(once, write_values(over)) == once
    for key, value in over.items():
        if not isinstance(value, dict):
            assert tomllib.loads(once)[key] == value


def test_a_text_that_nothing_is_laid_over_stays_as_it_is() -> None:
    assert lay_over("# a comment\nx = 1", "") == "# a comment\nx = 1"


def test_a_dot_leads_one_table_down() -> None:
    assert write_values({"train.hyperparameters.epochs": 5, "train": {"instance_type": "ml.m5.large"}}) == (
        'train.hyperparameters.epochs = 5\ntrain.instance_type = "ml.m5.large"\n'
    )


@pytest.mark.parametrize("value", [None, b"x", 2**64, "\ud800", object()])
def test_what_toml_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(PipelineRefused):
        write_values({"train.hyperparameters.x": value})


def test_what_is_nested_too_deeply_is_refused() -> None:
    table: Any = 1
    listed: Any = 1
    for _ in range(100):
        table, listed = {"a": table}, [listed]
    for value in (table, listed):
        with pytest.raises(PipelineRefused, match="too deeply"):
            write_values({"a": value})


def test_a_key_of_many_parts_is_refused_before_tables_are_made_of_it() -> None:
    with pytest.raises(PipelineRefused, match="too deeply") as no:
        write_values({".".join("a" * 400_000): 1})
    assert len(str(no.value)) < 200


def test_as_many_values_are_taken_as_sagemaker_takes_hyperparameters_and_one_more_is_refused() -> None:
    values = {f"train.hyperparameters.h{number}": number for number in range(100)}
    assert write_values(values).count("\n") == 100
    for more in ({**values, "train.max_runtime_seconds": 60}, {"train": {"hyperparameters": {**values, "one": 1}}}):
        with pytest.raises(PipelineRefused, match="set: holds more than 100 values"):
            write_values(more)


@pytest.mark.parametrize("values", [{"note": "x" * 65_536}, {"x" * 65_536: 1}, {"steps": [1] * 40_000}])
def test_values_longer_than_a_run_toml_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(PipelineRefused, match="set: is longer than 65536 characters as TOML") as no:
        write_values(values)
    assert len(str(no.value)) < 200
