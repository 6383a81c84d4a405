"""Leaves a grandchild in a session of its own, which would run for an hour and is deaf to SIGTERM."""

import subprocess
import sys

code = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('child', flush=True); time.sleep(3600)"
)
child = subprocess.Popen([sys.executable, "-c", code, sys.argv[-1]], start_new_session=True, stdout=subprocess.PIPE)
assert child.stdout
child.stdout.readline()
