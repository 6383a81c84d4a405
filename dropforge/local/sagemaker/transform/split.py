"""Objects split into records, and records put together into what one request carries."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1024 * 1024
_MAGIC = 0xCED7230A
_LENGTH = (1 << 29) - 1
_TOO_MUCH = "Too much data for max payload size: a record has more than {most} bytes"
_File = gzip.GzipFile | io.BufferedReader


class SplitError(Exception):
    """An object that cannot be split as the job says; fails the object."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record: as it stands in the object, and without what wraps it."""

    raw: bytes
    data: bytes


Batch = tuple[Record, ...]


def batches(path: Path, compression: str, split: str, strategy: str | None, most: int) -> Iterator[Batch]:
    """Give what each request carries: one record, or as many as `most` bytes hold; SplitError for a larger one."""
    gathered: list[Record] = []
    size = 0
    for record in _records(path, compression, split, most):
        alone = strategy == "SingleRecord" or split == "None"
        if gathered and (alone or size + len(record.raw) > most):
            yield tuple(gathered)
            gathered, size = [], 0
        gathered.append(record)
        size += len(record.raw)
    if gathered:
        yield tuple(gathered)


def payload(batch: Batch) -> bytes:
    """Give the body of a request: padding and wrapping go where a record is alone."""
    return batch[0].data if len(batch) == 1 else b"".join(record.raw for record in batch)


def _records(path: Path, compression: str, split: str, most: int) -> Iterator[Record]:
    """Give the records of an object; no more of it is read at once than a request may carry."""
    try:
        with gzip.open(path) if compression == "Gzip" else path.open("rb") as file:
            match split:
                case "Line":
                    yield from _lines(file, most)
                case "RecordIO":
                    yield from _record_io(file, most)
                case "TFRecord":
                    yield from _tf_records(file, most)
                case _:
                    whole = _no_more(file.read(most + 1), most)
                    yield Record(whole, whole)
    except (OSError, EOFError, zlib.error) as error:
        raise SplitError(f"The object cannot be read: {error}") from error


def _lines(file: _File, most: int) -> Iterator[Record]:
    while line := file.readline(most + 2):
        data = line.rstrip(b"\r\n")
        if data:
            yield Record(_no_more(data, most) + b"\n", data)


def _record_io(file: _File, most: int) -> Iterator[Record]:
    """Read MXNet's format: a magic word, the length, the data, padding to four bytes."""
    while head := file.read(8):
        magic, length = struct.unpack("<II", head) if len(head) == 8 else (0, 0)  # noqa: PLR2004 - two words
        if magic != _MAGIC or length != length & _LENGTH:
            raise SplitError("The object is not RecordIO")
        data = _exactly(file, length, most)
        yield Record(_no_more(head + data + _exactly(file, -length % 4, most), most), data)


def _tf_records(file: _File, most: int) -> Iterator[Record]:
    """Read TensorFlow's format: the length and its checksum, the data and its checksum."""
    while head := file.read(12):
        if len(head) != 12:  # noqa: PLR2004 - a long and a word
            raise SplitError("The object is not TFRecord")
        (length,) = struct.unpack("<Q", head[:8])
        data = _exactly(file, length, most)
        yield Record(_no_more(head + data + _exactly(file, 4, most), most), data)


def _exactly(file: _File, length: int, most: int) -> bytes:
    if length > most:
        raise SplitError(_TOO_MUCH.format(most=most))
    data = file.read(length)
    if len(data) != length:
        raise SplitError("The object ends within a record")
    return data


def _no_more(data: bytes, most: int) -> bytes:
    if len(data) > most:
        raise SplitError(_TOO_MUCH.format(most=most))
    return data
