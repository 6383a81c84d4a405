"""check: what would be said of a pipeline folder and a dataset, before anything is uploaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from dropforge.cli import drop as drops
from dropforge.cli import given
from dropforge.cli import push as pushes
from dropforge.cli.command import Session, command
from dropforge.cli.errors import RefusedError
from dropforge.cli.render import size

app = typer.Typer()

_Folder = Annotated[Path, typer.Argument(help="The folder that holds pipeline.toml.", file_okay=False, exists=True)]
_Dataset = Annotated[
    Path | None, typer.Argument(metavar="DATASET", help="A folder of channels, or one file.", exists=True)
]
_Name = Annotated[str | None, typer.Option("--name", help="The pipeline's name; without it, the folder's own.")]


@command(app, epilog="Example: dropforge check examples/digits/pipeline --name digits")
def check(session: Session, *, folder: _Folder, dataset: _Dataset = None, name: _Name = None) -> None:
    """Tell what `push FOLDER` and `drop DATASET` would come to; nothing is uploaded."""
    push = pushes.plan_push(folder, name)
    drop = drops.plan_drop(push.pipeline, dataset, None) if dataset else None
    said = session.api.post("v1", "checks", **given.folder(push), dataset=given.dataset(drop) if drop else None)
    if session.terminal.as_json:
        session.terminal.data(said)
    for line in told(said):
        session.terminal.say(line)
    if not said["ok"]:
        raise RefusedError("It would be refused: correct what is named above. Nothing was uploaded.")
    session.terminal.say("Nothing was uploaded.")


def told(said: dict[str, Any]) -> Iterator[str]:
    """Say it in lines: problems, the dataset, what would be trained, what would become of the live model."""
    yield from pushes.in_lines(said["problems"])
    if not said["problems"]:
        yield f"The pipeline {said['pipeline']} would be accepted."
    if said["dataset"]:
        yield _dataset(said["dataset"])
    would = said["would"]
    if said["ok"]:
        yield _training(would)
        yield from _edits(would["training"], "accepted")
    if would["release"]:
        yield _release(would["release"])
        yield from _edits(would["release"]["changes"], "live")
    yield from said["notes"]


def _dataset(found: dict[str, Any]) -> str:
    if not found["ok"]:
        return f"The dataset {found['name']} would be refused: {found['reason']} {found['todo']}"
    channels = "; ".join(f"{it['name']} {_files(it['objects'])}, {size(it['bytes'])}" for it in found["channels"])
    return f"The dataset {found['name']} would be sealed: {channels}."


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def _training(would: dict[str, Any]) -> str:
    verb = {True: "It would be trained", False: "Nothing would be trained", None: "Nobody can say if it is trained"}
    run = f" Run {would['run']}" if would["run"] else ""
    more = f" ({would['stage'] or would['job']})" if run else ""
    return f"{verb[would['train']]}: {would['why']}.{run}{more}"


def _release(found: dict[str, Any]) -> str:
    live = found["live"]
    which = f"Live is version {live['model_version']} of run {live['run']}: " if live else "Release: "
    return f"{which}{found['what']}."


def _edits(edits: list[dict[str, Any]], now: str) -> Iterator[str]:
    for edit in edits:
        yield f"  {edit['key']}: {_value(edit[now])} → {_value(edit['new'])}"


def _value(value: Any) -> str:
    return "not set" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
