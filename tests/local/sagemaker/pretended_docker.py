"""Stands in for `docker`: understands just what engine/arguments.py says, and runs programs as plain children.

No walls: `/opt/ml` in words and variables becomes the folder that is laid there, and SAGEMAKER_BIND_TO_PORT the free
port that is published; hosts have no names. PRETENDED_DOCKER names its folder: `registry/` and `images/` have a folder
of programs for each image, its name quoted; `containers/` and `networks/` a file each. Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path
from typing import Any, NoReturn

HOME = Path(os.environ["PRETENDED_DOCKER"])
CONTAINERS, NETWORKS, IMAGES, REGISTRY = (HOME / name for name in ("containers", "networks", "images", "registry"))
FLAGS = frozenset({"--rm", "--init"})
NAMES = (
    "name label pull hostname network network-alias add-host publish shm-size pids-limit ulimit memory memory-swap"
    " cap-drop cap-add security-opt volume log-driver env entrypoint user"
)
VALUES = frozenset(f"--{name}" for name in NAMES.split())
PR_SET_CHILD_SUBREAPER = 36


def main() -> None:  # noqa: C901, PLR0912 - one line for each command that is said
    for folder in (CONTAINERS, NETWORKS, IMAGES, REGISTRY):
        folder.mkdir(parents=True, exist_ok=True)
    match sys.argv[1:]:
        case ["ps", "--quiet"]:
            pass
        case ["ps", "--all", "--quiet", "--filter", wanted]:
            say(*labelled(CONTAINERS, wanted))
        case ["network", "ls", "--quiet", "--filter", wanted]:
            say(*labelled(NETWORKS, wanted))
        case ["network", "create", "--label", label, *internal, name] if internal in ([], ["--internal"]):
            write(NETWORKS / name, {"labels": [label]})
        case ["network", "rm", name]:
            remove_network(name)
        case ["image", "inspect", "--format", "{{.Id}}", image]:
            say(str(program_folder(image)))
        case ["pull", "--quiet", image]:
            pull(image)
        case ["create", *words]:
            say(create(words))
        case ["run", *words]:
            start(create([*words[:2], "--name", f"run-{os.getpid()}", *words[2:]]))
        case ["start", "--attach", name]:
            start(name)
        case ["kill", "--signal", number, name]:
            kill(name, number)
        case ["rm", "--force", "--volumes", name]:
            remove(name)
        case ["port", name, port]:
            made = read(CONTAINERS / name)
            if "pid" not in made or port != f"{made['inside']}/tcp":
                refuse(f"no public port '{port}' published for {name}")
            say(f"127.0.0.1:{made['port']}")
        case words:
            refuse(f"docker: {words[:3]} is not understood", 125)


def say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def refuse(why: str, code: int = 1) -> NoReturn:
    sys.stderr.write(f"Error response from the pretended engine: {why}\n")
    sys.exit(code)


def read(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_text())
    except FileNotFoundError:
        refuse(f"No such object: {file.name}")
    return found


def write(file: Path, content: dict[str, Any]) -> None:
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.write_text(json.dumps(content))
    fresh.replace(file)


def labelled(folder: Path, wanted: str) -> list[str]:
    label = wanted.removeprefix("label=")
    return [file.name for file in folder.glob("[!.]*") if label in read(file)["labels"]]


def remove_network(name: str) -> None:
    if any(read(file).get("network") == name for file in CONTAINERS.glob("[!.]*")):
        refuse(f"network {name} has active endpoints")
    read(NETWORKS / name)
    (NETWORKS / name).unlink()


def program_folder(image: str) -> Path:
    folder = IMAGES / urllib.parse.quote(image, safe="")
    if not folder.is_dir():
        refuse(f"No such image: {image}")
    return folder.resolve()


def pull(image: str) -> None:
    name = urllib.parse.quote(image, safe="")
    if not (REGISTRY / name).is_dir():
        refuse(f"pull access denied for {image}")
    shutil.copytree(REGISTRY / name, IMAGES / name)


def create(words: list[str]) -> str:
    """Remember a container; gives its name."""
    given: dict[str, list[str]] = {}
    while words[0].startswith("--"):
        option = words.pop(0)
        if option not in FLAGS | VALUES:
            refuse(f"unknown flag: {option}", 125)
        given.setdefault(option, []).append("" if option in FLAGS else words.pop(0))
    image, *command = words
    published = [each.rpartition("::") for each in given.get("--publish", ())]
    network = given["--network"][-1]
    if network != "none":
        read(NETWORKS / network)
    (name,) = given["--name"]
    made = {
        "labels": given["--label"],
        "folder": str(program_folder(image)),
        "command": [*given.get("--entrypoint", ()), *command],
        "environment": given.get("--env", []),
        "opt": given["--volume"][0].removesuffix(":/opt/ml:Z"),
        "network": network,
        "files": [each.partition("=")[2].partition(":")[0] for each in given.get("--ulimit", ()) if "nofile" in each],
        "inside": int(published[0][2]) if published else None,
        "port": free_port(),
        "stays": "--rm" not in given,
    }
    write(CONTAINERS / name, made)
    return name


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def start(name: str) -> NoReturn:
    made = read(CONTAINERS / name)
    opt = made["opt"]
    variables = dict(each.split("=", 1) for each in made["environment"])
    environment = {
        "PATH": f"{made['folder']}:{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONUNBUFFERED": "1",
        **{each: value.replace("/opt/ml", opt) for each, value in variables.items()},
        "SAGEMAKER_BASE_DIR": opt,
        **({"SAGEMAKER_BIND_TO_PORT": str(made["port"])} if made["inside"] else {}),
    }
    for files in made["files"]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(files), int(files)))
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.environ["PATH"] = environment["PATH"]
    try:
        command = [word.replace("/opt/ml", opt) for word in made["command"]]
        program = subprocess.Popen(command, env=environment, cwd=opt, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        (CONTAINERS / name).unlink()
        refuse(str(error), 127)
    write(CONTAINERS / name, made | {"pid": program.pid})
    code = program.wait()
    end_children()
    with contextlib.suppress(FileNotFoundError):
        (CONTAINERS / name).unlink()
    sys.exit(128 - code if code < 0 else code)


def end_children() -> None:
    """A container ends with its first process."""
    children = Path("/proc/self/task", str(os.getpid()), "children")
    while left := children.read_text().split():
        for child in map(int, left):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)


def kill(name: str, number: str) -> None:
    pid = read(CONTAINERS / name).get("pid")
    if pid is None:
        refuse(f"container {name} is not running")
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.Signals[number])


def remove(name: str) -> None:
    """Kill it; whoever is attached to it sees it end, and forgets it."""
    made = read(CONTAINERS / name)
    if "pid" in made:
        with contextlib.suppress(ProcessLookupError):
            os.kill(made["pid"], signal.SIGKILL)
        deadline = time.monotonic() + 10
        while (CONTAINERS / name).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
    (CONTAINERS / name).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
