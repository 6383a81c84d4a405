"""One local cloud: starts its parts in order, says when it is ready, and takes everything down again."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropforge.local import stack, stack_reading
from dropforge.local.front import Front
from dropforge.local.home import ACCOUNT, REGION, Home, Keys
from dropforge.local.ministack import Account, Ministack
from dropforge.local.serving import Server

logger = logging.getLogger(__name__)


class UnusableError(Exception):
    """This machine cannot run a local cloud."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for on the command line."""

    home: Path
    project: Path
    stages: tuple[str, ...]
    speed: float
    until_stdin_closes: bool


def run(plan: Plan) -> None:
    """Run a cloud until SIGTERM or SIGINT (or until stdin closes); state is saved on the way out."""
    home = Home(plan.home)
    home.claim()
    _log_to(home.log)
    ended = _end_of(plan)
    with ExitStack() as parts:
        parts.callback(home.card.unlink, missing_ok=True)
        home.write_card(_start(plan, home, parts))
        logger.warning("ready")
        ended.wait()
        logger.warning("stopping")


def _start(plan: Plan, home: Home, parts: ExitStack) -> dict[str, Any]:
    keys = home.keys()
    listening = home.listen("aws")
    endpoint = f"http://127.0.0.1:{listening.getsockname()[1]}"
    ministack = Ministack(home.path, Account(ACCOUNT, REGION, listening.getsockname()[1]))
    client = Clients(endpoint, keys)
    front = Front(ministack.asgi, dict)
    parts.callback(ministack.stop)
    server = Server(front.asgi, listening, name="front", before=ministack.start, beside=ministack.keep_saving)
    parts.callback(server.stop)
    server.start()
    stages = {}
    for stage in plan.stages:
        name = _stack_name(plan.project, stage)
        stack.deploy(client, name, stack.package(plan.project, stage, REGION))
        deployed = stack_reading.read(client, name)
        stages[stage] = {
            "stack": name,
            "api": None,
            "api_key": deployed.api_key,
            "bucket": deployed.outputs.get("BucketName"),
            "table": deployed.outputs.get("TableName"),
        }
    return {
        "pid": os.getpid(),
        "endpoint": endpoint,
        "region": REGION,
        "account": ACCOUNT,
        "access_key": keys.access,
        "secret_key": keys.secret,
        "home": str(home.path),
        "speed": plan.speed,
        "stages": stages,
    }


class Clients:
    """Makes boto3 clients of this cloud, one for each service."""

    def __init__(self, endpoint: str, keys: Keys) -> None:
        import boto3
        from botocore.config import Config

        self._lock = threading.Lock()
        self._made: dict[str, Any] = {}
        session = boto3.session.Session(keys.access, keys.secret, region_name=REGION)
        config = Config(
            retries={"total_max_attempts": 3, "mode": "standard"},
            max_pool_connections=50,
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
        )
        self._make: Callable[[str], Any] = lambda name: session.client(name, endpoint_url=endpoint, config=config)

    def __call__(self, service: str) -> Any:
        with self._lock:
            if service not in self._made:
                self._made[service] = self._make(service)
            return self._made[service]


def _stack_name(project: Path, stage: str) -> str:
    import json

    config = json.loads((project / ".chalice" / "config.json").read_text())
    variables = config.get("environment_variables", {}) | config["stages"][stage].get("environment_variables", {})
    return f"{variables.get('DROPFORGE_PREFIX', 'dropforge')}-{stage}"


def _log_to(file: Path) -> None:
    handler = logging.FileHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _end_of(plan: Plan) -> threading.Event:
    """Give the event that is set when it is time to stop."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    if plan.until_stdin_closes:

        def watch() -> None:
            while os.read(0, 1024):
                pass
            ended.set()

        threading.Thread(target=watch, name="stdin", daemon=True).start()
    return ended
