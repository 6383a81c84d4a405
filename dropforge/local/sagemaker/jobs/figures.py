"""What reads the figures of one job from its log, in a process of its own: an expression may take for ever.

Run by path with `python -I -S figures.py`; it imports nothing of ours. The first line in is a JSON list of names with
their expressions, of which one name may have several, every other one a line of the log; each figure goes out as it is
found: `[name, figure, time]`.
An expression that has taken its seconds is not tried any more: what it found before still counts.
"""

from __future__ import annotations

import json
import math
import re
import signal
import sys
import time
from typing import NoReturn

SECONDS = 2.0
"""Of the processor, for all lines of a job together."""


class OutOfTimeError(Exception):
    """An expression has used up its time."""


def main() -> None:
    signal.signal(signal.SIGVTALRM, _out_of_time)
    lines = sys.stdin.buffer
    left = {(name, text): (re.compile(text), SECONDS) for name, text in json.loads(lines.readline())}
    for line in lines:
        text = line.decode(errors="replace").rstrip("\r\n")
        for which, (expression, seconds) in list(left.items()):
            begun = time.process_time()
            try:
                signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
                _read(which[0], expression, text)
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            except OutOfTimeError:
                del left[which]
                continue
            left[which] = (expression, max(seconds - (time.process_time() - begun), 1e-3))
        sys.stdout.flush()


def _read(name: str, expression: re.Pattern[str], text: str) -> None:
    for found in expression.finditer(text):
        figure = _figure(found.group(1) if expression.groups else found.group(0))
        if figure is not None:
            sys.stdout.write(json.dumps([name, figure, time.time()]) + "\n")


def _figure(text: str | None) -> float | None:
    try:
        figure = float(text or "")
    except ValueError:
        return None
    return figure if math.isfinite(figure) else None


def _out_of_time(*_: object) -> NoReturn:
    raise OutOfTimeError


if __name__ == "__main__":
    main()
