"""The sweep finds what no event told of, from a cursor that wraps round, for at most ten LIST pages a tick."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.decide.sweep import Place, behind, read_place
from chalicelib.model import DatasetId, DatasetState, PipelineRecord
from tests.flows.yard import FIRST, MNIST, Yard


def lists(yard: Yard) -> int:
    return yard.world.count("bucket.page") + yard.world.count("bucket.prefixes")


def known(yard: Yard) -> set[str]:
    found: set[str] = set()
    after: str | None = None
    while True:
        page = yard.world.records.datasets(after=after, limit=100)
        found |= {str(dataset.id) for dataset in page.items}
        if page.next is None:
            return found
        after = page.next


def test_a_pipeline_that_nobody_told_of_starts_its_settle() -> None:
    yard = Yard()
    yard.put("pipelines/digits/pipeline.toml", told=False)
    yard.put("pipelines/digits/src/.DS_Store", told=False)
    yard.reconcile.tick()
    assert yard.pipelines.told == [("digits", yard.world.clock())]


def test_a_pipeline_is_told_of_again_only_when_something_newer_lies_there() -> None:
    yard = Yard()
    yard.put("pipelines/digits/pipeline.toml", told=False)
    yard.world.records.save(PipelineRecord("digits", version="v", last_seen=yard.world.clock()))
    yard.tick(3)
    assert yard.pipelines.told == []
    yard.put("pipelines/digits/src/train.py", told=False)
    yard.tick()
    assert len(yard.pipelines.told) == 1


def test_a_sealed_dataset_is_not_looked_into() -> None:
    yard = Yard()
    yard.pipeline()
    yard.put(FIRST)
    yard.wait(125)
    yard.tick(3)
    before = lists(yard)
    yard.tick()
    assert lists(yard) - before <= 4, "the levels alone"


def test_a_refused_dataset_that_was_mended_without_an_event_is_found_once() -> None:
    yard = Yard()
    yard.pipeline()
    yard.put("datasets/digits/mnist/evaluation/a.png")
    yard.wait(125)
    assert yard.dataset().state is DatasetState.REFUSED
    yard.tick(3)
    assert yard.dataset().state is DatasetState.REFUSED
    rev = yard.dataset().rev
    yard.tick(3)
    assert yard.dataset().rev == rev, "nothing is written where nothing changed"
    yard.put(FIRST, told=False)
    yard.tick(6)
    assert yard.dataset().state is DatasetState.SEALED


def test_refusals_of_long_ago_make_no_round_longer() -> None:
    yard = Yard()
    yard.pipeline()
    for each in range(50):
        yard.put(f"datasets/digits/d{each}/evaluation/a.png")
    yard.wait(125)
    yard.world.clock.advance(2 * 86_400)
    yard.put("datasets/digits/new/training/a.png", told=False)
    before = lists(yard)
    yard.reconcile.sweep.go_on()
    assert lists(yard) - before <= 6
    assert "digits/new" in known(yard)


def test_hostile_names_are_found_and_refused_and_the_walk_goes_on() -> None:
    yard = Yard()
    yard.pipeline()
    for key in (
        "datasets//x/y",
        "datasets/digits//training/a",
        "datasets/../a/b/c",
        "datasets/loose.csv",
        "pipelines/x",
    ):
        yard.put(key, told=False)
    yard.put("datasets/zebra/last.csv", told=False)
    yard.put("datasets/digits/run.toml", told=False)
    yard.put("datasets/digits/toml only/run.toml", told=False)
    yard.tick(4)
    states = [dataset.state for dataset in yard.world.records.datasets().items]
    assert states.count(DatasetState.REFUSED) == 4
    assert "zebra/last" in known(yard)
    assert "digits/toml only" not in known(yard)


def test_a_round_over_many_datasets_takes_many_ticks_of_ten_pages_and_finds_them_all() -> None:
    yard = Yard()
    yard.pipeline()
    for each in range(60):
        yard.put(f"datasets/digits/d{each:03}/training/a.png", told=False)
        yard.put(f"datasets/letters/l{each:03}.csv", told=False)
        yard.put(f"pipelines/p{each}/pipeline.toml", told=False)
    yard.world.records.save(PipelineRecord("letters"))
    ticks = 0
    while len(known(yard)) < 120 and ticks < 60:
        before = lists(yard)
        yard.reconcile.sweep.go_on()
        assert lists(yard) - before <= 10
        ticks += 1
    assert len(known(yard)) == 120
    assert len({name for name, _ in yard.pipelines.told}) == 60
    yard.put("datasets/digits/a new one.csv", told=False)
    for _ in range(60):
        yard.reconcile.sweep.go_on()
    assert "digits/a new one" in known(yard), "the cursor wraps round"


def test_an_empty_bucket_moves_no_cursor() -> None:
    yard = Yard()
    yard.tick(3)
    assert yard.world.records.writes == 0


def test_a_cursor_goes_on_behind_what_was_looked_at_last_or_inside_a_pipelines_folder() -> None:
    assert read_place("") == Place("pipelines/")
    assert read_place("pipelines/digits/") == Place("pipelines/", "pipelines/digits/")
    assert read_place("datasets/digits/") == Place("datasets/digits/")
    assert read_place("datasets/digits/mnist/") == Place("datasets/digits/", "datasets/digits/mnist/")
    assert read_place("datasets/digits/mnist.csv") == Place("datasets/digits/", "datasets/digits/mnist.csv")
    assert read_place("datasets/loose.csv") == Place("datasets/", "datasets/loose.csv")
    assert behind("pipelines/") == Place("datasets/")
    assert behind("datasets/digits/") == Place("datasets/", "datasets/digits/")


@given(st.text(max_size=30) | st.text(alphabet="/abdest.pinl", max_size=20).map(lambda rest: f"datasets/{rest}"))
def test_any_cursor_is_a_place(cursor: str) -> None:
    assert read_place(cursor).level.startswith(("pipelines/", "datasets/"))


@settings(max_examples=60, deadline=None)
@given(
    st.sets(
        st.tuples(
            st.sampled_from(["digits", "letters", "", "..", "Bad"]),
            st.sampled_from(["a", "b", "", "..", "z.csv", "y"]),
            st.sampled_from(["", "/training/x", "/run.toml", "//x", "/_READY"]),
        ),
        max_size=20,
    )
)
def test_whatever_lies_in_the_bucket_every_round_ends_and_finds_every_drop(
    parts: set[tuple[str, str, str]],
) -> None:
    yard = Yard()
    for pipeline, name, rest in parts:
        yard.put(f"datasets/{pipeline}/{name}{rest}", told=False)
    for _ in range(12):
        yard.reconcile.sweep.go_on()
    told = Yard()
    for pipeline, name, rest in parts:
        told.put(f"datasets/{pipeline}/{name}{rest}")
    told.deliver()
    assert known(yard) == known(told)
    assert MNIST not in {DatasetId(*name.split("/", 1)) for name in known(yard)}
