"""Run a program, pass SIGINT and SIGTERM on to it, and report every process that outlives it.

As a subreaper (Linux), this process inherits whatever the program leaves behind, in whatever session or namespace.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

LEFT = 99
"""The exit code when something was left behind."""
_PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("this system knows no subreapers")
    child = subprocess.Popen(sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda given, _: child.send_signal(given))
    code = child.wait()
    left = _descendants(os.getpid())
    for pid, words in left.items():
        sys.stdout.write(f"left behind: {pid} {words}\n")
        os.kill(pid, signal.SIGKILL)
    return LEFT if left else code


def _descendants(root: int) -> dict[int, str]:
    """Name every living process below `root`; a zombie is only waiting to be collected."""
    parents: dict[int, int] = {}
    words: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[:2]
                said = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if state != "Z":
                parents[int(folder.name)], words[int(folder.name)] = int(parent), said
    found, newest = dict[int, str](), {root}
    while newest:
        newest = {pid for pid, parent in parents.items() if parent in newest}
        found |= {pid: words[pid] for pid in newest}
    return found


if __name__ == "__main__":
    sys.exit(main())
