"""What AWS has no room for, and what is refused: nobody pays for it, and nobody is left without a word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.proof.stories import BETTER, FIRST, SECOND, TOML, End, Story, drop, push
from tests.proof.world import Deed, World


def full(method: str, times: int) -> Callable[[World], None]:
    """Let the account's quota be used up, until that call was refused so many times."""

    def do(world: World) -> None:
        world.account.sagemaker.full = {**world.account.sagemaker.full, method: times}

    return do


NO_JOBS = replace(
    SECOND,
    name="the quota of training jobs is used up for a while",
    deeds=(Deed(0, full("create_training_job", 2)), Deed(0, drop("two", BETTER))),
)
NO_ENDPOINTS = replace(
    SECOND,
    name="the quota of endpoints is used up for a while",
    deeds=(Deed(0, full("create_endpoint", 2)), Deed(0, drop("two", BETTER))),
)
REFUSED_DATASET = Story(
    "a dataset is refused",
    (Deed(0, drop("two", BETTER)), Deed(0, lambda world: world.account.upload("datasets/digits/two/stray.txt", b"x"))),
    End({"one": "live"}, jobs=1, live="one", refused={"two": "in no channel"}),
    after=FIRST,
)
REFUSED_PIPELINE = Story(
    "an edit of the pipeline is refused, and a drop trains with the one of before",
    (Deed(0, push(toml=TOML.replace("at_least", "at_lest"))), Deed(60, drop("two", BETTER))),
    End({"one": "replaced", "two": "live"}, jobs=2, live="two", pipeline="refused"),
    after=FIRST,
)

SHORT = (NO_JOBS, NO_ENDPOINTS, REFUSED_DATASET, REFUSED_PIPELINE)
