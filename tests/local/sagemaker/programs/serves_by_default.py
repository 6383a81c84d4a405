"""Brings the model only: all else is the image's own."""

import numpy as np


class Doubling:
    def predict(self, data: object) -> object:
        return np.asarray(data) * 2


def model_fn(_: str) -> Doubling:
    return Doubling()
