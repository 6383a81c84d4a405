"""What runs on the far side of the wall: builds the sandbox around itself, becomes its init, and starts one program.

Run by path with `python -I -S inside.py FD`; what it imports of ours lies beside it. FD is one end of a SOCK_SEQPACKET
pair: the specification comes in first, then signals to forward and requests for sockets of the sandbox's own network.
When the other end closes, for whatever reason, init exits and the kernel kills everything in here.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import json
import os
import signal
import socket
import struct
import sys

TYPE_CHECKING = False  # see kernel.py
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from dropforge.local.sagemaker.sandbox import init, kernel, program, root
else:
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - see root.py
    import init
    import kernel
    import program
    import root

NEW_NAMESPACES = 0x00020000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000  # mnt uts ipc user pid net
NEW_MOUNTS = 0x00020000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def main() -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of all signals the one that a program could end its init with
    control = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(control.fileno(), False)
    spec = json.loads(control.recv(1 << 20))
    network = spec["network"]
    try:
        switch = _switch() if network else None  # where it lies may be out of reach soon
        if spec["user"] is not None:
            _leave_root(spec)
        plugged = _reach_out(switch, network) if switch else None
        _unshare()
        if plugged:
            plugged()
        first = os.fork()
        if first:
            _outlive(control, first)
        kernel.call("prctl", kernel.libc.prctl, kernel.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        socket.sethostname(spec["hostname"])
        _raise_loopback()
        if spec["user"] is None:
            root.lay(spec)
        root.step_in(spec)
        if network:
            _wait_for_the_others(control)
        started = init.start(spec)
    except (kernel.SetupError, OSError) as error:
        with contextlib.suppress(OSError):
            control.send(json.dumps({"error": str(error)}).encode())
        os._exit(1)
    if not network:
        control.send(b'{"started": true}')
    init.serve(control, started, spec["limits"]["memory"])


def _switch() -> Any:
    return importlib.import_module("switch")


def _leave_root(spec: dict[str, Any]) -> None:
    """Become a user that owns nothing but this sandbox: root's processes cannot be limited in number.

    All that is seen is laid out before that, for the way to it may be root's own.
    """
    user = spec["user"]
    for path in spec["own"]:
        _give(path, user)
    kernel.call("unshare", kernel.libc.unshare, NEW_MOUNTS)
    root.lay(spec)
    os.chdir(spec["root"])
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    kernel.call("prctl", kernel.libc.prctl, kernel.PR_SET_DUMPABLE, 1, 0, 0, 0)  # or /proc/self would still be root's
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
            raise kernel.SetupError("the network between hosts")
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
    kernel.call("unshare", kernel.libc.unshare, NEW_NAMESPACES)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - see root.py
            file.write(text)


def _outlive(control: socket.socket, first: int) -> NoReturn:
    """Wait outside for init, so that our exit code is the program's; a kill of this process is a kill of all."""
    control.close()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _, status = os.waitpid(first, 0)
    os._exit(program.exit_code(status))


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


if __name__ == "__main__":
    main()
