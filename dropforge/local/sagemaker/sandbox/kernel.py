"""What the kernel is asked for that Python has no function for. Imported by its path; it imports nothing of ours."""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False  # typing takes longer to import than the rest of this
if TYPE_CHECKING:
    from typing import Any

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
SYS_KEYCTL, JOIN_SESSION_KEYRING = {"x86_64": 250, "aarch64": 219}, 1
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
_SYS_MOUNT_SETATTR = 442  # the same number on every architecture
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000

libc = ctypes.CDLL(None, use_errno=True)


class SetupError(Exception):
    """A step of building the sandbox that the kernel refused."""


def call(what: str, function: Any, *arguments: Any) -> None:
    """Call a function of the C library; SetupError, with the name of the step, when it is refused."""
    if function(*(ctypes.c_ulong(part) if isinstance(part, int) else part for part in arguments)) != 0:
        raise SetupError(f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    arguments = [None if part is None else part.encode() for part in (source, target, kind)]
    call(f"mount on {target}", libc.mount, *arguments, flags, None if data is None else data.encode())


def protect(target: str, flags: int, *, recursive: bool) -> None:
    """Add attributes to a mount. MS_RDONLY, MS_NOSUID and MS_NODEV have the values of their MOUNT_ATTR_ twins."""
    attributes = flags.to_bytes(8, "little") + bytes(24)
    scope = _AT_RECURSIVE if recursive else 0
    name = f"protection of {target}"
    call(name, libc.syscall, _SYS_MOUNT_SETATTR, _AT_FDCWD, target.encode(), scope, attributes, len(attributes))
