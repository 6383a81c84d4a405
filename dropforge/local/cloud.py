"""One local cloud: starts its parts in order, says when it is ready, and takes everything down again."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropforge.local import stack, stack_reading
from dropforge.local.front import Front
from dropforge.local.functions.dispatch import Functions
from dropforge.local.gateway.app import Gateway
from dropforge.local.home import ACCOUNT, REGION, Home, Keys
from dropforge.local.ministack import Account, Asgi, Ministack
from dropforge.local.serving import Server
from dropforge.local.stack_reading import Deployed

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
        home.write_card(Cloud(plan, home, parts).start())
        logger.warning("ready")
        ended.wait()
        logger.warning("stopping")


class Cloud:
    """The parts of one running cloud; each is taken down in the reverse order of its start."""

    def __init__(self, plan: Plan, home: Home, parts: ExitStack) -> None:
        self._plan, self._home, self._parts = plan, home, parts
        self._keys = home.keys()
        self._listening = home.listen("aws")
        self._port: int = self._listening.getsockname()[1]
        self._endpoint = f"http://127.0.0.1:{self._port}"
        self._client = Clients(self._endpoint, self._keys)

    def start(self) -> dict[str, Any]:
        """Start everything; gives the card that tells others how to reach it."""
        ministack = Ministack(self._home.path, Account(ACCOUNT, REGION, self._port))
        self._parts.callback(ministack.stop)
        functions = Functions(
            self._home.path, self._plan.project, self._client, self._environment(), speed=self._plan.speed
        )
        ministack.hand_over(functions)
        front = Front(ministack.asgi)
        front.tell(functions.status)
        try:
            sagemaker = self._sagemaker(ministack, front)
        except ImportError:
            sagemaker = None
        self._serve("front", front.asgi, self._listening, before=ministack.start, beside=ministack.keep_saving)
        self._parts.callback(functions.close)
        if sagemaker:
            self._parts.callback(sagemaker.stop)
        stacks = {stage: self._deploy(stage) for stage in self._plan.stages}
        functions.open(list(stacks.values()))
        if sagemaker:
            sagemaker.start()
        stages = {stage: self._open(stage, deployed, functions) for stage, deployed in stacks.items()}
        return {
            "pid": os.getpid(),
            "endpoint": self._endpoint,
            "region": REGION,
            "account": ACCOUNT,
            "access_key": self._keys.access,
            "secret_key": self._keys.secret,
            "home": str(self._home.path),
            "speed": self._plan.speed,
            "stages": stages,
        }

    def _sagemaker(self, ministack: Ministack, front: Front) -> Any:
        from dropforge.local.sagemaker import SageMaker

        sagemaker = SageMaker(
            self._home.path / "sagemaker",
            client=self._client,
            emit=lambda kind, detail, resources: ministack.emit("aws.sagemaker", kind, detail, resources),
            speed=self._plan.speed,
            account=ACCOUNT,
            region=REGION,
        )
        front.mount("sagemaker", sagemaker.asgi)
        front.tell(lambda: {"sagemaker": sagemaker.status()})
        return sagemaker

    def _deploy(self, stage: str) -> Deployed:
        name = _stack_name(self._plan.project, stage)
        stack.deploy(self._client, name, stack.package(self._plan.project, stage, REGION))
        return stack_reading.read(self._client, name)

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

    def _serve(self, name: str, app: Asgi, listening: socket.socket, **beside: Any) -> Server:
        server = Server(app, listening, name=name, **beside)
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
