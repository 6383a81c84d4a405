"""The pipeline machine in a world of its own, for the tests of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.flows.pipelines import Pipelines
from chalicelib.flows.versions import Versions
from chalicelib.model import PipelineRecord
from tests.fakes.world import World

TOML = """\
title = "Handwritten digits"

[train]
framework = "sklearn"
source_dir = "src"
entry_point = "train.py"

[[deploy.smoke_test]]
payload = "smoke/seven.png"
content_type = "image/png"
expect_label = "7"
min_score = 0.5

[serve]
labels = ["7", "8"]
top_k = 2
"""
FOLDER: Mapping[str, str] = {
    "pipeline.toml": TOML,
    "smoke/seven.png": "png",
    "src/train.py": "print('train')",
    "src/package/model.py": "print('model')",
}


class Room:
    """The pipeline machine in a world of its own, and what it told the other machines."""

    def __init__(self) -> None:
        self.world = World()
        self.told: list[str] = []
        self.versions = Versions(self.world.bucket)
        self.pipelines = Pipelines(
            bucket=self.world.bucket,
            records=self.world.records,
            timer=self.world.timer,
            clock=self.world.clock,
            settings=self.world.settings,
            versions=self.versions,
            on_accepted=self.told.append,
        )

    def put(self, files: Mapping[str, str], name: str = "digits") -> None:
        """Upload as a person would; each upload's event is delivered at once."""
        for key, body in files.items():
            self.world.bucket.put(f"pipelines/{name}/{key}", body)
            self.pipelines.uploaded(name, self.world.clock())

    def remove(self, *keys: str) -> None:
        for key in keys:
            self.world.bucket.remove(f"pipelines/digits/{key}")

    def run(self, seconds: int = 120) -> None:
        """Let time pass, delivering every wake-up when it is due."""
        for _ in range(seconds):
            self.world.clock.advance(1)
            for subject in self.world.timer.due():
                self.pipelines.advance(subject.removeprefix("pipeline:"))

    def reconcile(self) -> None:
        for subject in self.world.records.due("pipeline", self.world.clock(), limit=10):
            self.pipelines.advance(subject.removeprefix("pipeline:"))

    def accept(self, files: Mapping[str, str] = FOLDER) -> PipelineRecord:
        self.put(files)
        self.run()
        assert self.record.problem is None
        return self.record

    @property
    def record(self) -> PipelineRecord:
        found = self.world.records.pipeline("digits")
        assert found is not None
        return found

    @property
    def status(self) -> Any:
        return self.world.bucket.peek_json("status/digits.json")

    @property
    def frozen(self) -> tuple[str, ...]:
        return self.world.bucket.keys("runs/")

    def what_stands(self) -> dict[str, bytes]:
        """Everything we wrote, but for the times in it."""
        return {
            key: b"" if key.endswith(("version.json", "status/digits.json")) else self.world.bucket.peek(key)
            for key in (*self.frozen, *self.world.bucket.keys("status/"))
        }


class Interrupter:
    """Somebody who uploads or deletes at the very moment that the machine reads a certain object."""

    def __init__(self, room: Room, read: str, then: Callable[[], object]) -> None:
        self.bucket = room.world.bucket
        self.read_ = f"pipelines/digits/{read}"
        self.then: Callable[[], object] | None = then

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bucket, name)

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        if key == self.read_ and self.then is not None:
            then, self.then = self.then, None
            then()
        return self.bucket.read(key, limit=limit)


def other(room: Room) -> Pipelines:
    return Pipelines(
        bucket=room.world.bucket,
        records=room.world.records,
        timer=room.world.timer,
        clock=room.world.clock,
        settings=room.world.settings,
        versions=room.versions,
        on_accepted=room.told.append,
    )
