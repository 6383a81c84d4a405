"""What a person orders in the middle of a story; who gets no answer asks again a moment later."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from chalicelib.errors import NotFoundError, NotNowError
from chalicelib.model import Command
from chalicelib.wiring import Flows
from tests.proof.cloud.mail import Message
from tests.proof.stories import (
    BETTER,
    FIRST,
    FOR_HOURS,
    PIPELINE,
    SECOND,
    THIRD,
    TOML,
    UNWELL,
    End,
    Story,
    drop,
    push,
    run_name,
)
from tests.proof.world import DAY, Deed, World

AGAIN = 5.0
TRIES = 12
Order = Callable[[Flows, Command], Any]


def order(asked: Order) -> Callable[[World], None]:
    """Give an order through a worker of its own, and again where it died or failed."""
    return lambda world: _give(world, asked, TRIES)


def _give(world: World, asked: Order, tries: int) -> None:
    now = world.account.now

    def step(flows: Flows) -> Iterable[str]:
        with suppress(NotNowError, NotFoundError):  # what makes no sense now is refused, and that is all
            asked(flows, Command("arn:aws:iam::000000000000:user/ann", now, "because"))
        return ()

    if world.invoke("api", step) is None and tries:
        later = Deed(now + AGAIN - world.began, lambda it: _give(it, asked, tries - 1))
        world.deeds = sorted([*world.deeds, later], key=lambda deed: deed.after)


def when(there: str, do: Callable[[World], None]) -> Callable[[World], None]:
    """Watch the table until it says so, then do it: people look before they order."""

    def watch(world: World) -> None:
        documents = [item["doc"]["S"] for item in world.account.dynamodb.items.values() if "rev" in item]
        if any(all(part in document for part in there.split(" ")) for document in documents):
            do(world)
        elif world.account.now < world.began + DAY:
            world.deeds = [*world.deeds, Deed(world.account.now + AGAIN - world.began, watch)]
            world.deeds.sort(key=lambda deed: deed.after)

    return watch


def stop(dataset: str) -> Callable[[World], None]:
    return order(lambda flows, command: flows.run_orders.stop(run_name(FOR_HOURS, dataset), command))


def retry(dataset: str, story: Story = SECOND) -> Callable[[World], None]:
    """Retry the run that this dataset becomes in that story."""
    return order(lambda flows, command: flows.run_orders.retry(run_name(story, dataset), command))


def approve(dataset: str) -> Callable[[World], None]:
    return order(lambda flows, command: flows.run_orders.approve(run_name(SECOND, dataset), command))


def reject(dataset: str) -> Callable[[World], None]:
    return order(lambda flows, command: flows.run_orders.reject(run_name(SECOND, dataset), command))


def approve_elsewhere(world: World) -> None:
    """Approve the newest package in SageMaker's own console: an event tells of it."""
    newest = max(world.account.sagemaker.packages.values(), key=lambda it: it.made)
    world.account.sagemaker.update_model_package({"ModelPackageArn": newest.arn, "ModelApprovalStatus": "Approved"})


def mend_and_retry(world: World) -> None:
    """Mend what kept the model from coming up, and let its run try again."""
    things = world.account.s3.things
    for name, it in list(things.items()):
        if name.endswith("/model.tar.gz"):
            things[name] = replace(it, body=it.body.replace(b"up=fails", b""))
    retry("two", UNWELL)(world)


def request(dataset: str) -> Callable[[World], None]:
    """Ask for a run as another system does: by an event."""
    detail = {"deployment": "df-test", "pipeline": PIPELINE, "dataset": dataset, "requestId": f"request for {dataset}"}
    event = {"source": "team.labels", "account": "1", "detail-type": "Dropforge Run Requested", "detail": detail}
    return lambda world: world.account.sent.append(Message(world.account.now, "bus", json.dumps(event)))


TRAINING = '"state":"training"'
TURNED = '"approval":"rejected" "state":"'
PENDING = '"approval":"pending" "state":"registered"'
ROLL_BACK = order(lambda flows, command: flows.releases.orders.roll_back(PIPELINE, command))
UNDEPLOY = order(lambda flows, command: flows.releases.orders.undeploy(PIPELINE, command))
REDEPLOY = order(lambda flows, command: flows.releases.orders.redeploy(PIPELINE, command))
PAUSE = order(lambda flows, command: flows.pauses.pause(PIPELINE, command))
RESUME = order(lambda flows, command: flows.pauses.resume(PIPELINE, command))
MANUAL = TOML.replace("at_least = 0.9", 'at_least = 0.9\napproval = "manual"')

ROLLED_BACK_BY_HAND = Story(
    "a person rolls back to the model before",
    (Deed(0, ROLL_BACK),),
    End({"one": "live", "two": "replaced"}, jobs=2, live="one"),
    after=SECOND,
)
GIVEN_UP = Story(
    "a person rolls back what is being rehearsed",
    (Deed(0, drop("two", BETTER)), Deed(30, when('"stage":"rehearsing"', ROLL_BACK))),
    End({"one": "live", "two": "release-failed"}, jobs=2, late={"two": "replaced"}, live="one"),
    after=FIRST,
)
STOPPED = Story(
    "a person stops a training",
    (*FOR_HOURS.deeds, Deed(5, when(TRAINING, stop("two")))),
    End({"one": "live", "two": "stopped"}, jobs=2, live="one", stopped=1),
    after=FIRST,
)
RETRIED = Story(
    "a person stops a training and retries it",
    (
        *FOR_HOURS.deeds,
        Deed(5, when(TRAINING, stop("two"))),
        Deed(6, when('"state":"stopped"', retry("two", FOR_HOURS))),
    ),
    End({"one": "replaced", "two": "live"}, jobs=3, live="two", stopped=1),
    after=FIRST,
)
TAKEN_DOWN = Story(
    "a person undeploys the model",
    (Deed(0, UNDEPLOY),),
    End({"one": "undeployed"}, jobs=1),
    after=FIRST,
)
PUT_BACK = Story(
    "a person undeploys the model and deploys it again",
    (Deed(0, UNDEPLOY), Deed(1, when('"live":null "stage":"idle"', REDEPLOY))),
    End({"one": "live"}, jobs=1, live="one"),
    after=FIRST,
)
PAUSED = Story(
    "a person pauses the pipeline and lets it go on",
    (Deed(0, PAUSE), Deed(1, drop("two", BETTER)), Deed(900, RESUME)),
    End({"one": "replaced", "two": "live"}, jobs=2, live="two"),
    after=FIRST,
)
GATED = Story(
    "a pipeline asks for approval from now on",
    (Deed(0, push(toml=MANUAL)),),
    End({"one": "live"}, jobs=1, live="one"),
    after=FIRST,
)
APPROVED = Story(
    "a person approves a model",
    (Deed(0, drop("two", BETTER)), Deed(5, when(PENDING, approve("two")))),
    End({"one": "replaced", "two": "live"}, jobs=2, live="two"),
    after=GATED,
)
APPROVED_ELSEWHERE = replace(
    APPROVED,
    name="a person approves a model in SageMaker's own console",
    deeds=(Deed(0, drop("two", BETTER)), Deed(5, when(PENDING, approve_elsewhere))),
)
TURNED_DOWN = Story(
    "a person rejects a model",
    (Deed(0, drop("two", BETTER)), Deed(5, when(PENDING, reject("two")))),
    End({"one": "live", "two": "rejected"}, jobs=2, live="one"),
    after=GATED,
)
REQUESTED = Story(
    "another system asks for a run",
    (Deed(0, drop("two", BETTER)), Deed(2, request("two"))),
    End({"one": "replaced", "two": "live"}, jobs=2, live="two"),
    after=FIRST,
)

BACK_TO_THE_FIRST = Story(
    "a person rolls back to a version that is cleared away",
    (Deed(0, order(lambda flows, command: flows.releases.orders.roll_back(PIPELINE, command, 1))),),
    End({"one": "live", "two": "replaced", "three": "replaced"}, jobs=3, live="one"),
    after=THIRD,
)
RELEASED_AGAIN = Story(
    "a person retries a run whose model did not come up, once it does",
    (
        Deed(0, drop("two", BETTER, "up=fails")),
        Deed(5, when('"failed":{" "stage":"idle"', mend_and_retry)),
    ),
    End({"one": "replaced", "two": "live"}, jobs=2, live="two"),
    after=FIRST,
)
APPROVED_AFTER_ALL = Story(
    "a person rejects a model, and approves it after all",
    (
        Deed(0, drop("two", BETTER)),
        Deed(5, when(PENDING, reject("two"))),
        Deed(6, when(TURNED, approve("two"))),
    ),
    End({"one": "replaced", "two": "live"}, jobs=2, live="two"),
    after=GATED,
)

ORDERED = (
    ROLLED_BACK_BY_HAND,
    GIVEN_UP,
    STOPPED,
    RETRIED,
    TAKEN_DOWN,
    PUT_BACK,
    PAUSED,
    APPROVED,
    APPROVED_ELSEWHERE,
    TURNED_DOWN,
    REQUESTED,
    BACK_TO_THE_FIRST,
    RELEASED_AGAIN,
    APPROVED_AFTER_ALL,
)
