from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropforge.local.sagemaker.transform.split import Batch, SplitError, batches, payload

_ANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_SPLITS = st.sampled_from(["None", "Line", "RecordIO", "TFRecord"])
_STRATEGIES = st.sampled_from(["SingleRecord", "MultiRecord"])


def _split(folder: Path, body: bytes, split: str, strategy: str, most: int, compression: str = "None") -> list[Batch]:
    path = folder / "object"
    path.write_bytes(body)
    return list(batches(path, compression, split, strategy, most))


@_ANY
@given(st.binary(max_size=64), _SPLITS, _STRATEGIES, st.sampled_from(["None", "Gzip"]))
def test_any_object_is_split_or_refused(tmp_path: Path, body: bytes, split: str, strategy: str, packed: str) -> None:
    try:
        made = _split(tmp_path, body, split, strategy, 32, packed)
    except SplitError:
        return
    assert all(len(payload(batch)) <= 32 for batch in made)


@_ANY
@given(
    st.lists(st.binary(min_size=1, max_size=12).filter(lambda one: b"\n" not in one and b"\r" not in one)), _STRATEGIES
)
def test_every_line_is_sent_once_and_in_order(tmp_path: Path, lines: list[bytes], strategy: str) -> None:
    made = _split(tmp_path, b"\r\n".join(lines), "Line", strategy, 20)
    assert [record.data for batch in made for record in batch] == lines
    assert all(len(batch) == 1 for batch in made) or strategy == "MultiRecord"


def test_a_batch_takes_as_many_records_as_fit(tmp_path: Path) -> None:
    made = _split(tmp_path, b"aa\nbb\ncc\ndd\nee", "Line", "MultiRecord", 6)
    assert [payload(batch) for batch in made] == [b"aa\nbb\n", b"cc\ndd\n", b"ee"]


@pytest.mark.parametrize(
    ("body", "split"),
    [
        (b"x" * 33, "None"),
        (b"a\n" + b"x" * 40, "Line"),
        (struct.pack("<II", 0xCED7230A, 1 << 20) + b"x", "RecordIO"),
        (struct.pack("<QI", 1 << 62, 0) + b"x", "TFRecord"),
    ],
)
def test_a_record_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path, body: bytes, split: str) -> None:
    with pytest.raises(SplitError, match="Too much data for max payload size"):
        _split(tmp_path, body, split, "MultiRecord", 32)


def test_what_ends_within_a_record_or_is_not_packed_is_refused(tmp_path: Path) -> None:
    half = struct.pack("<II", 0xCED7230A, 8) + b"x"
    with pytest.raises(SplitError, match="ends within a record"):
        _split(tmp_path, half, "RecordIO", "SingleRecord", 32)
    with pytest.raises(SplitError, match="cannot be read"):
        _split(tmp_path, gzip.compress(b"abc")[:-4], "None", "SingleRecord", 32, "Gzip")
