"""What a container answered, read into predictions: the one place that knows the formats.

`read` takes any bytes and gives predictions or raises `UnreadableAnswerError`: what answers may be broken or hostile.
Standard library only, and no dataclasses: the inference function pays for each import when it starts.
"""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple, NoReturn

from chalicelib.errors import DropforgeError

LIMIT = 1_000_000
"""Bytes of an answer that are looked at: scores and labels, not pictures."""
LABEL_LIMIT = 1_000
SCORES_LIMIT = 20_000


class Prediction(NamedTuple):
    """A label, its score, and where in the image it was seen, if the model says so."""

    label: str
    score: float
    box: tuple[float, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        said: dict[str, Any] = {"label": self.label, "score": self.score}
        return said if self.box is None else {**said, "box": list(self.box)}


class UnreadableAnswerError(DropforgeError):
    """The model's container answered something that is no prediction."""

    status = 502
    code = "unreadable-answer"


class UnlabelledError(UnreadableAnswerError):
    """The model's container answered plain scores, and nobody says which labels they are for."""


def read(body: bytes, labels: tuple[str, ...], top_k: int) -> tuple[Prediction, ...]:
    """Read `{"predictions": [{"label", "score"}, …]}`, or scores in the order of `labels`: an array, or one row of one.

    Gives at most `top_k` predictions, the highest score first; equal scores keep the container's order.
    """
    match _parse(body):
        case {"predictions": list(items)}:
            found = [_prediction(item) for item in items]
        case [list(scores)]:
            found = _ranked(scores, labels)
        case [*scores]:
            found = _ranked(scores, labels)
        case _:
            raise UnreadableAnswerError(
                'The answer is neither {"predictions": [{"label", "score"}]} nor an array of scores.'
            )
    return tuple(sorted(found, key=lambda prediction: -prediction.score)[:top_k])


def _parse(body: bytes) -> Any:
    if len(body) > LIMIT:
        raise UnreadableAnswerError(f"The answer has {len(body)} bytes; predictions fit into {LIMIT}.")
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise UnreadableAnswerError("The answer is not JSON.") from error


def _refuse_constant(name: str) -> NoReturn:
    raise UnreadableAnswerError(f"The answer contains {name}, which is no JSON number.")


def _prediction(item: Any) -> Prediction:
    match item:
        case {"label": str(label), "score": score, **rest} if len(label) <= LABEL_LIMIT and _is_text(label):
            return Prediction(label, _number(score), _box(rest.get("box")))
        case _:
            raise UnreadableAnswerError("A prediction is not {label, score} with a label that is a short text.")


def _is_text(label: str) -> bool:
    """Tell whether it can be stored and sent: JSON may escape half a surrogate pair."""
    return label.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in label)


def _box(box: Any) -> tuple[float, ...] | None:
    match box:
        case None:
            return None
        case [_, _, _, _]:
            return tuple(_number(side) for side in box)
        case _:
            raise UnreadableAnswerError("A prediction's box is not four numbers.")


def _ranked(scores: list[Any], labels: tuple[str, ...]) -> list[Prediction]:
    if scores and not labels:
        raise UnlabelledError
    if len(scores) != len(labels) or not scores or len(scores) > SCORES_LIMIT:
        raise UnreadableAnswerError(f"The answer has {len(scores)} scores for {len(labels)} labels.")
    return [Prediction(label, _number(score)) for label, score in zip(labels, scores, strict=True)]


def _number(value: Any) -> float:
    """Take a finite number; JSON's `true` and `1e999` are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnreadableAnswerError("A score is not a number.")
    try:
        number = float(value)
    except OverflowError as error:
        raise UnreadableAnswerError("A score is too large to be one.") from error
    if not math.isfinite(number):
        raise UnreadableAnswerError("A score is not a finite number.")
    return number
