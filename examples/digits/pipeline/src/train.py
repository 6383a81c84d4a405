"""Learn handwritten digits, one folder of PNG files a class: compare each with some examples, weigh the likenesses."""

import jobkit
import numpy as np
from pictures import likeness, pixels
from sklearn.neural_network import MLPClassifier


def read(channel):
    files = channel.files()
    return np.array([pixels(jobkit.image(path)) for path in files]), np.array([path.parent.name for path in files])


def train(job):
    wanted = job.hyperparameters
    pictures, digits = read(job.channels["training"])
    unseen, truth = read(job.channels["evaluation"])
    labels = job.channels["training"].classes()
    print(f"{len(pictures)} pictures of {len(labels)} classes to learn from, {len(unseen)} to judge by")

    chosen = np.random.default_rng(wanted["seed"]).permutation(len(pictures))[: wanted["examples"]]
    examples = pictures[chosen]
    known = likeness(pictures, examples, wanted["sharpness"])
    # Without hidden layers this is one matrix: a weight for each example and class.
    model = MLPClassifier((), batch_size=64, learning_rate_init=wanted["learning_rate"], random_state=wanted["seed"])
    for epoch in range(1, wanted["epochs"] + 1):
        model.partial_fit(known, digits, classes=labels)
        job.progress(epoch / wanted["epochs"], f"epoch {epoch}/{wanted['epochs']}, loss {model.loss_:.3f}")

    job.metric("validation:accuracy", model.score(likeness(unseen, examples, wanted["sharpness"]), truth))
    job.labels(labels)
    # Numbers alone: serving needs no scikit-learn, and no pickle that only the very same version can read.
    np.savez(
        job.output / "model.npz",
        examples=examples,
        sharpness=wanted["sharpness"],
        weights=model.coefs_[0],
        bias=model.intercepts_[0],
    )


jobkit.main(train)
