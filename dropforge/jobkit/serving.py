"""Serve a model with two functions: load it, and predict. SageMaker's framework images find the four they look for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Callable, NamedTuple

from .picture import image

Load = Callable[[Path], Any]
Predict = Callable[[Any, Any], Any]
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_JSON = "application/json"


class Functions(NamedTuple):
    model_fn: Callable[[str], Any]
    input_fn: Callable[[Any, str], Any]
    predict_fn: Callable[[Any, Any], Any]
    output_fn: Callable[[Any, str], Any]


class _Loaded(NamedTuple):
    model: Any
    labels: Sequence[str] | None


def serve(load: Load, predict: Predict) -> Functions:
    """Make model_fn, input_fn, predict_fn and output_fn from `load(folder)` and `predict(model, data)`.

    `data` is an opened picture for image/*, the decoded value for application/json, and otherwise the bytes as they
    came. `predict` gives one score a label in the order of labels.json, or {label: score}, or (label, score) pairs.
    """

    def model_fn(folder: str) -> _Loaded:
        return _Loaded(load(Path(folder)), read_labels(Path(folder)))

    def predict_fn(data: Any, loaded: _Loaded) -> dict[str, Any]:
        return answer(predict(loaded.model, data), loaded.labels)

    return Functions(model_fn, read_input, predict_fn, write_output)


def read_labels(folder: Path) -> list[str] | None:
    try:
        return [str(label) for label in json.loads((folder / "labels.json").read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return None


def read_input(body: Any, content_type: str) -> Any:
    kind = (content_type or "").split(";")[0].strip().lower()
    if kind.startswith("image/"):
        return image(bytes(body))
    if kind == _JSON:
        return json.loads(body)
    return body


def answer(said: Any, labels: Sequence[str] | None) -> dict[str, Any]:
    """Give {"predictions": [{"label", "score"}…]}, the best first."""
    ranked = sorted(_pairs(said, labels), key=lambda pair: -pair[1])
    return {"predictions": [{"label": label, "score": score} for label, score in ranked]}


def _pairs(said: Any, labels: Sequence[str] | None) -> Iterable[tuple[str, float]]:
    if isinstance(said, Mapping):
        return [(str(label), float(score)) for label, score in said.items()]
    values = list(said)
    if values and isinstance(values[0], (tuple, list)):
        return [(str(label), float(score)) for label, score in values]
    names = [str(number) for number in range(len(values))] if labels is None else list(labels)
    if len(names) != len(values):
        raise ValueError(f"predict gave {len(values)} scores, but labels.json names {len(names)} labels")
    return [(name, float(value)) for name, value in zip(names, values)]


def write_output(prediction: Any, accept: str) -> Any:
    """Answer in JSON, and say which run's model it was.

    The framework images that serve with Flask (scikit-learn's does) hand a Flask response on with its headers; the
    others take (body, content type) only, and there the run is told by what the release remembers instead.
    """
    del accept  # one answer for everyone
    body, run = json.dumps(prediction), os.environ.get("DROPFORGE_RUN")
    response = _flask_response() if run else None
    if response is None:
        return body, _JSON
    return response(body, mimetype=_JSON, headers={ATTRIBUTES: f"dropforge-run={run}"})


def _flask_response() -> Callable[..., Any] | None:
    try:
        return import_module("flask").Response  # type: ignore[no-any-return]  # a class of somebody else's, by name
    except ImportError:
        return None
