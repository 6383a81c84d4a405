"""What runs on the far side of the wall: builds the sandbox around itself, becomes its init, and starts one program.

Run by path with `python -I -S inside.py FD`; it imports nothing of ours. FD is one end of a SOCK_SEQPACKET pair:
the specification comes in first, then signals to forward and requests for sockets of the sandbox's own network.
When the other end closes, for whatever reason, init exits and the kernel kills everything in here.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import fcntl
import importlib
import json
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any, NoReturn

NEW_NAMESPACES = 0x00020000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000  # mnt uts ipc user pid net
NEW_MOUNTS = 0x00020000
ELSEWHERE = "/tmp"  # noqa: S108 - only its name is used, in a mount namespace of our own
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
SYS_MOUNT_SETATTR = 442  # the same number on every architecture
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
SYS_KEYCTL, JOIN_SESSION_KEYRING = {"x86_64": 250, "aarch64": 219}, 1
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
# What a container's root keeps: chown, dac_override, fowner, kill, net_bind_service. No mount can be undone with these.
KEPT_CAPABILITIES = frozenset({0, 1, 3, 5, 10})
# Who has root's uid may write here, and the program has it where the cloud was started as root.
KERNEL_CONTROLS = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs")
REAP_SECONDS = 0.5

libc = ctypes.CDLL(None, use_errno=True)


class SetupError(Exception):
    """A step of building the sandbox that the kernel refused."""


def main() -> NoReturn:
    control = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(control.fileno(), False)
    spec = json.loads(control.recv(1 << 20))
    network = spec["network"]
    try:
        switch = _switch() if network else None  # where it lies may be out of reach soon
        if spec["user"] is not None:
            _leave_root(spec)
        plugged = _reach_out(switch, network) if network else None
        _unshare()
        if plugged:
            plugged()
        init = os.fork()
        if init:
            _outlive(control, init)
        _call("prctl", libc.prctl, PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        socket.sethostname(spec["hostname"])
        _raise_loopback()
        if spec["user"] is None:
            _lay(spec)
        _step_in(spec)
        if network:
            _wait_for_the_others(control)
        program = _start(spec)
    except (SetupError, OSError) as error:
        with contextlib.suppress(OSError):
            control.send(json.dumps({"error": str(error)}).encode())
        os._exit(1)
    if not network:
        control.send(b'{"started": true}')
    _serve(control, program)


def _switch() -> Any:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - see _unshare
    return importlib.import_module("switch")


def _leave_root(spec: dict[str, Any]) -> None:
    """Become a user that owns nothing but this sandbox: root's processes cannot be limited in number.

    All that is seen is laid out before that, for the way to it may be root's own.
    """
    user = spec["user"]
    for path in spec["own"]:
        _give(path, user)
    _call("unshare", libc.unshare, NEW_MOUNTS)
    _lay(spec)
    os.chdir(spec["root"])
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    _call("prctl", libc.prctl, PR_SET_DUMPABLE, 1, 0, 0, 0)  # or /proc/self would still be root's
    spec["root"] = "."


def _give(path: str, user: int) -> None:
    """Make somebody the owner of a folder and all that is in it; no link is followed."""
    for _, folders, files, folder in os.fwalk(path):
        os.chown(folder, user, user)
        for name in (*folders, *files):
            os.chown(name, user, user, dir_fd=folder, follow_symlinks=False)


def _reach_out(switch: Any, network: dict[str, Any]) -> Callable[[], None]:
    """Enter the network of the hosts; gives what plugs this sandbox in, to be called when it has its own walls.

    Who is inside may not reach out any more: a child that stays at the network's side lays the cable.
    """
    switch.enter(network["user"], network["net"])
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go)
        os.read(ready, 1)
        try:
            switch.plug(network["number"], os.getppid())
        except OSError as error:
            os.write(2, f"no cable to the other hosts: {error}\n".encode())
            os._exit(1)
        os._exit(0)

    def plugged() -> None:
        os.close(go)
        if os.waitpid(child, 0)[1] != 0:
            raise SetupError("the network between hosts")
        switch.address(network["address"])
        for descriptor in (ready, network["user"], network["net"]):
            os.close(descriptor)

    return plugged


def _wait_for_the_others(control: socket.socket) -> None:
    """No host starts its program before all of them can be reached."""
    control.send(b'{"started": true}')
    if not control.recv(4096):
        os._exit(128 + signal.SIGKILL)


def _unshare() -> None:
    user, group = os.geteuid(), os.getegid()
    _call("unshare", libc.unshare, NEW_NAMESPACES)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib doubles the start-up time
            file.write(text)


def _outlive(control: socket.socket, init: int) -> NoReturn:
    """Wait outside for init, so that our exit code is the program's; a kill of this process is a kill of all."""
    control.close()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _, status = os.waitpid(init, 0)
    os._exit(_exit_code(status))


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def _lay(spec: dict[str, Any]) -> None:
    """Make a root of its own from what the specification lists. What is not listed is not there."""
    root = spec["root"]
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    _mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=4m,mode=755")
    for link, target in spec["links"]:
        os.makedirs(os.path.dirname(root + link), exist_ok=True)  # noqa: PTH103, PTH120 - see _unshare
        os.symlink(target, root + link)  # noqa: PTH211 - see _unshare
    for name, text in spec["files"]:
        os.makedirs(os.path.dirname(root + name), exist_ok=True)  # noqa: PTH103, PTH120 - see _unshare
        with open(root + name, "w", encoding="utf-8") as file:  # noqa: PTH123 - see _unshare
            file.write(text)
    for source, target, access in spec["binds"]:
        _bind(source, root + target, access)
    for hidden in spec["hidden"]:
        if os.path.isdir(root + hidden):  # noqa: PTH112 - see _unshare
            _mount("tmpfs", root + hidden, "tmpfs", MS_RDONLY, "size=4k")
    for name in ("/proc", "/dev/shm"):  # noqa: S108 - the sandbox's own
        os.makedirs(root + name, exist_ok=True)  # noqa: PTH103 - see _unshare


def _step_in(spec: dict[str, Any]) -> None:
    """Make that root the only one there is, with what belongs to these namespaces."""
    root = spec["root"]
    if root == ".":
        # Laid by root, it cannot become our root as it is; a copy of it at a place that anybody reaches can.
        root = ELSEWHERE
        _mount("/", "/", None, MS_REC | MS_PRIVATE)
        _mount(".", root, None, MS_BIND | MS_REC)
    _mount("proc", root + "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name in KERNEL_CONTROLS:
        if os.path.exists(root + name):  # noqa: PTH110 - see _unshare
            _bind(root + name, root + name, "read")
    shared = root + "/dev/shm"  # noqa: S108 - the sandbox's own
    _mount("tmpfs", shared, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    os.chdir(root)
    _call("pivot_root", libc.syscall, SYS_PIVOT_ROOT[os.uname().machine], b".", b".")
    _call("umount of the old root", libc.umount2, b".", MNT_DETACH)
    os.chdir("/")
    _set_attributes("/", MS_RDONLY, recursive=False)


def _bind(source: str, target: str, access: str) -> None:
    if os.path.isdir(source):  # noqa: PTH112 - see _unshare
        os.makedirs(target, exist_ok=True)  # noqa: PTH103 - see _unshare
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120 - see _unshare
        with open(target, "a", encoding="ascii"):  # noqa: PTH123 - see _unshare
            pass
    _mount(source, target, None, MS_BIND | MS_REC)
    if access != "device":
        _set_attributes(target, MS_NOSUID | MS_NODEV | (MS_RDONLY if access == "read" else 0), recursive=True)


def _start(spec: dict[str, Any]) -> int:
    program = os.fork()
    if program:
        return program
    try:
        os.setsid()
        # The kernel's keys go with a session, whoever's it is: a new one has none of them. Where that is forbidden, so
        # is reading them.
        libc.syscall(SYS_KEYCTL[os.uname().machine], JOIN_SESSION_KEYRING, None)
        _call("prctl", libc.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        for capability in range(64):
            if capability not in KEPT_CAPABILITIES:
                libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
        for number in (
            signal.SIGPIPE,
            signal.SIGXFSZ,
        ):  # Python ignores them, and what is ignored stays so over an exec
            signal.signal(number, signal.SIG_DFL)
        _limit(spec["limits"])
        os.chdir(spec["folder"])
        os.execvpe(spec["command"][0], spec["command"], spec["environment"])  # noqa: S606 - an argument list
    except (SetupError, OSError) as error:
        os.write(2, f"cannot run {spec['command'][0]}: {error}\n".encode())
    os._exit(127)  # a shell's code for a command that cannot be run


def _limit(limits: dict[str, int | None]) -> None:
    import resource

    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123 - see _unshare
        file.write("1000")  # where memory ends all the same, the kernel takes the program and not the cloud
    # Memory is what is written to, not what is mapped: a program may map far more than it ever uses.
    for name, kind in (("memory", "DATA"), ("processes", "NPROC"), ("files", "NOFILE"), ("file_size", "FSIZE")):
        if asked := limits[name]:
            limit = getattr(resource, f"RLIMIT_{kind}")
            most = resource.getrlimit(limit)[1]
            wanted = asked if most == resource.RLIM_INFINITY else min(asked, most)
            resource.setrlimit(limit, (wanted, wanted))


def _serve(control: socket.socket, program: int) -> NoReturn:
    """Be init: forward, reap, hand out sockets; exit with the program, which takes every process in here along."""
    ended = os.pidfd_open(program)
    while True:
        ready, _, _ = select.select([control.fileno(), ended], [], [], REAP_SECONDS)
        if ended in ready:
            os._exit(_exit_code(os.waitpid(program, 0)[1]))
        if control.fileno() in ready:
            message = control.recv(4096)
            if not message:
                os._exit(128 + signal.SIGKILL)
            _obey(json.loads(message), control, program)
        _reap_orphans(program)


def _obey(order: dict[str, Any], control: socket.socket, program: int) -> None:
    if "signal" in order:
        with contextlib.suppress(ProcessLookupError):
            os.kill(program, order["signal"])
    elif "socket" in order:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as made_here:
            rights = array.array("i", [made_here.fileno()])
            control.sendmsg([b"{}"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])


def _reap_orphans(program: int) -> None:
    """Collect what the program's own children left behind, but never the program: its code is what we end with."""
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None or found.si_pid == program:
            return
        os.waitpid(found.si_pid, 0)


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    arguments = [None if part is None else part.encode() for part in (source, target, kind)]
    _call(f"mount on {target}", libc.mount, *arguments, flags, None if data is None else data.encode())


def _set_attributes(target: str, flags: int, *, recursive: bool) -> None:
    """Add attributes to a mount. MS_RDONLY, MS_NOSUID and MS_NODEV have the values of their MOUNT_ATTR_ twins."""
    attributes = struct.pack("QQQQ", flags, 0, 0, 0)
    scope = AT_RECURSIVE if recursive else 0
    name = f"protection of {target}"
    _call(name, libc.syscall, SYS_MOUNT_SETATTR, AT_FDCWD, target.encode(), scope, attributes, len(attributes))


def _call(what: str, function: Any, *arguments: Any) -> None:
    if function(*(ctypes.c_ulong(part) if isinstance(part, int) else part for part in arguments)) != 0:
        raise SetupError(f"{what}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
