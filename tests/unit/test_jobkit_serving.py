"""jobkit's serving side: two functions become the four that SageMaker's framework images look for."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dropforge.jobkit import PictureError, image, serve
from dropforge.jobkit.serving import answer


def png(width: int, height: int, orientation: int | None = None) -> bytes:
    picture, kept = Image.new("L", (width, height)), io.BytesIO()
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    picture.save(kept, "PNG", exif=exif)
    return kept.getvalue()


def asked(tmp_path: Path, said: Any, labels: list[str] | None) -> Any:
    if labels is not None:
        (tmp_path / "labels.json").write_text(json.dumps(labels))
    functions = serve(lambda folder: folder, lambda model, picture: (model, picture.size) and said)
    loaded = functions.model_fn(str(tmp_path))
    body, content_type = functions.output_fn(
        functions.predict_fn(functions.input_fn(png(8, 4), "image/png"), loaded), "*/*"
    )
    assert content_type == "application/json"
    return json.loads(body)["predictions"]


@pytest.mark.parametrize(
    ("said", "labels", "expected"),
    [
        ([0.2, 0.8], ["kat", "hond"], [("hond", 0.8), ("kat", 0.2)]),
        ([0.2, 0.8], None, [("1", 0.8), ("0", 0.2)]),
        ({"a": 1, "b": 2}, None, [("b", 2.0), ("a", 1.0)]),
        ([("x", 0.5), ("y", 0.6)], ["ignored"], [("y", 0.6), ("x", 0.5)]),
    ],
)
def test_scores_are_answered_with_their_labels_the_best_first(
    tmp_path: Path, said: Any, labels: list[str] | None, expected: list[tuple[str, float]]
) -> None:
    assert asked(tmp_path, said, labels) == [{"label": label, "score": score} for label, score in expected]


def test_a_model_that_gives_more_scores_than_labels_says_so() -> None:
    with pytest.raises(ValueError, match=r"3 scores.*2 labels"):
        answer([0.1, 0.2, 0.7], ["a", "b"])


def test_json_and_bytes_reach_predict_too(tmp_path: Path) -> None:
    functions = serve(lambda _folder: None, lambda _model, data: [("kind", len(data))])
    loaded = functions.model_fn(str(tmp_path))
    for body, kind in ((b"[1, 2]", "application/json; charset=utf-8"), (b"ab", "application/x-raw")):
        assert functions.predict_fn(functions.input_fn(body, kind), loaded)["predictions"][0]["score"] == 2


def test_a_photograph_is_turned_as_its_exif_says() -> None:
    assert image(png(8, 4, orientation=6)).size == (4, 8)


def test_a_photograph_opens_from_a_path_too(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(8, 4))
    assert image(tmp_path / "a.png").size == (8, 4)


def test_a_picture_made_to_exhaust_memory_is_refused_by_its_header() -> None:
    header = struct.pack(">IIBBBBB", 65_000, 65_000, 8, 0, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", b""), (b"IEND", b""))
    )
    with pytest.raises(PictureError):
        image(b"\x89PNG\r\n\x1a\n" + chunks)


@pytest.mark.parametrize("body", [b"", b"no picture", png(8, 4)[:30]])
def test_bytes_that_are_no_picture_are_refused(body: bytes) -> None:
    with pytest.raises(PictureError, match="no picture"):
        image(body)
