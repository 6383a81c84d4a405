"""Carries out one change of an endpoint: the old servers answer until the new can, and again when an alarm trips."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.hosting import alarms, plans, states, traffic
from dropforge.local.sagemaker.hosting.fleet import Fleet, counts
from dropforge.local.sagemaker.hosting.route import Route
from dropforge.local.sagemaker.hosting.serving import StartError

_LOOK = 0.25
"""Seconds between two looks at the alarms."""


class BackError(Exception):
    """The deployment is given up; the message is for FailureReason."""


class StoppingError(Exception):
    """The cloud stops: the next start begins the change again."""


@dataclass(frozen=True, slots=True)
class Hands:
    """What a deployment may do to its endpoint."""

    answer: Callable[[Route], None]
    """From here on requests go this way."""
    tell: Callable[..., None]
    """Change the endpoint's document; `EndpointStatus` among the values tells the world."""
    closing: threading.Event


class Deployment:
    """One endpoint on its way to a plan."""

    def __init__(self, ground: Ground, name: str, hands: Hands) -> None:
        self._ground, self._name, self._hands = ground, name, hands

    def create(self, plan: Mapping[str, Any]) -> None:
        """Bring up an endpoint that serves nothing yet; Failed when it does not come up."""
        new = Fleet(self._ground, self._name, plan)
        try:
            new.scale(counts(plan), self._hands.closing)
            self._wait(self._ground.pace.seconds(states.ENDPOINT, "Creating", self._name))
        except (StartError, StoppingError) as error:
            new.leave(0)
            self._raise_if_closing()
            self._hands.tell(EndpointStatus="Failed", FailureReason=str(error), _wanted=None)
            return
        except Exception:
            new.leave(0)
            raise
        self._hands.answer(Route(new))
        self._done(plan)

    def replace(self, old: Fleet, before: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        """Bring up the new servers beside the old ones and move the traffic to them, or back."""
        shift = traffic.plan(plan.get("deployment"), plans.largest(plan), self._ground.limits.speed)
        new = Fleet(self._ground, self._name, plan)
        try:
            self._go(shift, old, before, new, plan)
        except (BackError, StartError) as error:
            self._raise_if_closing(new)
            self._back(shift, old, before, new, plan, str(error))
        except Exception:
            self._hands.answer(Route(old))
            new.leave(0)
            raise
        else:
            self._hands.answer(Route(new))
            self._done(plan)
            old.leave(self._ground.limits.invoke)

    def resize(self, fleet: Fleet, before: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        """Give a fleet other weights and other numbers of servers; what does not come up leaves it as it was."""
        try:
            fleet.scale(counts(plan), self._hands.closing)
            self._wait(self._ground.pace.seconds(states.ENDPOINT, "Updating", self._name))
        except StartError as error:
            self._raise_if_closing()
            self._hands.tell(EndpointStatus="RollingBack")
            self._done(before, FailureReason=str(error))
            return
        fleet.weigh(plan)
        self._done(plan)

    def _go(
        self, shift: traffic.Shift, old: Fleet, before: Mapping[str, Any], new: Fleet, plan: Mapping[str, Any]
    ) -> None:
        limit = max(self._ground.limits.least_startup, shift.limit)
        deadline = time.monotonic() + limit
        for step in shift.steps:
            self._stage("Creating" if step is shift.steps[0] else "Updating")
            wanted = _part(plan, step.share) if step.replaces else counts(plan)
            new.scale(wanted, self._hands.closing, deadline - time.monotonic())
            self._stage("ActivatingTraffic")
            self._hands.answer(Route(new, old, step.share))
            if step.replaces:
                old.shrink(_part(before, 1 - step.share), self._ground.limits.invoke)
            self._stage("Baking")
            self._bake(step.bake, shift.alarms, deadline)
        self._wait(shift.end + self._ground.pace.seconds(states.ENDPOINT, "Updating", self._name))

    def _bake(self, seconds: float, watched: tuple[str, ...], deadline: float) -> None:
        """Watch the alarms for a while, and once at least."""
        end = time.monotonic() + seconds
        while True:
            if watched and (found := alarms.tripped(self._ground.client("cloudwatch"), watched)):
                raise BackError(
                    "One or more configured alarms for automatic deployment rollback went into the ALARM state:"
                    f" [{', '.join(found)}]."
                )
            if time.monotonic() > deadline:
                raise BackError("The deployment took longer than MaximumExecutionTimeoutInSeconds allows.")
            if (left := end - time.monotonic()) <= 0:
                return
            self._wait(min(_LOOK, left))

    def _back(
        self,
        shift: traffic.Shift,
        old: Fleet,
        before: Mapping[str, Any],
        new: Fleet,
        plan: Mapping[str, Any],
        reason: str,
    ) -> None:
        """Give the traffic back to the old configuration; where its servers do not come up again, both go on."""
        self._hands.tell(EndpointStatus="RollingBack", FailureReason=reason, _stage=None)
        try:
            for kept in shift.back:
                if shift.steps[0].replaces:
                    old.scale(_part(before, 1 - kept), self._hands.closing)
                self._hands.answer(Route(new, old, kept) if kept else Route(old))
                new.shrink(_part(plan, kept), self._ground.limits.invoke)
        except StartError as error:
            self._raise_if_closing(new)
            told = f"{reason} The rollback failed, too: {error}"
            self._hands.tell(EndpointStatus="UpdateRollbackFailed", FailureReason=told, _wanted=None)
            return
        new.leave(self._ground.limits.invoke)
        self._done(before, FailureReason=reason)

    def _done(self, plan: Mapping[str, Any], **more: Any) -> None:
        kept = {key: plan.get(key) for key in ("config", "variants", "async")}
        self._hands.tell(
            EndpointStatus="InService", EndpointConfigName=plan["config"], _plan=kept, _wanted=None, _stage=None, **more
        )

    def _stage(self, status: str) -> None:
        self._hands.tell(_stage=plans.stage(status))

    def _wait(self, seconds: float) -> None:
        if self._hands.closing.wait(seconds):
            raise StoppingError

    def _raise_if_closing(self, *fleets: Fleet) -> None:
        if self._hands.closing.is_set():
            for fleet in fleets:
                fleet.leave(0)
            raise StoppingError


def _part(plan: Mapping[str, Any], share: float) -> dict[str, int]:
    return {name: traffic.capacity(share, count) for name, count in counts(plan).items()}
