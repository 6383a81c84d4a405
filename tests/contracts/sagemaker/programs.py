"""What runs in the containers: a script and a model that behave as they are told."""

from __future__ import annotations

import io
import tarfile

TRAIN = """
import argparse, os, pathlib, signal, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("--behave", default="works")
behave = parser.parse_args().behave
print("accuracy=0.5;", flush=True)
if behave == "breaks":
    pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"), "output/failure").write_text("no such column: width")
    sys.exit(3)
if behave == "waits":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    time.sleep(3600)
print("accuracy=0.75;", flush=True)
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("weights")
"""

SERVE = """
import os, time

def model_fn(folder):
    if os.environ.get("BEHAVE") == "loads slowly":
        time.sleep(3)
    if os.environ.get("BEHAVE") == "breaks":
        raise RuntimeError("cannot load")
    return os.environ["SAYS"]

def input_fn(body, content_type):
    return body

def predict_fn(body, model):
    if body in ("break", b"break"):
        raise RuntimeError("cannot predict")
    return model

def output_fn(said, accept):
    return said, accept
"""


def archive(**files: str) -> bytes:
    """Pack scripts as `sourcedir.tar.gz`, or nothing as a model."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as opened:
        for name, text in files.items():
            about = tarfile.TarInfo(f"{name}.py")
            about.size = len(text.encode())
            opened.addfile(about, io.BytesIO(text.encode()))
    return body.getvalue()
