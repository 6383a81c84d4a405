"""A training and serving script as one writes it for SageMaker's scikit-learn image; it knows nothing of Dropforge."""

import argparse
import io
import json
import os
from pathlib import Path

import joblib
import numpy as np
from PIL import Image
from sklearn.neighbors import KNeighborsClassifier


def read_image(source):
    return np.asarray(Image.open(source).convert("L").resize((8, 8)), dtype=float).ravel()


def read_channel(folder):
    files = sorted(Path(folder).glob("*/*.png"))
    return np.array([read_image(path) for path in files]), np.array([path.parent.name for path in files])


def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))


def input_fn(request_body, content_type):
    if content_type != "image/png":
        raise ValueError(f"cannot read {content_type}")
    return read_image(io.BytesIO(request_body))


def predict_fn(data, model):
    return model.predict_proba([data])[0]


def output_fn(prediction, accept):
    return json.dumps(prediction.tolist()), "application/json"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-neighbors", type=int, default=5)
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAINING"])
    parser.add_argument("--test", default=os.environ["SM_CHANNEL_EVALUATION"])
    args = parser.parse_args()

    model = KNeighborsClassifier(args.n_neighbors, weights="distance").fit(*read_channel(args.train))
    print(f"accuracy={model.score(*read_channel(args.test)):.4f}")
    joblib.dump(model, os.path.join(args.model_dir, "model.joblib"))
