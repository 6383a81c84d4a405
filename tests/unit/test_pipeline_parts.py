from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.pipeline import (
    hyperparameter_strings,
    metric_definitions,
    parse,
    serving_part,
    training_part,
)
from chalicelib.pipeline.kinds import hyperparameter_string

SHORTEST = '[train]\nframework = "sklearn"\nsource_dir = "src"\nentry_point = "train.py"\n'


def test_the_training_part_is_the_same_however_the_file_is_written() -> None:
    spelled = """
[train.hyperparameters]
b = 1
a = 2
[train]
max_runtime_seconds = 3600   # the default
entry_point = "./train.py"
source_dir = "src/"
framework = "sklearn"
[serve]
top_k = 3
"""
    plain = f"{SHORTEST}[train.hyperparameters]\na = 2\nb = 1\n"

    assert training_part(parse(spelled)) == training_part(parse(plain))


@pytest.mark.parametrize(
    "more", ["max_runtime_seconds = 60", "environment = { A = 'b' }", "hyperparameters = { epochs = 1 }"]
)
def test_whatever_the_training_is_made_of_changes_the_training_part(more: str) -> None:
    assert training_part(parse(f"{SHORTEST}{more}\n")) != training_part(parse(SHORTEST))


@pytest.mark.parametrize(
    "more",
    [
        "[serve]\ntop_k = 3",
        "[deploy]\ninitial_instance_count = 2",
        "[gate]\nmetric = 'm'",
        "[trigger]\nquiet_seconds = 9",
        "capacity_wait_seconds = 60",
    ],
)
def test_how_a_model_is_served_and_judged_never_changes_the_training_part(more: str) -> None:
    assert training_part(parse(f"{SHORTEST}{more}\n")) == training_part(parse(SHORTEST))


def test_one_and_one_point_nought_are_two_hyperparameters() -> None:
    whole, real = (parse(f"{SHORTEST}hyperparameters = {{ a = {value} }}\n") for value in ("1", "1.0"))

    assert training_part(whole) != training_part(real)


def test_the_serving_part_tells_deploying_from_not() -> None:
    assert serving_part(parse(SHORTEST)) == serving_part(parse(f"{SHORTEST}[deploy]\n"))
    assert serving_part(parse(SHORTEST)) != serving_part(parse(f"deploy = false\n{SHORTEST}"))
    assert serving_part(parse(SHORTEST)) != serving_part(parse(f"{SHORTEST}[serve]\ntop_k = 9\n"))


def test_parts_are_canonical_json() -> None:
    for part in (training_part(parse(SHORTEST)), serving_part(parse(SHORTEST))):
        assert part == json.dumps(json.loads(part), sort_keys=True, separators=(",", ":"))
        assert "null" not in part


def test_hyperparameters_become_the_strings_that_script_mode_reads_back() -> None:
    read = parse(f"""{SHORTEST}
[train.hyperparameters]
epochs = 20
rate = 0.1
betas = [0.9, 0.999]
nested = {{ a = [1, "ü"] }}
flag = true
name = "adam"
version = "10"
""")

    assert hyperparameter_strings(read) == {
        "epochs": "20",
        "rate": "0.1",
        "betas": "[0.9, 0.999]",
        "nested": '{"a": [1, "ü"]}',
        "flag": "true",
        "name": "adam",
        "version": '"10"',
    }


JSON = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)
@given(JSON | st.sampled_from(["1", "true", "null", "[1]", '"x"', "NaN", "{}", "", "1 2", "[" * 100_000]))
def test_script_mode_reads_back_whatever_was_written(value: object) -> None:
    text = hyperparameter_string(value)
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        read = text

    assert read == value
    assert type(read) is type(value)


def test_without_a_gate_metrics_are_those_of_the_file() -> None:
    assert metric_definitions(parse(SHORTEST)) == {}
    assert metric_definitions(parse(f"{SHORTEST}metrics = {{ a = 'a=([0-9]+)' }}\n")) == {"a": "a=([0-9]+)"}


def test_a_gates_metric_that_the_file_defines_is_read_as_it_says() -> None:
    text = f"{SHORTEST}metrics = {{ a = 'a=([0-9]+)' }}\n[gate]\nmetric = 'a'\n"

    assert metric_definitions(parse(text)) == {"a": "a=([0-9]+)"}


@pytest.mark.parametrize("name", ["validation:accuracy", "f1(macro)", "a.b-c+d"])
@pytest.mark.parametrize("number", ["0.9731", "1", "-3.5e-05", "1e+10", ".5"])
def test_a_gates_metric_that_the_file_does_not_define_is_read_from_jobkits_line(name: str, number: str) -> None:
    definitions = metric_definitions(parse(f"{SHORTEST}[gate]\nmetric = '{name}'\n"))

    found = re.search(definitions[name], f"dropforge.metric {name}={number}")

    assert found is not None
    assert float(found[1]) == float(number)
    assert re.search(definitions[name], f"dropforge.metric other-{name}={number}") is None
    assert re.search(definitions[name], f"dropforge.metric {name}x={number}") is None
