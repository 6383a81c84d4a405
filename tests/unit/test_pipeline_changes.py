from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.decide.changes import SERVING, TRAINING, Edit, edits
from chalicelib.pipeline import Pipeline, parse, serving_part, training_part

TRAIN = '[train]\nframework = "sklearn"\nsource_dir = "src"\nentry_point = "train.py"\n'
LINES = (
    "volume_size_gb = 40",
    "max_runtime_seconds = 60",
    "hyperparameters = { epochs = 3, betas = [0.9, 0.999] }",
    "hyperparameters = { epochs = 4 }",
    '[gate]\nmetric = "accuracy"',
    "[serve]\ntop_k = 3",
    '[serve]\nlabels = ["0", "1"]',
    "[deploy]\nrehearse = false",
    '[[deploy.smoke_test]]\npayload = "7.png"\ncontent_type = "image/png"',
)


def file(*lines: str) -> Pipeline:
    return parse(TRAIN + "\n".join(lines))


def test_the_same_file_changes_nothing() -> None:
    assert edits(file(LINES[2]), file(LINES[2]), TRAINING + SERVING) == ()


def test_a_default_that_is_written_out_is_no_edit() -> None:
    assert edits(file(), file("volume_size_gb = 30"), TRAINING) == ()


def test_a_key_of_a_table_is_named_by_itself_and_a_list_is_one_value() -> None:
    assert edits(file(LINES[2]), file(LINES[3]), TRAINING) == (
        Edit("train.hyperparameters.epochs", 3, 4),
        Edit("train.hyperparameters.betas", [0.9, 0.999], None),
    )


def test_a_smoke_test_is_named_with_its_position() -> None:
    keys = [edit.key for edit in edits(file(), file(LINES[8]), SERVING)]
    assert keys == ["deploy.smoke_test[0].payload", "deploy.smoke_test[0].content_type"]


def test_what_is_deployed_no_more_is_told_key_by_key() -> None:
    gone = edits(file(), parse("deploy = false\n" + TRAIN), SERVING)
    assert Edit("deploy.rehearse", before=True, after=None) in gone


def test_only_the_tables_that_are_asked_for_count() -> None:
    assert edits(file(), file(LINES[5]), TRAINING) == ()
    assert edits(file(), file(LINES[0]), SERVING) == ()


@given(st.sampled_from(LINES), st.sampled_from(LINES))
def test_there_are_edits_where_and_only_where_identity_differs(one: str, other: str) -> None:
    """What a run or a release is named by is compared as it is named: no edit is missed, none is made up."""
    before, after = file(one), file(other)
    assert bool(edits(before, after, TRAINING)) == (training_part(before) != training_part(after))
    assert bool(edits(before, after, ("deploy", "serve"))) == (serving_part(before) != serving_part(after))
