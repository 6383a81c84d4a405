"""`approval = "manual"`: a person lets a model in or turns it away, here or in SageMaker's own console."""

from __future__ import annotations

import pytest

from chalicelib.errors import NotNowError, UnavailableError
from chalicelib.events import JobChanged, PackageChanged
from chalicelib.model import Approval, Command, Run, RunState
from chalicelib.names import run12
from chalicelib.ports import Package
from tests.fakes.calls import CrashError
from tests.flows.machines import GATE, PIPELINE, SMOKE, TRAIN, Machines

ADA = "arn:aws:iam::000000000000:user/ada"
BOB = "arn:aws:iam::000000000000:user/bob"
MANUAL = TRAIN + GATE + 'approval = "manual"\n' + SMOKE


def order(it: Machines, reason: str | None = "looks right") -> Command:
    return Command(ADA, it.world.clock(), reason)


def awaiting(name: str = "mnist", it: Machines | None = None) -> tuple[Machines, Run]:
    it = it or Machines(MANUAL)
    return it, it.register(name)


def package(it: Machines, run: Run) -> str:
    arn = it.run(run).package
    assert arn is not None
    return arn


def says(it: Machines, run: Run) -> str:
    seen = it.world.registry.describe(package(it, run))
    assert seen is not None
    return seen.approval


def in_the_console(it: Machines, run: Run, *, approved: bool, note: str = "seen by eye") -> None:
    """Decide as SageMaker's console does, and let its event come."""
    it.world.registry.decide(package(it, run), approved=approved, note=note)
    it.runs.package_changed(PackageChanged(package(it, run)))


def test_a_model_that_passed_its_gate_awaits_a_person_and_says_how() -> None:
    it, run = awaiting()
    it.release_to_rest()
    assert (it.run(run).state, it.run(run).approval) == (RunState.REGISTERED, Approval.PENDING)
    assert says(it, run) == "PendingManualApproval"
    assert it.status()["stage"] == "awaiting-approval"
    assert f"`dropforge approve {run12(run.id)}`" in str(it.status()["todo"])
    assert it.live_config is None


def test_a_model_below_its_gate_asks_nobody() -> None:
    it = Machines(MANUAL)
    run = it.register("mnist", metrics={"validation:accuracy": 0.2})
    assert (it.run(run).state, it.run(run).approval) == (RunState.REJECTED, None)


def test_an_approved_model_goes_live_as_the_persons() -> None:
    it, run = awaiting()
    ordered = it.orders.approve(run12(run.id), order(it))
    assert (ordered.changed, ordered.run.approval, says(it, run)) == (True, Approval.APPROVED, "Approved")
    assert ordered.run.reason is None
    it.release_to_rest()
    assert it.status()["stage"] == "live"
    assert it.release.live is not None
    assert it.release.live.by == ADA
    seen = it.world.registry.describe(package(it, run))
    assert seen is not None
    assert seen.note == f"Approved by {ADA}: looks right"
    (entry,) = [line for line in it.world.records.entries(f"run:{run12(run.id)}") if line.what == "approved"]
    assert dict(entry.facts) == {"by": ADA, "reason": "looks right"}


def test_an_approval_is_safe_to_repeat() -> None:
    it, run = awaiting()
    assert [it.orders.approve(run12(run.id), order(it)).changed for _ in range(3)] == [True, False, False]
    it.release_to_rest()
    assert not it.orders.approve(run12(run.id), order(it)).changed
    assert it.told(f"run:{run12(run.id)}").count("approved") == 1
    assert len([name for name, _ in it.world.hosting.updates if name.endswith("-realtime")]) == 1


def test_an_approval_is_carried_out_though_the_clock_of_the_one_before_was_five_minutes_ahead() -> None:
    it, early = awaiting("a")
    _, late = awaiting("b", it)
    it.orders.approve(run12(early.id), Command(ADA, it.world.clock() + 300))
    it.release_to_rest()
    it.world.clock.advance(60)
    it.orders.approve(run12(late.id), order(it))
    it.release_to_rest()
    assert it.release.live is not None
    assert it.release.live.run == late.id


def test_what_the_console_approved_is_carried_out_though_the_clock_of_the_one_before_was_ahead() -> None:
    it, early = awaiting("a")
    _, late = awaiting("b", it)
    it.orders.approve(run12(early.id), Command(ADA, it.world.clock() + 300))
    it.release_to_rest()
    in_the_console(it, late, approved=True)
    it.release_to_rest()
    assert it.release.live is not None
    assert it.release.live.run == late.id


def test_a_rejected_model_never_goes_live_and_says_why() -> None:
    it, run = awaiting()
    ordered = it.orders.reject(run12(run.id), order(it, "wrong sevens"))
    assert (ordered.changed, ordered.run.state, says(it, run)) == (True, RunState.REJECTED, "Rejected")
    assert not it.orders.reject(run12(run.id), order(it)).changed
    it.release_to_rest()
    assert it.live_config is None
    assert (it.status()["stage"], it.status()["reason"]) == (
        "rejected",
        f"Its model was rejected by {ADA}: wrong sevens.",
    )


def test_a_rejected_model_can_be_approved_after_all() -> None:
    it, run = awaiting()
    it.orders.reject(run12(run.id), order(it))
    ordered = it.orders.approve(run12(run.id), order(it))
    assert (ordered.run.state, ordered.run.approval) == (RunState.REGISTERED, Approval.APPROVED)
    it.release_to_rest()
    assert it.status()["stage"] == "live"


def test_a_retry_of_what_a_person_rejected_is_refused() -> None:
    it, run = awaiting()
    with pytest.raises(NotNowError, match="awaits approval"):
        it.orders.retry(run12(run.id), order(it))
    it.orders.reject(run12(run.id), order(it))
    with pytest.raises(NotNowError, match="approve it instead"):
        it.orders.retry(run12(run.id), order(it))


def test_a_live_model_is_not_rejected() -> None:
    it, run = awaiting()
    it.orders.approve(run12(run.id), order(it))
    it.releases.advance("digits")
    with pytest.raises(NotNowError, match="is rehearsing: roll back or undeploy first"):
        it.orders.reject(run12(run.id), order(it))
    it.release_to_rest()
    with pytest.raises(NotNowError, match="is live: roll back or undeploy first"):
        it.orders.reject(run12(run.id), order(it))


def test_what_has_no_registered_model_is_neither_approved_nor_rejected() -> None:
    it = Machines(MANUAL)
    run = it.seal()
    for decide in (it.orders.approve, it.orders.reject):
        with pytest.raises(NotNowError, match="is preparing: it has no registered model yet"):
            decide(run12(run.id), order(it))
    it.runs.advance(run12(run.id))
    it.world.jobs.fail(it.job(run))
    it.runs.advance(run12(run.id))
    for decide in (it.orders.approve, it.orders.reject):
        with pytest.raises(NotNowError, match="is failed and has no registered model"):
            decide(run12(run.id), order(it))


def test_what_the_gate_let_in_alone_is_approved_already() -> None:
    it = Machines()
    run = it.deploy()
    ordered = it.orders.approve(run12(run.id), order(it))
    assert (ordered.changed, ordered.what) == (False, f"The model of run {run12(run.id)} was approved by its gate.")


def test_an_approval_in_sagemakers_own_console_is_followed() -> None:
    it, run = awaiting()
    in_the_console(it, run, approved=True)
    it.release_to_rest()
    assert it.status()["stage"] == "live"
    (entry,) = [line for line in it.world.records.entries(f"run:{run12(run.id)}") if line.what == "approved"]
    assert dict(entry.facts) == {"by": "somebody in SageMaker", "reason": "seen by eye"}


def test_a_rejection_in_sagemakers_own_console_is_followed_and_taken_back_there() -> None:
    it, run = awaiting()
    in_the_console(it, run, approved=False)
    assert (it.run(run).state, it.run(run).approval) == (RunState.REJECTED, Approval.REJECTED)
    in_the_console(it, run, approved=True)
    it.release_to_rest()
    assert it.status()["stage"] == "live"


def test_a_model_that_is_rejected_in_the_console_while_it_serves_goes_on_and_says_so() -> None:
    it = Machines()
    run = it.deploy()
    in_the_console(it, run, approved=False)
    it.release_to_rest()
    assert it.status()["stage"] == "live"
    assert it.live_config is not None
    assert "dropforge undeploy" in str(it.run(run).todo)
    in_the_console(it, run, approved=False)
    assert it.told(f"run:{run12(run.id)}").count("kept serving") == 1


def test_an_approval_whose_news_is_lost_is_found_by_the_schedule() -> None:
    it, run = awaiting()
    it.world.registry.decide(package(it, run), approved=True, note="")
    for _ in range(5):
        it.world.clock.advance(61)
        it.reconcile()
    it.release_to_rest()
    assert it.status()["stage"] == "live"


def test_a_run_that_awaits_a_person_looks_again_ever_more_rarely() -> None:
    it, run = awaiting()
    looks = []
    for _ in range(7 * 24 * 6):
        it.world.clock.advance(600)
        before = it.world.count("registry.describe")
        it.reconcile()
        looks.append(it.world.count("registry.describe") - before)
    assert sum(looks[:6]) >= 4
    assert 3 <= sum(looks[-144:]) <= 5
    assert it.run(run).due is not None


def test_the_package_of_a_stranger_wakes_nobody() -> None:
    it, run = awaiting()
    stranger = package(it, run).replace("df-test-", "df-test2-")
    before = len(it.world.calls)
    it.runs.package_changed(PackageChanged(stranger))
    assert len(it.world.calls) == before


def test_a_package_that_was_deleted_before_anybody_approved_it_fails_its_run() -> None:
    it, run = awaiting()
    it.world.registry.remove(package(it, run))
    with pytest.raises(NotNowError, match="was deleted in SageMaker"):
        it.orders.approve(run12(run.id), order(it))
    it.world.clock.advance(61)
    it.reconcile()
    assert it.run(run).state is RunState.FAILED


def test_a_model_that_is_rejected_before_its_turn_comes_is_dropped_from_its_release() -> None:
    it, first = awaiting("first")
    _, second = awaiting("second", it)
    for run in (first, second):
        it.orders.approve(run12(run.id), order(it))
        it.world.clock.advance(1)
    assert it.status("second")["stage"] == "pending"
    it.orders.reject(run12(second.id), order(it, "second thoughts"))
    it.release_to_rest()
    assert it.release.pending is None
    assert (it.status("first")["stage"], it.status("second")["stage"]) == ("live", "rejected")


def test_an_older_model_goes_live_where_a_person_approves_it_later() -> None:
    it, first = awaiting("first")
    _, second = awaiting("second", it)
    for run in (second, first):
        it.orders.approve(run12(run.id), order(it))
        it.release_to_rest()
        it.world.clock.advance(10)
    assert (it.status("first")["stage"], it.status("second")["stage"]) == ("live", "replaced")


def test_an_approval_that_sagemaker_does_not_show_yet_is_told_once_and_looked_for_again() -> None:
    it, run = awaiting()
    shown = it.world.registry.describe(package(it, run))
    assert shown is not None
    truly, told = it.world.registry.decide, []

    def decide_unseen(arn: str, *, approved: bool, note: str) -> Package:
        told.append(truly(arn, approved=approved, note=note))
        return shown

    it.world.registry.decide = decide_unseen  # type: ignore[method-assign] # what is asked for shows later
    it.orders.approve(run12(run.id), order(it))
    assert it.status()["stage"] == "awaiting-approval"
    it.reconcile()
    it.release_to_rest()
    assert it.status()["stage"] == "live"
    assert len(told) == 1


def test_a_rejection_while_an_approval_is_under_way_is_refused_and_undoes_nothing() -> None:
    it, run = awaiting()
    truly, refused = it.world.registry.decide, []

    def decide_late(arn: str, *, approved: bool, note: str) -> Package:
        with pytest.raises(NotNowError, match=f"is being approved by {ADA}: looks right; try again in a minute") as no:
            it.orders.reject(run12(run.id), Command(BOB, it.world.clock()))
        refused.append(no.value)
        return truly(arn, approved=approved, note=note)

    it.world.registry.decide = decide_late  # type: ignore[method-assign] # an order comes before SageMaker is told
    it.orders.approve(run12(run.id), order(it))
    it.release_to_rest()
    assert len(refused) == 1
    assert it.run(run).approval is Approval.APPROVED
    assert it.status()["stage"] == "live"


def test_an_opposite_order_is_taken_where_the_one_before_was_not_carried_out_for_minutes() -> None:
    it, run = awaiting()
    truly = it.world.registry.decide

    def decide_never(*_: object, **__: object) -> Package:
        raise UnavailableError

    it.world.registry.decide = decide_never  # type: ignore[method-assign] # SageMaker does not answer
    it.orders.reject(run12(run.id), order(it))
    it.world.clock.advance(299)
    with pytest.raises(NotNowError, match=f"is being rejected by {ADA}: looks right; try again in a minute"):
        it.orders.approve(run12(run.id), Command(BOB, it.world.clock()))
    it.world.clock.advance(1)
    it.world.registry.decide = truly  # type: ignore[method-assign] # it answers again
    assert it.orders.approve(run12(run.id), Command(BOB, it.world.clock())).changed
    it.release_to_rest()
    assert (it.run(run).approval, it.status()["stage"]) == (Approval.APPROVED, "live")


@pytest.mark.parametrize("carried_out", [False, True], ids=["not carried out", "carried out by another"])
@pytest.mark.parametrize("late", ["approve", "reject"])
def test_the_last_word_stands_though_a_worker_that_stalled_tells_sagemaker_the_one_before(
    late: str,
    *,
    carried_out: bool,
) -> None:
    it, busy = awaiting("busy")
    _, run = awaiting(it=it)
    if late == "approve":
        it.orders.approve(run12(busy.id), order(it))  # the other waits for its turn, and can be rejected
    truly = it.world.registry.decide

    def stall(arn: str, *, approved: bool, note: str) -> Package:
        it.world.registry.decide = truly  # type: ignore[method-assign] # this call alone is late
        if carried_out:
            it.runs.advance(run12(run.id))
        it.world.clock.advance(301)
        last = it.orders.reject if late == "approve" else it.orders.approve
        assert last(run12(run.id), Command(BOB, it.world.clock(), "looked again")).changed
        return truly(arn, approved=approved, note=note)

    it.world.registry.decide = stall  # type: ignore[method-assign] # before it tells SageMaker
    (it.orders.approve if late == "approve" else it.orders.reject)(run12(run.id), order(it))
    it.runs.package_changed(PackageChanged(package(it, run)))
    it.release_to_rest()
    word = Approval.REJECTED if late == "approve" else Approval.APPROVED
    assert it.run(run).approval is word
    assert it.run(run).verdict is not None
    assert it.run(run).verdict.command.by == BOB  # type: ignore[union-attr] # seen above
    assert says(it, run) == word.value.capitalize()
    assert it.status()["stage"] == ("rejected" if late == "approve" else "live")


def test_a_rejection_stands_though_a_worker_that_stalled_tells_sagemaker_of_the_gates_approval_later() -> None:
    it = Machines()
    it.register("busy")
    run = it.train("mnist")
    truly = it.world.registry.decide

    def stall(arn: str, *, approved: bool, note: str) -> Package:
        it.world.registry.decide = truly  # type: ignore[method-assign] # this call alone is late
        it.runs.advance(run12(run.id))
        assert it.orders.reject(run12(run.id), order(it, "wrong sevens")).changed
        return truly(arn, approved=approved, note=note)

    it.world.registry.decide = stall  # type: ignore[method-assign] # before it tells SageMaker
    it.runs.job_changed(JobChanged(it.job(run)))
    it.runs.package_changed(PackageChanged(package(it, run)))
    it.release_to_rest()
    assert (it.run(run).approval, says(it, run), it.status()["stage"]) == (Approval.REJECTED, "Rejected", "rejected")


def test_a_worker_that_stalls_between_an_approval_and_its_release_lets_no_model_in_that_was_rejected_since() -> None:
    it, run = awaiting()
    propose = it.runs.propose

    def stall(run: Run, wanted: Command | None = None, cause: str = "approved") -> None:
        it.runs.propose = propose
        it.world.clock.advance(301)
        it.orders.reject(run12(run.id), Command(BOB, it.world.clock()))
        propose(run, wanted, cause)

    it.runs.propose = stall
    it.orders.approve(run12(run.id), order(it))
    it.release_to_rest()
    assert (it.run(run).approval, it.status()["stage"]) == (Approval.REJECTED, "rejected")
    assert it.live_config is None


def test_somebody_in_the_console_may_take_back_what_was_ordered_here_with_the_words_that_stood_there() -> None:
    it, run = awaiting()
    it.orders.reject(run12(run.id), order(it))
    it.orders.approve(run12(run.id), order(it))
    noted = it.world.registry.describe(package(it, run))
    assert noted is not None
    in_the_console(it, run, approved=False, note=noted.note or "")
    in_the_console(it, run, approved=True, note=noted.note or "")
    it.release_to_rest()
    assert (it.run(run).approval, says(it, run), it.status()["stage"]) == (Approval.APPROVED, "Approved", "live")


def _approve_and_die(it: Machines, run: Run, at: float) -> None:
    """Let a worker die between saving an approval and the first call that carries it out."""
    registry = it.world.registry
    truly = registry.decide

    def die(*_: object, **__: object) -> Package:
        raise CrashError

    registry.decide = die  # type: ignore[method-assign] # the process ends there
    with pytest.raises(CrashError):
        it.orders.approve(run12(run.id), Command(ADA, at))
    registry.decide = truly  # type: ignore[method-assign] # SageMaker is there


@pytest.mark.parametrize("ahead", [0, 300], ids=["clocks agree", "the first clock is ahead"])
def test_an_approval_whose_worker_died_does_not_overtake_the_one_after_it_and_says_so(ahead: float) -> None:
    it, first = awaiting("first")
    _, second = awaiting("second", it)
    _approve_and_die(it, first, it.world.clock() + ahead)
    it.world.clock.advance(60)
    it.orders.approve(run12(second.id), Command(BOB, it.world.clock()))
    for _ in range(10):
        it.world.clock.advance(61)
        it.reconcile()
        it.world.hosting.settle()
    it.release_to_rest()
    assert (it.status("first")["stage"], it.status("second")["stage"]) == ("replaced", "live")
    assert it.run(first).approval is Approval.APPROVED
    told = it.told(f"run:{run12(first.id)}")
    assert "release: not released" in told
    assert "let in" in told


def test_an_approval_whose_worker_died_does_not_bring_back_what_was_undeployed_after_it() -> None:
    it = Machines(MANUAL)
    awaiting("live", it)
    (live,) = it.world.records.runs(pipeline=PIPELINE).items
    it.orders.approve(run12(live.id), order(it))
    it.release_to_rest()
    _, late = awaiting("late", it)
    _approve_and_die(it, late, it.world.clock() + 300)
    it.world.clock.advance(60)
    it.releases.orders.undeploy(PIPELINE, Command(BOB, it.world.clock()))
    for _ in range(40):
        it.world.clock.advance(61)
        it.reconcile()
        it.world.hosting.settle()
    assert it.live_config is None
    assert "release: not released" in it.told(f"run:{run12(late.id)}")
