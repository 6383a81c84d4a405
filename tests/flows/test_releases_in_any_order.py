"""Any order of events, repeats, edits, restarts and orders: a true end, and no client meets an untested model."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chalicelib.errors import NotFoundError, NotNowError
from chalicelib.events import EndpointChanged, JobChanged
from chalicelib.model import Command, Entry, Pause, ReleaseStage, Run, RunState, Target
from chalicelib.names import run12
from tests.flows.machines import GATE, LABELS, METRICS, PIPELINE, SMOKE, TRAIN, Machines

ENDPOINT = "df-test-digits-realtime"
EDITS = (
    TRAIN + GATE + SMOKE,
    TRAIN + GATE + SMOKE + "[serve]\ntop_k = 1\n",
    TRAIN + GATE + '[deploy]\ninstance_type = "ml.m5.xlarge"\n' + SMOKE,
)


class Loop(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.it = Machines()
        self.runs: list[Run] = []
        self.bad: set[str] = set()
        """run12 of the models that answer wrongly."""
        self.steered = False
        """Whether a person had a hand in what is live."""
        self.paused_at: int | None = None
        """How many endpoints had been made or changed when it was paused."""

    @initialize()
    def drop_first(self) -> None:
        self._drop()

    @precondition(lambda self: len(self.runs) < 3)
    @rule(bad=st.booleans())
    def drop(self, *, bad: bool) -> None:
        self._drop()
        if bad:
            self.bad.add(run12(self.runs[-1].id))

    def _drop(self) -> None:
        self.runs.append(self.it.seal(f"drop{len(self.runs)}"))

    @rule(data=st.data())
    def job_event(self, data: st.DataObject) -> None:
        self.it.runs.job_changed(JobChanged(self.it.job(data.draw(st.sampled_from(self.runs)))))

    @rule(data=st.data())
    def complete_a_job(self, data: st.DataObject) -> None:
        self._complete(data.draw(st.sampled_from(self.runs)))

    def _complete(self, run: Run) -> None:
        seen = self.it.world.jobs.describe(self.it.job(run))
        if seen is not None and seen.status == "InProgress":
            self.it.world.jobs.finish(self.it.job(run), METRICS, LABELS)

    @rule(name=st.sampled_from([ENDPOINT, "df-test-digits-rehearse-0123456789ab"]))
    def endpoint_event(self, name: str) -> None:
        self.it.releases.endpoint_changed(EndpointChanged(name))

    @rule()
    def sagemaker_moves(self) -> None:
        self._break_bad_models()
        self.it.world.hosting.settle()

    @rule()
    def schedule(self) -> None:
        self.it.world.clock.advance(61)
        self.it.reconcile()

    @rule()
    def restart(self) -> None:
        self.it.restart()

    @rule(data=st.data())
    def propose_again(self, data: st.DataObject) -> None:
        run = self.it.run(data.draw(st.sampled_from(self.runs)))
        if run.state is RunState.REGISTERED:
            self.it.releases.propose(run)

    @rule(toml=st.sampled_from(EDITS))
    def edit(self, toml: str) -> None:
        self.it.edit(toml)
        self.it.releases.update(PIPELINE)

    @rule(version=st.none() | st.integers(1, 3))
    def roll_back(self, version: int | None) -> None:
        self._order(lambda command: self.it.releases.orders.roll_back(PIPELINE, command, version))

    @rule()
    def undeploy(self) -> None:
        self._order(lambda command: self.it.releases.orders.undeploy(PIPELINE, command))

    @rule()
    def redeploy(self) -> None:
        self._order(lambda command: self.it.releases.orders.redeploy(PIPELINE, command))

    def _order(self, order: Callable[[Command], object]) -> None:
        """Give an order, and time for another: one moment holds one."""
        self.it.world.clock.advance(1)
        with contextlib.suppress(NotNowError, NotFoundError):
            order(Command("arn:ada", self.it.world.clock(), "she said so"))
            self.steered = True
        self.it.world.clock.advance(1)

    @precondition(lambda self: self.paused_at is None)
    @rule()
    def pause(self) -> None:
        command = Command("arn:ada", self.it.world.clock())
        self.it.world.records.pause(Pause(PIPELINE, command), Entry(command.at, "paused"))
        self.paused_at = len(self.it.world.hosting.updates)

    @precondition(lambda self: self.paused_at is not None)
    @rule()
    def resume(self) -> None:
        self._resume()
        self.it.releases.advance(PIPELINE)

    def _resume(self) -> None:
        pause = self.it.world.records.paused(PIPELINE)
        if pause is not None:
            self.it.world.records.unpause(pause, Entry(self.it.world.clock(), "resumed"))
        self.paused_at = None

    def _break_bad_models(self) -> None:
        hosting = self.it.world.hosting
        for config in hosting.configs.values():
            if hosting.models[config.model].environment["DROPFORGE_RUN"] in self.bad:
                hosting.broken(config.name, "answers-wrongly")

    @invariant()
    def no_client_meets_what_was_not_rehearsed(self) -> None:
        hosting = self.it.world.hosting
        rehearsed = {config for name, config, _ in hosting.invoked if name != ENDPOINT}
        for name, config in hosting.updates:
            if name == ENDPOINT:
                assert config in rehearsed
                assert config not in hosting.configs or self._run_of(config) not in self.bad

    @invariant()
    def what_clients_are_told_is_live_was_tested_live(self) -> None:
        serving = self.it.world.records.serving(PIPELINE)
        if serving is not None and serving.live:
            assert serving.run not in self.bad
            assert any(name == ENDPOINT for name, _, _ in self.it.world.hosting.invoked)

    @invariant()
    def what_clients_are_told_is_live_is_there(self) -> None:
        serving = self.it.world.records.serving(PIPELINE)
        if serving is not None and serving.live:
            seen = self.it.world.hosting.endpoint(ENDPOINT)
            assert seen is not None
            assert seen.status != "Deleting"

    @invariant()
    def while_it_is_paused_nothing_new_is_made(self) -> None:
        if self.paused_at is not None:
            live = self.it.release.live
            made = self.it.world.hosting.updates[self.paused_at :]
            assert all(name == ENDPOINT and live is not None and config == live.config for name, config in made)

    @invariant()
    def one_job_and_one_package_for_each_run(self) -> None:
        names = [job.name for job in self.it.world.jobs.started]
        assert len(names) == len(set(names)) <= len(self.runs)
        assert len(self.it.world.registry.requests) <= len(self.runs)

    def _run_of(self, config: str) -> str:
        hosting = self.it.world.hosting
        return hosting.models[hosting.configs[config].model].environment["DROPFORGE_RUN"]

    def teardown(self) -> None:
        """Let the schedule alone finish everything: the newest model is live then, as the newest version wants it.

        Where a person had a hand in it, it is theirs to say what is; but it is whole, or there is nothing.
        """
        self._resume()
        for _ in range(120):
            self.it.world.clock.advance(61)
            self.it.reconcile()
            for run in self.runs:
                self._complete(run)
            self._break_bad_models()
            self.it.world.hosting.settle()
            if not self._is_open():
                break
        release, live = self.it.release, self.it.release.live
        assert (release.due, release.pending, self.it.rehearsals) == (None, None, ())
        for run in self.runs:
            assert (self.it.run(run).state, self.it.run(run).due) == (RunState.REGISTERED, None)
        if self.steered:
            self._assert_whole(live)
            return
        if run12(self.runs[-1].id) not in self.bad:
            assert live is not None
            assert live.run == self.runs[-1].id
        if live is not None:
            assert self.it.live_config == live.config
            assert run12(live.run) not in self.bad
            self._assert_as_edited(live)

    def _assert_whole(self, live: Target | None) -> None:
        serving = self.it.world.records.serving(PIPELINE)
        assert self.it.release.stage is ReleaseStage.IDLE
        if live is None:
            assert self.it.world.hosting.endpoints == {}
            assert serving is None or not serving.live
            return
        assert self.it.live_config == live.config
        assert run12(live.run) not in self.bad
        assert serving is not None
        assert (serving.live, serving.exact, serving.run) == (True, True, run12(live.run))

    def _is_open(self) -> bool:
        due = self.it.world.records.due
        return bool(due("run", math.inf, limit=9) or due("release", math.inf, limit=9) or self.it.rehearsals)

    def _assert_as_edited(self, live: Target) -> None:
        """A newer model that failed may keep an edit from the live one: then the edit was tried on the newer."""
        setups, run = self.it.releases.rollout.setups, self.it.run(self.runs[-1])
        wanted = setups.setup(self.it.run(run), setups.newest(run), "")
        assert wanted is not None
        assert self.bad or live.digest == wanted.target.digest


Loop.TestCase.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
TestInAnyOrder = Loop.TestCase
