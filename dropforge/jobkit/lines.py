"""What a job says while it runs: lines of its log that anyone may print, in any language."""

from __future__ import annotations

import json
import math
import sys
import time
from typing import Callable

PROGRESS = "dropforge.progress="
METRIC = "dropforge.metric "
LABELS = "dropforge.labels="

_EVERY = 5.0
_STEP = 0.01


class Progress:
    """Speaks when a hundredth more is done or five seconds have passed, and always at the end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._share = -1.0
        self._note = ""
        self._at = 0.0

    def tell(self, share: float, note: str) -> None:
        share = min(1.0, max(0.0, float(share)))
        if math.isnan(share):
            raise ValueError("progress is a share between 0 and 1, not NaN")
        finished = share >= 1.0 > self._share
        moved = abs(share - self._share) >= _STEP
        overdue = self._clock() - self._at >= _EVERY and (share, note) != (self._share, self._note)
        if finished or moved or overdue:
            self._share, self._note, self._at = share, note, self._clock()
            say(f"{PROGRESS}{share:.2f} {one_line(note)}".rstrip())


def tell_metric(name: str, value: float) -> None:
    if not name or any(letter.isspace() or letter == "=" for letter in name):
        raise ValueError(f"a metric's name has no spaces and no '=': {name!r}")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"the metric {name} is {number}: a gate can compare finite numbers only")
    say(f"{METRIC}{name}={number!r}")


def tell_labels(labels: list[str]) -> None:
    texts = [str(label) for label in labels]
    if not texts or len(set(texts)) != len(texts):
        raise ValueError(f"labels are at least one name, each once: {texts!r}")
    say(LABELS + json.dumps(texts, ensure_ascii=False))


def one_line(text: str) -> str:
    return " ".join(str(text).split())


def say(line: str) -> None:
    # A container's stdout is a pipe: unflushed lines would come minutes late, or after a kill not at all.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
