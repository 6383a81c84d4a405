"""Compares a worker forked by the local cloud with a new Python, side by side in one run: `python bench/workers.py`.

Both load a handler that needs boto3, and answer one event. Prints medians in milliseconds and their ratio; ratios carry
over to other machines, times do not.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

from dropforge.local.functions.forks import Forks
from dropforge.local.functions.worker import Ground, Worker
from dropforge.local.stack_reading import Function

_HANDLER = "import boto3\n\ndef handle(event, context):\n    return boto3.__version__\n"
_FUNCTION = Function("f", "arn:aws:lambda:us-east-1:000000000000:function:f", "work.handle", 20, 128)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare a forked worker with a new Python.")
    parser.add_argument("--starts", type=int, default=15, help="starts of each (default 15)")
    starts = parser.parse_args().starts
    with tempfile.TemporaryDirectory() as name, closing(Forks(Path(name))) as forks:
        folder = Path(name)
        (folder / "work.py").write_text(_HANDLER)
        ground = Ground(folder, {}, lambda *_: None, forks)
        forked(ground)  # what workers are forked from is started once for each cloud
        times = [(timed(lambda: forked(ground)), timed(lambda: new(folder))) for _ in range(starts)]
    ours, theirs = (1000 * median(column) for column in zip(*times, strict=True))
    print(f"{'median, ms':28}{'forked':>9}{'new':>9}{'ratio':>8}")
    print(f"{'a start and its first event':28}{ours:>9.1f}{theirs:>9.1f}{ours / theirs:>8.2f}")


def timed(do: Callable[[], None]) -> float:
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun


def forked(ground: Ground) -> None:
    worker = Worker(_FUNCTION, ground)
    answer = worker.invoke(b"{}", "request")
    worker.kill()
    if answer.failed:
        raise SystemExit(answer.payload.decode())


def new(folder: Path) -> None:
    command = [sys.executable, "-P", "-c", "import sys; sys.path.insert(0, '.'); import work; work.handle({}, None)"]
    subprocess.run(command, cwd=folder, check=True)


if __name__ == "__main__":
    main()
