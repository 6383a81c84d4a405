"""The whole loop on this machine: from a folder of pictures to a live model that answers over HTTP.

    python -m examples.digits.demo

Exit 0 only if a model went live and was right about at least 95 % of pictures that it never saw; otherwise another code
(the same codes as `dropforge`) and one sentence.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from dropforge.cli.beginning import beginning

with beginning():
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from dropforge.cli import drop as drops
    from dropforge.cli import push as pushes
    from dropforge.cli.api import Api
    from dropforge.cli.bucket import Bucket
    from dropforge.cli.cloud import STRANGERS, Place, described_place
    from dropforge.cli.command import end
    from dropforge.cli.display import Display
    from dropforge.cli.errors import CliError, FailedError, RefusedError, TimedOutError
    from dropforge.cli.follow import Follower
    from dropforge.cli.render import Terminal, duration
    from dropforge.cli.runs import outcome
    from dropforge.local import launch
    from examples.digits import make_dataset, report

PIPELINE, DATASET = "digits", "first"
AT_LEAST = 0.95
_HERE = Path(__file__).parent


class Clock:
    """The demo's deadline, shared by all its steps."""

    def __init__(self, seconds: float) -> None:
        """Start counting now."""
        self.seconds = seconds
        self._begun = time.monotonic()

    @property
    def spent(self) -> float:
        return time.monotonic() - self._begun

    def left(self) -> float:
        """Give the seconds that are left; TimedOutError when none are."""
        left = self.seconds - self.spent
        if left <= 0:
            raise TimedOutError(
                f"The demo did not finish within {duration(self.seconds)}: give it more with --deadline."
            )
        return left


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.digits.demo", description=__doc__.split("\n")[0])
    parser.add_argument("--deadline", type=float, default=300, help="seconds after which the demo gives up")
    parser.add_argument("--pictures", type=int, help="drop only the first so many digits: quicker, and knows less")
    chosen = parser.parse_args()
    clock = Clock(chosen.deadline)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    end(lambda: run(Terminal(), clock, chosen.pictures))


def run(terminal: Terminal, clock: Clock, pictures_at_most: int | None) -> None:
    with tempfile.TemporaryDirectory(prefix="dropforge-demo-") as folder, ThreadPoolExecutor(1) as beside:
        home, pictures = Path(folder) / "home", Path(folder) / "digits"
        making = beside.submit(make_dataset.make, pictures, pictures_at_most)
        with local_cloud(home, terminal, clock) as place:
            bucket, api = Bucket(place), Api(place)
            counts = making.result()
            terminal.say(f"2. {sum(counts.values()):,} digits as PNG files; {counts['held-out']} of them are held out")
            verdict = push(bucket, place, terminal, clock)
            drop(bucket, pictures / "drop", terminal)
            verdict()
            run = watch(api, place, terminal, clock)
            asked = ask(api, pictures / "held-out", terminal, clock)
            arrived = api.get("v1", "datasets", PIPELINE, DATASET)["first_seen"]
            timeline = api.get("v1", "runs", run)["timeline"]
            report.show(terminal, asked, report.stages(timeline, arrived), clock.spent)
    check(asked)


@contextmanager
def local_cloud(home: Path, terminal: Terminal, clock: Clock) -> Iterator[Place]:
    """Run a cloud for as long as this block lasts; it ends with this process, however that ends."""
    for name in STRANGERS:
        os.environ.pop(name, None)
    try:
        cloud = launch.start(home, attached=True)
    except launch.LaunchError as error:
        raise CliError(str(error)) from error
    try:
        place = described_place(cloud, home, "dev")
        terminal.say(
            f"1. A local cloud is up after {clock.spent:.1f} s: AWS APIs at {place.endpoint}, HTTP at {place.api}"
        )
        yield place
    finally:
        with uninterrupted():
            launch.stop(home)


def push(bucket: Bucket, place: Place, terminal: Terminal, clock: Clock) -> Callable[[], None]:
    """Push the pipeline; give what waits for the verdict on it, for it settles while the files are dropped."""
    plan = pushes.plan_push(_HERE / "pipeline", PIPELINE)
    for _ in pushes.upload(bucket, plan):
        pass
    terminal.say(f"3. Pushed examples/digits/pipeline as pipelines/{PIPELINE}/, with jobkit beside its source")

    def verdict() -> None:
        told = pushes.await_verdict(
            bucket,
            PIPELINE,
            before=None,
            last_key=plan.objects[-1][0],
            settled=lambda status: status.state != "settling",
            seconds=clock.left(),
            pause=place.pause,
        )
        if told is None or told.state != "accepted":
            why = "; ".join(pushes.problems(told)) if told else "there was no verdict"
            raise RefusedError(f"The pipeline was not accepted: {why}.")

    return verdict


def drop(bucket: Bucket, folder: Path, terminal: Terminal) -> None:
    plan = drops.plan_drop(PIPELINE, folder, DATASET)
    count = len(plan.objects) + 1
    terminal.say(f"4. Dropping {count - 1:,} files into datasets/{plan.dataset}/, one object at a time, _READY last")
    columns = (TextColumn("   {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=terminal.out, disable=not terminal.live) as progress:
        for _ in progress.track(drops.upload(bucket, plan), total=count, description="dropped"):
            pass


def watch(api: Api, place: Place, terminal: Terminal, clock: Clock) -> str:
    """Show the run until it is live; give its name."""
    terminal.say("5. What becomes of it:")
    follower = Follower(api, dataset=f"{PIPELINE}/{DATASET}", pause=place.pause)
    Display(terminal).watch(follower.changes(seconds=clock.left()))
    if follower.stage != "live":
        clock.left()
        unforeseen = FailedError(f"The run ended as {follower.stage}, not live.")
        raise outcome(follower.last, follower.stage) or unforeseen
    return str(follower.run)


def ask(api: Api, folder: Path, terminal: Terminal, clock: Clock) -> list[report.Asked]:
    """Post every held-out picture to the live model's HTTP route, in a random order."""
    paths = sorted(folder.glob("*/*.png"))
    random.shuffle(paths)
    terminal.say(f"6. Asking POST …/v1/models/{PIPELINE}/predict about {len(paths)} pictures it never saw")
    asked = []
    for path in paths:
        clock.left()
        begun = time.monotonic()
        answer = api.predict(PIPELINE, path.read_bytes(), "image/png")
        best = answer["results"][0]["predictions"][0]
        asked.append(report.Asked(path, path.parent.name, best["label"], best["score"], time.monotonic() - begun))
    return asked


def check(asked: list[report.Asked]) -> None:
    accuracy = report.accuracy(asked)
    if accuracy < AT_LEAST:
        raise FailedError(
            f"The live model was right about {accuracy:.1%} of {len(asked)} digits: less than {AT_LEAST:.0%}."
        )


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """End as Ctrl-C does: every `finally` on the way out runs."""
    del frame
    raise KeyboardInterrupt(number)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let a second Ctrl-C wait until the cloud is down: it would leave processes behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    main()
