"""An order to start: what it makes of the dataset that it is about. Pure; the machine seals, and names the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from chalicelib.model import Command, Dataset, DatasetId, DatasetState, Entry

REMEMBERED = 20
"""Ids of orders that a dataset remembers; one that comes again later than that only looks again, and changes little."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An order to start: of a dataset by its name, or of channels, each an S3 URI."""

    pipeline: str
    command: Command
    dataset: str | None = None
    channels: Mapping[str, str] = field(default_factory=dict)
    values: str = ""
    """TOML, as in a run.toml."""
    request: str = ""
    """What the sender calls this order; one that comes again is carried out once."""


@dataclass(frozen=True, slots=True)
class Known:
    """The order was carried out, or stands already."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Remember what is asked for: the dataset is looked at again, and seals with the pipeline's newest version."""

    dataset: Dataset
    entry: Entry


def ask(
    seen: Dataset | None,
    dataset: DatasetId,
    command: Command,
    *,
    values: str = "",
    sources: Mapping[str, str] | None = None,
    request: str = "",
) -> Known | Ask:
    """Ask for a run. `values` are TOML and replace those of the last order; `request` is the order's own id."""
    known = seen or Dataset(dataset, first_seen=command.at, last_seen=command.at, sources=dict(sources or {}))
    if request in known.requests or (known.asked is not None and known.overrides == values and not request):
        return Known()
    asked = replace(
        known,
        state=DatasetState.COLLECTING,
        asked=command,
        overrides=values,
        requests=(*known.requests, *([request] if request else []))[-REMEMBERED:],
        waiting="It is about to be listed.",
        reason=None,
        todo=None,
        listing=None,
        due=command.at,
    )
    facts = {"by": command.by, "reason": command.reason} | ({"request": request} if request else {})
    return Ask(asked, Entry(command.at, "start asked for", facts))
