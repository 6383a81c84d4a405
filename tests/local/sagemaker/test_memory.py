"""What a program and all that it started may have of this machine's memory, together."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from dropforge.local.sagemaker import sandbox
from tests.local.sagemaker.test_limits import carrying
from tests.local.sagemaker.world import until

CHILDREN = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        held = b"x" * (60 << 20)
        time.sleep(30)
        os._exit(0)
for _ in range(8):
    os.wait()
"""
SHARERS = """
import mmap, os, time
held, (ready, told) = b"x" * (100 << 20), os.pipe()
for _ in range(8):
    if os.fork() == 0:
        os.write(told, b"x")
        time.sleep(30)
for _ in range(8):
    os.read(ready, 1)
print("all share", flush=True)
more = mmap.mmap(-1, 150 << 20)
for _ in range(150):
    more.write(b"x" * (1 << 20))
time.sleep(30)
"""
SHARED = """
import time
held = b"x" * (100 << 20)
with open("/dev/shm/file", "wb") as file:
    for _ in range(150):
        file.write(b"x" * (1 << 20))
time.sleep(30)
"""
SMALL = 200 << 20


def ended(tmp_path: Path, code: str, *words: str, **limits: Any) -> tuple[int | None, bool, str]:
    """Run a program to its end; gives its code, whether that was for its memory, and what it said."""
    process = sandbox.start(sandbox.Spec(("python", "-c", code, *words), tmp_path, **limits))
    with process.output as output:
        said = output.read().decode()
    code_of_end = process.wait(60)
    return code_of_end, process.out_of_memory(), said


def told_megabytes(said: str) -> int:
    """Read how much a program is said to have had that was ended for it."""
    found = re.search(
        r"^out of memory: the program and all that it started have (\d+) MB and may have 200 MB$", said, re.MULTILINE
    )
    assert found, said
    return int(found[1])


def test_a_process_that_takes_more_and_more_is_refused_what_is_too_much(tmp_path: Path) -> None:
    code, for_memory, said = ended(tmp_path, "held = []\nwhile True: held.append(b'x' * (1 << 20))", memory=SMALL)
    assert (code, for_memory) == (1, False)
    assert said.endswith("MemoryError\n")


def test_children_that_have_little_each_and_too_much_together_are_ended_with_their_program(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    code, for_memory, said = ended(tmp_path, CHILDREN, mark, memory=SMALL)
    assert (code, for_memory) == (137, True)
    assert 200 <= told_megabytes(said) < 600
    until(lambda: not carrying(mark))


def test_what_children_share_with_their_parent_is_counted_once(tmp_path: Path) -> None:
    code, for_memory, said = ended(tmp_path, SHARERS, memory=SMALL)
    assert (code, for_memory) == (137, True)
    assert said.startswith("all share\n")  # 100 MB nine times
    assert 200 <= told_megabytes(said) < 350


@pytest.mark.walls("Memory")
def test_files_in_shared_memory_count_with_what_the_program_has_besides(tmp_path: Path) -> None:
    code, for_memory, said = ended(tmp_path, SHARED, memory=SMALL)
    assert (code, for_memory) == (137, True)
    assert 200 <= told_megabytes(said) < 350


@pytest.mark.walls("Memory")
def test_shared_memory_alone_has_no_more_room_than_the_program_may_have(tmp_path: Path) -> None:
    look = "import os; shm = os.statvfs('/dev/shm'); print(shm.f_blocks * shm.f_frsize)"
    assert ended(tmp_path, look, memory=SMALL) == (0, False, f"{SMALL}\n")


def test_a_program_that_kills_itself_was_not_out_of_memory(tmp_path: Path) -> None:
    assert ended(tmp_path, "import os; os.kill(os.getpid(), 9)", memory=SMALL) == (137, False, "")


def test_a_program_has_a_limit_of_memory_though_nobody_names_one(tmp_path: Path) -> None:
    look = "import resource; print(resource.getrlimit(resource.RLIMIT_DATA)[0])"
    code, _, said = ended(tmp_path, look)
    assert code == 0
    assert 0 < int(said) <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4
