"""events tail: what the app tells the world, as it comes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from dropforge.cli.api import Api
from dropforge.cli.command import Session, command
from dropforge.cli.errors import UsageError
from dropforge.cli.render import local_time, moment
from dropforge.cli.since import is_span, seconds

app = typer.Typer(
    help="What the app tells the world.",
    epilog="Example: dropforge events tail --since 15m",
    no_args_is_help=True,
)

_PAGE = 100
_NEWEST = 10
_BACK = timedelta(seconds=5)
"""How far each look overlaps the last: two functions that publish at one moment may be seen in either order."""
_KEPT = 14 * 86_400
"""Seconds for which an event is kept."""
_KNOWN = 2000
"""Events of which a tail remembers that it has shown them."""

_Since = Annotated[
    str | None,
    typer.Option(
        metavar="SPAN|MOMENT",
        help="How far back: 15m, 2h, 3d, … or from 2031-05-01T10:00:00Z on; at most 14 days back.",
    ),
]
_Limit = Annotated[
    int | None,
    typer.Option(
        min=1, max=_PAGE, help=f"Without --since: how many of the newest to begin with.  [default: {_NEWEST}]"
    ),
]
_Follow = Annotated[bool, typer.Option("--follow/--no-follow", help="Go on until interrupted.")]


@command(app, epilog="Example: dropforge events tail --since 2031-05-01T10:00:00Z --no-follow")
def tail(session: Session, *, since: _Since = None, limit: _Limit = None, follow: _Follow = True) -> None:
    """Print our events as they come: datasets, runs and releases that change their state, and approvals asked for."""
    if since and limit:
        raise UsageError("--since and --limit are two ways to begin: name one of them.")
    watcher = Tail(session.api, _moment(since), limit or _NEWEST)
    while True:
        for event in watcher.look():
            if session.terminal.as_json:
                session.terminal.event(event)
            else:
                session.terminal.say(line(event))
        if not follow:
            return
        time.sleep(session.place.pause)


class Tail:
    """Reads on and on; an event that was sent twice is given once."""

    def __init__(self, api: Api, since: str | None, limit: int) -> None:
        """Begin at a moment, or with the newest so many."""
        self._api = api
        self._asked: dict[str, str | int | None] = {"since": since} if since else {"limit": limit}
        self._known: deque[str] = deque(maxlen=_KNOWN)

    def look(self) -> Iterator[dict[str, Any]]:
        """Give what is new, oldest first."""
        asked, newest = {"limit": _PAGE, **self._asked}, None
        while True:
            page = self._api.get("v1", "events", **asked)
            for event in page["events"]:
                newest = event["published_at"]
                if event["id"] not in self._known:
                    self._known.append(event["id"])
                    yield event
            if "since" not in asked and "next" not in asked:
                break  # the newest: what follows them comes with the next look
            if len(page["events"]) < _PAGE:
                break
            asked = {"limit": _PAGE, "next": page["next"]}
        if newest is not None:
            self._asked = {"since": (moment(newest) - _BACK).isoformat()}
        elif "since" not in self._asked:
            self._asked = {"next": page["next"]}


def line(event: dict[str, Any]) -> str:
    """Say an event in one line: when, of what kind, whose, what it came to, and why."""
    detail = event["detail"]
    kind = str(event["type"]).split()[1].lower()
    subject = "/".join(str(detail[name]) for name in ("pipeline", "dataset") if detail.get(name))
    run = f"  {detail['run']}" if detail.get("run") else ""
    before = f"{detail['previousState']} → " if detail.get("previousState") else ""
    reason = f"  {' '.join(str(detail['reason']).split())}" if detail.get("reason") else ""
    return f"{local_time(detail['at'])}  {kind:<8}  {subject}{run}  {before}{detail['state']}{reason}"


def _moment(text: str | None) -> str | None:
    """Read a moment as people write it, in the terminal's own zone if it names none; or a span of time before now."""
    if text and is_span(text):
        if seconds(text) > _KEPT:
            raise UsageError("Events are kept for 14 days: ask for --since 14d.")
        return datetime.fromtimestamp(time.time() - seconds(text), UTC).isoformat()
    try:
        return None if text is None else datetime.fromisoformat(text).astimezone(UTC).isoformat()
    except ValueError as error:
        raise UsageError(
            f"--since takes a moment such as 2031-05-01T10:00:00Z or a span of time such as 15m, not {text!r}."
        ) from error
