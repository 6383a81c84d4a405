"""Serve it: load the model, and give one score a digit."""

import jobkit
import joblib
from pictures import features


def load(folder):
    return joblib.load(folder / "model.joblib")


def predict(model, picture):
    return model.predict_proba([features(picture)])[0]


model_fn, input_fn, predict_fn, output_fn = jobkit.serve(load, predict)
