"""pause, resume: start nothing that costs money, and go on."""

from __future__ import annotations

from typing import Annotated

import typer

from dropforge.cli.command import Session, command
from dropforge.cli.errors import UsageError

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
    """Let what is paused go on, at once."""
    _order(session, "resume", pipeline, everything=everything, reason=reason)


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
