"""What an operator asks for by POST: who, why, and the fields of a small JSON object; others are refused by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from chalice.app import Request

from chalicelib import wiring
from chalicelib.errors import InvalidError
from chalicelib.events import REASON_LIMIT
from chalicelib.model import Command
from chalicelib.text import is_text

BODY_LIMIT = 1024 * 1024
"""Bytes; the gateway takes 10 MB, and nothing that is asked for here is near either."""
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Order:
    """A request by a person or a program: `by` as IAM knows the caller, `reason` in their own words."""

    by: str
    at: float
    reason: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def command(self) -> Command:
        """What machines remember of it."""
        return Command(self.by, self.at, self.reason)

    def text(self, name: str) -> str | None:
        """Give a field that is text, or None where it was not given."""
        return self._of(name, str, "text")

    def number(self, name: str) -> int | None:
        """Give a field that is a whole number, or None where it was not given: null is no number."""
        value = self._of(name, int, "a whole number")
        if isinstance(value, bool) or (value is None and name in self.fields):
            raise InvalidError(f'"{name}" is a whole number.')
        return value

    def table(self, name: str) -> Mapping[str, Any]:
        """Give a field that is a JSON object; {} where it was not given."""
        return self._of(name, dict, "a JSON object") or {}

    def _of(self, name: str, kind: type[Value], called: str) -> Value | None:
        value = self.fields.get(name)
        if value is not None and not isinstance(value, kind):
            raise InvalidError(f'"{name}" is {called}.')
        return value


def read(request: Request, now: float, *known: str) -> Order:
    """Read an order: a JSON object with `reason` and the fields that the route knows; an empty body is an empty one."""
    if request.query_params:
        raise InvalidError("This route takes no parameters in its address; send a JSON object.")
    raw = request.raw_body
    said = _body(raw.encode() if isinstance(raw, str) else raw)
    reason = said.pop("reason", None)
    if reason is not None and not (isinstance(reason, str) and len(reason) <= REASON_LIMIT):
        raise InvalidError(f'"reason" is text of at most {REASON_LIMIT} characters.')
    for name in said:
        if name not in known:
            raise InvalidError(f'There is no field "{name}" here; there are {", ".join((*known, "reason"))}.')
    return Order(caller(request), now, reason or None, said)


def command(request: Request) -> Command:
    """Read an order that has nothing but a reason."""
    return read(request, wiring.flows().world.clock()).command


def caller(request: Request) -> str:
    """Name who signed the request: the ARN that IAM gives."""
    identity = request.context.get("identity") or {}
    return str(identity.get("userArn") or identity.get("caller") or "unknown")


def _body(raw: bytes) -> dict[str, Any]:
    if len(raw) > BODY_LIMIT:
        raise InvalidError(f"The body is larger than {BODY_LIMIT:,} bytes.")
    if not raw.strip():
        return {}
    try:
        said = json.loads(raw)
        whole = is_text(said)
    except (ValueError, RecursionError) as error:
        raise InvalidError("The body is no JSON object.") from error
    if not isinstance(said, dict):
        raise InvalidError("The body is no JSON object.")
    if not whole:
        raise InvalidError("The body holds half a character: a surrogate without its other half.")
    return said
