"""A Gaussian process over what is known, and where it expects to improve most: Jones et al. 1998, Snoek et al. 2012.

Small on purpose: it is asked once for each training job, of which there are a few hundred at most, and costs the cloud
no library. The length over which values are alike is the one under which what is known is likeliest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from dropforge.local.sagemaker.tuning.space import Space, Values

_LENGTHS = (0.1, 0.2, 0.4, 0.8)
_NOISES = (1e-4, 1e-2)
_MOST_KNOWN = 60
_DRAWN, _NEAR = 160, 80
_FIRST = 3
"""So many jobs are drawn at random before anything is believed."""

Point = tuple[float, ...]


def propose(
    space: Space, known: Sequence[tuple[Values, float]], pending: Sequence[Values], random: Random
) -> dict[str, str]:
    """Give the values that promise most. Figures are such that more is better; of pending ones nothing is expected."""
    if len(known) < _FIRST:
        return space.draw(random)
    told = sorted(known, key=lambda one: one[1])[-_MOST_KNOWN:]
    best = told[-1][0]
    figures = _standard([figure for _, figure in told])
    process = _likeliest([space.point(values) for values, _ in told], figures)
    process = process.with_points([space.point(values) for values in pending])
    candidates = [space.draw(random) for _ in range(_DRAWN)]
    candidates += [space.near(best, random.choice((0.02, 0.1)), random) for _ in range(_NEAR)]
    goal = max(figures)
    return max(candidates, key=lambda values: process.improvement(space.point(values), goal))


class Process:
    """A Gaussian process with a Matern 5/2 kernel over points and their standardised figures."""

    def __init__(self, points: list[Point], figures: list[float], length: float, noise: float) -> None:
        self._points = points
        self._figures = figures
        self._length = length
        self._noise = noise
        kernel = [[self._alike(one, other) for other in points[: row + 1]] for row, one in enumerate(points)]
        for row in range(len(points)):
            kernel[row][row] += noise
        self._root = _cholesky(kernel)
        self._weights = _solve_upper(self._root, _solve_lower(self._root, figures))

    def likelihood(self) -> float:
        """Give the logarithm of how likely the figures are, but for a constant."""
        fit = sum(figure * weight for figure, weight in zip(self._figures, self._weights, strict=True))
        return -0.5 * fit - sum(math.log(row[-1]) for row in self._root)

    def with_points(self, points: list[Point]) -> Process:
        """Give a process that knows more points, at which it expects the average."""
        return Process(self._points + points, self._figures + [0.0] * len(points), self._length, self._noise)

    def improvement(self, point: Point, goal: float) -> float:
        """Give the expected improvement over a goal."""
        alike = [self._alike(point, other) for other in self._points]
        mean = sum(one * weight for one, weight in zip(alike, self._weights, strict=True))
        spread = math.sqrt(max(1e-12, 1.0 - sum(one * one for one in _solve_lower(self._root, alike))))
        score = (mean - goal) / spread
        density = math.exp(-0.5 * score * score) / math.sqrt(2 * math.pi)
        return spread * (score * 0.5 * (1 + math.erf(score / math.sqrt(2))) + density)

    def _alike(self, one: Point, other: Point) -> float:
        away = math.sqrt(5) * math.dist(one, other) / self._length
        return (1 + away + away * away / 3) * math.exp(-away)


def _likeliest(points: list[Point], figures: list[float]) -> Process:
    tried = [Process(points, figures, length, noise) for length in _LENGTHS for noise in _NOISES]
    return max(tried, key=Process.likelihood)


def _standard(figures: list[float]) -> list[float]:
    mean = sum(figures) / len(figures)
    spread = math.sqrt(sum((figure - mean) ** 2 for figure in figures) / len(figures)) or 1.0
    return [(figure - mean) / spread for figure in figures]


def _cholesky(kernel: list[list[float]]) -> list[list[float]]:
    root: list[list[float]] = []
    for row, values in enumerate(kernel):
        made: list[float] = []
        for column in range(row + 1):
            rest = values[column] - sum(
                one * other for one, other in zip(made, root[column] if column < row else made, strict=False)
            )
            made.append(math.sqrt(max(rest, 1e-12)) if column == row else rest / root[column][column])
        root.append(made)
    return root


def _solve_lower(root: list[list[float]], right: Sequence[float]) -> list[float]:
    found: list[float] = []
    for row, value in zip(root, right, strict=True):
        found.append((value - sum(one * other for one, other in zip(row, found, strict=False))) / row[-1])
    return found


def _solve_upper(root: list[list[float]], right: Sequence[float]) -> list[float]:
    found = [0.0] * len(root)
    for row in reversed(range(len(root))):
        rest = right[row] - sum(root[below][row] * found[below] for below in range(row + 1, len(root)))
        found[row] = rest / root[row][row]
    return found
