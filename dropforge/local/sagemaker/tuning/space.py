"""The space of values: each parameter is a stretch between 0 and 1, scaled as its range says, or a choice.

Scaling: https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-define-ranges.html
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from dropforge.local.sagemaker.tuning import refusals

_WIDE = 1000.0
"""An `Auto` range whose ends are so many times apart is Logarithmic (assumed)."""


@dataclass(frozen=True, slots=True)
class Range:
    name: str
    low: float
    high: float
    scaling: str
    whole: bool

    def value(self, place: float) -> str:
        """Spell the value at a place between 0 and 1."""
        if self.whole and self.scaling == "Linear":
            return str(min(int(self.high), int(self.low) + int(place * (int(self.high) - int(self.low) + 1))))
        low, high = self._scale(self.low), self._scale(self.high)
        found = min(self.high, max(self.low, self._unscale(low + place * (high - low))))
        return str(round(found)) if self.whole else repr(found)

    def place(self, value: str) -> float:
        """Find a value's place between 0 and 1."""
        low, high = self._scale(self.low), self._scale(self.high)
        return (self._scale(float(value)) - low) / (high - low)

    def _scale(self, value: float) -> float:
        match self.scaling:
            case "Logarithmic":
                return math.log(value)
            case "ReverseLogarithmic":
                return -math.log1p(-value)
            case _:
                return value

    def _unscale(self, value: float) -> float:
        match self.scaling:
            case "Logarithmic":
                return math.exp(value)
            case "ReverseLogarithmic":
                return -math.expm1(-value)
            case _:
                return value


@dataclass(frozen=True, slots=True)
class Choice:
    name: str
    values: tuple[str, ...]


Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Space:
    ranges: tuple[Range, ...]
    choices: tuple[Choice, ...]

    def draw(self, random: Random) -> dict[str, str]:
        """Draw values at random."""
        drawn = {one.name: one.value(random.random()) for one in self.ranges}
        return drawn | {one.name: random.choice(one.values) for one in self.choices}

    def near(self, values: Values, width: float, random: Random) -> dict[str, str]:
        """Draw values near others: places a little beside, and now and then another choice."""
        places = {one.name: random.gauss(one.place(values[one.name]), width) for one in self.ranges}
        drawn = {one.name: one.value(min(1.0, max(0.0, places[one.name]))) for one in self.ranges}
        kept = {
            one.name: values[one.name] if random.random() > width else random.choice(one.values) for one in self.choices
        }
        return drawn | kept

    def point(self, values: Values) -> tuple[float, ...]:
        """Give the point in a cube that values stand for; each choice has an axis for each of its values."""
        stretch = [one.place(values[one.name]) for one in self.ranges]
        marks = [float(values[one.name] == value) / math.sqrt(2) for one in self.choices for value in one.values]
        return (*stretch, *marks)

    def grid(self) -> list[dict[str, str]]:
        """List every combination of the choices."""
        names = [one.name for one in self.choices]
        return [
            dict(zip(names, each, strict=True)) for each in itertools.product(*(one.values for one in self.choices))
        ]


def read(config: Mapping[str, Any], static: Mapping[str, str]) -> Space:
    """Read the parameter ranges of a request; refuses those that are none."""
    given = config.get("ParameterRanges") or {}
    ranges = [
        *(_range(one, whole=False) for one in given.get("ContinuousParameterRanges") or ()),
        *(_range(one, whole=True) for one in given.get("IntegerParameterRanges") or ()),
    ]
    choices = [Choice(one["Name"], tuple(one["Values"])) for one in given.get("CategoricalParameterRanges") or ()]
    names = [*static, *(one.name for one in ranges), *(one.name for one in choices)]
    for name in names:
        if names.count(name) > 1:
            raise refusals.SAME_PARAMETER(name=name)
    return Space(tuple(ranges), tuple(choices))


def _range(given: Mapping[str, Any], *, whole: bool) -> Range:
    name = given["Name"]
    try:
        low, high = (int(given[end]) if whole else float(given[end]) for end in ("MinValue", "MaxValue"))
    except ValueError as error:
        raise refusals.BAD_RANGE(name=name, why="its ends are no numbers") from error
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise refusals.BAD_RANGE(name=name, why="MinValue must be less than MaxValue")
    scaling = given.get("ScalingType", "Auto")
    if scaling == "Auto":
        scaling = "Logarithmic" if low > 0 and high / low >= _WIDE else "Linear"
    if scaling == "Logarithmic" and low <= 0:
        raise refusals.BAD_RANGE(name=name, why="a Logarithmic range must be above 0")
    if scaling == "ReverseLogarithmic" and (whole or low < 0 or high >= 1):
        raise refusals.BAD_RANGE(name=name, why="a ReverseLogarithmic range is continuous, from 0 to below 1")
    return Range(name, low, high, scaling, whole)
