"""What `dropforge sagemaker` refuses before it serves anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.typed import dropforge


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("nope", "--image nope: write REPOSITORY=FOLDER"),
        ("=folder", "--image =folder: no repository is named"),
        ("mine=", "--image mine=: no folder is named"),
        ("mine={}/nowhere", "there is no program train or serve in that folder"),
        ("mine={}/plain", "train is not executable. Let it be: chmod +x "),
    ],
)
def test_what_cannot_stand_in_for_an_image_is_told_in_a_sentence_of_its_own(
    tmp_path: Path, image: str, words: str
) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "train").write_text("#!/bin/sh\n")
    (tmp_path / "plain" / "train").chmod(0o644)
    ended = dropforge(["sagemaker", "--image", image.format(tmp_path)], {})
    assert (ended.code, words in ended.err, ended.out) == (2, True, ""), ended


@pytest.mark.parametrize(
    "words", [("sagemaker", "--speed"), ("up", "--cloud", "aws", "--speed"), ("up", "--cloud", "aws", "--delays")]
)
def test_a_pace_is_a_factor_of_zero_to_a_hundred(words: tuple[str, ...]) -> None:
    for wrong in ("-1", "nan", "inf", "-inf", "1e300"):
        ended = dropforge([*words, wrong], {"COLUMNS": "200"})
        assert (ended.code, f"Invalid value for '{words[-1]}'" in ended.err, ended.out) == (2, True, ""), ended
    told = dropforge([words[0], "--help"], {"COLUMNS": "200"}).out
    assert "<=x<=100" in told
    assert "1 as there, 2 twice as long" in told or "1 as on AWS, 2 twice as long" in told
