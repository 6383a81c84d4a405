"""SageMaker by itself, with the services that it needs (S3, Logs, CloudWatch, EventBridge, SNS, …), on one port."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dropforge.local.aws import Aws
from dropforge.local.home import ACCOUNT, REGION, Home
from dropforge.local.process import EndedError, end_when_told, keep_memory_small, log_to, wait_until_told
from dropforge.local.sagemaker.images import StandIn
from dropforge.local.sagemaker.sandbox import walls
from dropforge.local.sagemaker.states import Pace

_LEAST_SPEED = 0.1
"""Of limits: a program that is told to stop needs its seconds, however fast the cloud."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for. Without a folder nothing is kept; port 0 is any; the seed draws the delays."""

    folder: Path | None
    port: int
    speed: float
    seed: int
    until_stdin_closes: bool = False
    images: Mapping[str, StandIn] = field(default_factory=dict)
    """What runs for an image, by its repository: a folder with `train` and `serve`, or itself by an engine."""


class NoFunctions:
    """Takes invocations in a cloud that has no functions."""

    def queue(self, function: str, event: Any) -> None:
        del event
        logger.warning("nothing runs %s here", function)

    def invoke(self, function: str, event: Any) -> tuple[Any, bool]:
        del event
        return {"errorMessage": f"{function} does not run here: this cloud has no functions"}, True


def run(plan: Plan, say: Callable[[dict[str, Any]], None]) -> None:
    """Run until SIGTERM or SIGINT; `say` hears the card when it answers."""
    keep_memory_small()
    with ExitStack() as parts, suppress(EndedError):
        folder = plan.folder or Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="dropforge-")))
        home = Home(folder)
        home.claim()
        log_to(home.log)
        if why := walls():
            logger.warning(why)
        parts.callback(home.card.unlink, missing_ok=True)
        end_when_told(until_stdin_closes=plan.until_stdin_closes)
        card = _start(plan, home, parts)
        home.write_card(card)
        say(card)
        wait_until_told()


def _start(plan: Plan, home: Home, parts: ExitStack) -> dict[str, Any]:
    keys = home.keys()
    listening = home.listen("aws", plan.port)
    port = listening.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    pace = Pace(plan.speed, plan.seed)
    aws = Aws(home, keys, port, speed=max(plan.speed, _LEAST_SPEED), pace=pace, images=plan.images)
    parts.callback(aws.ministack.stop)
    aws.ministack.hand_over(NoFunctions())
    parts.callback(aws.serve(listening).stop)
    parts.callback(aws.sagemaker.stop)
    aws.sagemaker.start()
    return {
        "pid": os.getpid(),
        "endpoint": endpoint,
        "region": REGION,
        "account": ACCOUNT,
        "access_key": keys.access,
        "secret_key": keys.secret,
        "home": str(home.path),
        "speed": plan.speed,
        "stages": {},
        "walls": walls(),
    }
