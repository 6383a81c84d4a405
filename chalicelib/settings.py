"""What this deployment was told by its environment; a bad value fails at start and names its variable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.errors import BadSettingError
from chalicelib.names import PREFIX_LIMIT, STAGE_LIMIT, Names

_WORD = "[a-z0-9]+"
_REGION = "[a-z]{2}(-[a-z]+)+-[0-9]"
_BUCKET = "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_TABLE = "[A-Za-z0-9_.-]{3,255}"
_URL = "https?://.+"
_ROLE = "arn:aws[a-z-]*:iam::[0-9]{12}:role/.+"
_BUS = r"[A-Za-z0-9._/-]{1,256}|arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9._/-]+"
_INSTANCE = r"ml\.[a-z0-9-]+\.[a-z0-9-]+"
_OVERRIDE = r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?"


@dataclass(frozen=True, slots=True)
class Settings:
    prefix: str
    stage: str
    region: str
    bucket: str
    table: str
    wake_queue: str
    """URL of the queue that wakes the machines."""
    job_role: str
    """ARN of the role that training jobs and endpoints run under."""
    instance_types: frozenset[str]
    """What the stage allows; a pipeline that asks for another is refused."""
    overrides: tuple[str, ...]
    """Dotted keys that run.toml may set; `train.hyperparameters.*` allows every key below."""
    bus: str = "default"
    """Name or ARN of the event bus that our own events go to."""

    @property
    def names(self) -> Names:
        return Names(self.prefix, self.stage)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        names = names_from_env(env)
        return cls(
            prefix=names.prefix,
            stage=names.stage,
            region=_one(env, "AWS_REGION", _REGION, "a region such as eu-west-1"),
            bucket=_one(env, "DROPFORGE_BUCKET", _BUCKET, "the name of an S3 bucket"),
            table=_one(env, "DROPFORGE_TABLE", _TABLE, "the name of a DynamoDB table"),
            wake_queue=_one(env, "DROPFORGE_WAKE_QUEUE", _URL, "the URL of an SQS queue"),
            job_role=_one(env, "DROPFORGE_JOB_ROLE", _ROLE, "the ARN of an IAM role"),
            instance_types=frozenset(_some(env, "DROPFORGE_INSTANCE_TYPES", _INSTANCE, "ml.m5.large,ml.m5.xlarge")),
            overrides=_list(env, "DROPFORGE_OVERRIDES", _OVERRIDE, "train.hyperparameters.*,train.instance_type"),
            bus=_one({"DROPFORGE_BUS": "default"} | dict(env), "DROPFORGE_BUS", _BUS, "an event bus's name or ARN"),
        )


def names_from_env(env: Mapping[str, str]) -> Names:
    """Read prefix and stage alone: all that event filters need while the app is packaged, before any bucket exists."""
    prefix = _one(env, "DROPFORGE_PREFIX", f"(?=.{{1,{PREFIX_LIMIT}}}$){_WORD}", _short(PREFIX_LIMIT))
    stage = _one(env, "DROPFORGE_STAGE", f"(?=.{{1,{STAGE_LIMIT}}}$){_WORD}", _short(STAGE_LIMIT))
    return Names(prefix, stage)


def _short(limit: int) -> str:
    return f"1 to {limit} of a-z and 0-9 (no hyphen: a filter for `dev` must not match `dev-2`)"


def _one(env: Mapping[str, str], variable: str, pattern: str, wanted: str) -> str:
    value = env.get(variable, "").strip()
    if not value:
        raise BadSettingError(f"{variable} is not set; it must be {wanted}.", variable=variable)
    return _checked(variable, value, pattern, wanted)


def _some(env: Mapping[str, str], variable: str, pattern: str, example: str) -> tuple[str, ...]:
    values = _list(env, variable, pattern, example)
    if not values:
        raise BadSettingError(f"{variable} is not set; it must be a comma list such as {example}.", variable=variable)
    return values


def _list(env: Mapping[str, str], variable: str, pattern: str, example: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in env.get(variable, "").split(",") if part.strip())
    return tuple(_checked(variable, part, pattern, f"a comma list such as {example}") for part in parts)


def _checked(variable: str, value: str, pattern: str, wanted: str) -> str:
    if re.fullmatch(pattern, value) is None:
        raise BadSettingError(f"{variable} is {value!r}; it must be {wanted}.", variable=variable, value=value)
    return value
