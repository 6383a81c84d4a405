"""Which folder stands in for an image: a container here is a folder with the programs `train` and `serve`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dropforge.local.sagemaker.wire import refusals

STAND_INS: Mapping[str, Path] = {"sagemaker-scikit-learn": Path(__file__).parents[1] / "images" / "sklearn"}


def folder(uri: str, known: Mapping[str, Path]) -> Path:
    """Find the folder by the URI's repository; ValidationException when nothing stands in for it."""
    repository = uri.partition("@")[0].rpartition("/")[2].partition(":")[0]
    found = known.get(repository)
    if found is None:
        names = ", ".join(sorted(known))
        raise refusals.NO_STAND_IN(uri=uri, names=names, repository=repository)
    return found
