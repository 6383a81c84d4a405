"""A model that answers with what it was given, and says who it is."""

import json
import os
from pathlib import Path

import flask


def model_fn(model_dir):
    return Path(model_dir, "answer.txt").read_text()


def input_fn(body, content_type):
    return {"length": len(body), "type": content_type}


def predict_fn(data, model):
    return {**data, "model": model, "server": os.stat("/opt/ml/model").st_ino}


def output_fn(prediction, accept):
    headers = {"X-Amzn-SageMaker-Custom-Attributes": f"answered-by={prediction['model']}"}
    return flask.Response(json.dumps({**prediction, "accept": accept}), mimetype="application/json", headers=headers)
