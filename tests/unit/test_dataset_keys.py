"""Any key under `datasets/` is read as something, or as nothing of ours; none is an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.decide.keys import Drop, Part, folder, read_key, split_extension
from chalicelib.model import DatasetId
from chalicelib.names import dataset_status_key

MNIST = DatasetId("digits", "mnist")

segments = st.sampled_from(
    [
        "",
        ".",
        "..",
        "~",
        "a",
        "a b",
        "é",
        "%2F",
        "+",
        "_READY",
        "run.toml",
        "digits",
        "x.csv",
        "\0",
        "\n",
        "~a",
        "a" * 300,
    ]
) | st.text(max_size=12)
keys = st.lists(segments, max_size=6).map("/".join) | st.text(max_size=40)


def dropped(key: str) -> Drop:
    found = read_key(key)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("key", "part", "relative"),
    [
        ("datasets/digits/mnist/training/0/a.png", Part.FILE, "training/0/a.png"),
        ("datasets/digits/mnist/a.png", Part.FILE, "a.png"),
        ("datasets/digits/mnist/_READY", Part.READY, "_READY"),
        ("datasets/digits/mnist/run.toml", Part.OVERRIDES, "run.toml"),
        ("datasets/digits/mnist/training/_READY", Part.FILE, "training/_READY"),
        ("datasets/digits/mnist/training/a b+c%20é/ü.png", Part.FILE, "training/a b+c%20é/ü.png"),
        ("datasets/digits/mnist.csv", Part.SINGLE, "csv"),
        ("datasets/digits/mnist.tar.gz", Part.SINGLE, "tar.gz"),
        ("datasets/digits/mnist", Part.SINGLE, ""),
    ],
)
def test_a_key_says_what_it_is_to_its_dataset(key: str, part: Part, relative: str) -> None:
    assert dropped(key) == Drop(MNIST, part, relative)


@pytest.mark.parametrize(
    "key",
    [
        "pipelines/digits/pipeline.toml",
        "datasets",
        "datasets/",
        "datasets/loose.csv",
        "datasets/digits/",
        "datasets/digits/mnist/",
        "datasets/digits/.DS_Store",
        "datasets/digits/mnist/training/Thumbs.db",
        "datasets/digits/mnist/__MACOSX/training/a.png",
        "datasets/digits/mnist/training/._a.png",
    ],
)
def test_junk_and_what_lies_in_no_pipelines_folder_is_nothing_of_ours(key: str) -> None:
    assert read_key(key) is None


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        ("a.zip", ("a", "zip")),
        ("a.v1.0.CSV", ("a.v1.0", "CSV")),
        ("a.tar.gz", ("a", "tar.gz")),
        ("a.JSONL.GZ", ("a", "JSONL.GZ")),
        ("a.v2.gz", ("a.v2", "gz")),
        (".csv", ("", "csv")),
        ("a.", ("a", "")),
        ("a", ("a", "")),
    ],
)
def test_an_extension_is_the_last_one_or_that_of_a_packed_file(file: str, parts: tuple[str, str]) -> None:
    assert split_extension(file) == parts


@pytest.mark.parametrize(
    "key",
    [
        "datasets/Digits/mnist/training/a.png",
        "datasets//mnist/training/a.png",
        "datasets/../mnist/training/a.png",
        f"datasets/{'p' * 21}/mnist/training/a.png",
        "datasets/digits//training/a.png",
        "datasets/digits/./training/a.png",
        "datasets/digits/../training/a.png",
        "datasets/digits/a\nb/training/a.png",
        "datasets/digits/~mnist/training/a.png",
        f"datasets/digits/{'x' * 129}/training/a.png",
        "datasets/digits/.csv",
        "datasets/digits/run.toml",
        "datasets/digits/_READY",
        "datasets/digits/run.toml/training/a.png",
        "datasets/digits/\ud800/training/a.png",
    ],
)
def test_a_name_that_cannot_be_is_refused_with_what_to_do(key: str) -> None:
    found = dropped(key)
    assert found.part is Part.NEVER
    assert found.problem is not None
    assert found.problem.reason
    assert found.problem.todo


def test_hostile_names_that_look_alike_get_labels_of_their_own() -> None:
    labels = {dropped(f"datasets/digits/{name}/t/a").dataset.name for name in ("\0", "\1", "?", "x" * 200, "x" * 201)}
    assert len(labels) == 5


def test_a_key_of_1024_bytes_with_a_name_of_any_sort_is_read() -> None:
    key = "datasets/digits/mnist/training/" + "é" * 120 + "/" + "x" * (1024 - 31 - 241)
    assert len(key.encode()) == 1024
    assert dropped(key).part is Part.FILE
    assert dropped(f"datasets/digits/{'é' * 128}.csv").dataset.name == "é" * 128


@given(keys.map(lambda rest: f"datasets/{rest}"))
def test_any_key_is_a_drop_or_nothing_and_its_status_has_a_key_that_fits(key: str) -> None:
    found = read_key(key)
    if found is None:
        return
    status = dataset_status_key(found.dataset.pipeline, found.dataset.name)
    assert len(status.encode()) <= 1024
    assert status.count("/") == 2
    assert status.isprintable()
    assert not {"", ".", ".."} & set(status.split("/"))
    assert (found.part is Part.NEVER) == (found.problem is not None)
    if found.part in {Part.FILE, Part.READY, Part.OVERRIDES}:
        assert key == folder(found.dataset) + found.relative


@given(keys, keys)
def test_two_datasets_never_share_a_status(one: str, other: str) -> None:
    """Nor does a refused name pass for a good one."""
    drops = [read_key(f"datasets/digits/{rest}") for rest in (one, other)]
    if None in drops or drops[0].dataset != drops[1].dataset:  # type: ignore[union-attr] # None was ruled out
        return
    assert drops[0].problem == drops[1].problem  # type: ignore[union-attr] # as above
