"""What the functions and the endpoints of a stage have logged, through CloudWatch Logs: at home as on AWS."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dropforge.cli.command import Session
from dropforge.cli.errors import UsageError
from dropforge.cli.render import clean, local_time

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PLATFORM = re.compile(r"(INIT_START|START|END|REPORT|XRAY) ")
"""Lambda's own lines around each call."""
_ASIDE = frozenset({"level", "location", "message", "timestamp", "service", "cold_start", "xray_trace_id", "stage"})
_TOLD = frozenset({"_aws", "step", "outcome", "exception", "exception_name", "stack_trace"})
_LATE = 10_000
"""Milliseconds by which a line may come after one that is newer: CloudWatch takes streams in as they arrive."""


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """One line: `at` in milliseconds since 1970; `of` is an endpoint, or a function as the app calls it."""

    at: int
    of: str
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Kind:
    """Log groups of one kind."""

    what: str
    head: str
    """What their names begin with, before the stack's."""
    called: Callable[[str], str]
    """Reads who it is from the rest of a group's name."""
    means: Callable[[str, str], bool]
    """Tells whether a person who names the first means the second."""


def show(session: Session, kind: Kind, name: str | None, *, seconds: int, follow: bool) -> None:
    """Print what all of a kind have logged, or the one that is named; with `follow`, for as long as it is let."""
    reader = Reader(session.place.client("logs"), session.place.stack, name, kind)
    begin = max(0, int((time.time() - seconds) * 1000))
    while True:
        for line in reader.news(begin):
            _print(session, kind, line)
        if not follow:
            break
        time.sleep(session.place.pause)
    if not reader.groups():
        session.terminal.note(f"No {kind.what} of this stage has logged anything yet.")


class Reader:
    """Gives each line of some log groups once."""

    def __init__(self, logs: Any, stack: str, name: str | None, kind: Kind) -> None:
        self._logs = logs
        self._kind = kind
        self._head = f"{kind.head}{stack}-"
        self._name = name
        self._newest: dict[str, int] = {}
        self._given: dict[str, dict[str, int]] = {}

    def groups(self) -> dict[str, str]:
        """Find the groups to read: whose each is. There is one from the first line on."""
        pages = self._logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=self._head)
        named = [group["logGroupName"] for page in pages for group in page["logGroups"]]
        found = {group: self._kind.called(group.removeprefix(self._head)) for group in named}
        asked, means = self._name, self._kind.means
        chosen = {group: of for group, of in found.items() if asked is None or means(asked, of)}
        if found and not chosen:
            known = ", ".join(sorted(set(found.values())))
            raise UsageError(f"No {self._kind.what} {asked} has logged anything; these have: {known}.")
        return chosen

    def news(self, begin: int) -> Sequence[Line]:
        """Read what is new in all groups, oldest first."""
        return sorted(line for group, of in self.groups().items() for line in self._new(group, of, begin))

    def _new(self, group: str, of: str, begin: int) -> Iterator[Line]:
        given = self._given.setdefault(group, {})
        start = max(begin, self._newest.get(group, begin) - _LATE)
        pages = self._logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start)
        for event in (event for page in pages for event in page["events"]):
            if event["eventId"] not in given:
                given[event["eventId"]] = event["timestamp"]
                self._newest[group] = max(self._newest.get(group, 0), event["timestamp"])
                yield Line(event["timestamp"], of, event["eventId"], event["message"].rstrip("\n"))
        self._given[group] = {name: at for name, at in given.items() if at >= self._newest.get(group, 0) - _LATE}


def function_of(name: str) -> str:
    """Give a function's name in the app: `on_wake` of `OnWake-1A2B3C`, what CloudFormation made of it."""
    return _HUMP.sub("_", name.rpartition("-")[0] or name).lower()


def _endpoint_means(asked: str, found: str) -> bool:
    """Take a pipeline's name for all of its endpoints, a rehearsal's, too."""
    return found in {asked, f"{asked}-realtime"} or found.startswith(f"{asked}-rehearse-")


FUNCTIONS = Kind("function", "/aws/lambda/", function_of, str.__eq__)
ENDPOINTS = Kind("endpoint", "/aws/sagemaker/Endpoints/", str, _endpoint_means)


def _print(session: Session, kind: Kind, line: Line) -> None:
    iso = datetime.fromtimestamp(line.at / 1000, UTC).isoformat(timespec="milliseconds")
    told = _read(line.text) if kind is FUNCTIONS else None  # what a model prints is its own affair
    if session.terminal.as_json:
        session.terminal.event({"at": iso, kind.what: line.of, "line": line.text if told is None else told})
    elif text := words(line.text, told):
        print(clean(f"{local_time(iso)[-8:]}  {line.of:<20}  {text}"), flush=True)


def words(text: str, told: Mapping[str, Any] | None) -> str:
    """Make a line to read of a structured one; nothing of a mere figure (`dropforge metrics` shows those)."""
    if told is None:
        return "" if _PLATFORM.match(text) else text
    if "_aws" in told and "step" not in told:
        return ""
    said = f"{told['step']} {told.get('outcome', '')}".rstrip() if "step" in told else str(told.get("message", ""))
    facts = {name: value for name, value in told.items() if not _is_aside(name) and value is not None}
    trace = f"\n{told['exception']}" if told.get("exception") else ""
    return "  ".join([said, *(f"{name}={_value(value)}" for name, value in facts.items())]) + trace


def _is_aside(name: str) -> bool:
    return name in _ASIDE | _TOLD or name.startswith("function_")


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _read(text: str) -> dict[str, Any] | None:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None
