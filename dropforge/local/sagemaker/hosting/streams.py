"""An answer that comes in parts, framed as `application/vnd.amazon.eventstream`.

A message is a prelude (its length, the length of its headers, the CRC of both), headers, payload, and the CRC of all.
"""

from __future__ import annotations

import asyncio
import json
import struct
import zlib
from collections.abc import AsyncIterator

from dropforge.local.sagemaker.hosting.asking import OUT_OF_TIME
from dropforge.local.sagemaker.hosting.exchange import BrokenError, Connection

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7
_LARGEST_PAYLOAD = 1024 * 1024


def message(headers: dict[str, str], payload: bytes) -> bytes:
    """Frame one message; its headers are strings."""
    told = b"".join(
        struct.pack(f"!B{len(name)}sBH", len(name), name.encode(), _STRING, len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    lengths = struct.pack("!II", 16 + len(told) + len(payload), len(told))
    whole = lengths + struct.pack("!I", zlib.crc32(lengths)) + told + payload
    return whole + struct.pack("!I", zlib.crc32(whole))


def part(payload: bytes) -> bytes:
    """Frame bytes of the container's answer."""
    headers = {":event-type": "PayloadPart", ":content-type": "application/octet-stream", ":message-type": "event"}
    return message(headers, payload)


def error(kind: str, told: dict[str, str]) -> bytes:
    """Frame what ends a stream before its time."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return message(headers, json.dumps(told).encode())


class CutOffError(Exception):
    """A stream ends before its time; the message in `frame` says so inside it."""

    def __init__(self, kind: str, **told: str) -> None:
        super().__init__(kind)
        self.frame = error(kind, told)


async def frames(connection: Connection, seconds: float) -> AsyncIterator[bytes]:
    """Give the messages of an answer whose head has been read; CutOffError where something goes wrong from here on."""
    try:
        while True:
            async with asyncio.timeout(seconds):
                payload = await connection.part()
            if not payload:
                return
            for first in range(0, len(payload), _LARGEST_PAYLOAD):
                yield part(payload[first : first + _LARGEST_PAYLOAD])
    except TimeoutError as late:
        raise CutOffError("ModelStreamError", Message=OUT_OF_TIME, ErrorCode="ModelInvocationTimeExceeded") from late
    except BrokenError as broken:
        told = f"The stream broke: {broken}."
        raise CutOffError("ModelStreamError", Message=told, ErrorCode="StreamBroken") from broken
    except OSError as failure:
        raise CutOffError("InternalStreamFailure", Message=str(failure)) from failure
