from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropforge.local.sagemaker.errors import SageMakerError
from dropforge.local.sagemaker.tuning import decide, space
from dropforge.local.sagemaker.tuning.decide import Asked, Finish, Launch, Trial, Wait
from dropforge.local.sagemaker.tuning.space import Range, Space

_WISH = Asked(strategy="Random", jobs=10, at_once=1, sign=1, seed="7")
_LINE = Space((Range("x", 0.0, 1.0, "Linear", whole=False),), ())
_PLANE = Space((Range("x", 0.0, 1.0, "Linear", whole=False), Range("y", 1e-5, 1.0, "Logarithmic", whole=False)), ())


def _range(low: str, high: str, scaling: str = "Auto", kind: str = "Continuous") -> Range:
    given_range = {"Name": "x", "MinValue": low, "MaxValue": high, "ScalingType": scaling}
    return space.read({"ParameterRanges": {f"{kind}ParameterRanges": [given_range]}}, {}).ranges[0]


def _search(wish: Asked, over: Space, figure: Callable[[Mapping[str, str]], float | None]) -> list[Trial]:
    """Carry out what is decided, one training job after another, until it is finished."""
    trials: list[Trial] = []
    while True:
        match decide.following(wish, over, trials, 0):
            case Launch(place, tries, values):
                trials.append(Trial(f"job-{len(trials)}", place, tries, values, "Completed", figure(values)))
            case Finish():
                return trials
            case Wait():
                raise AssertionError("nothing runs")


def _hill(values: Mapping[str, str]) -> float:
    """Highest, 0, at x = 0.3 and y = 0.01."""
    place = _PLANE.ranges[1].place(values["y"])
    return -((float(values["x"]) - 0.3) ** 2) - (place - 0.6) ** 2


@given(
    st.sampled_from(["Linear", "Logarithmic", "ReverseLogarithmic"]),
    st.floats(0.001, 0.5),
    st.floats(0.501, 0.999),
    st.floats(0, 1),
)
def test_a_value_lies_in_its_range_and_back_at_its_place(scaling: str, low: float, high: float, place: float) -> None:
    one = _range(str(low), str(high), scaling)
    value = one.value(place)
    assert low <= float(value) <= high
    assert one.place(value) == pytest.approx(place, abs=1e-6)


@given(st.integers(-50, 50), st.integers(1, 100), st.floats(0, 1))
def test_a_whole_number_lies_in_its_range_with_both_ends(low: int, wide: int, place: float) -> None:
    one = _range(str(low), str(low + wide), kind="Integer", scaling="Linear")
    assert low <= int(one.value(place)) <= low + wide
    assert (one.value(0.0), one.value(1.0)) == (str(low), str(low + wide))


def test_a_logarithmic_range_gives_each_power_its_share_and_auto_finds_it() -> None:
    one = _range("0.0001", "1")
    assert one.scaling == "Logarithmic"
    assert float(one.value(0.5)) == pytest.approx(0.01)
    assert float(_range("0", "0.999", "ReverseLogarithmic").value(0.5)) == pytest.approx(1 - 0.001**0.5)
    assert _range("1", "10").scaling == "Linear"


@pytest.mark.parametrize(
    ("low", "high", "scaling", "kind"),
    [
        ("1", "1", "Linear", "Continuous"),
        ("2", "1", "Linear", "Integer"),
        ("a", "1", "Linear", "Continuous"),
        ("0.5", "1.5", "Linear", "Integer"),
        ("0", "1", "Logarithmic", "Continuous"),
        ("0", "1", "ReverseLogarithmic", "Continuous"),
        ("nan", "1", "Linear", "Continuous"),
    ],
)
def test_what_is_no_range_is_refused(low: str, high: str, scaling: str, kind: str) -> None:
    with pytest.raises(SageMakerError, match="The range of hyperparameter x is invalid"):
        _range(low, high, scaling, kind)


def test_the_same_seed_searches_the_same_places_and_another_others() -> None:
    for strategy in ("Random", "Bayesian"):
        wish = replace(_WISH, strategy=strategy)
        once, again = (_search(wish, _PLANE, _hill) for _ in range(2))
        assert once == again
        assert once != _search(replace(wish, seed="8"), _PLANE, _hill)


def test_a_bayesian_search_comes_nearer_than_a_random_one() -> None:
    def best(strategy: str, seed: int) -> float:
        found = _search(replace(_WISH, strategy=strategy, jobs=18, seed=str(seed)), _PLANE, _hill)
        return max(trial.figure or 0.0 for trial in found)

    bayesian = statistics.median(best("Bayesian", seed) for seed in range(5))
    random = statistics.median(best("Random", seed) for seed in range(5))
    assert bayesian > random / 4
    assert bayesian > -0.001


def test_a_search_for_the_least_finds_the_least() -> None:
    wish = replace(_WISH, strategy="Bayesian", sign=-1, jobs=15)
    trials = _search(wish, _LINE, lambda values: (float(values["x"]) - 0.8) ** 2)
    found = decide.best(wish, trials)
    assert found is not None
    assert abs(float(found.values["x"]) - 0.8) < 0.05


def test_a_bayesian_search_does_not_ask_again_what_is_under_way() -> None:
    wish = replace(_WISH, strategy="Bayesian", jobs=20, at_once=5)
    done = [Trial(f"d{n}", n, 0, {"x": repr(n / 4)}, "Completed", -((n / 4 - 0.3) ** 2)) for n in range(5)]
    trials = list(done)
    while isinstance(step := decide.following(wish, _LINE, trials, 0), Launch):
        trials.append(Trial(f"r{step.place}", step.place, 0, step.values, "InProgress"))
    places = sorted(float(trial.values["x"]) for trial in trials if trial.status == "InProgress")
    assert len(places) == 5
    assert all(later - earlier > 0.01 for earlier, later in itertools.pairwise(places))


def test_a_grid_tries_each_combination_once() -> None:
    over = space.read({"ParameterRanges": {"CategoricalParameterRanges": [
        {"Name": "a", "Values": ["1", "2"]}, {"Name": "b", "Values": ["x", "y", "z"]},
    ]}}, {})  # fmt: skip
    trials = _search(replace(_WISH, strategy="Grid", jobs=6), over, lambda _: 1.0)
    assert [dict(trial.values) for trial in trials] == over.grid()
    assert len({tuple(trial.values.values()) for trial in trials}) == 6


def test_a_search_ends_at_its_target_and_when_nothing_gets_better() -> None:
    assert len(_search(replace(_WISH, target=-100.0), _LINE, lambda _: -1.0)) == 1
    assert len(_search(replace(_WISH, sign=-1, target=5.0), _LINE, lambda _: 5.0)) == 1
    assert len(_search(replace(_WISH, patience=3), _LINE, lambda _: 1.0)) == 4


def test_a_search_without_a_figure_gives_up_after_five_and_says_why() -> None:
    assert len(_search(_WISH, _LINE, lambda _: None)) == 5
    silent = [Trial("a", n, 0, {}, "Completed") for n in range(5)]
    failed = [replace(trial, status="Failed") for trial in silent]
    said = decide.following(_WISH, _LINE, silent, 0)
    assert isinstance(said, Finish)
    assert said.status == "Failed"
    assert "No objective metrics found after running 5 training jobs" in str(said.reason)
    assert "No training job succeeded after 5 attempts" in str(decide.following(_WISH, _LINE, failed, 0))


def test_a_training_job_that_was_lost_is_tried_again_with_its_values_at_most_twice() -> None:
    wish = replace(_WISH, jobs=1)
    trials = [Trial("a", 0, 0, {"x": "0.5"}, "Failed", lost=True)]
    for tries in (1, 2):
        assert decide.following(wish, _LINE, trials, 0) == Launch(0, tries, {"x": "0.5"})
        trials.append(replace(trials[0], tries=tries))
    assert isinstance(decide.following(wish, _LINE, trials, 0), Finish)


def test_no_more_run_at_once_than_are_asked_for() -> None:
    wish = replace(_WISH, at_once=2)
    trials = [Trial(f"r{n}", n, 0, {"x": "0.1"}, "InProgress") for n in range(2)]
    assert decide.following(wish, _LINE, trials, 0) == Wait()
    assert isinstance(decide.following(wish, _LINE, trials[:1], 0), Launch)
    assert decide.following(replace(wish, seconds=10), _LINE, trials, 11) == Finish("Completed")


def test_places_near_others_stay_in_their_range() -> None:
    random = Random(7)  # noqa: S311 - a search, no secret
    drawn = [_PLANE.near({"x": "0.99", "y": "1.0"}, 0.5, random) for _ in range(50)]
    assert all(0 <= float(one["x"]) <= 1 and 1e-5 <= float(one["y"]) <= 1 for one in drawn)
