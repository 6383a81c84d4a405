"""How much memory a program and all that it started have, as /proc tells it: there is no control group of ours to ask.

Imported by its path, from beside what runs programs; it imports nothing of ours. A look costs a tenth of a millisecond
and what the processes share is counted once for each; only what is then too much is looked at closely, which takes a
second for each hundred gigabytes.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import time

TYPE_CHECKING = False  # see kernel.py
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

KILLED = 137
_SOON, _LATE = 0.1, 0.5
_FASTEST = (os.cpu_count() or 1) << 32
"""More bytes than all CPUs write to in a second: with so much left there is time until the next look."""
_SHARE = 10
"""After a look nobody looks for so many times as long as it took."""
_SYS_KCMP, _KCMP_VM = {"x86_64": 312, "aarch64": 272}, 1
_HELD = (b"\nRssAnon:", b"\nRssShmem:", b"\nVmSwap:")


class Watch:
    """Looks at processes when it is time to; `most` is how many bytes they may have, `shared` a tmpfs of theirs."""

    def __init__(
        self,
        most: int | None,
        processes: Callable[[], Iterable[int]],
        shared: str | None = None,
        proc: str = "/proc",
    ) -> None:
        self._most = most
        self._processes = processes
        self._shared = shared
        self._proc = proc
        self._next = 0.0 if most else math.inf
        self._taken = self._taken_by_the_kernel()

    def pause(self) -> float:
        """Give the seconds until it is time to look."""
        return max(0.0, self._next - time.monotonic())

    def look(self) -> str | None:
        """Say that they have more than they may, in a line with the figures; None while they have not."""
        if self._most is None or self.pause():
            return None
        began = time.thread_time()
        having = self._roughly()
        if having > self._most:
            having = self._closely()
        if having > self._most:
            return (
                f"out of memory: the program and all that it started have {having >> 20} MB and may have"
                f" {self._most >> 20} MB\n"
            )
        pause = min(_LATE, max(_SOON, (self._most - having) / _FASTEST))
        self._next = time.monotonic() + max(pause, _SHARE * (time.thread_time() - began))
        return None

    def starved(self, code: int) -> bool:
        """Whether a program that ended with a code was taken by the kernel, for the machine had no memory left."""
        return code == KILLED and self._taken_by_the_kernel() > self._taken

    def _roughly(self) -> int:
        """Count what processes share for each of them."""
        return self._in_files() + sum(self._held(process) for process in self._processes())

    def _closely(self) -> int:
        anonymous = shared = 0
        for process in self._processes():
            if self._is_its_parent_s(process):
                continue
            said = self._read(f"{process}/smaps_rollup")
            if b"\nPss_Anon:" in said:
                anonymous += _bytes(said, b"\nPss_Anon:", b"\nSwapPss:")
                shared += _bytes(said, b"\nPss_Shmem:")
            else:
                anonymous += self._held(process)
        # What of the tmpfs is mapped is in both figures.
        return anonymous + max(shared, self._in_files())

    def _in_files(self) -> int:
        if self._shared is None:
            return 0
        told = os.statvfs(self._shared)
        return (told.f_blocks - told.f_bfree) * told.f_frsize

    def _held(self, process: int) -> int:
        said = self._read(f"{process}/status")
        if _HELD[0] in said:
            return _bytes(said, *_HELD)
        # Its first thread has ended, others may go on with what it had.
        with contextlib.suppress(OSError):
            threads = os.listdir(f"{self._proc}/{process}/task")  # noqa: PTH208 - pathlib takes longer to import than this
            return max((_bytes(self._read(f"{process}/task/{thread}/status"), *_HELD) for thread in threads), default=0)
        return 0

    def _is_its_parent_s(self, process: int) -> bool:
        """Whether it has the very memory of its parent: what starts programs by vfork does, until it has become one."""
        parent = _number(self._read(f"{process}/status"), b"\nPPid:")
        call = _SYS_KCMP.get(os.uname().machine)
        return call is not None and ctypes.CDLL(None).syscall(call, process, parent, _KCMP_VM, 0, 0) == 0

    def _taken_by_the_kernel(self) -> int:
        return _number(self._read("vmstat"), b"\noom_kill ")

    def _read(self, name: str) -> bytes:
        """Read what /proc says; nothing of what is gone, or nowhere."""
        try:
            file = os.open(f"{self._proc}/{name}", os.O_RDONLY)
        except OSError:
            return b""
        try:
            return os.read(file, 1 << 16)
        except OSError:
            return b""
        finally:
            os.close(file)


def everybody_else() -> Iterator[int]:
    """Name all processes that can be seen, but us."""
    own = os.getpid()
    return (int(name) for name in os.listdir("/proc") if name.isdecimal() and int(name) != own)  # noqa: PTH208 - see _held


def _bytes(said: bytes, *names: bytes) -> int:
    return 1024 * sum(_number(said, name) for name in names)


def _number(said: bytes, name: bytes) -> int:
    """Read the number behind a name at the beginning of a line; 0 where there is none."""
    _, _, rest = said.partition(name)
    return int(rest.split(maxsplit=1)[0]) if rest else 0
