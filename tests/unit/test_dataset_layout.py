"""What a dataset must look like; everything else is refused by name."""

from __future__ import annotations

import pytest

from chalicelib.decide.identity import listing_digest
from chalicelib.decide.keys import Refusal
from chalicelib.decide.layout import OBJECT_LIMIT, Survey, inspect, missing_channels
from chalicelib.decide.listing import Source, fold
from chalicelib.model import DatasetId, Listing, S3Object

MNIST = DatasetId("digits", "mnist")


def survey(*relative: str, empty: str = "", singles: tuple[str, ...] = ()) -> Survey:
    data = [S3Object(f"datasets/digits/mnist/{name}", 0 if name == empty else 1, "e") for name in sorted(relative)]
    listing, _ = fold(Listing(), Source("bucket", "datasets/digits/mnist/"), data)
    return Survey(MNIST, listing, tuple(S3Object(f"datasets/digits/{name}", 1, "e") for name in singles))


def refused(found: Survey) -> Refusal:
    problem = inspect(found)
    assert problem is not None
    assert problem.todo
    return problem


def test_a_folder_of_channels_is_a_dataset() -> None:
    found = survey("training/0/a.png", "training/1/b.png", "evaluation/c.png")
    assert inspect(found) is None
    assert found.counts() == {"training": 2, "evaluation": 1}


@pytest.mark.parametrize("file", ["mnist.zip", "mnist.tar.gz", "mnist.csv", "mnist.npz", "mnist.whatever"])
def test_a_single_object_is_a_dataset_of_the_channel_training(file: str) -> None:
    found = survey(singles=(file,))
    assert inspect(found) is None
    assert found.counts() == {"training": 1}
    assert found.digest == listing_digest([(file.removeprefix("mnist."), found.singles[0])])


@pytest.mark.parametrize(
    "name",
    [
        "training/a b.png",
        "training/ä/ö.png",
        "training/a+b%20c.png",
        "training/" + "x" * 255,
        "Chan.nel-1_x/a",
        "training/_READY",
    ],
)
def test_a_file_may_have_any_name_that_a_disk_can_hold(name: str) -> None:
    assert inspect(survey(name)) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a.png", "no channel"),
        ("training//a.png", "a name that no file can have"),
        ("/training/a.png", "a name that no file can have"),
        ("training/../a.png", "a name that no file can have"),
        ("../training/a.png", "a name that no file can have"),
        ("training/./a.png", "a name that no file can have"),
        ("training/a\0.png", "a name that no file can have"),
        ("training/" + "é" * 128, "a name that no file can have"),
        ("tra ining/a.png", "cannot be a channel"),
        ("x" * 65 + "/a.png", "cannot be a channel"),
        ("träning/a.png", "cannot be a channel"),
    ],
)
def test_a_key_that_cannot_be_data_is_refused_by_name(name: str, why: str) -> None:
    problem = refused(survey("training/fine.png", name))
    assert why in problem.reason
    assert name.partition("/")[0] in problem.reason


def test_a_key_that_is_both_a_file_and_a_folder_is_refused_by_name() -> None:
    problem = refused(survey("training/a", "training/a-b", "training/a/b"))
    assert "both a file and a folder: datasets/digits/mnist/training/a" in problem.reason


def test_a_zero_byte_object_is_refused_by_name() -> None:
    problem = refused(survey("training/a.png", "training/b.png", empty="training/b.png"))
    assert problem.reason == "empty file: datasets/digits/mnist/training/b.png"


def test_many_bad_keys_are_named_with_how_many_more_there_are() -> None:
    assert "and 7 more" in refused(survey(*(f"{number}.png" for number in range(10)))).reason


def test_an_empty_dataset_is_refused() -> None:
    assert "is empty" in refused(survey()).reason


def test_more_objects_than_are_ever_sealed_are_refused() -> None:
    found = Survey(MNIST, Listing(listed=OBJECT_LIMIT + 1, objects=OBJECT_LIMIT + 1))
    assert "more than 2,000,000 objects" in refused(found).reason
    assert inspect(Survey(MNIST, Listing(listed=OBJECT_LIMIT, objects=1))) is None


def test_more_channels_than_sagemaker_takes_are_refused() -> None:
    assert "21 channels" in refused(survey(*(f"class{number}/a.png" for number in range(21)))).reason


def test_a_folder_and_an_object_of_one_name_are_refused_both_by_name() -> None:
    problem = refused(survey("training/a.png", singles=("mnist.zip",)))
    assert "datasets/digits/mnist.zip" in problem.reason
    assert "datasets/digits/mnist/" in problem.reason


def test_two_objects_of_one_name_are_refused_both_by_name() -> None:
    problem = refused(survey(singles=("mnist.csv", "mnist.zip")))
    assert "mnist.csv" in problem.reason
    assert "mnist.zip" in problem.reason


@pytest.mark.parametrize("file", ["mnist.manifest", "mnist.MANIFEST"])
def test_a_manifest_is_not_supported_yet(file: str) -> None:
    assert "not supported yet" in refused(survey(singles=(file,))).reason


def test_an_object_without_an_extension_is_refused() -> None:
    assert "no extension" in refused(survey(singles=("mnist",))).reason


def test_an_empty_single_object_is_refused() -> None:
    found = Survey(MNIST, Listing(), (S3Object("datasets/digits/mnist.csv", 0, "e"),))
    assert refused(found).reason == "empty file: datasets/digits/mnist.csv"


def test_a_channel_that_the_pipeline_requires_is_missed_by_name_beside_what_is_there() -> None:
    problem = missing_channels(survey("train/a.png", "evaluation/b.png"), ("training", "evaluation"))
    assert problem is not None
    assert '"training"' in problem.reason
    assert '"evaluation", "train"' in problem.reason
    assert "datasets/digits/mnist/training/" in problem.todo
    assert missing_channels(survey("training/a.png"), ("training",)) is None
