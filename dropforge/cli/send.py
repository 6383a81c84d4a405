"""push, drop, predict: what goes in."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dropforge.cli import drop as drops
from dropforge.cli import push as pushes
from dropforge.cli import runs
from dropforge.cli.api import ApiError
from dropforge.cli.command import Session, command
from dropforge.cli.errors import CliError, RefusedError, UsageError
from dropforge.cli.render import Terminal, size

app = typer.Typer()

_NAMES = 1000
"""Pipelines among which the one that may be meant is looked for."""
_NAMED = 6
"""Of them, where none is alike."""

_PipelineName = Annotated[str | None, typer.Option("--name", help="The pipeline's name; without it, the folder's own.")]
_DatasetName = Annotated[
    str | None, typer.Option("--name", help="The dataset's name; without it, the folder's or file's own.")
]
_Wait = Annotated[
    float, typer.Option("--verdict", min=0, help="Seconds to wait for the verdict on what was sent; 0: don't wait.")
]


@command(app, epilog="Example: dropforge push examples/digits/pipeline --name digits")
def push(
    session: Session,
    *,
    folder: Annotated[Path, typer.Argument(help="The folder that holds pipeline.toml.", file_okay=False, exists=True)],
    name: _PipelineName = None,
    verdict: _Wait = 60,
) -> None:
    """Make the bucket's pipelines/<name>/ what FOLDER is, and tell whether the pipeline was accepted."""
    plan = pushes.plan_push(folder, name)
    before = session.bucket.status(plan.pipeline)
    _send(session.terminal, f"push {plan.pipeline}", len(plan.objects), pushes.upload(session.bucket, plan))
    seen = verdict and pushes.await_verdict(
        session.bucket,
        plan.pipeline,
        before=before,
        last_key=plan.objects[-1][0],
        settled=lambda status: status.state != "settling",
        seconds=verdict,
        pause=session.place.pause,
    )
    said = seen.said if seen else {"pipeline": plan.pipeline, "state": "unknown", "version": None, "problems": []}
    if session.terminal.as_json:
        session.terminal.data(said)
    if seen and seen.state == "refused":
        for problem in pushes.problems(seen):
            session.terminal.say(problem)
        raise RefusedError(f"The pipeline {plan.pipeline} was refused: correct what is named above and push it again.")
    session.terminal.say(
        _accepted(plan.pipeline, said) if seen else f"Its verdict will stand in status/{plan.pipeline}.json."
    )


@command(app, name="drop", epilog="Example: dropforge drop digits ./my-digits --name friday")
def drop(
    session: Session,
    *,
    pipeline: Annotated[str, typer.Argument(help="The pipeline that the dataset is for.")],
    path: Annotated[
        Path, typer.Argument(metavar="FOLDER|FILE", help="A folder of channels, or one file.", exists=True)
    ],
    name: _DatasetName = None,
    verdict: _Wait = 90,
) -> None:
    """Upload a dataset, one object at a time, `_READY` with its counts last; tell the run that it became."""
    plan = drops.plan_drop(pipeline, path, name)
    missing = session.bucket.status(pipeline) is None and not any(session.bucket.keys(f"pipelines/{pipeline}/"))
    if missing:
        meant = _meant(session, pipeline)
        session.terminal.note(f"There is no pipeline {pipeline} yet{meant}: the files will wait for it.")
        verdict = 0
    before = session.bucket.status(plan.dataset)
    count = len(plan.objects) + (plan.counts is not None)
    _send(session.terminal, f"drop {plan.dataset} ({size(plan.size)})", count, _told(session, plan, count))
    seen = verdict and pushes.await_verdict(
        session.bucket,
        plan.dataset,
        before=before,
        last_key=plan.last_key,
        settled=lambda status: status.state != "collecting" or _waits_for_a_person(status.said),
        seconds=verdict,
        pause=session.place.pause,
    )
    newest = seen or session.bucket.status(plan.dataset)
    said: dict[str, Any] = newest.said if newest else {"dataset": plan.dataset, "state": "collecting", "run": None}
    known = runs.known(session, str(said["run"]), plan.objects[0][0]) if seen and _run(said) else None
    if session.terminal.as_json:
        more = {"known": known is not None} | ({"stage": known["stage"]} if known else {})
        session.terminal.data(said | {"objects": count, "bytes": plan.size} | more)
    if trouble := runs.outcome(said | {"stage": None}, str(said["state"])):
        raise trouble
    if missing:
        waits = f"The dataset {plan.dataset} waits for the pipeline {pipeline}"
        session.terminal.say(f"{waits}: `dropforge push FOLDER --name {pipeline}` brings it.")
        return
    session.terminal.say(_known(known) if known else _dropped(said))


@command(app, epilog="Example: dropforge predict digits seven.png")
def predict(
    session: Session,
    *,
    model: Annotated[str, typer.Argument(help="The pipeline whose live model is asked.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Pictures.", dir_okay=False, exists=True)],
) -> None:
    """Ask the live model about pictures, over the clients' HTTP route; exit as the worst of several."""
    answers, failed = _ask(session, model, [(path, _media_type(path)) for path in files])
    if failed and len(files) == 1:
        raise failed[0][1]
    if session.terminal.as_json:
        session.terminal.data([{"file": str(path)} | answer for path, answer in answers])
    elif answers:
        columns = ("file", "label", "score", "next best", "model", "ms")
        session.terminal.table(columns, (_row(*each) for each in answers), wide=("file",))
    for path, error in failed:
        session.terminal.error(f"{path}: {error}")
    if failed:
        raise typer.Exit(max(error.exit for _, error in failed))


def _ask(
    session: Session, model: str, pictures: Sequence[tuple[Path, str]]
) -> tuple[list[tuple[Path, dict[str, Any]]], list[tuple[Path, CliError]]]:
    """Ask about each picture, until an error is not about the picture: the next would meet it, too."""
    answers: list[tuple[Path, dict[str, Any]]] = []
    failed: list[tuple[Path, CliError]] = []
    for path, kind in pictures:
        try:
            answers.append((path, session.api.predict(model, path.read_bytes(), kind)))
        except CliError as error:
            failed.append((path, error))
            if not (isinstance(error, ApiError) and error.of_this_call):
                break
    return answers, failed


def _told(session: Session, plan: drops.Drop, count: int) -> Iterator[str]:
    """Upload a plan; whoever interrupts that is told what became of it."""
    sent = 0
    try:
        for key in drops.upload(session.bucket, plan):
            sent += 1
            yield key
    except (KeyboardInterrupt, GeneratorExit):
        sealed = " else it is sealed as it is when nothing has arrived for a while." if sent and plan.counts else ""
        end = ";" if sealed else "."
        session.terminal.note(
            f"{sent} of {count} objects were sent. The same command completes {plan.dataset}{end}{sealed}"
        )
        raise


def _send(terminal: Terminal, title: str, count: int, keys: Iterator[str]) -> None:
    if not terminal.live:
        sent = _exhaust(keys)
        terminal.say(f"{title}: {sent} object{'' if sent == 1 else 's'} sent")
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal.out) as progress:
        for _ in progress.track(keys, total=count, description=title):
            pass


def _exhaust(keys: Iterable[str]) -> int:
    return sum(1 for _ in keys)


def _accepted(pipeline: str, said: dict[str, Any]) -> str:
    return f"The pipeline {pipeline} is accepted, version {str(said['version'])[:12]}."


def _run(said: dict[str, Any]) -> str | None:
    """Give the run that a drop became; one that collects has, if any, the run of before."""
    return said.get("run") if said["state"] == "sealed" else None


def _waits_for_a_person(said: dict[str, Any]) -> bool:
    """Tell whether the pipeline starts nothing by itself: waiting would change nothing."""
    return str(said.get("reason") or "").startswith("It starts when somebody starts it")


def _dropped(said: dict[str, Any]) -> str:
    if _run(said):
        return f"The dataset {said['dataset']} is sealed: run {said['run']}. `dropforge show {said['run']} --follow`"
    waiting = f" {str(said['reason']).rstrip('.')}." if said.get("reason") else ""
    return f"The dataset {said['dataset']} is not sealed yet.{waiting} `dropforge show {said['dataset']} --follow`"


def _meant(session: Session, pipeline: str) -> str:
    """Ask after the nearest name, or tell those that there are; whoever may only write to the bucket knows none."""
    try:
        names = [each["pipeline"] for each in session.api.listed("pipelines", limit=_NAMES)]
    except CliError:
        return ""
    if nearest := get_close_matches(pipeline, names, n=1):
        return f" (did you mean {nearest[0]}?)"
    some = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
    return f" (there are: {some})" if names else ""


def _known(run: dict[str, Any]) -> str:
    return (
        f"This content is run {run['run']} already: {run['stage']}; nothing new is trained. "
        f"`dropforge show {run['run']}`"
    )


def _media_type(path: Path) -> str:
    kind = mimetypes.guess_type(path.name)[0]
    if kind is None:
        raise UsageError(f"{path} has no extension that tells what it is: name it .png, .jpg or .webp.")
    return kind


def _row(path: Path, answer: dict[str, Any]) -> tuple[Any, ...]:
    best, *others = answer["results"][0]["predictions"]
    rest = ", ".join(f"{other['label']} {other['score']:.2f}" for other in others[:2])
    model = answer["model"]
    version = f"{model['name']} v{model['version']} ({str(model['run'])[:12]})"
    return path, best["label"], f"{best['score']:.3f}", rest, version, round(answer["latency_ms"], 1)
