"""start: a run by hand."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from dropforge.cli.command import Session, command
from dropforge.cli.errors import RefusedError, UsageError
from dropforge.cli.follow import ENDS

app = typer.Typer()

_Pipeline = Annotated[str, typer.Argument(help="The pipeline that is to train.")]
_Dataset = Annotated[str | None, typer.Option(metavar="NAME", help="The dataset, as it was dropped.")]
_Channels = Annotated[
    list[str] | None,
    typer.Option("--channel", metavar="NAME=S3-URI", help="Data wherever it lies, in place of a dataset; repeatable."),
]
_Values = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A value in place of the pipeline's own, as in TOML; repeatable."),
]
_Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Why; it stands in the timeline.")]


@command(app, epilog="Example: dropforge start digits --dataset friday --set train.hyperparameters.epochs=50")
def start(
    session: Session,
    *,
    pipeline: _Pipeline,
    dataset: _Dataset = None,
    channels: _Channels = None,
    values: _Values = None,
    reason: _Reason = None,
) -> None:
    """Train on a dataset now, or on data elsewhere (--channel training=s3://lake/a/); the same again starts nothing."""
    if (dataset is None) == (not channels):
        raise UsageError("Name what to train on: --dataset NAME, or --channel NAME=S3-URI as often as needed.")
    said = session.api.post(
        "v1",
        "runs",
        pipeline=pipeline,
        dataset=dataset.removeprefix(f"{pipeline}/") if dataset else None,
        channels=_channels(channels or ()) or None,
        set=_values(values or ()) or None,
        reason=reason,
    )
    if session.terminal.as_json:
        session.terminal.data(said)
    if said["state"] == "refused":
        raise RefusedError(said["what"])
    session.terminal.say(said["what"])
    show = f"dropforge show {said['run'] or said['dataset']}"
    over = said["stage"] in ENDS | {"registered"}
    session.terminal.say(f"`{show}` shows what became of it." if over else f"`{show} --follow` shows how it goes on.")


def _channels(given: Sequence[str]) -> dict[str, str]:
    channels: dict[str, str] = {}
    for text in given:
        name, equals, uri = text.partition("=")
        if not equals or not uri.startswith("s3://") or name in channels:
            raise UsageError(
                f"{text!r} names no channel: write each once, as in --channel training=s3://bucket/folder/."
            )
        channels[name] = uri
    return channels


def _values(given: Sequence[str]) -> dict[str, Any]:
    """Read KEY=VALUE as lines of TOML."""
    for text in given:
        try:
            json.dumps(tomllib.loads(text))
        except (ValueError, TypeError) as error:
            raise UsageError(
                f"{text!r} is no KEY=VALUE of TOML: text stands in quotes, as in "
                "--set 'train.instance_type=\"ml.m5.xlarge\"'."
            ) from error
    try:
        return tomllib.loads("\n".join(given))
    except ValueError as error:
        raise UsageError(f"The values of --set contradict one another: {error}.") from error
