"""Script mode, as SageMaker's framework images do it: fetches the user's code, runs its entry point, tells how it went.

Follows the public sagemaker-training toolkit: the same hyperparameters steer it, the script sees the same environment
and the same arguments. This runs inside the sandbox, with nothing of ours but this folder.
"""

from __future__ import annotations

import collections
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
from pathlib import Path
from typing import Any

import source_archive  # type: ignore[import-not-found]  # beside this program in the container

ML = Path(os.environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml")
CODE = ML / "code"
_RESERVED = ("sagemaker_", "_tuning_objective_metric")  # what SageMaker and its SDK put there, not for the script
_TAIL_LINES = 40
_LAST_LINES_SECONDS = 0.3


class ScriptError(Exception):
    """The job cannot run as it was asked for."""


def main() -> None:
    """Run the script, exit with its code; a reason that it did not leave itself is written for it."""
    try:
        hyperparameters = {name: _decode(text) for name, text in _config("hyperparameters").items()}
        _bring_code(str(hyperparameters.get("sagemaker_submit_directory") or ""))
        program = _entry_point(hyperparameters)
        _tell_of_requirements()
        sys.exit(_run(program, hyperparameters))
    except (ScriptError, OSError, tarfile.TarError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        _write_failure(str(error))
        sys.exit(1)


def _entry_point(hyperparameters: dict[str, Any]) -> str:
    program = str(hyperparameters.get("sagemaker_program") or "")
    if not program:
        raise ScriptError("There is no hyperparameter sagemaker_program: which script is to be run?")
    if not (CODE / program).is_file():
        raise ScriptError(f"The entry point {program} is not in the source archive.")
    return program


def _tell_of_requirements() -> None:
    if (CODE / "requirements.txt").is_file():
        print(  # noqa: T201 - the job's log
            "requirements.txt is not installed here: a container has no network, and the packages of the local cloud's "
            "own environment. Install there what the script needs.",
            flush=True,
        )


def _run(program: str, hyperparameters: dict[str, Any]) -> int:
    own = {name: value for name, value in hyperparameters.items() if not name.startswith(_RESERVED)}
    arguments = to_arguments(own)
    command = [sys.executable, program, *arguments]
    environment = {**os.environ, **script_environment(program, hyperparameters, arguments)}
    sys.stdout.write(f"Invoking script with the following command:\n\n{shlex.join(command)}\n\n")
    sys.stdout.flush()
    process = subprocess.Popen(command, cwd=CODE, env=environment, stderr=subprocess.PIPE)
    signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGTERM))
    kept: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)
    reader = threading.Thread(target=_pass_on, args=(process, kept), daemon=True)
    reader.start()
    code = process.wait()
    reader.join(_LAST_LINES_SECONDS)  # not for ever: a child that the script left may hold the stream open
    if code:
        code = 128 - code if code < 0 else code
        said, line = _error_in("".join(kept)), shlex.join(command)
        _write_failure(f'ExecuteUserScriptError:\nExitCode {code}\nErrorMessage "{said}"\nCommand "{line}"')
    return code


def _pass_on(process: subprocess.Popen[bytes], kept: collections.deque[str]) -> None:
    """Pass stderr on as it comes, and keep its last lines."""
    if process.stderr is not None:
        for line in process.stderr:
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()
            kept.append(line.decode(errors="replace"))


def _error_in(text: str) -> str:
    """Give the end of a traceback where there is one: the error, without the way to it."""
    start = text.rfind("Traceback (most recent call last)")
    lines = text[max(start, 0) :].splitlines()
    return "\n".join(line for line in lines if start < 0 or not line.startswith((" ", "Traceback")))


def to_arguments(hyperparameters: dict[str, Any]) -> list[str]:
    """Spell hyperparameters as a command line: `--name value`, `-n value`; in the order of their names."""
    return [
        part
        for name, value in sorted(hyperparameters.items())
        for part in (f"-{name}" if len(name) == 1 else f"--{name}", _text(value))
    ]


def script_environment(program: str, hyperparameters: dict[str, Any], arguments: list[str]) -> dict[str, str]:
    """Make what the script finds in its environment."""
    resources, inputs = _config("resourceconfig"), _config("inputdataconfig")
    own = {name: value for name, value in hyperparameters.items() if not name.startswith(_RESERVED)}
    channels = {name: str(ML / "input" / "data" / name) for name in inputs}
    module = program.removesuffix(".py")
    values: dict[str, Any] = {
        "HOSTS": resources["hosts"],
        "CURRENT_HOST": resources["current_host"],
        "CURRENT_INSTANCE_TYPE": resources["current_instance_type"],
        "CURRENT_INSTANCE_GROUP": resources["current_group_name"],
        "CURRENT_INSTANCE_GROUP_HOSTS": resources["hosts"],
        "INSTANCE_GROUPS": [group["instance_group_name"] for group in resources["instance_groups"]],
        "INSTANCE_GROUPS_DICT": {group["instance_group_name"]: group for group in resources["instance_groups"]},
        "DISTRIBUTION_INSTANCE_GROUPS": [],
        "IS_HETERO": False,
        "NETWORK_INTERFACE_NAME": resources["network_interface_name"],
        "RESOURCE_CONFIG": resources,
        "INPUT_DATA_CONFIG": inputs,
        "CHANNELS": sorted(channels),
        "HPS": own,
        "USER_ARGS": arguments,
        "USER_ENTRY_POINT": program,
        "MODULE_NAME": module,
        "MODULE_DIR": str(hyperparameters.get("sagemaker_submit_directory") or CODE),
        "FRAMEWORK_MODULE": "sagemaker_sklearn_container.training:main",
        "FRAMEWORK_PARAMS": {},
        "LOG_LEVEL": hyperparameters.get("sagemaker_container_log_level", 20),
        "INPUT_DIR": str(ML / "input"),
        "INPUT_CONFIG_DIR": str(ML / "input" / "config"),
        "OUTPUT_DIR": str(ML / "output"),
        "OUTPUT_DATA_DIR": str(ML / "output" / "data"),
        "OUTPUT_INTERMEDIATE_DIR": str(ML / "output" / "intermediate"),
        "MODEL_DIR": str(ML / "model"),
        "NUM_CPUS": os.cpu_count() or 1,
        "NUM_GPUS": 0,
        "NUM_NEURONS": 0,
    }
    values["TRAINING_ENV"] = {name.lower(): value for name, value in values.items()} | {
        "channel_input_dirs": channels,
        "hyperparameters": own,
        "job_name": os.environ.get("TRAINING_JOB_NAME", ""),
    }
    values |= {f"CHANNEL_{name.upper()}": path for name, path in channels.items()}
    values |= {f"HP_{name.upper().replace('-', '_')}": value for name, value in own.items()}
    return {f"SM_{name}": _text(value) for name, value in values.items()} | {"PYTHONPATH": str(CODE)}


def _bring_code(source: str) -> None:
    """Unpack the source archive, which a channel of the job has brought or which lies in the container."""
    archive = ML / "input" / "source" / "sourcedir.tar.gz"
    if not source or source == str(CODE):
        return
    if not source.startswith("s3://"):
        shutil.copytree(source, CODE, dirs_exist_ok=True)
        return
    source_archive.unpack(archive, CODE)


def _config(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ML / "input" / "config" / f"{name}.json").read_text())
    return content


def _write_failure(text: str) -> None:
    """Leave the reason, unless the script has left its own."""
    path = ML / "output" / "failure"
    if not path.exists():
        path.write_text(text)


def _decode(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
