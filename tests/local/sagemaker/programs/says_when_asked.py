"""Waits to be asked to end, and says so."""

import os
import signal

signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"asked\n"))
os.write(1, b"waiting\n")
while True:
    signal.pause()
