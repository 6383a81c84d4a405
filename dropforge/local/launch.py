"""Starts, stops and asks after a local cloud from another process."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from dropforge.local.front import STATUS_PATH
from dropforge.local.home import Home, HomeUnusableError
from dropforge.local.project import NoProjectError, find

_READY_WITHIN = 90.0
_STOPPED_WITHIN = 15.0
_ANSWER_WITHIN = 5.0
_ENDING_WITHIN = 1.0
"""One that was killed just now holds its home until the kernel has taken it down."""
_POLL = 0.05
_LOG_LINES = 15

_started: dict[Path, subprocess.Popen[bytes]] = {}


class LaunchError(Exception):
    """The local cloud did not start, or did not stop."""


def start(
    home: Path,
    *,
    speed: float = 0.1,
    pace: tuple[float, int] = (0.0, 0),
    stages: Sequence[str] = ("dev",),
    attached: bool = False,
    project: Path | None = None,
) -> dict[str, Any]:
    """Start a cloud over `home` and wait until it is ready; gives its card (`cloud.json`).

    `pace`: how long SageMaker's states last (1: as on AWS), and the seed that draws the delays.
    `attached` ties it to this process: it ends when this process ends, however that happens.
    Otherwise it stays until `stop`.
    """
    place = Home(home)
    try:
        project = find(project)
        place.make()
    except (NoProjectError, HomeUnusableError) as error:
        raise LaunchError(str(error)) from error
    if not _await_released(place, _ENDING_WITHIN):
        raise LaunchError(f"a local cloud already runs in {place.path}; stop it first, or use another folder")
    command = [sys.executable, "-P", "-m", "dropforge.local", "--home", str(place.path), "--speed", str(speed)]
    command += ["--delays", str(pace[0]), "--seed", str(pace[1])]
    command += [word for stage in stages for word in ("--stage", stage)]
    command += ["--project", str(project)]
    command += ["--until-stdin-closes"] if attached else []
    began = place.log.stat().st_size if place.log.exists() else 0
    with place.log.open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if attached else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONPATH": _search_path()},
            # Ctrl-C at a terminal is for the caller, who then says what becomes of the cloud.
            start_new_session=True,
        )
    _started[place.path] = process
    try:
        return _await_ready(place, process, began)
    except BaseException:  # an interrupt, too: no process of ours outlives the call that began it
        _end(process)
        raise


def stop(home: Path) -> bool:
    """Stop the cloud over `home`, its state saved; tells whether one was running."""
    place = Home(home)
    card = place.read_card()
    if not place.claimed():
        return False
    if card is None:
        raise LaunchError(f"a local cloud over {place.path} is just starting or stopping; try again")
    pid = int(card["pid"])
    os.kill(pid, signal.SIGTERM)
    if not _await_released(place, _STOPPED_WITHIN):
        os.kill(pid, signal.SIGKILL)
        _await_released(place, _ANSWER_WITHIN)
    child = _started.pop(place.path, None)
    if child:
        _end(child)
    return True


def status(home: Path) -> dict[str, Any] | None:
    """Give the card of the cloud over `home` with its `status`; None when none runs and answers, as after a kill."""
    place = Home(home)
    card = place.read_card()
    if card is None or not place.claimed():
        return None
    host, _, port = str(card["endpoint"]).removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=_ANSWER_WITHIN)
    try:
        connection.request("GET", STATUS_PATH)
        return card | {"status": cast("dict[str, Any]", json.loads(connection.getresponse().read()))}
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _await_ready(place: Home, process: subprocess.Popen[bytes], began: int) -> dict[str, Any]:
    deadline = time.monotonic() + _READY_WITHIN
    while time.monotonic() < deadline:
        card = place.read_card()
        if card and card["pid"] == process.pid:
            return card
        if process.poll() is not None:
            raise LaunchError(_last_words(place, began))
        time.sleep(_POLL)
    raise LaunchError(f"the local cloud was not ready within {_READY_WITHIN:.0f} s:\n{_last_words(place, began)}")


def _await_released(place: Home, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while place.claimed():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin:
        process.stdin.close()
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_STOPPED_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_words(place: Home, began: int) -> str:
    lines = place.log.read_bytes()[began:].decode(errors="replace").strip().splitlines()
    return "\n".join(lines[-_LOG_LINES:]) or "the local cloud ended without a word"


def _search_path() -> str:
    """Let the child find the same `dropforge` as we are, whatever its working directory."""
    here = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
