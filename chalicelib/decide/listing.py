"""Listing a dataset, as a fold over its objects in the order of their keys.

What is known so far stays small, however many objects there are, and the rest of the listing needs nothing else: it
stops after any object, and goes on in another process.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from chalicelib.decide.identity import extend
from chalicelib.decide.keys import OVERRIDES, READY
from chalicelib.model import Finds, Listing, S3Object, Tally
from chalicelib.names import is_junk

CHANNEL_LIMIT = 20
"""Of SageMaker's: channels of one training job."""
NAME_LIMIT = 255
"""Bytes of one file or folder name, on every file system that a container has."""
SHOWN = 3
"""Keys that a refusal names."""
LIFE = 86_400
"""Seconds after which a listing that never ended is begun anew: what it wrote down is deleted a day later."""

_NO_DATA = frozenset({READY, OVERRIDES})
_NO_NAMES = frozenset({"", ".", ".."})


@dataclass(frozen=True, slots=True)
class Source:
    """Where a part of a dataset lies. `place` is what its keys begin with in the dataset: "" or `<channel>/`."""

    bucket: str
    prefix: str
    place: str = ""
    only: str = ""
    """The one object after the prefix that is meant, where it is not all of them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One file of a dataset: its key as it counts for the digest, its size, its ETag."""

    name: str
    size: int
    etag: str


def begin(listing: Listing | None, now: float) -> Listing:
    """Go on with a listing that is under way, unless it has stood still for too long."""
    return listing if listing is not None and now - listing.began < LIFE else Listing(began=now)


def fold(listing: Listing, source: Source, objects: Iterable[S3Object]) -> tuple[Listing, list[Row]]:
    """Take the next objects of a source into account; gives the files among them, too."""
    state = _Fold(listing, source)
    rows = [row for it in objects if (row := state.take(it))]
    return state.listing(len(rows)), rows


def next_source(listing: Listing) -> Listing:
    return replace(listing, source=listing.source + 1, after="")


def channel(name: str) -> str:
    return name.partition("/")[0]


def is_bad_name(name: str) -> bool:
    """Tell whether no file on disk can have that name."""
    return "\0" in name or any(
        part in _NO_NAMES or (len(part) > NAME_LIMIT // 4 and len(part.encode("utf-8", "surrogatepass")) > NAME_LIMIT)
        for part in name.split("/")
    )


class _Fold:
    """A listing while objects are being taken into it."""

    def __init__(self, listing: Listing, source: Source) -> None:
        self.before, self.source = listing, source
        self.after, self.last, self.files = listing.after, listing.last, listing.files
        self.listed, self.newest, self.overrides = listing.listed, listing.newest, listing.overrides
        self.digest = bytes.fromhex(listing.digest)
        self.tallies = {it.channel: [it.objects, it.size] for it in listing.channels}
        self.more_channels = listing.more_channels
        self.strays: list[str] = []
        self.clashes: list[str] = []
        self.bad_names: list[str] = []
        self.empty: list[str] = []

    def take(self, it: S3Object) -> Row | None:
        """Take one object into account; gives it back where it is data."""
        self.listed += 1
        self.after = it.key
        if is_junk(it.key):
            return None
        self.newest = max(self.newest, it.modified)
        name = self.source.place + it.key[len(self.source.prefix) :]
        if name in _NO_DATA and not self.source.place:
            self.overrides = self.overrides or name == OVERRIDES
            return None
        self.digest = extend(self.digest, name, it.size, it.etag)
        self._count(channel(name), it.size)
        self._look_at(name, it)
        self._remember(name)
        return Row(name, it.size, it.etag)

    def listing(self, taken: int) -> Listing:
        before = self.before
        return replace(
            before,
            after=self.after,
            last=self.last,
            digest=self.digest.hex(),
            listed=self.listed,
            objects=before.objects + taken,
            channels=tuple(Tally(name, objects, size) for name, (objects, size) in self.tallies.items()),
            more_channels=self.more_channels,
            newest=self.newest,
            overrides=self.overrides,
            files=self.files,
            strays=_and(before.strays, self.strays),
            clashes=_and(before.clashes, self.clashes),
            bad_names=_and(before.bad_names, self.bad_names),
            empty=_and(before.empty, self.empty),
        )

    def _count(self, name: str, size: int) -> None:
        tally = self.tallies.get(name)
        if tally is not None:
            tally[0] += 1
            tally[1] += size
        elif len(self.tallies) <= CHANNEL_LIMIT:
            self.tallies[name] = [1, size]
        elif name != channel(self.last):
            self.more_channels += 1

    def _look_at(self, name: str, it: S3Object) -> None:
        if "/" not in name:
            self.strays.append(it.key)
        if is_bad_name(name):
            self.bad_names.append(it.key)
        if it.size == 0:
            self.empty.append(it.key)

    def _remember(self, name: str) -> None:
        """Keep the files that a later key may yet lie in, as in a folder: they are beginnings of this one.

        Keys come in order: from `a` on, those that begin with `a` come first, and among them `a-b` before `a/b`.
        """
        if self.last and name.startswith(self.last):
            self.files += (len(self.last),)
        if self.files:
            open_files = [length for length in self.files if name.startswith(self.last[:length])]
            self.clashes += [self._key(name[:length]) for length in open_files if name[length : length + 1] == "/"]
            self.files = tuple(length for length in open_files if name[length : length + 1] < "/")
        self.last = name

    def _key(self, name: str) -> str:
        return self.source.prefix + name[len(self.source.place) :]


def _and(before: Finds, keys: list[str]) -> Finds:
    if not keys:
        return before
    return Finds((*before.keys, *keys[: SHOWN - len(before.keys)]), before.count + len(keys))
