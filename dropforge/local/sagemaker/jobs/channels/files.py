"""A channel as files: its objects in `/opt/ml/input/data/<channel>/`, all there before the program starts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dropforge.local.sagemaker.jobs.channels import listing, objects
from dropforge.local.sagemaker.jobs.channels.asked import Channel, InputError
from dropforge.local.sagemaker.jobs.channels.listing import Item

_LONGEST_PART = 255  # bytes; what file systems take


def fetch(s3: Any, channel: Channel, folder: Path, stopped: Callable[[], bool]) -> None:
    """Bring a channel's objects into its folder; InputError says what cannot be."""
    folder.mkdir(parents=True, exist_ok=True)
    items = list(listing.items(s3, channel))
    _refuse_collisions(items)
    _fetch(s3, [(item, folder / item.path) for item in items], stopped)


def fetch_apart(s3: Any, channel: Channel, folder: Path, stopped: Callable[[], bool]) -> dict[str, Path]:
    """Bring a channel's objects into files without folders, so that `a` and `a/b` can be both; gives them by path."""
    folder.mkdir(parents=True, exist_ok=True)
    items = {item.path: item for item in listing.items(s3, channel) if not item.path.endswith("/")}
    found = {path: folder / str(number) for number, path in enumerate(sorted(items))}
    _fetch(s3, [(items[path], target) for path, target in found.items()], stopped)
    return found


def _fetch(s3: Any, wanted: list[tuple[Item, Path]], stopped: Callable[[], bool]) -> None:
    def bring(one: tuple[Item, Path]) -> None:
        if not stopped():
            _bring(s3, *one)

    with ThreadPoolExecutor(objects.AT_ONCE, thread_name_prefix="sagemaker-download") as pool:
        for _ in pool.map(bring, wanted):
            pass


def _refuse_collisions(items: list[Item]) -> None:
    """Files live in folders: a key cannot be both, nor lead elsewhere. Known before the first byte is fetched."""
    files = {item.path for item in items if not item.path.endswith("/")}
    for item in items:
        parts = item.path.rstrip("/").split("/")
        if not all(parts) or {".", ".."} & set(parts):
            raise InputError(f"Data download failed: the key {item.key} cannot be the name of a file.")
        if any(len(part.encode()) > _LONGEST_PART for part in parts):
            raise InputError(
                f"Data download failed: a part of the key {item.key} is longer than {_LONGEST_PART} bytes."
            )
        for end in range(1, len(parts)):
            if "/".join(parts[:end]) in files:
                key = item.key.removesuffix(item.path) + "/".join(parts[:end])
                raise InputError(f"Data download failed: s3://{item.bucket}/{key} is both a file and a folder.")


def _bring(s3: Any, item: Item, target: Path) -> None:
    try:
        if item.path.endswith("/"):
            target.mkdir(parents=True, exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with objects.opened(s3, item.bucket, item.key) as found, target.open("wb") as out:
            for part in found.parts:
                out.write(part)
    except OSError as error:
        raise InputError(f"Data download failed: s3://{item.bucket}/{item.key}: {error.strerror}") from error
