"""What a dataset must look like to become the input of a training job; everything else is refused by name.

`inspect` sees what the whole listing found, so its answer depends on what lies there, never on the order in which it
came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chalicelib.decide.identity import START, extend
from chalicelib.decide.keys import Refusal, folder, read_key
from chalicelib.decide.listing import CHANNEL_LIMIT, SHOWN
from chalicelib.decide.ready import CHANNEL
from chalicelib.model import DatasetId, Finds, Listing, S3Object

OBJECT_LIMIT = 2_000_000
"""So many are written into one manifest within one function's time, however long their names are."""

_AGAIN = "Delete or rename them, then upload an empty _READY (or any file) to try again."


@dataclass(frozen=True, slots=True)
class Survey:
    """All that lies under a dataset's name: the files of its folder, and single objects of that name."""

    dataset: DatasetId
    listing: Listing
    singles: tuple[S3Object, ...] = ()
    complete: bool = True
    """Whether the listing has come to its end."""
    rows: bytes = b""
    """The last of its files, written down nowhere else yet."""

    @property
    def newest(self) -> float:
        """When the newest object arrived, junk left out."""
        return max([self.listing.newest, *(it.modified for it in self.singles)])

    @property
    def overflow(self) -> bool:
        """There is more than is ever listed."""
        return self.listing.listed > OBJECT_LIMIT

    @property
    def single(self) -> S3Object | None:
        return self.singles[0] if self.singles and not self.listing.objects else None

    @property
    def digest(self) -> str:
        """Give the digest of what was listed: what a run is named by."""
        if self.single:
            return extend(START, extension(self.single.key), self.single.size, self.single.etag).hex()
        return self.listing.digest

    def counts(self) -> dict[str, int]:
        """Count the objects of each channel."""
        return {"training": 1} if self.single else {it.channel: it.objects for it in self.listing.channels}


def extension(key: str) -> str:
    """Give the extension of a single object's key: its relative key in the digest."""
    drop = read_key(key)
    return drop.relative if drop else ""


def inspect(survey: Survey) -> Refusal | None:
    """Find the first thing that keeps these objects from being a dataset."""
    checks = (_size, _clash, _single, _both, _strays, _names, _channels, _empty)
    return next((problem for check in checks if (problem := check(survey))), None)


def missing_channels(survey: Survey, required: Iterable[str]) -> Refusal | None:
    there = survey.counts()
    missing = [name for name in required if name not in there]
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
            f"The dataset has more than {OBJECT_LIMIT:,} objects, and no more than that are sealed.",
            "Pack the files into fewer, larger ones, or drop a single archive.",
        )
    if survey.listing.objects or survey.singles:
        return None
    return Refusal("The dataset is empty.", f"Upload its files under {folder(survey.dataset)}training/.")


def _clash(survey: Survey) -> Refusal | None:
    homes = [it.key for it in survey.singles] + ([folder(survey.dataset)] if survey.listing.objects else [])
    if len(homes) < 2:  # noqa: PLR2004 (two is a clash)
        return None
    return Refusal(
        f"{_listed(homes, len(homes))} are all the dataset {survey.dataset}: "
        "a name stands for one folder or one object.",
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
        survey.listing.strays,
        "directly under the dataset, in no channel",
        f"Put every file into a channel's folder, such as {folder(survey.dataset)}training/; delete these, "
        "then upload an empty _READY (or any file) to try again.",
    )


def _names(survey: Survey) -> Refusal | None:
    return _refused(survey.listing.bad_names, "a name that no file can have on disk", _AGAIN)


def _channels(survey: Survey) -> Refusal | None:
    there = sorted(survey.counts())
    if survey.single is None and (bad := [name for name in there if not CHANNEL.fullmatch(name)]):
        return Refusal(
            f"{_names_of(bad)} cannot be a channel: SageMaker allows 1 to 64 letters, digits, dots, hyphens and "
            "underscores.",
            f"Rename the folder under {folder(survey.dataset)}, then upload its files again.",
        )
    count = len(there) + survey.listing.more_channels
    if count > CHANNEL_LIMIT:
        return Refusal(
            f"The dataset has {count} channels; SageMaker allows {CHANNEL_LIMIT}.",
            f"A channel is a folder directly under {folder(survey.dataset)}: put classes one level deeper, "
            "as in training/<class>/.",
        )
    return None


def _both(survey: Survey) -> Refusal | None:
    return _refused(survey.listing.clashes, "both a file and a folder", _AGAIN)


def _empty(survey: Survey) -> Refusal | None:
    found = survey.listing.empty
    return _refused(
        found,
        "empty file" if found.count == 1 else "empty files",
        "Upload them again with their content, or delete them and upload an empty _READY.",
    )


def _refused(found: Finds, what: str, todo: str) -> Refusal | None:
    return Refusal(f"{what}: {_listed(found.keys, found.count)}", todo) if found.count else None


def _listed(keys: Sequence[str], count: int) -> str:
    more = count - len(keys[:SHOWN])
    return ", ".join(keys[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _names_of(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _plural(word: str, things: Sequence[str]) -> str:
    return word if len(things) == 1 else f"{word}s"
