"""Lays a root of its own for a sandbox, and steps into it: what a specification does not list is not there.

Imported by its path, from beside `inside.py`. It keeps to `os` and `open`: pathlib doubles the start-up time.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # see kernel.py
if TYPE_CHECKING:
    from typing import Any

    from dropforge.local.sagemaker.sandbox import kernel
else:
    import kernel

_ELSEWHERE = "/tmp"  # noqa: S108 - only its name is used, in a mount namespace of our own
# Who has root's uid may write here, and the program has it where the cloud was started as root.
_KERNEL_CONTROLS = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs")


def lay(spec: dict[str, Any]) -> None:
    """Make a root of its own from what the specification lists."""
    root = spec["root"]
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", root, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=4m,mode=755")
    for link, target in spec["links"]:
        os.makedirs(os.path.dirname(root + link), exist_ok=True)  # noqa: PTH103, PTH120 - see the top
        os.symlink(target, root + link)  # noqa: PTH211 - see the top
    for name, text in spec["files"]:
        os.makedirs(os.path.dirname(root + name), exist_ok=True)  # noqa: PTH103, PTH120 - see the top
        with open(root + name, "w", encoding="utf-8") as file:  # noqa: PTH123 - see the top
            file.write(text)
    for source, target, access in spec["binds"]:
        _bind(source, root + target, access)
    for hidden in spec["hidden"]:
        if os.path.isdir(root + hidden):  # noqa: PTH112 - see the top
            kernel.mount("tmpfs", root + hidden, "tmpfs", kernel.MS_RDONLY, "size=4k")
    for name in ("/proc", "/dev/shm"):  # noqa: S108 - the sandbox's own
        os.makedirs(root + name, exist_ok=True)  # noqa: PTH103 - see the top


def step_in(spec: dict[str, Any]) -> None:
    """Make that root the only one there is, with what belongs to these namespaces."""
    root = spec["root"]
    if root == ".":
        # Laid by root, it cannot become our root as it is; a copy of it at a place that anybody reaches can.
        root = _ELSEWHERE
        kernel.mount("/", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
        kernel.mount(".", root, None, kernel.MS_BIND | kernel.MS_REC)
    kernel.mount("proc", root + "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    for name in _KERNEL_CONTROLS:
        if os.path.exists(root + name):  # noqa: PTH110 - see the top
            _bind(root + name, root + name, "read")
    shared = root + "/dev/shm"  # noqa: S108 - the sandbox's own
    most = spec["limits"]["memory"]
    size = f"size={most}," if most else ""  # what is in it is memory, too
    kernel.mount("tmpfs", shared, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, f"{size}mode=1777")
    os.chdir(root)
    kernel.call("pivot_root", kernel.libc.syscall, kernel.SYS_PIVOT_ROOT[os.uname().machine], b".", b".")
    kernel.call("umount of the old root", kernel.libc.umount2, b".", kernel.MNT_DETACH)
    os.chdir("/")
    kernel.protect("/", kernel.MS_RDONLY, recursive=False)


def _bind(source: str, target: str, access: str) -> None:
    if os.path.isdir(source):  # noqa: PTH112 - see the top
        os.makedirs(target, exist_ok=True)  # noqa: PTH103 - see the top
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120 - see the top
        with open(target, "a", encoding="ascii"):  # noqa: PTH123 - see the top
            pass
    kernel.mount(source, target, None, kernel.MS_BIND | kernel.MS_REC)
    if access != "device":
        only = kernel.MS_RDONLY if access == "read" else 0
        kernel.protect(target, kernel.MS_NOSUID | kernel.MS_NODEV | only, recursive=True)
