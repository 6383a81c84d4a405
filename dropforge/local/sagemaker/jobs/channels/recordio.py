"""MXNet's RecordIO: a magic word, a word with the length, the payload, and zeros up to the next word."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from dropforge.local.sagemaker.jobs.channels.asked import InputError

MAGIC = 0xCED7230A
"""https://mxnet.apache.org/versions/1.9.1/api/architecture/note_data_loading#data-format"""
_WORD = 4
_LONGEST = 2**29 - 1
"""The word of the length keeps three bits for parts of records."""


def record(length: int, parts: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Frame a payload of a known length as it passes; InputError where it has no place in one record."""
    if length > _LONGEST:
        raise InputError(f"Data download failed: {name} has more than {_LONGEST} bytes, which no record can hold.")
    yield struct.pack("<II", MAGIC, length)
    yield from parts
    yield b"\0" * (-length % _WORD)
