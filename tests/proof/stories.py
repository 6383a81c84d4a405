"""What people do, and what must have become of it: whole stories, each from a drop to its end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from tests.proof.cloud.sagemaker import Job
from tests.proof.world import SETTINGS, Deed, World, heard

PIPELINE = "digits"
BAD_GATE = 0.5
TOML = """
[trigger]
quiet_seconds = 10

[train]
framework = "sklearn"
source_dir = "src"
entry_point = "train.py"

[train.metrics]
"validation:accuracy" = "accuracy=([0-9.]+)"

[gate]
metric = "validation:accuracy"
at_least = 0.9

[deploy]
instance_type = "{instance}"

[[deploy.smoke_test]]
payload = "smoke/seven.png"
content_type = "image/png"
expect_label = "7"
min_score = 0.5

[serve]
top_k = {top_k}
"""

GOOD = "accuracy=0.95"
BETTER = "accuracy=0.97"
LONG = "long=1"
"""Of a drop whose first attempt trains for hours, unless it is stopped."""


@dataclass(frozen=True, slots=True)
class End:
    """What must be true in the end, whatever went wrong on the way."""

    stages: Mapping[str, str]
    """What the status of each dataset says."""
    jobs: int
    """How many training jobs were paid for."""
    late: Mapping[str, str] = field(default_factory=dict)
    """What it says instead where the order came too late: the model had gone live before."""
    live: str | None = None
    """The dataset whose model clients meet."""
    instance: str = "ml.m5.large"
    stopped: int = 0
    """How many of the jobs were stopped before their end."""
    strange: int = 0
    """How many of the jobs are not ours."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Datasets whose run failed, or was rejected, with words that its reason must hold."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Datasets that were refused, likewise."""
    pipeline: str = "accepted"
    """What became of the newest upload of the pipeline."""


@dataclass(frozen=True, eq=False, slots=True)
class Story:
    name: str
    deeds: tuple[Deed, ...]
    end: End
    after: Story | None = None
    """The story that went before, without faults."""
    races: bool = False
    """Whether two drops seal so soon after one another that clocks which are off may take the older for the newer."""
    needs_events: bool = False
    """Whether the schedule alone cannot know of it."""


def push(top_k: int = 5, instance: str = "ml.m5.large", toml: str = TOML) -> Callable[[World], None]:
    files = {
        "pipeline.toml": toml.format(top_k=top_k, instance=instance).encode(),
        "src/train.py": b"print('training')",
        "smoke/seven.png": b"a picture",
    }

    def do(world: World) -> None:
        for name, body in files.items():
            if (kept := world.account.s3.things.get(f"bucket/pipelines/{PIPELINE}/{name}")) and kept.body == body:
                continue
            world.account.upload(f"pipelines/{PIPELINE}/{name}", body)

    return do


def drop(name: str, *words: str, file: str = "1.txt") -> Callable[[World], None]:
    body = " ".join((f"of={name}", *words)).encode()
    return lambda world: world.account.upload(f"datasets/{PIPELINE}/{name}/training/{file}", body)


FIRST = Story(
    "a first drop goes live",
    (Deed(0, push()), Deed(1, drop("one", GOOD))),
    End({"one": "live"}, jobs=1, live="one"),
)
SECOND = Story(
    "a second drop takes over from the champion",
    (Deed(0, drop("two", BETTER)),),
    End({"one": "replaced", "two": "live"}, jobs=2, live="two"),
    after=FIRST,
)
FOR_HOURS = replace(SECOND, name="a second drop trains for hours", deeds=(Deed(0, drop("two", BETTER, LONG)),))
FAILS = Story(
    "a training fails",
    (Deed(0, drop("two", "fails=ImportError")),),
    End({"one": "live", "two": "failed"}, jobs=2, live="one", failed={"two": "AlgorithmError"}),
    after=FIRST,
)
CAPACITY = Story(
    "a training finds no machine at first",
    (Deed(0, drop("two", BETTER, "capacity=1")),),
    End({"one": "replaced", "two": "live"}, jobs=3, live="two"),
    after=FIRST,
)
WRONG = Story(
    "a model answers wrongly in its rehearsal",
    (Deed(0, drop("two", BETTER, "answers=1")),),
    End({"one": "live", "two": "release-failed"}, jobs=2, live="one", failed={"two": "In the rehearsal"}),
    after=FIRST,
)
UNWELL = Story(
    "a model does not come up in its rehearsal",
    (Deed(0, drop("two", BETTER, "up=fails")),),
    End({"one": "live", "two": "release-failed"}, jobs=2, live="one", failed={"two": "did not come up"}),
    after=FIRST,
)
ROLLED_BACK = Story(
    "SageMaker rolls an update back",
    (Deed(0, drop("two", BETTER, "update=fails")),),
    End({"one": "live", "two": "release-failed"}, jobs=2, live="one", failed={"two": "rolled the update back"}),
    after=FIRST,
)
REJECTED = Story(
    "a model does not pass its gate",
    (Deed(0, drop("two", f"accuracy={BAD_GATE}")),),
    End({"one": "live", "two": "rejected"}, jobs=2, live="one", failed={"two": "accuracy"}),
    after=FIRST,
)
LATE = Story(
    "a late file supersedes a run that is training",
    (Deed(0, drop("two", BETTER, LONG)), Deed(40, drop("two", "long=0", file="2.txt"))),
    End({"one": "replaced", "two": "live"}, jobs=3, live="two", stopped=1),
    after=FIRST,
    needs_events=True,
)
TWICE = Story(
    "the same files are dropped under two names",
    (Deed(0, drop("two", BETTER)), Deed(3, lambda world: _again(world, "two", "three"))),
    End({"one": "replaced", "two": "live", "three": "live"}, jobs=2, live="two"),
    after=FIRST,
)
EDITED = Story(
    "an edit of how the model is served",
    (Deed(0, push(top_k=1, instance="ml.m5.xlarge")),),
    End({"one": "live"}, jobs=1, live="one", instance="ml.m5.xlarge"),
    after=FIRST,
)
THIRD = Story(
    "a third drop comes while the second rolls out",
    (Deed(0, drop("two", BETTER)), Deed(200, drop("three", "accuracy=0.99"))),
    End({"one": "replaced", "two": "replaced", "three": "live"}, jobs=3, live="three"),
    after=FIRST,
    races=True,
)


def stranger(world: World) -> None:
    """Somebody else takes the name that the job of the second drop would have."""
    name = run_name(SECOND, "two")
    asked = {"TrainingJobName": SETTINGS.names.job(PIPELINE, name, 0, 1), "Environment": {}, "InputDataConfig": []}
    job = Job({**asked, "OutputDataConfig": {"S3OutputPath": "s3://bucket/elsewhere"}}, world.account.now, 0.0)
    world.account.sagemaker.jobs[job.name] = replace(job, status="Completed", ended=world.account.now)


NAME_TAKEN = Story(
    "a stranger has the name of the training job",
    (Deed(0, stranger), Deed(1, drop("two", BETTER))),
    End({"one": "live", "two": "failed"}, jobs=2, live="one", failed={"two": "did not ask for"}, strange=1),
    after=FIRST,
)


def other_model(world: World) -> None:
    """Somebody else takes the name that the model of the second drop would have, for a model that answers wrongly."""
    sagemaker = world.account.sagemaker
    told = finished(SECOND).account.sagemaker
    [name] = set(told.models) - set(sagemaker.models)
    world.account.s3.keep("bucket", "elsewhere/model.tar.gz", b"answers=7")
    container = {"Image": "other", "ModelDataUrl": "s3://bucket/elsewhere/model.tar.gz", "Environment": {}}
    sagemaker.models[name] = {"ModelName": name, "PrimaryContainer": container}


MODEL_TAKEN = Story(
    "a stranger has the name of the model",
    (Deed(0, other_model), Deed(1, drop("two", BETTER))),
    End({"one": "live", "two": "release-failed"}, jobs=2, live="one", failed={"two": "holds something else"}),
    after=FIRST,
)

STORIES = (FIRST, SECOND, FAILS, CAPACITY, WRONG, UNWELL, ROLLED_BACK, REJECTED, LATE, TWICE, EDITED, THIRD, NAME_TAKEN)


def _again(world: World, name: str, other: str) -> None:
    body = world.account.s3.things[f"bucket/datasets/{PIPELINE}/{name}/training/1.txt"].body
    world.account.upload(f"datasets/{PIPELINE}/{other}/training/1.txt", body)


def run_name(story: Story, dataset: str) -> str:
    """Name the run that a drop becomes."""
    items = finished(story).account.dynamodb.items
    return str(json.loads(items[f"dataset#{PIPELINE}/{dataset}", "dataset"]["doc"]["S"])["run"])


def prepared(story: Story) -> World:
    """Give a world in which the story is about to begin."""
    world = World() if story.after is None else finished(story.after).copy()
    world.begin(story.deeds)
    return world


@cache
def finished(story: Story) -> World:
    world = prepared(story)
    with heard(world):
        world.run()
    if world.failed:
        raise AssertionError(world.failed)
    return world
