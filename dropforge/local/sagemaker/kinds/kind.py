"""A kind of jobs: its names, and the operations that all kinds have alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dropforge.local.sagemaker import listing, tags
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.store import Doc, Event, MissingError, TakenError
from dropforge.local.sagemaker.wire.refusal import Refusal

FINAL = frozenset({"Completed", "Failed", "Stopped"})
AFTER: Mapping[str, frozenset[str]] = {
    "": frozenset({"InProgress"}),
    "InProgress": frozenset({"Stopping", *FINAL}),
    "Stopping": FINAL,
}
"""Which status follows which, for every kind but labelling."""


def _nothing_more(_: Doc) -> None:
    """Change nothing."""


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    """As ARNs have it."""
    noun: str
    """What its members begin with: `ProcessingJob` for ProcessingJobName, ProcessingJobArn, ProcessingJobStatus."""
    started: str
    """The member that tells when a job began to work."""
    ended: str
    """The member that tells when a job ended."""
    listed: str
    """The member of the list's answer that has the jobs."""
    summary: tuple[str, ...]
    """What a list tells of each."""
    event: Callable[[Doc], Event]
    taken: Refusal
    missing: Refusal
    over: Refusal
    moved: Callable[[Doc], None] = _nothing_more
    """What else a new status changes in a document."""
    folder: str = ""
    """Where its jobs have their folders; by the kind's name where nothing is said."""

    @property
    def status(self) -> str:
        return f"{self.noun}Status"


class Jobs:
    """The operations that all kinds have alike. `launch` and `stop` reach the one who runs them."""

    def __init__(self, ground: Ground, kind: Kind, launch: Callable[[str], None], stop: Callable[[str], None]) -> None:
        self._store = ground.store
        self._account = ground.account
        self._kind = kind
        self._launch = launch
        self._stop = stop

    def refuse_taken(self, name: str) -> None:
        """Refuse a name that a job of this kind has had."""
        if self._store.get(self._kind.name, name) is not None:
            raise self._kind.taken(name=name, arn=self._account.arn(self._kind.name, name))

    def create(self, name: str, doc: Doc, request: Mapping[str, Any], *, status: str = "InProgress") -> Doc:
        """Keep a job that has been checked, and have it run; gives the answer."""
        kind, now = self._kind, time.time()
        arn = self._account.arn(kind.name, name)
        doc |= {f"{kind.noun}Name": name, f"{kind.noun}Arn": arn, kind.status: status}
        doc |= {"CreationTime": now, "LastModifiedTime": now}
        doc |= {"_tags": tags.given(request), "_stop": False}
        kind.moved(doc)
        try:
            self._store.create(kind.name, name, doc, kind.event(doc))
        except TakenError as error:
            raise kind.taken(name=name, arn=arn) from error
        self._launch(name)
        return {f"{kind.noun}Arn": arn}

    def describe(self, request: Mapping[str, Any]) -> Doc:
        name = request[f"{self._kind.noun}Name"]
        doc = self._store.get(self._kind.name, name)
        if doc is None:
            raise self._kind.missing(name=name)
        return doc

    def page(self, request: Mapping[str, Any], *, sort_by: str = "CreationTime", descending: bool = False) -> Doc:
        ask = listing.Ask(self._kind.name, request, sort_by=sort_by, descending=descending)
        found, more = listing.page(self._store, ask)
        return {self._kind.listed: [{name: doc.get(name) for name in self._kind.summary} for doc in found], **more}

    def stop(self, request: Mapping[str, Any]) -> Doc:
        kind, name = self._kind, request[f"{self._kind.noun}Name"]

        def ask(doc: Doc) -> Iterable[Event]:
            if doc[kind.status] in FINAL:
                raise kind.over(name=name, status=doc[kind.status])
            doc["_stop"] = True
            if doc[kind.status] == "Stopping":  # nobody is told twice, though its time may have been over by itself
                return []
            doc |= {kind.status: "Stopping", "LastModifiedTime": time.time()}
            kind.moved(doc)
            return [kind.event(doc)]

        try:
            doc = self._store.change(kind.name, name, ask)
        except MissingError as error:
            raise kind.missing(name=name) from error
        self._stop(doc[f"{kind.noun}Name"])
        return {}
