"""What a program may use up of this machine: it fails for it, and nobody else does."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from dropforge.local.sagemaker import sandbox
from dropforge.local.sagemaker.sandbox import spare
from dropforge.local.sagemaker.sandbox.network import Network
from tests.local.sagemaker.world import World, until

BOMB = """
import os, sys, time
made = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(600)
        made += 1
except OSError as error:
    print(made, error.strerror, sys.argv[1], flush=True)
    sys.exit(7)
"""
HOG = """
try:
    bytearray(512 * 1024 * 1024)
except MemoryError:
    print("no memory", flush=True)
    raise
"""
FILLER = "open('/opt/ml/output/all', 'wb').write(bytes(8_000_000))"
HOARDER = """
kept = []
try:
    while True:
        kept.append(open("/dev/null"))
except OSError as error:
    print(len(kept), error.strerror)
"""


def ran(tmp_path: Path, code: str, *words: str, **limits: Any) -> tuple[int, str]:
    """Run a program to its end; gives its code and what it said."""
    (tmp_path / "ml" / "output").mkdir(parents=True)
    process = sandbox.start(sandbox.Spec(("python", "-c", code, *words), tmp_path, **limits))
    with process.output as output:
        said = output.read().decode()
    code_of_end = process.wait(60)
    assert code_of_end is not None
    return code_of_end, said


def carrying(mark: str) -> list[Path]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (path / "cmdline").read_bytes() and path.name != str(os.getpid()):
                found.append(path)
        except OSError:
            continue
    return found


@pytest.mark.walls("The number of processes")
def test_a_fork_bomb_goes_off_in_its_sandbox_alone_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    code, said = ran(tmp_path, BOMB, mark, processes=40)
    made, *why, _ = said.split()
    assert (code, " ".join(why)) == (7, "Resource temporarily unavailable")
    assert 20 < int(made) < 40
    until(lambda: not carrying(mark))


@pytest.mark.walls("The number of processes")
def test_two_sandboxes_do_not_count_each_other_s_processes(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    # It keeps what it could make; the other one can make as many all the same.
    waiting = BOMB.replace("sys.exit(7)", "time.sleep(600)")
    first = sandbox.start(sandbox.Spec(("python", "-c", waiting, mark), tmp_path / "one", processes=40))
    assert b"unavailable" in first.output.readline()
    code, said = ran(tmp_path / "two", BOMB, mark, processes=40)
    first.kill()
    first.wait()
    first.output.close()
    assert code == 7
    assert int(said.split()[0]) > 20


def test_a_memory_hog_is_refused_its_memory(tmp_path: Path) -> None:
    code, said = ran(tmp_path, HOG, memory=256 * 1024 * 1024)
    assert code == 1
    assert "no memory" in said


def test_a_file_does_not_grow_beyond_its_limit(tmp_path: Path) -> None:
    code, said = ran(tmp_path, FILLER, file_size=1_000_000)
    assert code == 1
    assert "File too large" in said
    assert (tmp_path / "ml" / "output" / "all").stat().st_size == 1_000_000


def test_a_process_does_not_keep_more_files_open_than_it_may(tmp_path: Path) -> None:
    _, said = ran(tmp_path, HOARDER, files=64)
    opened, *why = said.split()
    assert 50 < int(opened) < 64
    assert " ".join(why) == "Too many open files"


@pytest.mark.walls("The number of processes")
def test_a_job_that_is_a_fork_bomb_fails_truthfully_and_others_go_on(world: World) -> None:
    name = world.begin("fork_bomb.py")
    # Thousands of processes take their time to be made, and to be ended.
    until(lambda: world.job(name)["TrainingJobStatus"] == "Failed", 120)
    job = world.job(name)
    assert "Resource temporarily unavailable" in job["FailureReason"]
    assert world.train("leaves_no_model.py")["TrainingJobStatus"] == "Completed"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has anything to drop")
@pytest.mark.walls("The wall")
def test_a_cloud_that_root_started_runs_programs_as_somebody_who_owns_nothing_else(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    look = (
        "import os; print(os.getuid(), os.stat('/opt/ml').st_uid, os.access('/opt/ml', os.W_OK), flush=True); input()"
    )
    process = sandbox.start(sandbox.Spec(("python", "-c", f"{look}  # {mark}"), tmp_path))
    # Inside it is the root of its own world; stdin is empty.
    assert process.output.readline() == b"0 0 True\n"
    process.wait(20)
    process.output.close()
    assert (tmp_path / "ml").stat().st_uid == spare.user()

    sleeping = sandbox.start(sandbox.Spec(("python", "-c", f"import time; time.sleep(600)  # {mark}"), tmp_path))
    [found] = until(lambda: found if len(found := carrying(mark)) == 1 else None)  # two between fork and exec
    owners = next(line for line in (found / "status").read_text().splitlines() if line.startswith("Uid:")).split()[1:]
    sleeping.kill()
    sleeping.wait()
    sleeping.output.close()
    assert owners == [str(spare.user())] * 4


def test_a_folder_that_only_root_may_enter_is_no_hindrance(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert ran(closed / "job", "open('/opt/ml/output/x', 'w').write('y')")[0] == 0
    assert (closed / "job" / "ml" / "output" / "x").read_text() == "y"


@pytest.mark.walls("The wall")
def test_no_way_leads_from_a_sandbox_to_what_its_builder_held_open(tmp_path: Path) -> None:
    look = """
import os
for each in os.listdir("/proc/1/fd"):
    print(os.readlink(f"/proc/1/fd/{each}"))
print(os.listdir("/proc/1/root"))
"""
    _, said = ran(tmp_path, look)
    assert str(tmp_path) not in said
    assert "home" not in said


def test_links_in_a_job_s_folder_change_the_owner_of_nothing_outside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("ours")
    folder = tmp_path / "job"
    (folder / "ml").mkdir(parents=True)
    (folder / "ml" / "link").symlink_to(outside)
    (folder / "ml" / "up").symlink_to(tmp_path)
    process = sandbox.start(sandbox.Spec(("true",), folder))
    assert process.wait(20) == 0
    process.output.close()
    assert outside.stat().st_uid == os.geteuid()
    assert tmp_path.stat().st_uid == os.geteuid()


@pytest.mark.walls("algo-1, algo-2, …")
def test_hosts_of_one_network_still_reach_one_another(tmp_path: Path) -> None:
    network = Network(("algo-1", "algo-2"))
    listen = "import socket; s = socket.create_server(('', 9000)); c, a = s.accept(); print(a[0])"
    call = (
        "import socket, time\n"
        "while True:\n"
        "    try:\n        socket.create_connection(('algo-1', 9000)); break\n"
        "    except OSError:\n        time.sleep(0.05)\n"
    )
    hosts = [
        sandbox.start(sandbox.Spec(("python", "-c", code), tmp_path / name, seat=network.seat(name)))
        for name, code in (("algo-1", listen), ("algo-2", call))
    ]
    for host in hosts:
        host.begin()
    assert [host.wait(20) for host in hosts] == [0, 0]
    assert hosts[0].output.read() == f"{network.hosts['algo-2']}\n".encode()
    for host in hosts:
        host.output.close()
    network.close()
