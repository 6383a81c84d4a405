"""Server processes: one sandbox each, started, pinged, watched, started again when they die."""

from __future__ import annotations

import logging
import signal
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dropforge.local.sagemaker import artifacts, removal, sandbox, source
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.hosting.exchange import Connection
from dropforge.local.sagemaker.hosting.pulse import PORT, Pulse
from dropforge.local.sagemaker.logs import ENDPOINT_GROUP

_PING_PAUSE = 0.05
_FALLS = 3
"""A server that ends so often before its first ping is answered will not come up by waiting."""
_RESTART_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_LONGEST_LINE = 64 * 1024

logger = logging.getLogger(__name__)


class StartError(Exception):
    """A server did not come up; the message is for FailureReason."""


def servers_in(ground: Ground) -> Path:
    """Give the folder that has one of each server's own."""
    return ground.home / "endpoints"


class Server:
    """One server of a variant. It is `healthy` from its first answered ping until its process ends or says otherwise.

    `longest` is how many seconds a request may take, where that is not the usual: who answers nothing for longer hangs.
    """

    def __init__(self, ground: Ground, endpoint: str, variant: Mapping[str, Any], longest: float | None = None) -> None:
        self._ground = ground
        self._pulse = Pulse(ground.limits.ping, (longest or ground.limits.invoke) + ground.limits.silence)
        self.hear = self._pulse.hear
        """Called when it has answered a request, or a part of one."""
        self.endpoint = endpoint
        self._variant = variant
        self.variant = str(variant["name"])
        self._folder = servers_in(ground) / f"{endpoint}-{uuid.uuid4().hex[:12]}"
        self._closing = threading.Event()
        self._process: sandbox.Process | None = None
        self._thread = threading.Thread(target=self._run, name=f"server-{endpoint}", daemon=True)
        self.group = ENDPOINT_GROUP + endpoint
        self.log = f"{variant['name']}/i-{uuid.uuid4().hex[:17]}"
        self.up = threading.Event()
        """Set when it has come up for the first time, or has given up: see `failure`."""
        self.failure: str | None = None
        self.healthy = False
        self._starved = False
        self.restarts = 0
        self.in_flight = 0
        self.used = time.monotonic()
        """When it was last given back."""
        self.idle: list[Connection] = []

    @property
    def starved(self) -> bool:
        """Whether it was ever ended for its memory, though that may not be over yet."""
        process = self._process
        return self._starved or (process is not None and process.out_of_memory())

    def start(self) -> None:
        self._thread.start()

    def connect(self) -> Any:
        """Open a connection to the server; SandboxError when nobody listens, OSError when it cannot be had."""
        process = self._process
        try:
            if process:
                return process.connect(PORT, self._ground.limits.ping)
        except (ConnectionRefusedError, sandbox.SandboxError):
            pass
        if process is self._process:
            self.healthy = False  # until it answers a ping
        raise sandbox.SandboxError("the server is not running")

    def close(self) -> None:
        """Ask the server to end, make it end, and remove what it had."""
        self._closing.set()
        self.healthy = False
        process = self._process
        if process:
            process.signal(signal.SIGTERM)
            if process.wait(min(self._ground.limits.stop, 2.0)) is None:
                process.kill()
        if self._thread.is_alive():
            self._thread.join(10)
        removal.remove(self._folder)

    def _run(self) -> None:
        try:
            self._prepare()
            pause = _RESTART_PAUSE
            while not self._closing.is_set():
                lived = self._live()
                self._give_up_on_falls()
                pause = _RESTART_PAUSE if lived > _LONGEST_PAUSE else min(2 * pause, _LONGEST_PAUSE)
                self._closing.wait(pause)
        except (StartError, sandbox.SandboxError) as error:
            self.failure = str(error)
        except Exception:  # the edge of the thread: a server that is not there must not pass for one that is
            logger.exception("a server of endpoint %s met an internal error", self.endpoint)
            self.failure = "We encountered an internal error. Please try again."
        finally:
            self.healthy = False
            self.up.set()

    def _give_up_on_falls(self) -> None:
        if not self.up.is_set() and self.restarts >= _FALLS:
            raise StartError(no_ping(self.variant))

    def _prepare(self) -> None:
        """Bring the model to the place where the container looks for it."""
        s3, uri = self._ground.client("s3"), self._variant.get("data")
        model = self._folder / "ml" / "model"
        model.mkdir(parents=True)
        self._ground.images.find(self._variant["image"]).bring(self._closing.is_set)
        try:
            if uri:
                artifacts.download_and_unpack(s3, uri, model, self._folder)
            source.bring(s3, self._variant["environment"], source.VARIABLE, self._folder)
        except artifacts.BadArchiveError as error:
            raise StartError(
                f'Failed to extract model data archive for container "container_1" from URL "{uri}": {error}. Please'
                " ensure that the object located at the URL is a valid tar.gz archive."
            ) from error
        except (BotoCoreError, ClientError) as error:
            raise StartError(
                f'Failed to download model data for container "container_1" from URL: "{uri}". Please ensure that there'
                " is an object located at the URL and that the role passed to CreateModel has permissions to download"
                f" the object. ({error})"
            ) from error

    def _live(self) -> float:
        """Run the server until it ends; gives how long it was there."""
        began = time.monotonic()
        environment = {"SAGEMAKER_BIND_TO_PORT": str(PORT), **self._variant["environment"]}
        memory = self._variant.get("serverless", {}).get("MemorySizeInMB")
        spec = sandbox.Spec(
            ("serve",),
            self._folder,
            environment,
            port=PORT,
            hidden=(self._ground.home,),
            memory=memory << 20 if memory else self._ground.memory,
        )
        process = self._process = self._ground.images.find(self._variant["image"]).start(spec)
        reader = threading.Thread(target=self._read, args=(process,), name=f"log-{self.endpoint}", daemon=True)
        reader.start()
        if self._closing.is_set():
            process.kill()
        if self._comes_up(process, began + self._ground.limits.startup):
            self._watch(process, reader)
        process.wait()
        self.healthy = False
        self._starved = self._starved or process.out_of_memory()
        self.restarts += 1
        reader.join(2)
        return time.monotonic() - began

    def _comes_up(self, process: sandbox.Process, deadline: float) -> bool:
        """Ping the server until it answers; one that does not in time is ended."""
        while process.poll() is None and not self._closing.is_set():
            if self._pulse.ping(process):
                self.healthy = True
                self.up.set()
                return True
            if time.monotonic() > deadline:
                process.kill()
            self._closing.wait(_PING_PAUSE)
        return False

    def _watch(self, process: sandbox.Process, reader: threading.Thread) -> None:
        """Go on pinging: who is not well gets no requests, and who stays so, or answers nothing at all, is ended."""
        while process.poll() is None and not self._closing.is_set():
            if reader.is_alive():
                reader.join(self._ground.limits.pulse)  # it ends with the process
            else:
                process.wait(self._ground.limits.pulse)
            self._free()
            if (well := self._pulse.ping(process)) is not None:
                self.healthy = well and not self._closing.is_set()
            if self._pulse.is_silent() and process.poll() is None:
                self.healthy = False
                logger.warning("a server of endpoint %s hangs or is not well, and is started again", self.endpoint)
                process.kill()

    def _free(self) -> None:
        """Close the connections that no request will use: a server of one thread could answer nobody else."""
        with suppress(IndexError, RuntimeError):  # one was taken just now; the loop has ended
            while not self.idle[0].fresh:
                self.idle.pop(0).drop()

    def _read(self, process: sandbox.Process) -> None:
        stream = self._ground.logs.open(self.group, self.log)
        with process.output as output:
            while line := output.readline(_LONGEST_LINE):
                stream.write(line.decode(errors="replace").rstrip("\r\n"))
        self._ground.logs.close(stream)


def no_ping(variant: str) -> str:
    return (
        f"The primary container for production variant {variant} did not pass the ping health check. Please check"
        " CloudWatch logs for this endpoint."
    )
