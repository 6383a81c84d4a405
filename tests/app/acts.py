"""What tests do to the world through the real handlers: push, drop, let time pass."""

from __future__ import annotations

import app
from tests.app import raw
from tests.app.raw import Context
from tests.fakes.world import World

PIPELINE = '[train]\nframework = "sklearn"\nsource_dir = "src"\nentry_point = "train.py"\n'


def push_pipeline(world: World) -> None:
    for key, text in (("pipeline.toml", PIPELINE), ("src/train.py", "print('training')")):
        world.bucket.put(f"pipelines/digits/{key}", text)
    event = raw.batch(
        *(raw.created(f"pipelines/digits/{key}", world.clock()) for key in ("pipeline.toml", "src/train.py"))
    )
    assert app.on_uploads(event, Context()) == {"batchItemFailures": []}


def drop_dataset(world: World, *names: str, dataset: str = "mnist") -> None:
    keys = [f"datasets/digits/{dataset}/training/{name}" for name in names]
    for key in keys:
        world.bucket.put(key, b"pixels")
    event = raw.batch(*(raw.created(key, world.clock(), size=6) for key in keys))
    assert app.on_uploads(event, Context()) == {"batchItemFailures": []}


def wake_until_quiet(world: World, *, seconds: float = 600) -> None:
    """Let time pass, and deliver each wake-up that comes due, as the queue would."""
    end = world.clock() + seconds
    while world.clock() < end:
        if due := world.timer.due():
            assert app.on_wake(raw.batch(*due), Context()) == {"batchItemFailures": []}
        else:
            world.clock.advance(1)
