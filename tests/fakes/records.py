"""The one table, in memory: conditional on rev, copies in and out, and it counts what DynamoDB would charge for."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, TypeVar

from chalicelib.errors import ConflictError, InvalidError
from chalicelib.model import (
    EVERYTHING,
    Dataset,
    DatasetId,
    DatasetState,
    Entry,
    Pause,
    PipelineRecord,
    Release,
    Run,
    RunState,
    Serving,
)
from chalicelib.names import run12
from chalicelib.news import News, Origin, Told, tell
from chalicelib.ports import Clock, Page, Stored
from chalicelib.watch import subject_of
from tests.fakes.schemas import check_against_schemas

Value = TypeVar("Value")


class FakeRecords:
    def __init__(
        self,
        clock: Clock = lambda: 0.0,
        origin: Origin = Origin("df-test", "test", "bucket"),  # noqa: B008  frozen
    ) -> None:
        self.clock = clock
        self.origin = origin
        self.reads = 0
        """Items read, and one for each request that found none."""
        self.writes = 0
        """Items written, timeline entries included."""
        self._items: dict[str, Any] = {}
        self._lines: dict[str, dict[str, Entry]] = {}
        self._serving: dict[str, Serving] = {}
        self._pointing: dict[str, set[DatasetId]] = {}
        self._cursors: dict[str, str] = {}
        self._outbox: dict[str, News] = {}
        self._unsent: set[str] = set()
        self._told: dict[str, Told] = {}
        self._pauses: dict[str, Pause] = {}

    @property
    def calls(self) -> int:
        return self.reads + self.writes

    def dataset(self, dataset: DatasetId) -> Dataset | None:
        return self._get(f"dataset:{dataset}", Dataset)

    def run(self, run: str) -> Run | None:
        return self._get(f"run:{run12(run)}", Run)

    def release(self, pipeline: str) -> Release | None:
        return self._get(f"release:{pipeline}", Release)

    def pipeline(self, name: str) -> PipelineRecord | None:
        return self._get(f"pipeline:{name}", PipelineRecord)

    def save(self, item: Stored, *entries: Entry) -> Stored:
        subject = subject_of(item)
        stored = self._items.get(subject)
        if (stored.rev if stored else 0) != item.rev:
            raise ConflictError(subject=subject)
        self.writes += 1
        kept, news = tell(replace(deepcopy(item), rev=item.rev + 1), self.clock(), self.origin)
        check_against_schemas(news)
        self.writes += len(news)
        self._items[subject] = kept
        self._outbox |= {each.order: deepcopy(each) for each in news}
        self._unsent |= {each.id for each in news}
        for place, entry in enumerate(entries):
            self._write_line(subject, entry, place)
        return deepcopy(kept)

    def note(self, subject: str, entry: Entry) -> None:
        self._write_line(subject, entry)

    def timeline(self, subject: str, *, after: str | None = None, limit: int = 100) -> Page[Entry]:
        lines = sorted(self._lines.get(_whole(subject), {}).items(), key=lambda line: line[0])
        return self._page(f"timeline {_whole(subject)}", lines, after, limit)

    def serving(self, pipeline: str) -> Serving | None:
        self.reads += 1
        return self._serving.get(pipeline)

    def serve(self, serving: Serving) -> None:
        self.writes += 1
        self._serving[serving.pipeline] = serving

    def offer(self, serving: Serving) -> None:
        self.writes += 1
        if not self._is_live(serving.pipeline):
            self._serving[serving.pipeline] = serving

    def withdraw(self, pipeline: str) -> None:
        self.writes += 1
        if not self._is_live(pipeline):
            self._serving.pop(pipeline, None)

    def _is_live(self, pipeline: str) -> bool:
        return pipeline in self._serving and self._serving[pipeline].live

    def point(self, run: str, dataset: DatasetId) -> None:
        self.writes += 1
        self._pointing.setdefault(run12(run), set()).add(dataset)

    def unpoint(self, run: str, dataset: DatasetId) -> None:
        self.writes += 1
        self._pointing.get(run12(run), set()).discard(dataset)

    def pointing(self, run: str) -> tuple[DatasetId, ...]:
        found = tuple(sorted(self._pointing.get(run12(run), ())))
        self.reads += len(found) or 1
        return found

    def due(self, kind: str, before: float, *, limit: int) -> tuple[str, ...]:
        open_items = (
            (item.due, subject)
            for subject, item in self._items.items()
            if subject.startswith(f"{kind}:") and item.due is not None and item.due <= before
        )
        found = tuple(subject for _, subject in sorted(open_items)[:limit])
        self.reads += len(found) or 1
        return found

    def datasets(
        self,
        *,
        pipeline: str | None = None,
        state: DatasetState | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Dataset]:
        listed = [item for item in self._all(Dataset) if pipeline in {None, item.id.pipeline}]
        wanted = [item for item in listed if state in {None, item.state}]
        self._pass_over(len(listed) - len(wanted), after)
        return self._newest(f"datasets {pipeline}", wanted, lambda item: (item.first_seen, str(item.id)), after, limit)

    def runs(
        self, *, pipeline: str | None = None, state: RunState | None = None, after: str | None = None, limit: int = 50
    ) -> Page[Run]:
        listed = [item for item in self._all(Run) if pipeline in {None, item.pipeline}]
        wanted = [item for item in listed if state in {None, item.state}]
        self._pass_over(len(listed) - len(wanted), after)
        return self._newest(f"runs {pipeline}", wanted, lambda item: (item.created_at, run12(item.id)), after, limit)

    def pipelines(self, *, after: str | None = None, limit: int = 50) -> Page[PipelineRecord]:
        found = [(item.name, item) for item in self._all(PipelineRecord)]
        return self._page("pipelines", sorted(found, key=lambda pair: pair[0]), after, limit)

    def cursor(self, name: str) -> str:
        self.reads += 1
        return self._cursors.get(name, "")

    def move_cursor(self, name: str, to: str) -> None:
        self.writes += 1
        self._cursors[name] = to

    def outbox(self, *, after: News | None = None, limit: int = 100) -> tuple[News, ...]:
        waiting = sorted(key for key in self._outbox if after is None or key > after.order)[:limit]
        self.reads += len(waiting) or 1
        return tuple(deepcopy(self._outbox[key]) for key in waiting)

    def unsent(self) -> frozenset[str]:
        taken, self._unsent = self._unsent, set()
        return frozenset(taken)

    def published(self, news: Sequence[News]) -> None:
        now = self.clock()
        for each in news:
            self.writes += 2
            self._outbox.pop(each.order, None)
            self._told[f"{now:017.6f}#{each.order}"] = Told(now, deepcopy(each))

    def events(self, *, since: float | None = None, after: str | None = None, limit: int = 50) -> Page[Told]:
        newest = since is None and after is None
        begin = self.clock() if newest else min(max(since or 0.0, 0.0), 9_999_999_999.0)
        start = _read_token("events", after) or f"{begin:017.6f}#"
        keys = sorted(key for key in self._told if newest or key > start)
        keys = keys[-limit:] if newest else keys[:limit]
        self.reads += len(keys) or 1
        token = _write_token("events", keys[-1] if keys else start)
        return Page(tuple(deepcopy(self._told[key]) for key in keys), token)

    def pause(self, pause: Pause, entry: Entry) -> None:
        if pause.scope in self._pauses:
            raise ConflictError(scope=pause.scope)
        self.writes += 1
        self._pauses[pause.scope] = pause
        self._write_line(f"pipeline:{pause.scope}", entry)

    def unpause(self, pause: Pause, entry: Entry) -> None:
        if self._pauses.get(pause.scope) != pause:
            raise ConflictError(scope=pause.scope)
        self.writes += 1
        del self._pauses[pause.scope]
        self._write_line(f"pipeline:{pause.scope}", entry)

    def paused(self, pipeline: str) -> Pause | None:
        own = self._pauses.get(pipeline)
        self.reads += 1 if own or pipeline == EVERYTHING else 2
        return own or self._pauses.get(EVERYTHING)

    # What a test looks at.

    def peek(self, subject: str) -> Any:
        """Give what is stored, or None, counting no read."""
        return deepcopy(self._items.get(_whole(subject)))

    def entries(self, subject: str) -> tuple[Entry, ...]:
        """Give a whole timeline, counting no reads."""
        lines = self._lines.get(_whole(subject), {})
        return tuple(deepcopy(lines[key]) for key in sorted(lines))

    def _get(self, subject: str, kind: type[Value]) -> Value | None:
        self.reads += 1
        found = deepcopy(self._items.get(subject))
        return found if isinstance(found, kind) else None

    def _all(self, kind: type[Value]) -> list[Value]:
        return [item for item in self._items.values() if isinstance(item, kind)]

    def _write_line(self, subject: str, entry: Entry, place: int = 0) -> None:
        self.writes += 1
        kept = json.dumps([place, entry.what, sorted(entry.facts.items())])
        self._lines.setdefault(_whole(subject), {})[_age_key(entry.at, kept)] = deepcopy(entry)

    def _pass_over(self, items: int, after: str | None) -> None:
        """What a list leaves out for its state is read all the same; it is counted at the first page."""
        self.reads += 0 if after else items

    def _newest(
        self,
        name: str,
        wanted: Sequence[Value],
        age: Callable[[Value], tuple[float, str]],
        after: str | None,
        limit: int,
    ) -> Page[Value]:
        found = sorted(wanted, key=age, reverse=True)
        return self._page(name, [(_age_key(*age(item)), item) for item in found], after, limit, descending=True)

    def _page(
        self, name: str, keyed: Sequence[tuple[str, Value]], after: str | None, limit: int, *, descending: bool = False
    ) -> Page[Value]:
        start = _read_token(name, after)
        rest = [(key, item) for key, item in keyed if start is None or (key < start if descending else key > start)]
        given = rest[:limit]
        self.reads += len(given) or 1
        token = _write_token(name, given[-1][0]) if len(rest) > limit else None
        return Page(tuple(deepcopy(item) for _, item in given), token)


def _age_key(at: float, name: str) -> str:
    return f"{at:020.6f}#{name}"


def _whole(subject: str) -> str:
    kind, _, name = subject.partition(":")
    return f"run:{run12(name)}" if kind == "run" else subject


def _write_token(name: str, key: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([name, key]).encode()).decode()


def _read_token(name: str, token: str | None) -> str | None:
    if token is None:
        return None
    try:
        given, key = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, UnicodeError, ValueError) as error:
        raise InvalidError("That `next` is not one that a list gave.", token=token) from error
    if given != name:
        raise InvalidError("That `next` is not one that this list gave.", token=token)
    return str(key)
