"""`make demo`, as a newcomer runs it: the whole loop, and nothing left behind however it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import wait_until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
REAPER = Path(__file__).with_name("reaper.py")


@contextmanager
def demo(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run the demo under the reaper, its temporary files under `folder`; it is ended with the block, come what may."""
    command = [sys.executable, "-u", str(REAPER), sys.executable, "-u", "-m", "examples.digits.demo", *words]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    alarm = threading.Timer(240, process.kill)
    alarm.start()
    try:
        yield process
    finally:
        alarm.cancel()
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


def lines_until(process: subprocess.Popen[str], words: str) -> list[str]:
    """Read what the demo prints up to the line that contains `words`."""
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        if words in line:
            return said
    raise AssertionError(f"the demo ended without saying {words!r}:\n{''.join(said)}")


def answers(port: int) -> bool:
    with socket.socket() as knocking:
        return knocking.connect_ex(("127.0.0.1", port)) == 0


def ports_in(text: str) -> list[int]:
    return [int(port) for port in re.findall(r"http://127\.0\.0\.1:(\d+)", text)]


def test_the_demo_ends_with_a_live_model_that_was_right_about_digits_it_never_saw(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        said = process.communicate(timeout=240)[0]
    assert process.returncode == 0, said
    for stage in ("settling", "training", "gate", "registered", "rehearsal", "endpoint rolling out", "live"):
        assert f"== {stage}" in said
    accuracy = re.search(r"accuracy on held-out digits over HTTP: ([0-9.]+)", said)
    assert accuracy is not None
    assert float(accuracy[1]) >= 0.95
    for stage in ("arriving and settling", "training", "gate and registry", "rehearsal", "endpoint rollout"):
        assert re.search(rf"^   {stage} +([0-9]+ min )?[0-9.]+ s$", said, re.MULTILINE), stage
    assert list(tmp_path.iterdir()) == []
    wait_until(lambda: not any(answers(port) for port in ports_in(said)))


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("", signal.SIGINT),
        ("1. A local cloud", signal.SIGINT),
        ("4. Dropping", signal.SIGTERM),
        ("== training", signal.SIGINT),
        ("== endpoint rolling out", signal.SIGTERM),
    ],
)
def test_ctrl_c_leaves_no_process_no_port_and_no_file(tmp_path: Path, moment: str, number: signal.Signals) -> None:
    with demo(tmp_path, "--pictures", "400") as process:
        said = "".join(lines_until(process, moment)) if moment else _await_cloud(tmp_path)
        process.send_signal(number)
        said += process.communicate(timeout=60)[0]
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []
    wait_until(lambda: not any(answers(port) for port in ports_in(said)))


def _await_cloud(folder: Path) -> str:
    """Wait until the demo is starting its cloud, which says nothing yet."""
    watched = threading.Event()
    for _ in range(600):
        if any(folder.glob("*/home/cloud.log")):
            return ""
        watched.wait(0.1)
    raise AssertionError("the demo did not start its cloud")


def test_a_demo_that_takes_too_long_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    with demo(tmp_path, "--pictures", "10", "--deadline", "0.1") as process:
        said = process.communicate(timeout=120)[0]
    assert process.returncode == 6, said
    assert "dropforge: The demo did not finish within 0.1 s: give it more with --deadline." in said
    assert list(tmp_path.iterdir()) == []
