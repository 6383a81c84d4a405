"""A model that answers with what it was given, and says who it is."""

import json
import os
from pathlib import Path
from typing import Any

import flask  # type: ignore[import-not-found]  # the image brings it

_MODEL = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"), "model")


def model_fn(model_dir: str) -> str:
    return Path(model_dir, "answer.txt").read_text()


def input_fn(body: bytes, content_type: str) -> dict[str, Any]:
    return {"length": len(body), "type": content_type}


def predict_fn(data: dict[str, Any], model: str) -> dict[str, Any]:
    return {**data, "model": model, "server": _MODEL.stat().st_ino}


def output_fn(prediction: dict[str, Any], accept: str) -> Any:
    headers = {"X-Amzn-SageMaker-Custom-Attributes": f"answered-by={prediction['model']}"}
    return flask.Response(json.dumps({**prediction, "accept": accept}), mimetype="application/json", headers=headers)
