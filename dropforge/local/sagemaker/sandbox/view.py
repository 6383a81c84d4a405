"""What a program in the sandbox sees of this machine: a list of what is there, so that all else is not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dropforge.local.sagemaker.sandbox import spare
from dropforge.local.sagemaker.sandbox.network import Seat

HOST = "algo-1"
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
_CONFIGURATION = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "ssl",
    "pki",
    "localtime",
    "alternatives",
    "mime.types",
    "fonts",
)
_SECRET = ("/etc/ssl/private", "/etc/pki/tls/private")
"""Where this machine keeps its own keys, beside the certificates; a cloud started as root could read them."""
_DEVICES = ("null", "zero", "full", "random", "urandom")
ALONE: Mapping[str, str] = {HOST: "127.0.0.1"}
_FILES = {
    "/etc/passwd": "root:x:0:0:root:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
_LINKS = (
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
)


def describe(
    command: tuple[str, ...],
    folder: Path,
    environment: Mapping[str, str],
    image: Path | None,
    hidden: Iterable[Path],
    seat: Seat | None = None,
) -> dict[str, Any]:
    """Give the specification that `inside.py` follows."""
    own, hosts = (seat.name, seat.hosts) if seat else (HOST, ALONE)
    named = "".join(f"{address} {host}\n" for host, address in hosts.items())
    files = {**_FILES, "/etc/hosts": f"127.0.0.1 localhost\n{named}::1 localhost\n", "/etc/hostname": f"{own}\n"}
    links = list(_LINKS)
    # The sandbox's own /tmp comes first: this Python may live below the machine's, and is then laid into it.
    binds = [(f"{folder}/ml", "/opt/ml", "write"), (f"{folder}/tmp", "/tmp", "write"), *_interpreter()]  # noqa: S108 - see above
    for name in _SYSTEM:
        if Path(name).is_symlink():
            links.append((name, str(Path(name).readlink())))
        elif Path(name).is_dir():
            binds.append((name, name, "read"))
    binds += [(f"/etc/{name}", f"/etc/{name}", "read") for name in _CONFIGURATION if Path("/etc", name).exists()]
    binds += [(f"/dev/{name}", f"/dev/{name}", "device") for name in _DEVICES]
    binds += [
        (path, path, "read") for path in ("/sys/devices/system",) if Path(path).is_dir()
    ]  # how many CPUs there are
    if image is not None:
        binds.append((str(image), "/opt/program", "read"))
    return {
        "root": f"{folder}/root",
        "hostname": own,
        "user": spare.user(),
        "own": [f"{folder}/ml", f"{folder}/tmp"],  # noqa: S108 - see above
        "network": seat.describe() if seat else None,
        "links": links,
        "files": list(files.items()),
        "binds": binds,
        "hidden": [*_SECRET, *map(str, hidden)],
        "folder": "/opt/ml",
        "command": command,
        "environment": {**own_environment(), **environment},
    }


def own_environment() -> dict[str, str]:
    """Make the environment of a container: nothing of ours is in it."""
    return {
        "PATH": f"{sys.prefix}/bin:/opt/program:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/tmp",  # noqa: S108 - the sandbox's own
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _interpreter() -> list[tuple[str, str, str]]:
    """List what this Python needs: its environment and what that was made from, by name and by true place."""
    named = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    true = {os.path.realpath(path) for path in named} | {str(Path(sys.executable).resolve().parent.parent)}
    outside = sorted(path for path in named | true if not any(Path(path).is_relative_to(system) for system in _SYSTEM))
    return [(path, path, "read") for path in outside if path != "/"]
