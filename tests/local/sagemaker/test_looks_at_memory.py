"""What /proc says of processes is added up as it should be: what is one memory is counted as one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dropforge.local.sagemaker.sandbox import machine
from dropforge.local.sagemaker.sandbox.memory import Watch
from tests.local.sagemaker.world import until

MB = 1 << 20
STARTS_A_PROGRAM = """
import os, sys
held = b"x" * (100 << 20)
os.posix_spawn("/bin/true", ["true"], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, sys.argv[1], os.O_RDONLY, 0)])
"""
LEAVES_IT_TO_A_THREAD = """
import ctypes, os, threading
def go_on():
    held = b"x" * (100 << 20)
    print("up", flush=True)
    input()
threading.Thread(target=go_on).start()
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[os.uname().machine], 0)
"""


@contextmanager
def _running(code: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", code, *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_a_child_that_is_about_to_be_another_program_has_no_memory_of_its_own(tmp_path: Path) -> None:
    # It waits before its exec for somebody to write, and its parent, whose memory it is in, waits for that.
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with _running(STARTS_A_PROGRAM, str(fifo)) as parent:
        [child] = until(lambda: _children(parent.pid))
        both = [parent.pid, child]
        assert Watch(150 * MB, lambda: both).look() is None
        assert Watch(90 * MB, lambda: both).look()
        fifo.write_bytes(b"")


def test_what_threads_have_whose_first_has_ended_is_counted() -> None:
    with _running(LEAVES_IT_TO_A_THREAD) as process:
        assert process.stdout
        assert process.stdout.readline() == b"up\n"
        status = Path(f"/proc/{process.pid}/status")
        until(lambda: "State:\tZ" in status.read_text())
        assert Watch(90 * MB, lambda: [process.pid]).look()


def test_who_is_gone_has_nothing() -> None:
    with _running("pass") as process:
        process.wait(60)
        assert Watch(1, lambda: [process.pid]).look() is None


def test_files_in_shared_memory_that_nobody_maps_are_memory(tmp_path: Path) -> None:
    # Any file system has figures of what is used; only a tmpfs is memory.
    assert Watch(1, list, str(tmp_path)).look()


def test_what_the_kernel_has_taken_was_out_of_memory(tmp_path: Path) -> None:
    (tmp_path / "vmstat").write_text("nr_free_pages 7\noom_kill 3\nzone_reclaim 0\n")
    watch = Watch(MB, list, proc=str(tmp_path))
    assert not watch.starved(137)
    (tmp_path / "vmstat").write_text("nr_free_pages 7\noom_kill 4\nzone_reclaim 0\n")
    assert watch.starved(137)
    assert not watch.starved(1)


@pytest.mark.parametrize(
    ("own", "file"),
    [
        ("0::/jobs/cloud\n", "jobs/cloud/memory.max"),
        ("0::/jobs/cloud\n", "jobs/memory.max"),
        ("0::/elsewhere\n", "memory.max"),
        ("8:pids:/\n4:memory:/jobs\n0::/\n", "memory/jobs/memory.limit_in_bytes"),
        ("4:memory:/elsewhere\n", "memory/memory.limit_in_bytes"),
    ],
)
def test_a_limit_of_the_cloud_itself_or_of_what_it_is_part_of_is_found(tmp_path: Path, own: str, file: str) -> None:
    groups, told = tmp_path / "groups", tmp_path / "own"
    told.write_text(own)
    assert list(machine.own_limits(groups, told)) == []
    (groups / file).parent.mkdir(parents=True)
    (groups / file).write_text("max\n")
    assert list(machine.own_limits(groups, told)) == []
    (groups / file).write_text("1073741824\n")
    assert set(machine.own_limits(groups, told)) == {1 << 30}
