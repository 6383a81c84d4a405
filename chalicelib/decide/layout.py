"""What a dataset must look like to become the input of a training job; everything else is refused by name.

`inspect` sees the whole listing, so its answer depends on what lies there, never on the order in which it came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from chalicelib.decide.keys import Refusal, folder, read_key
from chalicelib.decide.ready import CHANNEL
from chalicelib.model import DatasetId, S3Object

OBJECT_LIMIT = 50_000
"""What one invocation lists: fifty pages."""
CHANNEL_LIMIT = 20
"""Of SageMaker's: channels of one training job."""
NAME_LIMIT = 255
"""Bytes of one file or folder name, on every file system that a container has."""

_SHOWN = 3
_AGAIN = "Delete or rename them, then upload an empty _READY (or any file) to try again."


@dataclass(frozen=True, slots=True)
class Survey:
    """All that lies under a dataset's name: data of its folder (in key order), single objects of that name."""

    dataset: DatasetId
    data: tuple[S3Object, ...] = ()
    singles: tuple[S3Object, ...] = ()
    overrides: bool = False
    """Whether the folder has a run.toml."""
    newest: float = 0.0
    """When the newest object arrived, junk left out."""
    overflow: bool = False
    """There is more than is ever listed."""

    @property
    def single(self) -> S3Object | None:
        return self.singles[0] if self.singles and not self.data else None

    def entries(self) -> tuple[tuple[str, S3Object], ...]:
        """Pair each object with its relative key, in S3's order: what the digest is made of."""
        if self.single:
            return ((extension(self.single.key), self.single),)
        start = len(folder(self.dataset))
        return tuple((it.key[start:], it) for it in self.data)

    def counts(self) -> Counter[str]:
        """Count the objects of each channel."""
        if self.single:
            return Counter(training=1)
        return Counter(channel(name) for name, _ in self.entries())


def extension(key: str) -> str:
    """Give the extension of a single object's key: its relative key in the digest."""
    drop = read_key(key)
    return drop.relative if drop else ""


def channel(relative_key: str) -> str:
    return relative_key.partition("/")[0]


def inspect(survey: Survey) -> Refusal | None:
    """Find the first thing that keeps these objects from being a dataset."""
    checks = (_size, _clash, _single, _both, _strays, _names, _channels, _empty)
    return next((problem for check in checks if (problem := check(survey))), None)


def missing_channels(survey: Survey, required: Iterable[str]) -> Refusal | None:
    there = survey.counts()
    missing = [name for name in required if not there[name]]
    if not missing:
        return None
    return Refusal(
        f"The pipeline requires the {_plural('channel', missing)} {_names_of(missing)}; "
        f"the dataset has {_names_of(sorted(there)) or 'none'}.",
        f"Upload files under {folder(survey.dataset)}{missing[0]}/.",
    )


def _size(survey: Survey) -> Refusal | None:
    if survey.overflow:
        return Refusal(
            f"not supported yet: more than {OBJECT_LIMIT:,} objects in one dataset.",
            "Pack the files into fewer, larger ones, or drop a single archive.",
        )
    if survey.data or survey.singles:
        return None
    return Refusal("The dataset is empty.", f"Upload its files under {folder(survey.dataset)}training/.")


def _clash(survey: Survey) -> Refusal | None:
    homes = [it.key for it in survey.singles] + ([folder(survey.dataset)] if survey.data else [])
    if len(homes) < 2:  # noqa: PLR2004 (two is a clash)
        return None
    return Refusal(
        f"{_listed(homes)} are all the dataset {survey.dataset}: a name stands for one folder or one object.",
        "Delete or rename all but one, then upload the one that remains again.",
    )


def _single(survey: Survey) -> Refusal | None:
    single = survey.single
    if single is None:
        return None
    ending = extension(single.key)
    if not ending:
        return Refusal(
            f"{single.key} lies beside the datasets and has no extension: it is neither a file of one nor an archive.",
            f"Upload it under {folder(survey.dataset)}training/, or with an extension such as .zip or .csv.",
        )
    if ending.lower() == "manifest":
        return Refusal(
            f"not supported yet: datasets that are a .manifest ({single.key}).",
            f"Upload the files themselves under {folder(survey.dataset)}training/.",
        )
    if single.size == 0:
        return Refusal(f"empty file: {single.key}", "Upload it again, with its content.")
    return None


def _strays(survey: Survey) -> Refusal | None:
    return _refused(
        survey,
        lambda name: "/" not in name,
        "directly under the dataset, in no channel",
        f"Put every file into a channel's folder, such as {folder(survey.dataset)}training/; delete these, "
        "then upload an empty _READY (or any file) to try again.",
    )


def _names(survey: Survey) -> Refusal | None:
    return _refused(survey, _bad_name, "a name that no file can have on disk", _AGAIN)


def _channels(survey: Survey) -> Refusal | None:
    there = sorted(survey.counts())
    if survey.single is None and (bad := [name for name in there if not CHANNEL.fullmatch(name)]):
        return Refusal(
            f"{_names_of(bad)} cannot be a channel: SageMaker allows 1 to 64 letters, digits, dots, hyphens and "
            "underscores.",
            f"Rename the folder under {folder(survey.dataset)}, then upload its files again.",
        )
    if len(there) > CHANNEL_LIMIT:
        return Refusal(
            f"The dataset has {len(there)} channels; SageMaker allows {CHANNEL_LIMIT}.",
            f"A channel is a folder directly under {folder(survey.dataset)}: put classes one level deeper, "
            "as in training/<class>/.",
        )
    return None


def _both(survey: Survey) -> Refusal | None:
    folders: set[str] = set()
    for name, _ in survey.entries():
        parent = name.rpartition("/")[0]
        while parent and parent not in folders:
            folders.add(parent)
            parent = parent.rpartition("/")[0]
    return _refused(survey, lambda name: name in folders, "both a file and a folder", _AGAIN)


def _empty(survey: Survey) -> Refusal | None:
    empty = [it.key for it in survey.data if it.size == 0]
    if not empty:
        return None
    return Refusal(
        f"empty {_plural('file', empty)}: {_listed(empty)}",
        "Upload them again with their content, or delete them and upload an empty _READY.",
    )


def _bad_name(name: str) -> bool:
    return "\0" in name or any(
        part in {"", ".", ".."} or len(part.encode("utf-8", "surrogatepass")) > NAME_LIMIT for part in name.split("/")
    )


def _refused(survey: Survey, bad: Callable[[str], bool], what: str, todo: str) -> Refusal | None:
    """Refuse where any relative key of the folder is bad, naming the first few."""
    found = [it.key for name, it in survey.entries() if bad(name)] if survey.single is None else []
    return Refusal(f"{what}: {_listed(found)}", todo) if found else None


def _listed(keys: Sequence[str]) -> str:
    more = len(keys) - _SHOWN
    return ", ".join(keys[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _names_of(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _plural(word: str, things: Sequence[str]) -> str:
    return word if len(things) == 1 else f"{word}s"
