"""A network that several sandboxes share, and nothing else: a bridge in a namespace of its own.

Run by path with `python -I -S switch.py FD USER`; it imports nothing of ours. USER is who root becomes, or empty. FD is
one end of a SOCK_SEQPACKET pair: the namespaces go out through it as open files, and when its other end closes the
network is gone with this process.
Sandboxes import this file by its path: a sandbox plugs itself in before it has walls.
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import json
import os
import socket
import struct
import sys
from typing import NoReturn

NEW_USER, NEW_NET = 0x10000000, 0x40000000
RTM_NEWLINK, REQUEST_ACK_CREATE_EXCL = 16, 0x1 | 0x4 | 0x400 | 0x200
IFLA_IFNAME, IFLA_MASTER, IFLA_LINKINFO, IFLA_NET_NS_PID = 3, 10, 18, 19
INFO_KIND, INFO_DATA, VETH_INFO_PEER = 1, 2, 1
SIOCSIFADDR, SIOCSIFNETMASK, SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8916, 0x891C, 0x8913, 0x8914, 1
NLMSG_ERROR = 2
PR_SET_DUMPABLE = 4
BRIDGE, PLUG = b"br0", b"eth0"

libc = ctypes.CDLL(None, use_errno=True)


def main() -> NoReturn:
    control = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(control.fileno(), False)
    try:
        if sys.argv[2]:
            _become(int(sys.argv[2]))
        user, group = os.geteuid(), os.getegid()
        _require("unshare", libc.unshare(NEW_USER | NEW_NET))
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib doubles the start-up time
                file.write(text)
        _ask(_text(IFLA_IFNAME, BRIDGE) + _nested(IFLA_LINKINFO, _text(INFO_KIND, b"bridge")))
        made = [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("user", "net")]
    except OSError as error:
        control.send(json.dumps({"error": f"the network between hosts: {error}"}).encode())
        os._exit(1)
    control.sendmsg([b"{}"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", made))])
    control.recv(1)
    os._exit(0)


def _become(user: int) -> None:
    """Who is root becomes who runs in the sandboxes: a network is entered by its owner."""
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    _require("prctl", libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))


def enter(user: int, net: int) -> None:
    """Step into the network's namespaces; what unshares afterwards is a child of theirs."""
    for descriptor, kind in ((user, NEW_USER), (net, NEW_NET)):
        _require("setns", libc.setns(descriptor, kind))


def plug(number: int, process: int) -> None:
    """Lay a cable from the bridge into the namespace of a process, where its end is called eth0."""
    end = _link(0) + _text(IFLA_IFNAME, PLUG) + _attribute(IFLA_NET_NS_PID, struct.pack("I", process))
    veth = _text(INFO_KIND, b"veth") + _nested(INFO_DATA, _nested(VETH_INFO_PEER, end))
    master = _attribute(IFLA_MASTER, struct.pack("I", socket.if_nametoindex(BRIDGE.decode())))
    _ask(_text(IFLA_IFNAME, b"host%d" % number) + master + _nested(IFLA_LINKINFO, veth))


def address(text: str) -> None:
    """Give this namespace's end of its cable an address, and raise it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for request, value in ((SIOCSIFADDR, text), (SIOCSIFNETMASK, "255.255.255.0")):
            packed = struct.pack("16sH2s4s8x", PLUG, socket.AF_INET, b"", socket.inet_aton(value))
            fcntl.ioctl(any_socket, request, packed)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sh14x", PLUG, 0)))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", PLUG, flags | IFF_UP))


def _ask(attributes: bytes) -> None:
    """Ask the kernel for a link that is up."""
    body = _link(IFF_UP) + attributes
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.send(struct.pack("IHHII", 16 + len(body), RTM_NEWLINK, REQUEST_ACK_CREATE_EXCL, 1, 0) + body)
        answer = kernel.recv(65536)
    code = struct.unpack_from("i", answer, 16)[0]
    if struct.unpack_from("H", answer, 4)[0] == NLMSG_ERROR and code:
        raise OSError(-code, os.strerror(-code))


def _link(flags: int) -> bytes:
    return struct.pack("BxHiII", socket.AF_UNSPEC, 0, 0, flags, flags)


def _attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def _text(kind: int, text: bytes) -> bytes:
    return _attribute(kind, text + b"\0")


_nested = _attribute


def _require(what: str, code: int) -> None:
    if code != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
