"""What runs in the local cloud's containers: a training script and a model that behave as they are told."""

from __future__ import annotations

import io
import tarfile
from typing import Literal

Training = Literal["works", "breaks", "leaves-no-model", "waits"]
Serving = Literal["works", "errors", "hangs", "fails-creation"]

IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1"
LABELS = ("0", "1")
ACCURACY = 0.97
LINES = ("accuracy=0.5", f"accuracy={ACCURACY}", 'dropforge.labels=["0", "1"]')
REASON = "no such column: width"

TRAIN = f"""
import argparse, os, pathlib, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("--behave")
behave = parser.parse_args().behave
if behave == "breaks":
    pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"), "output/failure").write_text({REASON!r})
    sys.exit(1)
for line in {LINES!r}:
    print(line, flush=True)
if behave == "waits":
    time.sleep(120)
if behave == "works":
    pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("weights")
"""

SERVE = """
import os, time
from flask import Response

def model_fn(folder):
    if os.environ["BEHAVE"] == "fails-creation":
        raise RuntimeError("cannot load")
    return os.environ["SAY"]

def input_fn(body, content_type):
    return content_type

def predict_fn(content_type, model):
    if os.environ["BEHAVE"] == "errors":
        raise RuntimeError("cannot predict")
    if os.environ["BEHAVE"] == "hangs":
        time.sleep(20)
    return model

def output_fn(said, accept):
    run = os.environ["DROPFORGE_RUN"]
    return Response(said, mimetype=accept, headers={"X-Amzn-SageMaker-Custom-Attributes": f"dropforge-run={run}"})
"""


def archive(**files: str) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as opened:
        for name, text in files.items():
            about = tarfile.TarInfo(f"{name}.py")
            about.size = len(text.encode())
            opened.addfile(about, io.BytesIO(text.encode()))
    return body.getvalue()
