"""Bugs that this suite must find: each is planted in the real code for one test, and named by an invariant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest

from chalicelib.aws import hosting, records, registry
from chalicelib.aws.errors import sagemaker
from chalicelib.decide import proposal, release, run
from chalicelib.decide.release_steps import Remove, Step, Test
from chalicelib.decide.run_steps import Wait
from chalicelib.events import JobChanged
from chalicelib.flows import attempts, clearing, handover, outbox, rehearsal, releases, runs, turn
from chalicelib.model import Candidate, Lease, Release, Run, RunState, Target
from chalicelib.names import Names
from chalicelib.news import News
from chalicelib.ports import JobSeen, ModelRequest, TrainingJob
from tests.proof import orders, stories
from tests.proof.faults import dies_after, dies_before, is_made_twice
from tests.proof.schedules import Arrange, all_lost, at_first, at_once, two_workers
from tests.proof.stories import Story

LONG = 840.0
"""Seconds that a worker may stand still: one minute less than the longest time-out of a Lambda function."""


@dataclass(frozen=True, slots=True)
class Bug:
    name: str
    plant: Callable[[pytest.MonkeyPatch], None]
    story: Story
    when: str
    """What has to happen, in words."""
    caught_by: str
    """The invariant that names it."""
    arranged: tuple[Arrange | None, ...] = (None,)
    """What is tried, until it is found."""


def _write_unconditionally(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(records, "_unchanged_since", lambda _: {})


def _record_before_acting(patch: pytest.MonkeyPatch) -> None:
    def start(self: attempts.Attempts, it: Run, job: TrainingJob) -> bool:
        self._record(run.begin(it, job, None, self.clock()))
        self.jobs.start(job)
        return True

    patch.setattr(attempts.Attempts, "start", start)


def _hold_no_lease(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(release, "_held", lambda _: 0.0)


def _compare_no_digest(patch: pytest.MonkeyPatch) -> None:
    prepare, train = run.prepare, run.train

    def prepared(it: Run, job: TrainingJob, seen: JobSeen | None, now: float) -> Any:
        return prepare(it, job, replace(seen, request=job.request) if seen else None, now)

    def trained(it: Run, candidate: Candidate, seen: JobSeen | None, now: float) -> Any:
        return train(it, candidate, replace(seen, request=candidate.request) if seen else None, now)

    patch.setattr(run, "prepare", prepared)
    patch.setattr(run, "train", trained)


def _take_existing_for_done(patch: pytest.MonkeyPatch) -> None:
    ensure = hosting.Hosting.ensure_model

    def ensured(self: hosting.Hosting, model: ModelRequest) -> None:
        try:
            with sagemaker():
                self._sagemaker.describe_model(ModelName=model.name)
        except Exception:  # noqa: BLE001 (a bug need not be tidy)
            ensure(self, model)

    patch.setattr(hosting.Hosting, "ensure_model", ensured)


def _leave_rehearsals(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(releases, "sweep", lambda *_: ())


def _let_the_oldest_win(patch: pytest.MonkeyPatch) -> None:
    propose = proposal.propose

    def turned(target: Target) -> Target:
        return replace(target, order=(-target.order[0], -target.order[1]))

    def proposed(it: Release, target: Target, now: float) -> Any:
        live = turned(it.live) if it.live else None
        return propose(replace(it, live=live), turned(target), now)

    patch.setattr(turn, "propose", proposed)


def _take_in_service_for_success(patch: pytest.MonkeyPatch) -> None:
    other = release._other_config  # noqa: SLF001 (bugs are planted where they hurt)

    def taken(sight: release.Sight, desired: Target, seen: Any) -> Step:
        if sight.release.attempts and sight.release.lease is None:
            return Test(seen.name)
        return other(sight, desired, seen)

    patch.setattr(release, "_other_config", taken)


def _trust_events(patch: pytest.MonkeyPatch) -> None:
    changed = runs.Runs.job_changed

    def trusting(self: runs.Runs, event: JobChanged) -> None:
        parts = self.settings.names.job_parts(event.name)
        found = self.records.run(parts[1]) if parts else None
        if found is not None and found.state is RunState.TRAINING:
            self.records.save(replace(found, state=RunState.EVALUATING))
        changed(self, event)

    patch.setattr(runs.Runs, "job_changed", trusting)


def _let_superseded_runs_be(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(handover.Handover, "_review", lambda *_: None)


def _propose_after_the_end(patch: pytest.MonkeyPatch) -> None:
    register = runs.Runs._register  # noqa: SLF001 (as above)

    def registered(self: runs.Runs, *about: Any) -> bool:
        waiting: list[tuple[Any, ...]] = []
        propose, self.propose = self.propose, lambda *asked: waiting.append(asked)
        try:
            done = register(self, *about)
        finally:
            self.propose = propose
        for asked in waiting:
            propose(*asked)
        return done

    patch.setattr(runs.Runs, "_register", registered)


def _name_at_random(patch: pytest.MonkeyPatch) -> None:
    numbers, job = count(), Names.job
    patch.setattr(Names, "job", lambda self, *about: job(self, *about).replace("-0-a", f"-{next(numbers)}-a"))


def _read_no_answer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rehearsal, "judge_answer", lambda *_: None)


def _register_without_a_token(patch: pytest.MonkeyPatch) -> None:
    request = registry._request  # noqa: SLF001 (as above)

    def requested(*about: Any) -> dict[str, Any]:
        return {name: value for name, value in request(*about).items() if name != "ClientToken"}

    patch.setattr(registry, "_request", requested)


def _delete_to_update(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(hosting.Hosting, "update_endpoint", lambda self, name, _: self.delete_endpoint(name))


def _tell_once(patch: pytest.MonkeyPatch) -> None:
    def rest(self: runs.Runs, it: Run) -> None:
        if it.due is not None:
            self.records.save(replace(it, due=None))

    patch.setattr(runs.Runs, "_rest", rest)


def _empty_the_outbox_first(patch: pytest.MonkeyPatch) -> None:
    def publish(self: outbox.Outbox, news: Sequence[News]) -> None:
        self.records.published(news)
        self.bus.publish(news)

    patch.setattr(outbox.Outbox, "_publish", publish)


def _offer_over_what_is_live(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(records.Records, "offer", records.Records.serve)


def _delete_before_telling(patch: pytest.MonkeyPatch) -> None:
    undeploying = release._undeploying  # noqa: SLF001 (as above)

    def hasty(sight: release.Sight) -> Step:
        if sight.told_live and sight.endpoint is not None and sight.endpoint.status == "InService":
            return Remove(sight.endpoint.name, "undeployed")
        return undeploying(sight)

    patch.setattr(release, "_undeploying", hasty)


def _ask_once(patch: pytest.MonkeyPatch) -> None:
    follow = run._follow  # noqa: SLF001 (as above)

    def asked(it: Run, candidate: Candidate, seen: JobSeen, now: float) -> Any:
        is_asked = seen.status == "InProgress" and candidate.stop_asked
        return Wait(it) if is_asked else follow(it, candidate, seen, now)

    patch.setattr(run, "_follow", asked)


def _wait_for_no_deletion(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(release, "_clearing", lambda _: 0.0)


def _keep_the_lease(patch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def lease(self: clearing.Clearing, it: Release) -> Iterator[Release]:
        mine = Lease(self.holder, self.clock() + self.seconds)
        yield self.records.save(replace(it, clearing=(*self._others(it), mine)))
        self._give_back(it.pipeline)

    patch.setattr(clearing.Clearing, "lease", lease)


PLANTED = (
    Bug(
        "a conditional write made unconditional",
        _write_unconditionally,
        stories.EDITED,
        "two workers take turns",
        "heard",
        tuple(two_workers(seed) for seed in range(12)),
    ),
    Bug(
        "a record before its act",
        _record_before_acting,
        stories.SECOND,
        "the worker dies before it starts the training job",
        "true",
        (at_first("create_training_job", how=dies_before),),
    ),
    Bug(
        "a missing lease",
        _hold_no_lease,
        stories.THIRD,
        "a worker stands still for 14 minutes before it asks for an update, and events are lost",
        "champion",
        (at_once(all_lost, at_first("update_endpoint", seconds=LONG)),),
    ),
    Bug("a digest not compared", _compare_no_digest, stories.NAME_TAKEN, "a stranger's job has the name", "told"),
    Bug(
        "a name that is taken, taken for done",
        _take_existing_for_done,
        stories.MODEL_TAKEN,
        "a stranger's model has the name",
        "champion",
    ),
    Bug(
        "a rehearsal not cleaned",
        _leave_rehearsals,
        stories.SECOND,
        "a worker stands still for 14 minutes before it makes a rehearsal endpoint",
        "nothing-forgotten",
        (at_first("create_endpoint", "-rehearse-", seconds=LONG),),
    ),
    Bug("newest-wins turned round", _let_the_oldest_win, stories.SECOND, "nothing goes wrong", "champion"),
    Bug(
        "InService taken for success",
        _take_in_service_for_success,
        stories.ROLLED_BACK,
        "SageMaker rolls an update back",
        "champion",
    ),
    Bug("an event trusted instead of described", _trust_events, stories.SECOND, "nothing goes wrong", "true"),
    Bug("a superseded run let be", _let_superseded_runs_be, stories.LATE, "nothing goes wrong", "paid-once"),
    Bug(
        "a proposal after the end",
        _propose_after_the_end,
        stories.SECOND,
        "the worker dies after it saved the run as registered",
        "champion",
        (at_first("transact_write_items", "'registered'", how=dies_after),),
    ),
    Bug(
        "a job named at random",
        _name_at_random,
        stories.SECOND,
        "the worker dies after it started the training job",
        "paid-once",
        (at_first("create_training_job", how=dies_after),),
    ),
    Bug("an answer not read", _read_no_answer, stories.WRONG, "a model answers wrongly", "rehearsed"),
    Bug(
        "a package made without its token",
        _register_without_a_token,
        stories.SECOND,
        "the call that makes the package is made twice",
        "paid-once",
        (at_first("create_model_package", how=is_made_twice),),
    ),
    Bug(
        "an endpoint deleted in order to change it",
        _delete_to_update,
        stories.SECOND,
        "nothing goes wrong",
        "served-throughout",
    ),
    Bug(
        "an end told once",
        _tell_once,
        stories.FAILS,
        "the worker dies after it saved the run as failed",
        "told",
        (at_first("transact_write_items", '"what":"failed"', how=dies_after),),
    ),
    Bug(
        "an outbox emptied before the bus has it",
        _empty_the_outbox_first,
        stories.FAILS,
        "the worker dies before it sends",
        "heard",
        (at_first("put_events", "failed", how=dies_before),),
    ),
    Bug(
        "an offer over what is live",
        _offer_over_what_is_live,
        stories.FIRST,
        "a worker stands still for 14 minutes before it tells of a model that is not live yet",
        "champion",
        (at_first("put_item", "serving#", seconds=LONG),),
    ),
    Bug(
        "an endpoint deleted before clients were told",
        _delete_before_telling,
        orders.TAKEN_DOWN,
        "nothing goes wrong",
        "served-throughout",
    ),
    Bug(
        "a deletion that nobody waits for",
        _wait_for_no_deletion,
        orders.PUT_BACK,
        "a worker stands still for 14 minutes before it deletes the endpoint, and the model is deployed again",
        "served-throughout",
        (at_first("delete_endpoint", seconds=LONG),),
    ),
    Bug(
        "a lease that only a deletion without an error gives back",
        _keep_the_lease,
        stories.UNWELL,
        "two workers clear away what does not come up",
        "true",
        tuple(two_workers(seed) for seed in range(12)),
    ),
    Bug(
        "a stop asked for once",
        _ask_once,
        orders.STOPPED,
        "the worker dies before it asks SageMaker to stop the job",
        "nothing-forgotten",
        (at_first("stop_training_job", how=dies_before),),
    ),
)
