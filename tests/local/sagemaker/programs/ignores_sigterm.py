"""Does not end when asked to."""

import signal
import sys

signal.signal(signal.SIGTERM, signal.SIG_IGN)
sys.stdout.write("deaf\n")
sys.stdout.flush()
while True:
    signal.pause()
