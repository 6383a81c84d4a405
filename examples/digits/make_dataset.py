"""Write scikit-learn's 1,797 handwritten digits as PNG files, split the same way every time.

    python -m examples.digits.make_dataset FOLDER

FOLDER/drop/training/<class>/      1,437 pictures to train on
FOLDER/drop/evaluation/<class>/      180 pictures to choose and to gate by
FOLDER/held-out/<class>/             180 pictures that no one uploads: what the live model is asked afterwards
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

_BRIGHTEST = 16
"""The digits' pixels go from 0 to 16."""
_EVALUATION, _HELD_OUT, _OF = 5, 0, 10


def folder_of(number: int) -> str:
    """Say where a picture belongs, by its place in the dataset: every tenth is evaluated, every tenth held out."""
    return {_EVALUATION: "drop/evaluation", _HELD_OUT: "held-out"}.get(number % _OF, "drop/training")


def make(folder: Path, limit: int | None = None) -> Counter[str]:
    """Write the pictures, or the first `limit` of them, under `folder`; give how many went where."""
    digits = load_digits()
    counts: Counter[str] = Counter()
    for number, (pixels, label) in enumerate(zip(digits.images[:limit], digits.target[:limit], strict=True)):
        part = folder_of(number)
        path = folder / part / str(label) / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.uint8(np.round(pixels * (255 / _BRIGHTEST)))).save(path)
        counts[part] += 1
    return counts


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 -- the program's name, and the folder
        sys.exit("Name the folder to write to: python -m examples.digits.make_dataset FOLDER")
    for part, count in sorted(make(Path(sys.argv[1])).items()):
        print(f"{Path(sys.argv[1]) / part}: {count} pictures")
