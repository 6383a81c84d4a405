"""Channels of a request: refused at once where they ask for what cannot be, and brought before the program starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dropforge.local.sagemaker.jobs import refusals
from dropforge.local.sagemaker.jobs.bounds import Bounds
from dropforge.local.sagemaker.jobs.channels import asked, files
from dropforge.local.sagemaker.jobs.channels.asked import WHOLE, InputError, Share
from dropforge.local.sagemaker.jobs.channels.pipes import Pipe

__all__ = ["InputError", "Share", "check", "check_names", "fetch", "pipes", "within"]
_AUGMENTED = "AugmentedManifestFile"
_PIPE = "Pipe"


def check_names(channels: Sequence[Mapping[str, Any]], mode: str) -> None:
    """Refuse names that lead out of the folder of all channels, or that two would have there."""
    names = [channel["ChannelName"] for channel in channels]
    if len(names) != len(set(names)):
        raise refusals.SAME_CHANNELS()
    piped = {channel["ChannelName"] for channel in channels if (channel.get("InputMode") or mode) == _PIPE}
    for name in names:
        if name in {".", ".."}:
            raise refusals.NO_FOLDER_NAME(channel=name, taken="no folder of its own")
        of, _, epoch = name.rpartition("_")
        if name not in piped and of in piped and epoch.isdecimal():
            raise refusals.NO_FOLDER_NAME(channel=name, taken=f"a pipe of the channel {of}")


def check(s3: Any, channel: Mapping[str, Any], role: str, region: str, mode: str = "File") -> None:
    """Refuse at once what SageMaker refuses at once: what does not go together, a source that names nothing."""
    if channel["DataSource"].get("S3DataSource") is None:
        raise refusals.NO_SOURCE(channel=channel["ChannelName"])
    read = asked.read(channel, mode)
    for wrong, refusal in (
        (read.kind == _AUGMENTED and read.mode != _PIPE, refusals.AUGMENTED_MODE),
        (read.kind == _AUGMENTED and not read.attributes, refusals.AUGMENTED_NAMES),
        (read.kind == _AUGMENTED and not read.records, refusals.AUGMENTED_WRAPPER),
        (read.kind != _AUGMENTED and read.attributes, refusals.NAMES_ALONE),
        (read.mode != _PIPE and read.gzip, refusals.GZIP_MODE),
        (read.mode != _PIPE and read.records, refusals.WRAPPER_MODE),
    ):
        if wrong:
            raise refusal(channel=read.name)
    if not _is_there(s3, read):
        raise refusals.NO_OBJECTS(uri=read.uri, region=region, role=role, bucket=read.bucket)


def fetch(
    s3: Any,
    channel: Mapping[str, Any],
    folder: Path,
    stopped: Callable[[], bool],
    mode: str = "File",
    share: Share = WHOLE,
) -> None:
    """Bring a channel's objects into its folder, unless it comes through a pipe; InputError says what cannot be."""
    read = asked.read(channel, mode, share)
    if read.mode != _PIPE:
        files.fetch(s3, read, folder, stopped)


def within(bounds: Bounds, folder: Path, stopped: Callable[[], bool]) -> Callable[[], bool]:
    """Give what tells a download into a folder to stop; it raises InputError when the disk is full."""

    def ended() -> bool:
        if why := bounds.full(folder):
            raise InputError(f"Data download failed: {why}")
        return stopped()

    return ended


def pipes(
    client: Callable[[str], Any],
    channels: list[Mapping[str, Any]],
    folder: Path,
    scratch: Path,
    mode: str,
    share: Share = WHOLE,
) -> list[Pipe]:
    """Make the pipes of the channels that want them, in the folder of all channels; `start` feeds each."""
    read = [asked.read(channel, mode, share) for channel in channels]
    return [Pipe(client, channel, folder, scratch) for channel in read if channel.mode == _PIPE]


def _is_there(s3: Any, channel: asked.Channel) -> bool:
    try:
        found: int = s3.list_objects_v2(Bucket=channel.bucket, Prefix=channel.key, MaxKeys=1).get("KeyCount", 0)
    except (BotoCoreError, ClientError):  # the former for what cannot be a bucket's name
        return False
    return found > 0
