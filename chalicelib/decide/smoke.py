"""Whether an endpoint's answer to a smoke test is the one that was asked for."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.pipeline import Smoke
from chalicelib.predict.answer import Prediction


def judge_answer(test: Smoke, predictions: Sequence[Prediction]) -> str | None:
    """Give the reason why the answer fails the test; None where it passes. `predictions` begin with the best."""
    if not predictions:
        return "it answered no predictions at all"
    best = predictions[0]
    if test.expect_label is not None and best.label != test.expect_label:
        return f'it answered "{best.label}" where "{test.expect_label}" was expected'
    if test.min_score is not None and not best.score >= test.min_score:  # the way round that a NaN fails
        return f'it answered "{best.label}" with a score of {best.score:g}, below {test.min_score:g}'
    return None
