"""`_READY`: empty, it shortens the quiet; as a JSON object of counts, it seals the moment the listing agrees."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.decide.keys import Refusal

CHANNEL = re.compile(r"[A-Za-z0-9.\-_]{1,64}")
"""SageMaker's rule for ChannelName."""
SIZE_LIMIT = 16_384
"""Bytes that are read of a `_READY`; twenty counts need far less."""

_TODO = 'Upload _READY again: empty, or as a JSON object of counts such as {"training": 1437}.'


@dataclass(frozen=True, slots=True)
class Ready:
    """A `_READY` that counts for the seal to come: when it arrived, what it promises (None: nothing, it is empty)."""

    at: float
    counts: Mapping[str, int] | None = None
    problem: Refusal | None = field(default=None)


def read_ready(body: bytes, at: float) -> Ready:
    """Read the body, whatever it is."""
    if not body.strip():
        return Ready(at)
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return _malformed(at, "it is not JSON")
    if not isinstance(said, dict) or not said:
        return _malformed(at, "it is JSON, but no object of counts")
    for channel, count in said.items():
        if not CHANNEL.fullmatch(channel):
            return _malformed(at, f"{json.dumps(channel[:70])} cannot be a channel")
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            return _malformed(at, f'the count of "{channel}" is not a whole number')
    return Ready(at, said)


def too_large(at: float) -> Ready:
    return _malformed(at, f"it has more than {SIZE_LIMIT:,} bytes")


def disagreement(promised: Mapping[str, int], listed: Mapping[str, int]) -> str | None:
    """Say what the listing has and what `_READY` promised; None where they agree."""
    wanted = {channel: count for channel, count in promised.items() if count}
    if wanted == dict(listed):
        return None
    return f"_READY promises {_told(promised)}; the listing has {_told(listed)}"


def _malformed(at: float, why: str) -> Ready:
    return Ready(at, problem=Refusal(f"_READY cannot be read: {why}.", _TODO))


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{channel}: {count}" for channel, count in sorted(counts.items())) or "nothing"
