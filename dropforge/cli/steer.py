"""stop, retry, approve, reject: a person's hand on a run."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from dropforge.cli.api import Api
from dropforge.cli.command import Session, command
from dropforge.cli.errors import UsageError
from dropforge.cli.follow import ENDS
from dropforge.cli.runs import resolve

app = typer.Typer()

_MODEL = re.compile(r"(?P<model>[a-z0-9-]+):(?P<version>[0-9]+)")
_SEARCHED = 1000
"""Runs of a pipeline among which a version of its model is looked for, the newest first."""
_Run = Annotated[
    str,
    typer.Argument(help="A run's hex digits or their beginning, `latest`, PIPELINE/DATASET, or MODEL:VERSION."),
]
_Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Why; it stands in the timeline.")]


@command(app, epilog="Example: dropforge stop latest --reason 'wrong data'")
def stop(session: Session, *, run: _Run, reason: _Reason = None) -> None:
    """Stop a run: nothing more is started for it, and its training job is ended."""
    _order(session, "stop", run, reason)


@command(app, epilog="Example: dropforge retry digits/friday")
def retry(session: Session, *, run: _Run, reason: _Reason = None) -> None:
    """Try a run again that failed, was stopped or rejected by its gate, or whose model its release refused."""
    _order(session, "retry", run, reason)


@command(app, epilog="Example: dropforge approve digits:7 --reason 'looked at by hand'")
def approve(session: Session, *, run: _Run, reason: _Reason = None) -> None:
    """Let a model go live that awaits approval, or that was rejected by a person."""
    _order(session, "approve", run, reason)


@command(app, epilog="Example: dropforge reject latest --reason 'mistakes sevens for ones'")
def reject(session: Session, *, run: _Run, reason: _Reason = None) -> None:
    """Keep a registered model from going live."""
    _order(session, "reject", run, reason)


def _order(session: Session, what: str, run: str, reason: str | None) -> None:
    said = session.api.post("v1", "runs", _run(session.api, run), what, reason=reason)
    if session.terminal.as_json:
        session.terminal.data(said)
        return
    already = "" if said["changed"] else "Nothing changed. "
    session.terminal.say(f"{already}{said['what']}")
    show = f"dropforge show {said['run']}"
    then = (
        f"`{show}` shows how it came to that." if said["stage"] in ENDS else f"`{show} --follow` shows how it goes on."
    )
    session.terminal.say(f"It is {said['stage']} now: {then}")


def _run(api: Api, text: str) -> str:
    """Find the run that is meant, by any of its names, its dataset, or the version of its model."""
    if found := _MODEL.fullmatch(text):
        return _of_version(api, found["model"], found["version"])
    follower = resolve(api, text)
    if follower.run is not None:
        return follower.run
    pipeline, _, name = text.partition("/")
    dataset = api.find("v1", "datasets", pipeline, name)
    if dataset is None:
        raise UsageError(f"There is no dataset {text}: `dropforge datasets` lists them.")
    if not dataset.get("run"):
        raise UsageError(f"The dataset {text} is no run yet: `dropforge show {text}` says why.")
    return str(dataset["run"])


def _of_version(api: Api, model: str, version: str) -> str:
    runs = api.listed("runs", limit=_SEARCHED, pipeline=model)
    # Digits are compared as they stand: Python makes no number of thousands of them.
    end = f"/{version.lstrip('0') or '0'}"
    found = next((each["run"] for each in runs if str(each.get("package")).endswith(end)), None)
    if found is None:
        raise UsageError(
            f"The model {model} has no version {version}: `dropforge runs --pipeline {model}` lists its runs."
        )
    return str(found)
