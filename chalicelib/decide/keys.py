"""What a key under `datasets/` means: any text gives a value, and no text is an error.

A drop whose name cannot be kept as it is (empty, `..`, unprintable, too long) gets a safe label, so that its refusal
has a status of its own: `~<what is readable of it>~<digest>`. No name that is kept as it is begins with `~`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.model import DatasetId
from chalicelib.names import is_junk, is_pipeline

ROOT = "datasets/"
READY = "_READY"
OVERRIDES = "run.toml"
NAME_LIMIT = 128

_LABEL_LIMIT = 40
_PACKED = (".gz", ".bz2", ".xz", ".zst")
_PACKABLE = (".tar", ".csv", ".tsv", ".json", ".jsonl", ".txt", ".libsvm", ".pkl", ".npy", ".parquet")


class Part(StrEnum):
    FILE = "file"
    """An object in the dataset's folder."""
    READY = "ready"
    OVERRIDES = "overrides"
    SINGLE = "single"
    """An object beside the folders: a whole dataset."""
    NEVER = "never"
    """Its pipeline or dataset cannot have such a name, whatever comes: `problem` says why."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A no before spending: why, and what to do."""

    reason: str
    todo: str


@dataclass(frozen=True, slots=True)
class Drop:
    """What one key is to which dataset. `relative`: its key inside the dataset, for a single object its extension."""

    dataset: DatasetId
    part: Part
    relative: str = ""
    problem: Refusal | None = None


def read_key(key: str) -> Drop | None:
    """Tell what a key is; None for junk and for what does not lie in any pipeline's folder."""
    pipeline, slash, rest = key.removeprefix(ROOT).partition("/")
    if not key.startswith(ROOT) or not slash or is_junk(key):
        return None
    name, in_folder, relative = rest.partition("/")
    if not in_folder:
        name, relative = split_extension(rest)
    misplaced = rest in {READY, OVERRIDES}
    problem = _pipeline_problem(pipeline) or _misplaced_problem(misplaced, rest) or _name_problem(name)
    if problem:
        return Drop(DatasetId(_label(pipeline), _label(rest if misplaced else name)), Part.NEVER, relative, problem)
    return Drop(DatasetId(pipeline, name), _part(relative) if in_folder else Part.SINGLE, relative)


def split_extension(file: str) -> tuple[str, str]:
    """Split `mnist.tar.gz` into `mnist` and `tar.gz`; the extension is empty where there is none."""
    for packed in _PACKED:
        for inner in _PACKABLE:
            if file.lower().endswith(inner + packed):
                return _cut(file, len(inner) + len(packed))
    dot = file.rfind(".")
    return (file, "") if dot < 0 else _cut(file, len(file) - dot)


def folder(dataset: DatasetId) -> str:
    return f"{ROOT}{dataset.pipeline}/{dataset.name}/"


def single_stem(dataset: DatasetId) -> str:
    """Give what the keys of single-object datasets of that name begin with, up to their extension."""
    return f"{ROOT}{dataset.pipeline}/{dataset.name}"


def is_dataset(name: str) -> bool:
    """Tell whether a dataset may be known by that name: as it was dropped, or by the label of its refusal."""
    return 0 < len(name) <= NAME_LIMIT and name.isprintable()


def _cut(file: str, length: int) -> tuple[str, str]:
    return file[:-length], file[-length:].removeprefix(".")


def _part(relative: str) -> Part:
    return {READY: Part.READY, OVERRIDES: Part.OVERRIDES}.get(relative, Part.FILE)


def _pipeline_problem(pipeline: str) -> Refusal | None:
    if is_pipeline(pipeline):
        return None
    return Refusal(
        f'"{_shown(pipeline)}" can be no pipeline: a name has at most 20 of a-z, 0-9 and single hyphens between them.',
        "Upload the files under datasets/<pipeline>/<dataset>/, with the name of a folder under pipelines/.",
    )


def _misplaced_problem(misplaced: bool, file: str) -> Refusal | None:  # noqa: FBT001 (the caller reads as a sentence)
    if not misplaced:
        return None
    return Refusal(
        f"{file} lies beside the datasets; it belongs into one.",
        f"Upload it as datasets/<pipeline>/<dataset>/{file}.",
    )


def _name_problem(name: str) -> Refusal | None:
    if _is_name(name):
        return None
    return Refusal(
        f'"{_shown(name)}" cannot be the name of a dataset: it has 1 to {NAME_LIMIT} printable characters, '
        f'does not begin with "~", and is none of ".", "..", {READY} and {OVERRIDES}.',
        "Upload the files again under another name.",
    )


def _is_name(name: str) -> bool:
    reserved = {"", ".", "..", READY, OVERRIDES}
    return name not in reserved and len(name) <= NAME_LIMIT and name.isprintable() and not name.startswith("~")


def _label(name: str) -> str:
    """Keep what can be a part of a status key beside the others'; give everything else a label of its own."""
    if (_is_name(name) and not name.endswith(".json")) or name in {READY, OVERRIDES}:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"~{_shown(name)}~{digest[:12]}"


def _shown(name: str) -> str:
    readable = "".join(sign if sign.isprintable() else "?" for sign in name)
    return readable if len(readable) <= _LABEL_LIMIT else f"{readable[:_LABEL_LIMIT]}…"
