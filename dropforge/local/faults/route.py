"""`/_dropforge/faults`: tests set rules there. PUT replaces all, POST adds, GET tells, DELETE ends them.

`POST /_dropforge/faults/interruptions {"job": NAME}` takes the instances of a running training job away.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from dropforge.local.faults import rules
from dropforge.local.faults.rules import BadRuleError, Rules
from dropforge.local.ministack import Receive, Scope

PATH = "/_dropforge/faults"
INTERRUPTIONS = f"{PATH}/interruptions"
Answer = tuple[int, dict[str, Any]]


class Route:
    """Answers with a status and a JSON object; `release` sends held events, `interrupt` tells whether that job ran."""

    def __init__(self, held: Rules, release: Callable[[], None], interrupt: Callable[[str], bool]) -> None:
        self._rules = held
        self._release = release
        self._interrupt = interrupt

    async def __call__(self, scope: Scope, receive: Receive) -> Answer:
        try:
            given = json.loads(await _body(receive) or b"{}")
            if scope["path"] == INTERRUPTIONS:
                return await asyncio.to_thread(self._take_away, scope["method"], given)
            return await self._change(scope["method"], given)
        except (BadRuleError, ValueError, RecursionError) as error:
            return 400, {"message": str(error)}

    async def _change(self, method: str, given: Any) -> Answer:
        match method:
            case "GET":
                pass
            case "PUT":
                self._rules.replace(_read(given))
                await asyncio.to_thread(self._release)
            case "POST":
                self._rules.add(_read(given))
            case "DELETE":
                self._rules.replace([])
                await asyncio.to_thread(self._release)
            case _:
                return 405, {"message": f"{method} means nothing here"}
        return 200, {"faults": self._rules.told()}

    def _take_away(self, method: str, given: Any) -> Answer:
        job = given.get("job") if isinstance(given, dict) else None
        if method != "POST" or not isinstance(job, str):
            return 400, {"message": 'an interruption is POST {"job": NAME}'}
        if not self._interrupt(job):
            return 404, {"message": f"no instance of {job} can be taken away: it is not a training job that runs"}
        return 200, {"job": job}


def _read(given: Any) -> list[rules.Rule]:
    asked = given.get("faults") if isinstance(given, dict) else None
    if not isinstance(asked, list):
        raise BadRuleError('expected {"faults": [rule, …]}')
    return [rules.read(each) for each in asked]


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRuleError("the request ended before its body did")
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
