"""What a request asks of one channel, and the channel's own way to refuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dropforge.local.sagemaker.places import split_uri


class InputError(Exception):
    """The data cannot be brought to the job; becomes its FailureReason, as a ClientError."""


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of a channel that is sharded: that of one host of several."""

    number: int = 0
    of: int = 1


WHOLE = Share()


@dataclass(frozen=True, slots=True)
class Channel:
    name: str
    mode: str
    """`File`, `FastFile` or `Pipe`."""
    kind: str
    """`S3Prefix`, `ManifestFile` or `AugmentedManifestFile`."""
    uri: str
    attributes: tuple[str, ...] = ()
    gzip: bool = False
    records: bool = False
    """Whether each object goes out as one record of RecordIO."""
    seed: int | None = None
    """What the order of the objects is drawn from; in S3's order without one."""
    share: Share = WHOLE

    @property
    def bucket(self) -> str:
        return split_uri(self.uri)[0]

    @property
    def key(self) -> str:
        return split_uri(self.uri)[1]


def read(channel: Mapping[str, Any], mode: str = "File", share: Share = WHOLE) -> Channel:
    """Read a channel of a request; `mode` is that of the whole job, `share` the host's, used where it is sharded."""
    source = channel["DataSource"]["S3DataSource"]
    sharded = source.get("S3DataDistributionType") == "ShardedByS3Key"
    return Channel(
        name=channel.get("ChannelName", ""),
        mode=channel.get("InputMode") or mode,
        kind=source["S3DataType"],
        uri=source["S3Uri"],
        attributes=tuple(source.get("AttributeNames") or ()),
        gzip=channel.get("CompressionType") == "Gzip",
        records=channel.get("RecordWrapperType") == "RecordIO",
        seed=(channel.get("ShuffleConfig") or {}).get("Seed"),
        share=share if sharded else WHOLE,
    )
