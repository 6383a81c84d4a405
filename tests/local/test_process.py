"""How a cloud's process is told to end."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_WAITING = """
import threading
from dropforge.local.process import EndedError, end_when_told, wait_until_told
for _ in range(8):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
try:
    end_when_told(until_stdin_closes=False)
    print("waits", flush=True)
    wait_until_told()
except EndedError:
    print("ended")
"""
_TOGETHER = 20
"""Processes: where the main thread waited for a lock, one in four never heard of two signals at once."""


@pytest.mark.parametrize(
    "signals", [(signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGTERM), (signal.SIGINT,)]
)
def test_a_process_ends_once_and_quietly_however_many_signals_come_at_once(signals: tuple[signal.Signals, ...]) -> None:
    command = [sys.executable, "-c", _WAITING]
    waiting = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(_TOGETHER)
    ]
    try:
        for process in waiting:
            assert process.stdout
            assert process.stdout.readline() == "waits\n"
            for number in signals:
                process.send_signal(number)
        assert {(process.communicate(timeout=30), process.returncode) for process in waiting} == {(("ended\n", ""), 0)}
    finally:
        for process in waiting:
            process.kill()
            process.wait()
