"""The table of a simulation: what was saved is read back, by the same conditions, and the real one stays as it is."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.errors import ConflictError
from chalicelib.model import Dataset, DatasetId, Entry, PipelineRecord, Release, Run, Serving
from chalicelib.names import run12
from chalicelib.news import News, Origin, tell
from chalicelib.ports import Records, Stored
from chalicelib.simulated.journal import Change, Journal, Kept, Line
from chalicelib.simulated.overlay import Overlay


class SimulatedRecords(Overlay):
    """Lists show the real table: what a simulation made stands in its journal."""

    port = "records"
    reads = frozenset({"timeline", "datasets", "runs", "pipelines", "paused", "events"})

    def __init__(self, real: Records, journal: Journal, origin: Origin) -> None:
        super().__init__(real, journal)
        self._records = real
        self._origin = origin
        self._items: dict[str, Kept] = {}
        self._serving: dict[str, Serving | None] = {}
        self._pointing: dict[str, dict[DatasetId, bool]] = {}
        self._cursors: dict[str, str] = {}

    def dataset(self, dataset: DatasetId) -> Dataset | None:
        found = self._items.get(f"dataset:{dataset}")
        return found if isinstance(found, Dataset) else self._journal.look(lambda: self._records.dataset(dataset))

    def run(self, run: str) -> Run | None:
        found = self._items.get(f"run:{run12(run)}")
        return found if isinstance(found, Run) else self._journal.look(lambda: self._records.run(run))

    def release(self, pipeline: str) -> Release | None:
        found = self._items.get(f"release:{pipeline}")
        return found if isinstance(found, Release) else self._journal.look(lambda: self._records.release(pipeline))

    def pipeline(self, name: str) -> PipelineRecord | None:
        found = self._items.get(f"pipeline:{name}")
        return found if isinstance(found, PipelineRecord) else self._journal.look(lambda: self._records.pipeline(name))

    def save(self, item: Stored, *entries: Entry) -> Stored:
        subject, before = self._stored(item)
        if (before.rev if before else 0) != item.rev:
            raise ConflictError(subject=subject)
        saved, news = tell(replace(item, rev=item.rev + 1), self._journal.clock(), self._origin)
        self._journal.news += news
        self._items[subject] = saved
        self._journal.changes.setdefault(subject, Change(before, saved)).after = saved
        self._journal.lines += [Line(subject, entry) for entry in entries]
        told = ", ".join(entry.what for entry in entries)
        self._journal.note(
            "records", "save", f"remember {subject}" + (f": {told}" if told else ""), call="PutItem", names=(subject,)
        )
        return saved

    def note(self, subject: str, entry: Entry) -> None:
        self._journal.lines.append(Line(subject, entry))
        self._journal.note("records", "note", f"remember of {subject}: {entry.what}", call="PutItem", names=(subject,))

    def serving(self, pipeline: str) -> Serving | None:
        if pipeline in self._serving:
            return self._serving[pipeline]
        return self._journal.look(lambda: self._records.serving(pipeline))

    def serve(self, serving: Serving) -> None:
        name = serving.pipeline
        self._serving[name] = serving
        told = f"version {serving.model_version} is live" if serving.live else "nothing is live yet"
        self._journal.note("records", "serve", f"tell clients of {name}: {told}", call="PutItem", names=(name,))

    def offer(self, serving: Serving) -> None:
        seen = self.serving(serving.pipeline)
        if seen is None or not seen.live:
            self.serve(serving)

    def withdraw(self, pipeline: str) -> None:
        self._serving[pipeline] = None
        what = f"tell clients of {pipeline} no more"
        self._journal.note("records", "withdraw", what, call="DeleteItem", names=(pipeline,))

    def point(self, run: str, dataset: DatasetId) -> None:
        self._pointing.setdefault(run12(run), {})[dataset] = True
        what = f"point {dataset} at run {run12(run)}"
        self._journal.note("records", "point", what, call="PutItem", names=(run12(run),))

    def unpoint(self, run: str, dataset: DatasetId) -> None:
        self._pointing.setdefault(run12(run), {})[dataset] = False
        what = f"take {dataset} away from run {run12(run)}"
        self._journal.note("records", "unpoint", what, call="DeleteItem", names=(run12(run),))

    def pointing(self, run: str) -> tuple[DatasetId, ...]:
        ours = self._pointing.get(run12(run), {})
        real = [each for each in self._journal.look(lambda: self._records.pointing(run)) if each not in ours]
        return tuple(sorted([*real, *(dataset for dataset, there in ours.items() if there)]))

    def due(self, kind: str, before: float, *, limit: int) -> tuple[str, ...]:
        ours = {subject: item for subject, item in self._items.items() if subject.startswith(f"{kind}:")}
        real = self._journal.look(lambda: self._records.due(kind, before, limit=limit))
        open_ones = sorted((it.due, subject) for subject, it in ours.items() if it.due is not None and it.due <= before)
        return (*(each for each in real if each not in ours), *(subject for _, subject in open_ones))[:limit]

    def cursor(self, name: str) -> str:
        return self._cursors[name] if name in self._cursors else self._journal.look(lambda: self._records.cursor(name))

    def move_cursor(self, name: str, to: str) -> None:
        self._cursors[name] = to
        self._journal.note("records", "move_cursor", f"go on with the {name} from here next time", call="PutItem")

    def outbox(self, *, after: News | None = None, limit: int = 100) -> tuple[News, ...]:
        """Keep what waits there from being sent: what a simulation would tell stands in its journal."""
        del after, limit
        return ()

    def unsent(self) -> frozenset[str]:
        return frozenset()

    def _stored(self, item: Kept) -> tuple[str, Kept | None]:
        """Name an item's subject, and find how it stands now."""
        match item:
            case Dataset():
                return f"dataset:{item.id}", self.dataset(item.id)
            case Run():
                return f"run:{run12(item.id)}", self.run(item.id)
            case Release():
                return f"release:{item.pipeline}", self.release(item.pipeline)
            case PipelineRecord():
                return f"pipeline:{item.name}", self.pipeline(item.name)
