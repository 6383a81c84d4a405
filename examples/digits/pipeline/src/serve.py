"""Serve it: load the numbers, and give one score a digit."""

import jobkit
import numpy as np
from pictures import likeness, pixels


def load(folder):
    with np.load(folder / "model.npz") as model:
        return dict(model)


def predict(model, picture):
    like = likeness(pixels(picture)[None], model["examples"], model["sharpness"])[0]
    scores = np.exp(like @ model["weights"] + model["bias"])
    return scores / scores.sum()


model_fn, input_fn, predict_fn, output_fn = jobkit.serve(load, predict)
