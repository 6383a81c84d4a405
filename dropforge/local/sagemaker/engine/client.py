"""Docker's or Podman's command line, whichever answers: what is said to it is run here and nowhere else."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dropforge.local.sagemaker.engine import arguments

PROGRAMS = ("docker", "podman")
_LOOK_SECONDS = 20.0
_SECONDS = 120.0
"""A busy engine takes its time to lay out an image of many gigabytes."""
_GLANCE = 0.1


class EngineError(Exception):
    """The engine does not answer, or says no; the message is its own last line."""


class StoppedError(EngineError):
    """Nobody wants the image any more."""


@dataclass(frozen=True, slots=True)
class Client:
    program: str

    def run(self, words: Sequence[str], seconds: float = _SECONDS) -> str:
        """Give what it prints; EngineError when it says no. What was said to it is told nowhere: it has variables."""
        try:
            ended = subprocess.run(
                [self.program, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise EngineError(f"{self.program} {words[0]} has not answered for {seconds:g} seconds.") from None
        except OSError as error:
            raise EngineError(f"{self.program} cannot be run: {error.strerror}.") from error
        if ended.returncode != 0:
            raise EngineError(_last(ended.stderr) or f"{self.program} {words[0]} ended with {ended.returncode}.")
        return ended.stdout.strip()

    def pull(self, image: str, stopped: Callable[[], bool]) -> None:
        """Have the engine fetch an image, however long that takes; StoppedError when nobody wants it any more."""
        with subprocess.Popen(
            [self.program, *arguments.pull(image)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as process:
            while True:
                try:
                    _, said = process.communicate(timeout=_GLANCE)
                    break
                except subprocess.TimeoutExpired:
                    if stopped():
                        process.kill()
                        raise StoppedError("It is not wanted any more.") from None
        if process.returncode != 0:
            raise EngineError(_last(said) or f"{self.program} pull ended with {process.returncode}.")


def find() -> Client:
    """Find the one that answers; EngineError, in a sentence, when none does."""
    there = [program for program in PROGRAMS if shutil.which(program)]
    if not there:
        raise EngineError("neither docker nor podman is on the PATH.")
    said = []
    for program in there:
        try:
            Client(program).run(arguments.look(), _LOOK_SECONDS)
        except EngineError as error:
            said.append(f"{program} does not answer ({error})")
        else:
            return Client(program)
    raise EngineError(f"{', and '.join(said)}.")


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else ""
