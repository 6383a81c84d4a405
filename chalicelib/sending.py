"""What every step ends with: what it saved is told to the world. That may fail, and the step stands all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger

from chalicelib import wiring

log = Logger(service="dropforge", child=True)


def around(event: Any, handle: Callable[[Any], Any]) -> Any:
    """Send news after a handler, as Chalice's middleware: also what a handler saved before it failed."""
    try:
        answer = handle(event)
    except Exception:  # whatever it was goes on; what the step had saved before it is told all the same
        send_news()
        raise
    send_news()
    return answer


def send_news() -> None:
    try:
        wiring.flows().outbox.send_mine()
    except Exception:  # the process's edge: it waits in the outbox, and the reconcile sends it
        log.exception("News waits in the outbox", step="outbox", outcome="comes again")
