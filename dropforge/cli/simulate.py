"""simulate: what would come of an event, a dataset, a run or a release, and none of it done."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from dropforge.cli.command import Session, command
from dropforge.cli.errors import UsageError
from dropforge.cli.render import local_time

app = typer.Typer()

NOTHING_DONE = "Nothing was done: this is what would happen as things stand now, if nothing else came."
_SUBJECT = re.compile(r"(?P<kind>dataset|run|release|pipeline):(?P<name>.+)")
_RUN = re.compile(r"[0-9a-f]{12}|v1[0-9a-f]{64}")
_LIMIT = 512 * 1024
"""Bytes of an event; EventBridge's own end at 256 KB."""

_What = Annotated[
    str,
    typer.Argument(
        metavar="EVENT.json|PIPELINE/DATASET|RUN",
        help="A file that holds one EventBridge event; or what is meant: PIPELINE/DATASET, a run's twelve digits, "
        "release:PIPELINE, pipeline:PIPELINE.",
    ),
]


@command(app, epilog="Example: dropforge simulate digits/friday")
def simulate(session: Session, *, what: _What) -> None:
    """Tell what would be decided, called and named; nothing is written, started or sent."""
    said = session.api.post("v1", "simulations", **_asked(what))
    if session.terminal.as_json:
        session.terminal.data(said)
        return
    for line in told(said):
        session.terminal.say(line)


def _asked(what: str) -> dict[str, Any]:
    if Path(what).is_file():
        return {"event": _event(Path(what))}
    if found := _SUBJECT.fullmatch(what):
        return {found["kind"]: found["name"]}
    if "/" in what and not what.endswith(".json"):
        return {"dataset": what}
    if _RUN.fullmatch(what):
        return {"run": what}
    raise UsageError(f"{what} is no file, and names no PIPELINE/DATASET and no run: `dropforge simulate --help`.")


def _event(file: Path) -> dict[str, Any]:
    """Read an event; what stands in it is the service's to judge."""
    if file.stat().st_size > _LIMIT:
        raise UsageError(f"{file} is larger than any event: {_LIMIT:,} bytes are read.")
    try:
        said = json.loads(file.read_bytes())
    except ValueError as error:
        raise UsageError(f"{file} is not JSON: {error}.") from error
    if not isinstance(said, dict):
        raise UsageError(f"{file} holds no event: one is a JSON object.")
    return said


def told(said: dict[str, Any]) -> Iterator[str]:
    """Say it in lines, the first of which says that nothing was done."""
    yield NOTHING_DONE
    for step in said["steps"]:
        yield f"{local_time(step['at'])}  {step['about']}  {step['says']}"
    yield from _listed("It would call:", (_call(call) for call in said["calls"]))
    yield from _listed("Timelines would say:", (_line(line) for line in said["timeline"]))
    yield from _listed("States would change:", (_state(state) for state in said["states"]))
    yield from _listed("It would name:", (f"{kind}: {', '.join(names)}" for kind, names in said["names"].items()))
    if said["ended"]:
        yield f"The simulation ends here: {said['ended']}"


def _listed(title: str, lines: Iterator[str]) -> Iterator[str]:
    found = [f"  {line}" for line in lines]
    if found:
        yield title
        yield from found


def _call(call: dict[str, Any]) -> str:
    costs = " (costs money)" if call["costs"] else ""
    return f"{call['call'] or call['method']}: {call['what']}{costs}"


def _line(line: dict[str, Any]) -> str:
    facts = ", ".join(f"{name} {value}" for name, value in line["facts"].items())
    return f"{line['subject']}  {line['what']}" + (f" ({facts})" if facts else "")


def _state(state: dict[str, Any]) -> str:
    return f"{state['subject']}  {state['before'] or 'new'} → {state['after']}"
