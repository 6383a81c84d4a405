"""One local cloud: starts its parts in order, says when it is ready, and takes everything down again."""

from __future__ import annotations

import logging
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropforge.local import packaging, stack, stack_reading
from dropforge.local.aws import Aws
from dropforge.local.clients import Clients
from dropforge.local.functions.dispatch import Functions
from dropforge.local.gateway.app import Gateway
from dropforge.local.home import ACCOUNT, REGION, Home
from dropforge.local.ministack import Asgi
from dropforge.local.process import EndedError, end_when_told, keep_memory_small, log_to, wait_until_told
from dropforge.local.sagemaker.sandbox import walls
from dropforge.local.sagemaker.states import Pace
from dropforge.local.serving import Server
from dropforge.local.stack_reading import Deployed

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for on the command line."""

    home: Path
    project: Path
    stages: tuple[str, ...]
    speed: float
    pace: Pace
    until_stdin_closes: bool


def run(plan: Plan) -> None:
    """Run a cloud until SIGTERM or SIGINT (or until stdin closes); state is saved on the way out."""
    keep_memory_small()
    home = Home(plan.home)
    home.claim()
    log_to(home.log)
    if why := walls():
        logger.warning(why)
    with ExitStack() as parts, suppress(EndedError):
        # Entered first, so the last to run: whoever waits for the card to go finds everything gone.
        parts.callback(home.card.unlink, missing_ok=True)
        end_when_told(until_stdin_closes=plan.until_stdin_closes)
        home.write_card(Cloud(plan, home, parts).start())
        wait_until_told()


class Cloud:
    """The parts of one running cloud; each is taken down in the reverse order of its start."""

    def __init__(self, plan: Plan, home: Home, parts: ExitStack) -> None:
        self._plan, self._home, self._parts = plan, home, parts
        self._keys = home.keys()
        self._listening = home.listen("aws")
        self._port: int = self._listening.getsockname()[1]
        self._endpoint = f"http://127.0.0.1:{self._port}"

    def start(self) -> dict[str, Any]:
        """Start everything; gives the card that tells others how to reach it."""
        with ThreadPoolExecutor() as packing:
            packed = {stage: packing.submit(self._package, stage) for stage in self._plan.stages}
            aws = Aws(self._home, self._keys, self._port, speed=self._plan.speed, pace=self._plan.pace)
            self._parts.callback(aws.ministack.stop)
            functions = Functions(
                self._home.path, self._plan.project, aws.client, self._environment(), speed=self._plan.speed
            )
            aws.ministack.hand_over(functions)
            aws.front.tell(functions.status)
            self._parts.callback(aws.serve(self._listening).stop)
            self._parts.callback(functions.close)
            self._parts.callback(aws.sagemaker.stop)
            stacks = {stage: _deploy(aws.client, *template.result()) for stage, template in packed.items()}
        aws.ministack.saved()  # a table that CloudFormation made has to be there before anyone writes to it
        functions.open(list(stacks.values()))
        aws.sagemaker.start()
        return {
            "pid": os.getpid(),
            "endpoint": self._endpoint,
            "region": REGION,
            "account": ACCOUNT,
            "access_key": self._keys.access,
            "secret_key": self._keys.secret,
            "home": str(self._home.path),
            "speed": self._plan.speed,
            "delays": self._plan.pace.speed,
            "seed": self._plan.pace.seed,
            "project": str(self._plan.project),
            "walls": walls(),
            "stages": {stage: self._open(stage, deployed, functions) for stage, deployed in stacks.items()},
        }

    def _package(self, stage: str) -> tuple[str, str]:
        project = self._plan.project
        kept = self._home.path / "templates"
        return packaging.stack_name(project, stage), packaging.template(project, stage, REGION, kept)

    def _open(self, stage: str, deployed: Deployed, functions: Functions) -> dict[str, Any]:
        """Open the stage's HTTP doors; gives its part of the card."""
        urls = []
        for at, api in enumerate(deployed.apis):
            gateway = Gateway(api, lambda name, event, wait: functions.call(name, event, patience=wait), self._keys)
            self._parts.callback(gateway.stop)
            server = self._serve(f"api-{stage}", gateway.asgi, self._home.listen(f"api-{stage}-{at}"))
            urls.append(f"http://127.0.0.1:{server.port}/{api.stage}")
        return {
            "stack": deployed.name,
            "api": next(iter(urls), None),
            "api_key": deployed.api_key,
            "bucket": deployed.outputs.get("BucketName"),
            "table": deployed.outputs.get("TableName"),
        }

    def _serve(self, name: str, app: Asgi, listening: socket.socket) -> Server:
        server = Server(app, listening, name=name)
        self._parts.callback(server.stop)
        server.start()
        return server

    def _environment(self) -> dict[str, str]:
        """Give what every function needs to reach this cloud and nothing else."""
        return {
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self._keys.access,
            "AWS_SECRET_ACCESS_KEY": self._keys.secret,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }


def _deploy(client: Clients, name: str, template: str) -> Deployed:
    stack.deploy(client, name, template)
    return stack_reading.read(client, name)
