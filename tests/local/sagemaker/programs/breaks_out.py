"""Tries to write where it must not, to undo its mounts, and to reach the world; leaves what became of each try."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

victim, port = sys.argv[2], int(sys.argv[4])
tries: dict[str, object] = {}


def attempt(name: str, action: Callable[[], object]) -> None:
    try:
        tries[name] = f"done: {action()}"
    except OSError as error:
        tries[name] = f"refused: {error.strerror or error}"


def run(*command: str) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode


attempt("write /usr", lambda: Path("/usr/broken").write_text("x"))
attempt("write /", lambda: Path("/broken").write_text("x"))
attempt("write python", lambda: Path(sys.prefix, "broken").write_text("x"))
attempt("write program", lambda: Path("/opt/program/broken").write_text("x"))
attempt("write kernel", lambda: Path("/proc/sys/kernel/core_pattern").write_text("x"))
attempt("write victim", lambda: Path(victim).write_text("x"))
attempt("read victim", lambda: Path(victim).read_text())
attempt("read shadow", lambda: Path("/etc/shadow").read_text())
attempt("connect", lambda: socket.create_connection(("127.0.0.1", port), timeout=2))
attempt("resolve", lambda: socket.create_connection(("example.com", 80), timeout=2))
attempt("signal init", lambda: os.kill(1, 9))
tries["remount"] = run("mount", "-o", "remount,rw,bind", "/usr")
tries["unshare"] = run("unshare", "-Urm", "mount", "-o", "remount,rw,bind", "/usr")
Path("/opt/ml/model/tries.json").write_text(json.dumps(tries))
