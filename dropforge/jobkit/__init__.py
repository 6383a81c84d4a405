"""jobkit: what may stand between your code and a SageMaker container. One JSON file in, one folder out.

Training (`train.py`):

    import jobkit

    def train(job):
        for epoch in range(job.hyperparameters["epochs"]):
            ...
            job.progress((epoch + 1) / 20, "epoch {}/20".format(epoch + 1))
        job.metric("validation:accuracy", 0.97)
        job.labels(["cat", "dog"])
        save(job.output / "model.bin")

    jobkit.main(train)

Serving (`serve.py`):

    import jobkit

    def load(folder): ...
    def predict(model, image): ...  # scores in the order of the labels, or (label, score) pairs

    model_fn, input_fn, predict_fn, output_fn = jobkit.serve(load, predict)

A program in any language: `python -m jobkit ./train.sh` runs it with the path of the JSON file as its last argument.
Standard library only, Python 3.9 and later: it runs wherever SageMaker's own images do.
"""

from .archive import UnpackError, unpack
from .job import Channel, Job, read_job
from .picture import PictureError, image
from .program import run
from .serving import serve
from .training import main

__all__ = [
    "Channel",
    "Job",
    "PictureError",
    "UnpackError",
    "image",
    "main",
    "read_job",
    "run",
    "serve",
    "unpack",
]
