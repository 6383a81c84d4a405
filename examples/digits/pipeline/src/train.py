"""Train a classifier of handwritten digits: one folder of PNG files a class."""

import itertools

import jobkit
import joblib
import numpy as np
from pictures import features
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC


def read(channel):
    files = channel.files()
    return np.array([features(jobkit.image(path)) for path in files]), np.array([path.parent.name for path in files])


@jobkit.main
def train(job):
    pictures, digits = read(job.channels["training"])
    print(f"{len(pictures)} pictures of {len(set(digits))} classes")

    settings = list(itertools.product(job.hyperparameters["penalties"], job.hyperparameters["widths"]))
    scores = {}
    for number, (penalty, width) in enumerate(settings, start=1):
        folds = cross_val_score(SVC(C=penalty, gamma=width), pictures, digits, cv=job.hyperparameters["folds"])
        scores[penalty, width] = folds.mean()
        print(f"C={penalty} gamma={width}: {folds.mean():.4f}")
        job.progress(number / (len(settings) + 1), f"setting {number}/{len(settings)}")

    penalty, width = max(scores, key=scores.get)
    # Calibrated: the scores that clients read should mean what they say.
    model = CalibratedClassifierCV(SVC(C=penalty, gamma=width), ensemble=False).fit(pictures, digits)
    unseen, truth = read(job.channels["evaluation"])
    job.metric("validation:accuracy", accuracy_score(truth, model.predict(unseen)))
    job.labels(list(model.classes_))
    joblib.dump(model, job.output / "model.joblib")
    job.progress(1, f"trained with C={penalty} gamma={width}")
