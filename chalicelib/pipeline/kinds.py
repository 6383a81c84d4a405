"""The kinds of value a pipeline file is made of; each refuses with a sentence that says what is allowed.

Lengths, patterns and ranges are those of CreateTrainingJob and CreateEndpointConfig in SageMaker's API reference.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

TWENTY_EIGHT_DAYS = 28 * 24 * 3600
"""The longest training job, in seconds."""
SEVEN_DAYS = 7 * 24 * 3600
SIX_HOURS = 6 * 3600
VALUE_LIMIT = 2500
"""Characters of one hyperparameter's value."""
OUR_HYPERPARAMETERS = 5
"""What `decide/training.py` adds for script mode to the user's own; they count against SageMaker's limit."""
HYPERPARAMETER_LIMIT = 100 - OUR_HYPERPARAMETERS
METRIC_LIMIT = 40
LABELS_LIMIT = 60_000
"""Bytes: a release keeps those of up to five models in its one item, which has room for 350,000."""
METRIC_NAME = re.compile(r"[^\s=]{1,255}")
_ENVIRONMENT_LIMIT = 90
"""SageMaker takes 100; a job and a model get some of ours beside them."""
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,511}")
_ENVIRONMENT_VALUE_LIMIT = 512
_HYPERPARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,255}")
_METRIC_REGEX_LIMIT = 500
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def path(text: str) -> str:
    """Check a path inside the pipeline's folder and give it in its one spelling (no leading `./`, no trailing `/`)."""
    if text.startswith("/") or "\\" in text or _CONTROL.search(text):
        raise ValueError("must be a relative path with forward slashes, inside the pipeline's folder")
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise ValueError('must stay inside the pipeline\'s folder: ".." is not allowed')
    if not parts:
        raise ValueError("must name something inside the pipeline's folder, not the folder itself")
    return "/".join(parts)


def _plain(text: str) -> str:
    if _CONTROL.search(text) or not text.strip():
        raise ValueError("must be one line of text, not empty")
    return text


def _unique(values: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({value for value in values if values.count(value) > 1}) if len(set(values)) < len(values) else []
    if twice:
        raise ValueError(f"names {json.dumps(twice[0], ensure_ascii=False)} more than once")
    return values


def hyperparameter_string(value: Any) -> str:
    """Render a value as SageMaker wants it: a string that script mode reads back as the same value.

    Script mode tries each string as JSON, else takes it as it stands: text is quoted only where it would read as JSON.
    """
    if isinstance(value, str):
        try:
            json.loads(value)
        except (ValueError, RecursionError):
            return value
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _is_json(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(_is_json(item) for item in value)
    return isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))


def _hyperparameters(values: dict[str, Any]) -> dict[str, Any]:
    if len(values) > HYPERPARAMETER_LIMIT:
        raise ValueError(
            f"has {len(values)} hyperparameters; {HYPERPARAMETER_LIMIT} are allowed "
            f"(SageMaker takes 100, of which {OUR_HYPERPARAMETERS} tell it where the script is)"
        )
    for name, value in values.items():
        if not _HYPERPARAMETER_NAME.fullmatch(name):
            raise ValueError(
                f"names {_quoted(name)}: letters, digits, _ . - (at most 256), beginning with a letter or _"
            )
        if name.startswith("sagemaker_"):
            raise ValueError(
                f"sets {_quoted(name)}: names that begin with sagemaker_ belong to SageMaker's script mode"
            )
        if not _is_json(value):
            raise ValueError(
                f"gives {_quoted(name)} a value that is no text, finite number, boolean, list or table of those"
            )
        if (length := len(hyperparameter_string(value))) > VALUE_LIMIT:
            raise ValueError(f"gives {_quoted(name)} a value of {length} characters; {VALUE_LIMIT} are allowed")
    return values


def _ranges(values: dict[str, Any]) -> dict[str, Any]:
    for name, value in values.items():
        if not isinstance(value, list | dict) or not value or not _is_json(value):
            raise ValueError(f"gives {_quoted(name)} neither a list of values nor a table that describes a range")
    return values


def _environment(values: dict[str, str]) -> dict[str, str]:
    if len(values) > _ENVIRONMENT_LIMIT:
        raise ValueError(f"has {len(values)} variables; {_ENVIRONMENT_LIMIT} are allowed")
    for name, value in values.items():
        if not _ENVIRONMENT_NAME.fullmatch(name):
            raise ValueError(f"names {_quoted(name)}: letters, digits and _ (at most 512), beginning with no digit")
        if name.startswith("DROPFORGE_"):
            raise ValueError(f"sets {_quoted(name)}: names that begin with DROPFORGE_ are ours")
        if len(value) > _ENVIRONMENT_VALUE_LIMIT or "\x00" in value:
            raise ValueError(f"gives {_quoted(name)} more than {_ENVIRONMENT_VALUE_LIMIT} characters, or a NUL")
    return values


def _metrics(values: dict[str, str]) -> dict[str, str]:
    if len(values) > METRIC_LIMIT:
        raise ValueError(f"has {len(values)} metrics; {METRIC_LIMIT} are allowed")
    for name, regex in values.items():
        if not METRIC_NAME.fullmatch(name):
            raise ValueError(f"names {_quoted(name)}: 1 to 255 characters, without spaces and =")
        if not 1 <= len(regex) <= _METRIC_REGEX_LIMIT or "\n" in regex:
            raise ValueError(
                f"gives {_quoted(name)} a regular expression of no or more than {_METRIC_REGEX_LIMIT} characters"
            )
        if (groups := _groups(regex)) is None:
            raise ValueError(f"gives {_quoted(name)} what is no regular expression: {_quoted(regex)}")
        if groups != 1:
            raise ValueError(
                f"gives {_quoted(name)} a regular expression with {groups} groups; one is needed, around the number"
            )
    return values


def _groups(regex: str) -> int | None:
    try:
        return re.compile(regex).groups
    except (re.error, OverflowError, RecursionError):
        return None


def _quoted(text: str) -> str:
    return json.dumps(text if len(text) <= 60 else f"{text[:57]}…", ensure_ascii=False)  # noqa: PLR2004 (fits a line)


def _false_is_none(value: Any) -> Any:
    return None if value is False else value


def labels_size(labels: Iterable[str]) -> int:
    """Give the bytes that labels take where they are kept."""
    return sum(len(json.dumps(label, ensure_ascii=False).encode()) + 1 for label in labels)


Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_plain)]
Path = Annotated[str, Field(max_length=512), AfterValidator(path)]
Channel = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}\z")]
MetricName = Annotated[str, Field(pattern=r"^[^\s=]{1,255}\z")]
MediaType = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*\z", max_length=128)]
InstanceType = Annotated[str, Field(pattern=r"^ml\.[a-z0-9-]{1,30}\.[a-z0-9-]{1,30}\z")]
ImageUri = Annotated[str, Field(pattern=r"^[^\s]{1,255}\z")]
Channels = Annotated[tuple[Channel, ...], Field(strict=False, min_length=1, max_length=20), AfterValidator(_unique)]
MediaTypes = Annotated[tuple[MediaType, ...], Field(strict=False, min_length=1, max_length=20), AfterValidator(_unique)]
Labels = Annotated[tuple[Text, ...], Field(strict=False, max_length=10_000), AfterValidator(_unique)]
Texts = Annotated[tuple[Text, ...], Field(strict=False, max_length=10), AfterValidator(_unique)]
Hyperparameters = Annotated[dict[str, Any], AfterValidator(_hyperparameters)]
Ranges = Annotated[dict[str, Any], AfterValidator(_ranges)]
Environment = Annotated[dict[str, str], AfterValidator(_environment)]
Metrics = Annotated[dict[str, str], AfterValidator(_metrics)]
Count = Annotated[int, Field(ge=1, le=100)]
Gigabytes = Annotated[int, Field(ge=1, le=16_384)]
RunSeconds = Annotated[int, Field(ge=1, le=TWENTY_EIGHT_DAYS)]
CapacitySeconds = Annotated[int, Field(ge=0, le=SEVEN_DAYS)]
"""How long to wait where AWS has no capacity, quota or patience for a request; 0: not at all."""
OrFalse = BeforeValidator(_false_is_none)
