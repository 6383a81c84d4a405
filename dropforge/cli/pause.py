"""pause, resume: start nothing that costs money, and go on."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dropforge.cli.command import Session, command
from dropforge.cli.errors import CliError, UsageError

app = typer.Typer()

_Pipeline = Annotated[str | None, typer.Argument(help="The pipeline that is meant.")]
_All = Annotated[bool, typer.Option("--all", help="Every pipeline of the stage.")]
_Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Why; it stands in the timeline.")]


@command(app, epilog="Example: dropforge pause digits --reason 'the budget is used up'")
def pause(session: Session, *, pipeline: _Pipeline = None, everything: _All = False, reason: _Reason = None) -> None:
    """Start no training, no endpoint and no rollout until it is resumed; what runs and serves goes on."""
    _order(session, "pause", pipeline, everything=everything, reason=reason)


@command(app, epilog="Example: dropforge resume --all")
def resume(session: Session, *, pipeline: _Pipeline = None, everything: _All = False, reason: _Reason = None) -> None:
    """Let what is paused go on, at once; what is paused by its own name stays so after --all."""
    _order(session, "resume", pipeline, everything=everything, reason=reason)
    if everything and (still := _still_paused(session)):
        session.terminal.note(f"Still paused by their own names: {', '.join(still)}.")


def _still_paused(session: Session) -> list[str]:
    """Name the pipelines that are paused by themselves, as far as that can be known: the order was carried out."""
    try:
        found = list(session.api.listed("pipelines", limit=sys.maxsize))
    except CliError:
        return []
    return [each["pipeline"] for each in found if each["paused"] and each["paused"]["scope"] == each["pipeline"]]


def _order(session: Session, what: str, pipeline: str | None, *, everything: bool, reason: str | None) -> None:
    if everything == (pipeline is not None):
        raise UsageError(f"Name one pipeline, or all: `dropforge {what} PIPELINE` or `dropforge {what} --all`.")
    path = ("v1", what) if pipeline is None else ("v1", "pipelines", pipeline, what)
    said = session.api.post(*path, reason=reason)
    if session.terminal.as_json:
        session.terminal.data(said)
        return
    already = "" if said["changed"] else "Nothing changed. "
    session.terminal.say(f"{already}{said['what']}")
