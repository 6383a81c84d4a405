"""What the tiny pipelines run: a training and a serving script of the standard library alone, done in an instant.

Both behave as told by knobs: the pipeline's hyperparameters, and over them a file `knobs.json` in the drop itself.
"""

from __future__ import annotations

from typing import Literal

Training = Literal["works", "exits", "writes-failure", "hangs", "is-killed", "leaves-no-model", "leaves-children"]
Serving = Literal["works", "errors", "hangs", "cannot-load", "never-pings", "answers-nonsense"]

FAILURE = "no such column: width"

TRAIN = f"""
import argparse, hashlib, json, os, pathlib, signal, subprocess, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("--train", default="works")
parser.add_argument("--serve", default="works")
parser.add_argument("--label", default="a")
parser.add_argument("--metric", type=float, default=0.9)
parser.add_argument("--seconds", type=float, default=0)
knobs = vars(parser.parse_args())
seen = []
for name in json.loads(os.environ["SM_CHANNELS"]):
    folder = pathlib.Path(os.environ["SM_CHANNEL_" + name.upper()])
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    seen += [name + "/" + str(path.relative_to(folder)) for path in files[:20]]
    if len(files) == 1:
        print("digest", hashlib.sha256(files[0].read_bytes()).hexdigest(), flush=True)
    print("channel", name, "has", len(files), "files", sum(path.stat().st_size for path in files), "bytes", flush=True)
    if (folder / "knobs.json").exists():
        knobs.update(json.loads((folder / "knobs.json").read_text()))
for path in seen:
    print("seen", path, flush=True)
print("dropforge.labels=" + json.dumps(sorted({{knobs["label"], "other"}})), flush=True)
print("accuracy=" + str(knobs["metric"]), flush=True)
time.sleep(knobs["seconds"])
behaves = knobs["train"]
if behaves == "hangs":
    time.sleep(3600)
if behaves == "exits":
    sys.exit(1)
if behaves == "writes-failure":
    pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"), "output/failure").write_text({FAILURE!r})
    sys.exit(1)
if behaves == "is-killed":
    os.kill(os.getpid(), signal.SIGKILL)
if behaves == "leaves-children":
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], start_new_session=True)
if behaves != "leaves-no-model":
    model = dict(label=knobs["label"], serve=knobs["serve"])
    pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps(model))
"""

_SERVE = """
import json, os, pathlib, time
from flask import Response

def model_fn(folder):
    model = json.loads(pathlib.Path(folder, "model.json").read_text())
    model.update(KNOBS)
    if model["serve"] == "cannot-load":
        raise RuntimeError("this model cannot be loaded")
    if model["serve"] == "never-pings":
        time.sleep(3600)
    return model

def input_fn(body, content_type):
    return content_type

def predict_fn(content_type, model):
    if model["serve"] == "errors":
        raise RuntimeError("this model cannot predict")
    if model["serve"] == "hangs":
        time.sleep(3600)
    return model

def output_fn(model, accept):
    said = json.dumps({"predictions": [{"label": model["label"], "score": 0.9}, {"label": "other", "score": 0.1}]})
    run = "dropforge-run=" + os.environ["DROPFORGE_RUN"]
    body = "nonsense" if model["serve"] == "answers-nonsense" else said
    return Response(body, mimetype=accept, headers={"X-Amzn-SageMaker-Custom-Attributes": run})
"""


def serve(**knobs: str) -> str:
    """Give the serving script; `label` and `serve` given here hold for every model, whatever training wrote."""
    return f"KNOBS = {knobs!r}\n{_SERVE}"
