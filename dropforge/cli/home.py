"""up, down, env, exec: the local cloud, and how other programs find it."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from dropforge.cli import installed
from dropforge.cli.cloud import STRANGERS, Kind
from dropforge.cli.command import SLOWEST, Session, command
from dropforge.cli.errors import CliError, RefusedError, UsageError

app = typer.Typer()

_SPEED, _DELAYS, _SEED = 0.1, 0.0, 0
_Speed = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        max=SLOWEST,
        help=f"Factor on the times of schedules and retries: 1 as on AWS, 2 twice as long.  [default: {_SPEED}]",
    ),
]
_Delays = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=SLOWEST,
        help="How long SageMaker's states last: 0 at once, 1 as on AWS, 2 twice as long.  [default: 0]",
    ),
]
_Seed = Annotated[int | None, typer.Option(help="Draws these delays; the same seed draws the same.  [default: 0]")]
_Stages = Annotated[list[str] | None, typer.Option("--with", help="A further stage to deploy; may be repeated.")]
_Project = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="The checkout whose app it runs.  [default: here, or where Dropforge lies]"),
]
_Stdin = Annotated[
    bool, typer.Option("--until-stdin-closes", help="Stay, and stop the cloud when whoever started us ends.")
]
_Program = Annotated[list[str], typer.Argument(metavar="-- COMMAND…", help="The command and its arguments.")]


@command(app, epilog="Example: dropforge up --with prod")
def up(
    session: Session,
    *,
    speed: _Speed = None,
    delays: _Delays = None,
    seed: _Seed = None,
    stages: _Stages = None,
    project: _Project = None,
    until_stdin_closes: _Stdin = False,
) -> None:
    """Start the local cloud; its state stays in --home between starts."""
    installed.require(*installed.CLOUD)
    from dropforge.local import launch

    if session.kind is Kind.AWS:
        raise UsageError("`up` starts a local cloud: AWS is always up.")
    for name in STRANGERS:
        os.environ.pop(name, None)
    running = launch.status(session.home)
    wanted = list(dict.fromkeys([session.stage, *(stages or ())]))
    if running:
        asked = {"speed": speed, "delays": delays, "seed": seed, "project": project and str(project.resolve())}
        _check_alike(session.home, running, wanted, asked)
    try:
        cloud = running or launch.start(
            session.home,
            speed=_SPEED if speed is None else speed,
            pace=(_DELAYS if delays is None else delays, _SEED if seed is None else seed),
            stages=wanted,
            attached=until_stdin_closes,
            project=project,
        )
    except launch.LaunchError as error:
        raise CliError(str(error)) from error
    session.terminal.header(f"local cloud at {session.home} · {'was up already' if running else 'is up'}")
    if session.terminal.as_json:
        # Whoever waits for us reads a line.
        (session.terminal.event if until_stdin_closes else session.terminal.data)(cloud)
    else:
        _show(session, cloud)
    if until_stdin_closes and not running:
        _await_end()
        launch.stop(session.home)


def _check_alike(home: Path, running: dict[str, Any], stages: list[str], asked: dict[str, Any]) -> None:
    """RefusedError if the cloud that runs is another one than is asked for."""
    lacks = [f"without stage {stage}" for stage in stages if stage not in running["stages"]]
    lacks += [
        f"with {name} {running[name]}"
        for name, value in asked.items()
        if value is not None and running.get(name, value) != value
    ]
    if lacks:
        raise RefusedError(
            f"The local cloud at {home} runs already, {' and '.join(lacks)}: "
            "`dropforge down` first, then `dropforge up` as you want it."
        )


def _show(session: Session, cloud: dict[str, Any]) -> None:
    if cloud.get("walls"):
        session.terminal.say(str(cloud["walls"]))
    session.terminal.table(("what", "where"), _addresses(cloud))
    session.terminal.say("Next: dropforge push FOLDER, dropforge drop PIPELINE FOLDER; `dropforge down` stops it.")


@command(app, epilog="Example: dropforge down")
def down(session: Session) -> None:
    """Stop the local cloud; what it holds is there again after the next `up`."""
    from dropforge.local import launch

    running = launch.status(session.home)
    if running:
        launch.stop(session.home)
    session.terminal.header(f"local cloud at {session.home} · {'stopped' if running else 'was not up'}")
    if session.terminal.as_json:
        session.terminal.data({"stopped": bool(running)})


@command(app, epilog='Example: eval "$(dropforge env)" && aws s3 ls')
def env(session: Session) -> None:
    """Print the variables that point any AWS client at the cloud, for a shell to read."""
    variables = session.place.environment()
    if session.terminal.as_json:
        session.terminal.data(variables)
        return
    print(f"# {session.place.header}")
    if session.place.kind is Kind.LOCAL:
        print(f"unset {' '.join(STRANGERS)}")
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")


@command(app, name="exec", epilog="Example: dropforge exec -- aws s3 ls")
def execute(session: Session, *, program: _Program) -> None:
    """Run a command with the variables of `env` set; its exit code is ours."""
    environment = os.environ | session.place.environment()
    if session.place.kind is Kind.LOCAL:
        environment = {name: value for name, value in environment.items() if name not in STRANGERS}
    try:
        os.execvpe(program[0], program, environment)  # noqa: S606 -- becoming the user's command is the purpose
    except OSError as error:
        raise UsageError(f"{program[0]} cannot be run: {error.strerror}.") from error


def _await_end() -> None:
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):
        while os.read(0, 1024):
            pass


def _addresses(cloud: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("AWS endpoint", cloud["endpoint"])]
    for name, stage in sorted(cloud["stages"].items()):
        rows += [(f"{name}: HTTP API", stage["api"]), (f"{name}: bucket", stage["bucket"])]
        rows += [(f"{name}: API key", stage["api_key"])]
    return rows
