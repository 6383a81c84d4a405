"""Runs that somebody starts: by hand, of data that lies elsewhere, or of one dataset again; and long listings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from chalicelib.decide.sources import name_of
from chalicelib.decide.start import Wish
from chalicelib.flows import listing
from chalicelib.pipeline import write_values
from tests.proof.orders import TRAINING, order, when
from tests.proof.stories import BETTER, FIRST, PIPELINE, TOML, End, Story, drop, push
from tests.proof.world import ELSEWHERE, Deed, World

CHANNELS = {"training": f"s3://{ELSEWHERE}/labelled/"}
STARTED_NAME = name_of(CHANNELS)
BY_HAND = TOML.replace("quiet_seconds = 10", 'start = "manual"')
BESIDE = TOML.replace("quiet_seconds = 10", 'quiet_seconds = 10\nlate_files = "new_run"')
PAGE = 1
"""Objects that S3 gives at once where a listing is to be long: it may give fewer than it is asked for."""
FILES = listing.PAGES + 3


def start(
    dataset: str | None = None, channels: Mapping[str, str] | None = None, values: Mapping[str, object] | None = None
) -> Callable[[World], None]:
    return order(
        lambda flows, command: flows.starts.start(
            Wish(PIPELINE, command, dataset=dataset, channels=channels or {}, values=write_values(values or {}))
        )
    )


def put_elsewhere(world: World) -> None:
    """Another team has data in its own bucket, which sends us no events."""
    world.account.s3.keep(ELSEWHERE, "labelled/1.txt", BETTER.encode())
    world.account.s3.keep(ELSEWHERE, "labelled/more/2.txt", b"more=yes")


def drop_many(world: World) -> None:
    """Drop more than one look lists."""
    world.account.s3.most = PAGE
    for number in range(FILES):
        words = BETTER if number == 0 else f"file={number}"
        drop("two", words, file=f"{number:03}.txt")(world)


CHANNELS_BY_HAND = Story(
    "a person starts a run of data that lies elsewhere",
    (Deed(0, put_elsewhere), Deed(1, start(channels=CHANNELS))),
    End({"one": "replaced", STARTED_NAME: "live"}, jobs=2, live=STARTED_NAME),
    after=FIRST,
)
MANUAL_PIPELINE = Story(
    "a pipeline trains what somebody starts from now on",
    (Deed(0, push(toml=BY_HAND)),),
    End({"one": "live"}, jobs=1, live="one"),
    after=FIRST,
)
STARTED_BY_HAND = Story(
    "a person starts what was dropped for a pipeline that starts nothing by itself",
    (Deed(0, drop("two", BETTER)), Deed(30, when('"digits" "name":"two"', start("two")))),
    End({"one": "replaced", "two": "live"}, jobs=2, live="two"),
    after=MANUAL_PIPELINE,
    needs_events=True,
)
STARTED_AGAIN = Story(
    "a person starts a dataset that is live with another setting",
    (Deed(0, start("one", values={"train": {"hyperparameters": {"epochs": 3}}})),),
    End({"one": "live"}, jobs=2, live="one"),
    after=FIRST,
)
BESIDE_PIPELINE = replace(
    MANUAL_PIPELINE,
    name="late files make runs of their own from now on",
    deeds=(Deed(0, push(toml=BESIDE)),),
)
RUNS_BESIDE = Story(
    "a late file makes another run, and the first goes on beside it",
    (Deed(0, drop("two", BETTER)), Deed(20, when(TRAINING, drop("two", "more=yes", file="2.txt")))),
    End({"one": "replaced", "two": "live"}, jobs=3, live="two"),
    after=BESIDE_PIPELINE,
    races=True,
    needs_events=True,
)
MANY_FILES = Story(
    "a dataset takes several looks to list",
    (Deed(0, drop_many),),
    End({"one": "replaced", "two": "live"}, jobs=2, live="two"),
    after=FIRST,
)

STARTED = (CHANNELS_BY_HAND, STARTED_BY_HAND, STARTED_AGAIN, RUNS_BESIDE, MANY_FILES)
