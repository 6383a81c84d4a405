"""Which calls and events are disturbed, and how: values and pure functions, but for the count of what was seen.

    {"operation": "CreateTrainingJob", "does": "throttle", "times": 2}
    {"operation": "UpdateEndpoint", "does": "fail", "code": "InternalFailure", "status": 500, "after": 1}
    {"event": "SageMaker Endpoint State Change", "does": "drop", "match": {"EndpointStatus": "IN_SERVICE"}}
    {"capacity": "ml.p3.2xlarge", "times": 1}

A rule lets `after` of what it names through, then disturbs `times` (null: all that come), and is spent.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from typing import Any

from dropforge.local import apis

CALLS = ("throttle", "fail", "delay", "lose-answer")
EVENTS = ("drop", "duplicate", "hold")
ANY = "*"
_SUBJECTS = ("operation", "event", "capacity")
_SAGEMAKER = ("sagemaker", "sagemaker-runtime")
_S3 = ("GET", "PUT", "POST", "DELETE", "HEAD", "LIST")
_NAMED = 6
_COUNTS = ("seen", "done")
"""Told of a rule, and never given: what it has met, and what it disturbed."""


class BadRuleError(Exception):
    """Somebody sent what is no rule."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; `name` is of an operation, a detail type or an instance type, or `*`."""

    subject: str
    """`operation`, `event` or `capacity`."""
    name: str
    does: str
    service: str = "sagemaker"
    """Whose operation: what requests are signed for (`s3`, whose operations are HTTP methods and LIST)."""
    after: int = 0
    times: int | None = 1
    match: Mapping[str, Any] = field(default_factory=dict)
    """Members that the request, or the event's detail, must have with these values."""
    code: str = "InternalFailure"
    message: str = "The local cloud was asked to fail."
    status: int = 500
    seconds: float = 1.0


@dataclass(slots=True)
class _Counted:
    rule: Rule
    seen: int = 0

    @property
    def done(self) -> int:
        reached = max(0, self.seen - self.rule.after)
        return reached if self.rule.times is None else min(reached, self.rule.times)


def read(given: Any) -> Rule:
    """Read one rule as JSON gives it, or as it was told: its counts begin anew. BadRuleError says what is wrong."""
    if not isinstance(given, Mapping):
        raise BadRuleError("a rule is an object")
    named = [subject for subject in _SUBJECTS if subject in given]
    if len(named) != 1:
        raise BadRuleError("a rule names one of operation, event and capacity")
    [subject] = named
    does = given.get("does", "run-out" if subject == "capacity" else None)
    if does not in _DEEDS[subject]:
        raise BadRuleError(f"what is done to a rule's {subject} is one of {', '.join(_DEEDS[subject])}")
    more = {name: value for name, value in given.items() if name not in {subject, "does", *_COUNTS}}
    if unknown := sorted(set(more) - _members(subject, does)):
        raise BadRuleError(f"a {does} rule has no {', '.join(unknown)}")
    rule = Rule(subject=subject, name=given[subject], does=does, **more)
    _check(rule)
    return rule


def _members(subject: str, does: str) -> set[str]:
    """Name what a rule may say beside its subject and its deed; anything else would be without effect."""
    return {"after", "times", *_OF_SUBJECTS[subject], *_OF_DEEDS.get(does, ())}


_OF_SUBJECTS = {"operation": ("service", "match"), "event": ("match",), "capacity": ()}
_OF_DEEDS = {"fail": ("code", "message", "status"), "delay": ("seconds",), "lose-answer": ("seconds",)}
_DEEDS = {"operation": CALLS, "event": EVENTS, "capacity": ("run-out",)}
_KINDS: Mapping[str, tuple[type, ...]] = {
    "name": (str,), "service": (str,), "code": (str,), "message": (str,), "match": (Mapping,),
    "after": (int,), "times": (int, type(None)), "status": (int,), "seconds": (int, float),
}  # fmt: skip


_ERRORS = range(400, 600)


def _check(rule: Rule) -> None:
    wrong = [name for name, kinds in _KINDS.items() if not _is(getattr(rule, name), kinds)]
    wrong += [name for name in ("after", "times", "seconds") if name not in wrong and (getattr(rule, name) or 0) < 0]
    if "seconds" not in wrong and not math.isfinite(rule.seconds):
        wrong.append("seconds")
    if "status" not in wrong and rule.status not in _ERRORS:
        wrong.append("status")
    if "code" not in wrong and not (rule.code.isascii() and rule.code.isprintable()):
        wrong.append("code")
    if wrong:
        raise BadRuleError(f"a rule's {', '.join(wrong)} cannot be that")
    if rule.subject == "operation" and rule.name != ANY:
        _check_operation(rule)


def _check_operation(rule: Rule) -> None:
    """BadRuleError for what is never asked for; which operations other services have, nobody here knows."""
    known = _known_operations(rule.service)
    if known and rule.name not in known:
        near = get_close_matches(rule.name, known, n=1)
        some = ", ".join(known[:_NAMED]) + (", …" if len(known) > _NAMED else "")
        meant = f"did you mean {near[0]}?" if near else f"it has {some}"
        raise BadRuleError(f"{rule.service} has no operation {rule.name}: {meant}")


def _known_operations(service: str) -> list[str]:
    match service:
        case "sagemaker":
            return [name for model in _SAGEMAKER for name in apis.service(model).operation_names]
        case "sagemaker-runtime":
            raise BadRuleError("requests to SageMaker's runtime are signed for sagemaker: leave service out")
        case "s3":
            return list(_S3)
        case _:
            return []


def _is(value: object, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def concerns(rule: Rule, subject: str, name: str, service: str, members: Mapping[str, Any]) -> bool:
    """Tell whether a rule is about something that happens."""
    return (
        rule.subject == subject
        and rule.name in {name, ANY}
        and (subject != "operation" or rule.service == service)
        and all(members.get(member) == value for member, value in rule.match.items())
    )


class Rules:
    """The rules that hold now; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: list[_Counted] = []

    def replace(self, rules: Iterable[Rule]) -> None:
        with self._lock:
            self._counted = [_Counted(rule) for rule in rules]

    def add(self, rules: Iterable[Rule]) -> None:
        with self._lock:
            self._counted += [_Counted(rule) for rule in rules]

    def told(self) -> list[dict[str, Any]]:
        """Tell each rule with how often it has met what it names, and how often it disturbed it."""
        with self._lock:
            return [{**_written(each.rule), "seen": each.seen, "done": each.done} for each in self._counted]

    def reads(self, subject: str, service: str) -> bool:
        """Tell whether any rule looks into a request's members: only then it has to be read."""
        with self._lock:
            return any(
                each.rule.match and each.rule.subject == subject and each.rule.service == service
                for each in self._counted
            )

    def next(
        self, subject: str, name: str, members: Mapping[str, Any] | None = None, service: str = "sagemaker"
    ) -> Rule | None:
        """Count something that happens; gives the first rule that disturbs it. Each that names it has seen it."""
        with self._lock:
            found: Rule | None = None
            for each in self._counted:
                if concerns(each.rule, subject, name, service, members or {}):
                    before = each.done
                    each.seen += 1
                    found = found or (each.rule if each.done > before else None)
            return found


def _written(rule: Rule) -> dict[str, Any]:
    """Tell a rule as it could be given again."""
    members = _members(rule.subject, rule.does)
    told = {name: value for name, value in asdict(rule).items() if name in members}
    return {rule.subject: rule.name, "does": rule.does, **told}
