"""The pipeline file as frozen values: every key, its default, and (as `description`) what is allowed.

A refusal says `must be <description>`. The names mirror the TOML: `[deploy] instance_type` is
`pipeline.deploy.instance_type`. What is parsed here but not built yet stands in later.py.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from chalicelib.pipeline import kinds

_INSTANCE = "an instance type of SageMaker's, such as ml.m5.large"
_PATH = "a relative path inside the pipeline's folder"


class _Section(BaseModel):
    # Validators are built when a file is first checked: most events read none, and building takes time and 4 MB.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)


class Trigger(_Section):
    start: Literal["quiet", "marker", "manual"] = Field("quiet", description='"quiet", "marker" or "manual"')
    quiet_seconds: int = Field(120, ge=1, le=900, description="a whole number of seconds from 1 to 900")
    late_files: Literal["supersede", "new_run"] = Field("supersede", description='"supersede" or "new_run"')


class Prepare(_Section):
    image_uri: kinds.ImageUri = Field(description="the URI of a container image")
    entry_point: kinds.Path = Field(description=_PATH)
    instance_count: kinds.Count = Field(1, description="a whole number from 1 to 100")


class Train(_Section):
    framework: Literal["sklearn", "pytorch", "tensorflow", "huggingface", "xgboost", "mxnet"] | None = Field(
        None, description='"sklearn", "pytorch", "tensorflow", "huggingface", "xgboost" or "mxnet"'
    )
    image_uri: kinds.ImageUri | None = Field(None, description="the URI of a container image")
    algorithm: kinds.Text | None = Field(None, description="the name of one of SageMaker's own algorithms")
    framework_version: str = Field(
        "1.2-1", pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){1,2}(-[0-9]{1,3})?\z", description='a version such as "1.2-1"'
    )
    source_dir: kinds.Path = Field("", description=_PATH)
    """Empty only where no framework asks for it."""
    entry_point: kinds.Path = Field("", description="a relative path inside source_dir")
    required_channels: kinds.Channels = Field(
        ("training",), description="a list of 1 to 20 channel names (letters, digits, . _ -, at most 64)"
    )
    instance_type: kinds.InstanceType = Field("ml.m5.large", description=_INSTANCE)
    instance_count: kinds.Count = Field(1, description="a whole number from 1 to 100")
    volume_size_gb: kinds.Gigabytes = Field(30, description="a whole number of gigabytes from 1 to 16384")
    input_mode: Literal["File", "FastFile", "Pipe"] = Field("File", description='"File", "FastFile" or "Pipe"')
    max_runtime_seconds: kinds.RunSeconds = Field(3600, description="a whole number of seconds from 1 to 2419200")
    capacity_wait_seconds: int = Field(
        21_600, ge=0, le=kinds.TWENTY_EIGHT_DAYS, description="a whole number of seconds from 0 to 2419200"
    )
    use_spot_instances: bool = Field(False, description="true or false")
    max_wait_seconds: kinds.RunSeconds | None = Field(None, description="a whole number of seconds from 1 to 2419200")
    start_from: str = Field(
        "nothing", pattern=r"^(nothing|champion|s3://[^\s]{3,1000})\z", description='"nothing", "champion" or an S3 URI'
    )
    environment: kinds.Environment = Field(default_factory=dict, description="a table of texts, in quotes")
    hyperparameters: kinds.Hyperparameters = Field(default_factory=dict, description="a table of values")
    metrics: kinds.Metrics = Field(default_factory=dict, description="a table of regular expressions, in quotes")


class Sweep(_Section):
    strategy: Literal["grid", "random", "bayesian"] = Field("grid", description='"grid", "random" or "bayesian"')
    max_jobs: int = Field(20, ge=1, le=750, description="a whole number from 1 to 750")
    max_parallel_jobs: kinds.Count = Field(2, description="a whole number from 1 to 100")
    hyperparameters: kinds.Ranges = Field(description="a table of lists or ranges")


class Evaluate(_Section):
    channel: kinds.Channel = Field("evaluation", description="a channel name (letters, digits, . _ -, at most 64)")


class Gate(_Section):
    metric: kinds.MetricName = Field(description="the name of a metric (at most 255 characters, without spaces and =)")
    objective: Literal["maximize", "minimize"] = Field("maximize", description='"maximize" or "minimize"')
    at_least: float | None = Field(None, description="a finite number")
    """No threshold without it."""
    beat_champion_by: float | None = Field(None, ge=0, description="a finite number, 0 or more")
    """The champion is not compared without it."""
    approval: Literal["automatic", "manual"] = Field("automatic", description='"automatic" or "manual"')


class SmokeTest(_Section):
    payload: kinds.Path = Field(description=_PATH)
    content_type: kinds.MediaType = Field(description="a media type in lower case, such as image/png")
    expect_label: kinds.Text | None = Field(None, description="a label, as text in quotes (at most 200 characters)")
    min_score: float | None = Field(None, ge=0, le=1, description="a number from 0 to 1")


SmokeTests = Annotated[tuple[SmokeTest, ...], Field(strict=False, max_length=20)]


class Deploy(_Section):
    mode: Literal["realtime", "serverless", "async"] = Field(
        "realtime", description='"realtime", "serverless" or "async"'
    )
    instance_type: kinds.InstanceType = Field("ml.m5.large", description=_INSTANCE)
    initial_instance_count: kinds.Count = Field(1, description="a whole number from 1 to 100")
    memory_mb: int | None = Field(
        None, ge=1024, le=6144, multiple_of=1024, description="1024, 2048, 3072, 4096, 5120 or 6144"
    )
    max_concurrency: int | None = Field(None, ge=1, le=200, description="a whole number from 1 to 200")
    rollout: Literal["all_at_once", "canary", "linear"] = Field(
        "all_at_once", description='"all_at_once", "canary" or "linear"'
    )
    alarms: kinds.Texts = Field((), description="a list of at most 10 names of CloudWatch alarms")
    rehearse: bool = Field(True, description="true or false")
    capacity_wait_seconds: kinds.CapacitySeconds = Field(
        kinds.SIX_HOURS, description="a whole number of seconds from 0 to 604800"
    )
    smoke_test: SmokeTests = Field((), description="at most 20 tables, each headed [[deploy.smoke_test]]")


class Fallback(_Section):
    label: kinds.Text = Field(description="a label, as text in quotes (at most 200 characters)")


class Serve(_Section):
    source_dir: kinds.Path | None = Field(None, description=_PATH)
    entry_point: kinds.Path | None = Field(None, description="a relative path inside source_dir")
    accept: kinds.MediaTypes = Field(
        ("image/png", "image/jpeg", "image/webp"),
        description="a list of 1 to 20 media types in lower case, such as image/png",
    )
    top_k: int = Field(5, ge=1, le=1000, description="a whole number from 1 to 1000")
    labels: kinds.Labels = Field((), description="a list of labels, as texts in quotes (at most 200 characters each)")
    """Empty where the model brings its own."""
    fallback: Fallback | None = Field(None, description="a table with label")


class Budget(_Section):
    max_usd_per_run: float = Field(gt=0, le=1_000_000, description="an amount above 0, at most 1000000")


class Pipeline(_Section):
    """A whole pipeline file, with its defaults.

    `deploy` is None (in the file: `deploy = false`) where models are only trained and registered.
    """

    title: kinds.Text | None = Field(None, description="one line of text, at most 200 characters")
    trigger: Trigger = Field(default_factory=Trigger, description="a table")
    prepare: Prepare | None = Field(None, description="a table")
    train: Train = Field(description="a table")
    sweep: Sweep | None = Field(None, description="a table")
    evaluate: Evaluate | None = Field(None, description="a table")
    gate: Gate | None = Field(None, description="a table")
    deploy: Annotated[Deploy | None, kinds.OrFalse] = Field(
        default_factory=Deploy, description="a table, or false where models are only trained and registered"
    )
    serve: Serve = Field(default_factory=Serve, description="a table")
    budget: Budget | None = Field(None, description="a table")

    @property
    def serving_source_dir(self) -> str:
        return self.serve.source_dir or self.train.source_dir

    @property
    def serving_entry_point(self) -> str:
        """The serving script inside `serving_source_dir`: the training script, where `[serve]` names none."""
        return self.serve.entry_point or self.train.entry_point
