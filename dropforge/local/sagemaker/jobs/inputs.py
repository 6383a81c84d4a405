"""Channels of a request: refused at once where they ask for what cannot be, and brought before the program starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dropforge.local.sagemaker.jobs import refusals
from dropforge.local.sagemaker.jobs.channels import asked, files
from dropforge.local.sagemaker.jobs.channels.asked import WHOLE, InputError, Share
from dropforge.local.sagemaker.jobs.channels.pipes import Pipe

__all__ = ["InputError", "Share", "check", "fetch", "pipes"]
_AUGMENTED = "AugmentedManifestFile"
_PIPE = "Pipe"


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
