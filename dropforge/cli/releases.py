"""releases, rollback, undeploy, redeploy: a model's serving side, and a person's hand on it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dropforge.cli.command import Session, command
from dropforge.cli.errors import UsageError
from dropforge.cli.tables import release_lines

app = typer.Typer()

_Model = Annotated[str, typer.Argument(metavar="MODEL", help="The model: its pipeline's name.")]
_Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Why; it stands in the timeline.")]
_To = Annotated[
    int | None,
    typer.Option("--to", metavar="VERSION", min=1, help="A version of the model; without it, the one before."),
]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@command(app, epilog="Example: dropforge releases digits")
def releases(session: Session, *, model: _Model) -> None:
    """Show what serves a model: what is live, on its way, waiting and was before, and why others failed."""
    seen = session.api.get("v1", "releases", model)
    if session.terminal.as_json:
        session.terminal.data(seen)
        return
    for line in release_lines(seen):
        session.terminal.entry(line)


@command(app, epilog="Example: dropforge rollback digits --reason 'it takes 7 for 1'")
def rollback(session: Session, *, model: _Model, to: _To = None, reason: _Reason = None) -> None:
    """Give up what is on its way to clients, or bring back what was live before; with --to, serve that version."""
    _tell(session, session.api.post("v1", "releases", model, "rollback", to=to, reason=reason))


@command(app, epilog="Example: dropforge undeploy digits --yes --reason 'not needed until spring'")
def undeploy(session: Session, *, model: _Model, yes: _Yes = False, reason: _Reason = None) -> None:
    """Take down all that serves a model, so that nothing of it costs money; its packages and artifacts stay."""
    if not yes:
        _ask(session, model)
    _tell(session, session.api.post("v1", "releases", model, "undeploy", confirm=model, reason=reason))


@command(app, epilog="Example: dropforge redeploy digits")
def redeploy(session: Session, *, model: _Model, reason: _Reason = None) -> None:
    """Bring back what was undeployed, or try again what failed last."""
    _tell(session, session.api.post("v1", "releases", model, "redeploy", reason=reason))


def _ask(session: Session, model: str) -> None:
    if not session.terminal.live:
        raise UsageError(f"Say --yes to undeploy {model}: clients will get no answers.")
    try:
        sure = typer.confirm(f"Clients of {model} will get no answers. Undeploy it?")
    except typer.Abort:
        raise KeyboardInterrupt from None  # Ctrl-C, which ends with 130 everywhere
    if not sure:
        raise typer.Abort


def _tell(session: Session, said: dict[str, Any]) -> None:
    if session.terminal.as_json:
        session.terminal.data(said)
        return
    already = "" if said["changed"] else "Nothing changed. "
    session.terminal.say(f"{already}{said['what']}")
