"""What a pipeline file may say already, but not have yet: one table, and a feature that arrives leaves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from chalicelib.pipeline.explain import show
from chalicelib.pipeline.refusals import Place
from chalicelib.pipeline.schema import Pipeline


@dataclass(frozen=True, slots=True)
class Later:
    """A key, what its other values would be, and the values that work now (none: leave the key out)."""

    key: str
    feature: str
    works: tuple[object, ...] = ()


TABLE = (
    Later("prepare", "a processing job before the training"),
    Later("train.framework", "frameworks other than sklearn", ("sklearn",)),
    Later("train.image_uri", "images of your own"),
    Later("train.algorithm", "SageMaker's own algorithms"),
    Later("train.instance_count", "training on several instances", (1,)),
    Later("train.input_mode", "streamed input", ("File",)),
    Later("train.use_spot_instances", "spot training", (False,)),
    Later("train.max_wait_seconds", "spot training"),
    Later("train.start_from", "incremental training", ("nothing",)),
    Later("sweep", "many candidates"),
    Later("evaluate", "scoring candidate and champion on the same drop"),
    Later("deploy.mode", "serverless and asynchronous endpoints", ("realtime",)),
    Later("deploy.memory_mb", "serverless endpoints"),
    Later("deploy.max_concurrency", "serverless endpoints"),
    Later("deploy.rollout", "gradual rollouts", ("all_at_once",)),
    Later("deploy.alarms", "gradual rollouts", ((),)),
    Later("serve.fallback", "an answer in the endpoint's stead"),
    Later("budget", "budgets"),
)


def not_yet(pipeline: Pipeline) -> Iterator[tuple[Place, str]]:
    """Name what the file asks for that is not built yet."""
    for later in TABLE:
        place = tuple(later.key.split("."))
        value = _value(pipeline, place)
        if value is not None and value not in later.works:
            asked = f"[{later.key}]" if isinstance(value, BaseModel) else f"{later.key} = {show(value)}"
            yield place, f"not supported yet: {asked} ({later.feature}); {_instead(later)}"


def _value(pipeline: Pipeline, place: tuple[str, ...]) -> object:
    value: object = pipeline
    for part in place:
        value = getattr(value, part, None)
    return value


def _instead(later: Later) -> str:
    values = [show(value) for value in later.works if value != ()]
    return f"what works now: {' or '.join(values)}" if values else "leave it out"
