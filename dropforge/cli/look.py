"""pipelines, datasets, runs, show, log, wait: what became of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, NoReturn

import typer

from dropforge.cli import logged
from dropforge.cli.command import Session, command, listed, one_of
from dropforge.cli.display import Display
from dropforge.cli.errors import FailedError, TimedOutError, UsageError
from dropforge.cli.follow import AWAITING, STAGES, Follower, StageReached
from dropforge.cli.render import clean, duration
from dropforge.cli.runs import outcome, replaced, resolve
from dropforge.cli.since import Since, seconds
from dropforge.cli.tables import dataset_row, described, pipeline_row, run_row

app = typer.Typer()

_Pipeline = Annotated[str | None, typer.Option(help="Only of this pipeline.")]
_DATASET_STATES = ("collecting", "sealed", "refused")
_RUN_STATES = ("preparing", "training", "evaluating", "registered", "rejected", "failed", "stopped")
_RELEASED = (
    "awaiting-approval",
    "pending",
    "rehearsing",
    "rolling-out",
    "live",
    "replaced",
    "undeployed",
    "release-failed",
)
"""What becomes of a registered run; its state stays `registered`."""
_GOALS = ("training", "registered", "rehearsing", "rolling-out", "live")

_DatasetState = Annotated[
    str | None,
    typer.Option("--state", metavar="STATE", parser=one_of(_DATASET_STATES), help=f"{listed(_DATASET_STATES)}."),
]
_RunState = Annotated[
    str | None,
    typer.Option(
        "--state",
        metavar="STATE",
        parser=one_of(_RUN_STATES + _RELEASED),
        help=f"{listed(_RUN_STATES)}; or what became of those that were registered: {listed(_RELEASED)}.",
    ),
]
_Goal = Annotated[
    str,
    typer.Option("--for", metavar="STAGE", parser=one_of(_GOALS), help=f"The stage to wait for: {listed(_GOALS)}."),
]
_Limit = Annotated[int, typer.Option(min=1, max=1_000_000, help="How many at most, newest first.")]
_Run = Annotated[str, typer.Argument(help="A run's hex digits or their beginning, `latest`, or PIPELINE/DATASET.")]
_RunOrFunction = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="A run's hex digits, `latest`, or PIPELINE/DATASET; with --functions: one, as on_wake; "
        "with --endpoints: a pipeline.",
    ),
]
_Functions = Annotated[bool, typer.Option("--functions", help="What the app's own functions say, back to --since.")]
_Endpoints = Annotated[
    bool, typer.Option("--endpoints", help="What models say while they are rehearsed or serve, back to --since.")
]
_Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends; exit as it ended.")]


@command(app, epilog="Example: dropforge pipelines")
def pipelines(session: Session) -> None:
    """List the pipelines: which version is accepted, what is wrong with a newer one, and who paused it."""
    found = list(session.api.listed("pipelines", limit=sys.maxsize))
    if session.terminal.as_json:
        session.terminal.data(found)
        return
    columns, short = ("pipeline", "state", "version", "accepted", "paused", "why"), session.terminal.live
    session.terminal.table(columns, (pipeline_row(each, short=short) for each in found), wide=("why", "paused"))
    if not found:
        session.terminal.note("Nothing yet: `dropforge push FOLDER` begins with a pipeline.")


@command(app, epilog="Example: dropforge datasets --pipeline digits --state refused")
def datasets(session: Session, *, pipeline: _Pipeline = None, state: _DatasetState = None, limit: _Limit = 20) -> None:
    """List the newest datasets: their state, their run, and why one was refused or is still waited for."""
    found = list(session.api.listed("datasets", limit=limit, pipeline=pipeline, state=state))
    if session.terminal.as_json:
        session.terminal.data(found)
        return
    columns = ("dataset", "state", "run", "objects", "size", "last object", "why")
    short = session.terminal.live
    session.terminal.table(columns, (dataset_row(each, short=short) for each in found), wide=("why",))
    if not found:
        _tell_of_none(session, "datasets", chosen=bool(pipeline or state))


@command(app, epilog="Example: dropforge runs --pipeline digits --limit 5")
def runs(session: Session, *, pipeline: _Pipeline = None, state: _RunState = None, limit: _Limit = 20) -> None:
    """List the newest runs: how far each is, and what its model scored."""
    found = list(_runs(session, pipeline, state, limit))
    if session.terminal.as_json:
        session.terminal.data(found)
        return
    columns, short = ("run", "dataset", "stage", "metrics", "sealed", "why"), session.terminal.live
    session.terminal.table(columns, (run_row(each, short=short) for each in found), wide=("why", "metrics"))
    if not found:
        _tell_of_none(session, "runs", chosen=bool(pipeline or state))


def _tell_of_none(session: Session, plural: str, *, chosen: bool) -> None:
    nothing = "Nothing yet: `dropforge drop PIPELINE FOLDER` begins with a dataset."
    session.terminal.note(f"Nothing of that kind: `dropforge {plural}` lists all." if chosen else nothing)


def _runs(session: Session, pipeline: str | None, state: str | None, limit: int) -> Iterator[dict[str, Any]]:
    """List runs by their state, which the API filters by, or by a stage of the registered ones, which it tells."""
    if state not in _RELEASED:
        return session.api.listed("runs", limit=limit, pipeline=pipeline, state=state)
    registered = session.api.listed("runs", limit=sys.maxsize, pipeline=pipeline, state="registered")
    return islice((run for run in registered if run["stage"] == state), limit)


@command(app, epilog="Example: dropforge show latest --follow")
def show(session: Session, *, run: _Run, follow: _Follow = False) -> None:
    """Show a run: its stage, metrics and timeline; with --follow, as it goes."""
    follower = _follower(session, run)
    if follow:
        _tell_if_unknown(session, follower)
        Display(session.terminal).watch(follower.changes())
        if trouble := outcome(follower.last, follower.stage):
            raise trouble
        return
    seen = _look_once(follower)
    if session.terminal.as_json:
        session.terminal.data(seen)
        return
    for line in described(seen):
        session.terminal.entry(line)


@command(app, epilog="Example: dropforge log digits/friday --follow, or dropforge log --functions on_wake")
def log(
    session: Session,
    *,
    run: _RunOrFunction = None,
    of_functions: _Functions = False,
    of_endpoints: _Endpoints = False,
    follow: _Follow = False,
    since: Since = "1h",
) -> None:
    """Print the log of a run's training job; with --functions or --endpoints, what the app or its models say."""
    if of_functions and of_endpoints:
        raise UsageError("--functions and --endpoints are two logs: ask for one.")
    if of_functions or of_endpoints:
        kind = logged.FUNCTIONS if of_functions else logged.ENDPOINTS
        logged.show(session, kind, run, seconds=seconds(since), follow=follow)
        return
    if run is None:
        raise UsageError("Name a run (`dropforge log latest`), or ask for --functions or --endpoints.")
    follower = _follower(session, run)
    if follow:
        _tell_if_unknown(session, follower)
    for line in _lines(session, follower, follow=follow):
        if session.terminal.as_json:
            session.terminal.event(line)
        else:
            print(clean(line["text"]), flush=True)
    if not follower.run:
        _tell_why_no_run(follower)
    if follow and (trouble := outcome(follower.last, follower.stage)):
        raise trouble


@command(app, epilog="Example: dropforge wait digits/friday --for live --timeout 600")
def wait(
    session: Session,
    *,
    run: _Run,
    goal: _Goal = "live",
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait at most.")] = 3600,
) -> None:
    """Wait until a run has reached a stage; exit 3 if it was refused, 4 failed, 5 rejected, 6 timed out."""
    follower = _follower(session, run)
    _tell_if_unknown(session, follower)
    display = Display(session.terminal)
    for change in follower.changes(seconds=timeout):
        if isinstance(change, StageReached) and not session.terminal.as_json:
            display.show(change)
        if change is None and _reached(follower.stage, goal):
            break
    if session.terminal.as_json:
        session.terminal.data(follower.last)
    if _reached(follower.stage, goal):
        return
    if follower.stage == "replaced":
        raise FailedError(replaced(session.api, follower.last))
    if follower.stage == "undeployed":
        raise FailedError(f"The run {follower.run} was undeployed: `dropforge redeploy` brings it back.")
    if follower.stays_registered:
        raise FailedError(
            f"The run {follower.run} is registered and goes no further: its pipeline only trains and registers."
        )
    if follower.stage == AWAITING:
        raise TimedOutError(f"{run} still awaits approval after {duration(timeout)}. {follower.last.get('todo') or ''}")
    raise outcome(follower.last, follower.stage) or TimedOutError(
        f"{run} is still {follower.stage or 'not there'} after {duration(timeout)}: wait longer with --timeout."
    )


def _reached(stage: str, goal: str) -> bool:
    if stage in {"replaced", "undeploying", "undeployed", "release-failed"}:
        return STAGES.index(goal) <= STAGES.index("registered")
    return stage in STAGES and STAGES.index(stage) >= STAGES.index(goal)


def _follower(session: Session, run: str) -> Follower:
    follower = resolve(session.api, run)
    follower.pause = session.place.pause
    return follower


def _tell_if_unknown(session: Session, follower: Follower) -> None:
    """Say what is waited for where nobody knows the dataset yet: it may come, or be named wrongly."""
    pipeline, _, name = (follower.dataset or "").partition("/")
    if name and session.api.find("v1", "datasets", pipeline, name) is None:
        session.terminal.note(f"There is no dataset {follower.dataset} yet; waiting for its first file.")


def _look_once(follower: Follower) -> dict[str, Any]:
    """Look at what is meant, once: the run, or the dataset where no run is there yet."""
    follower.look()
    _must_be(follower)
    return follower.last


def _must_be(follower: Follower) -> None:
    if not follower.last:
        raise UsageError(f"There is no dataset {follower.dataset}: `dropforge datasets` lists them.")


def _tell_why_no_run(follower: Follower) -> NoReturn:
    """Say why there is no log: a dataset that is not there, was refused, or is no run yet."""
    _must_be(follower)
    waits = UsageError(f"The dataset {follower.dataset} is no run yet: `dropforge show {follower.dataset}` says why.")
    raise outcome(follower.last | {"stage": None}, follower.stage) or waits


def _lines(session: Session, follower: Follower, *, follow: bool) -> Iterator[dict[str, Any]]:
    """Read the log to its end; with `follow`, until the run has ended, too."""
    token: str | None = None
    for _ in follower.changes():
        while follower.run:
            page = session.api.get("v1", "runs", follower.run, "log", next=token)
            yield from page["lines"]
            if not page["lines"] or page.get("next") in {None, token}:
                break
            token = page["next"]
        if not follow or follower.ended:
            return
