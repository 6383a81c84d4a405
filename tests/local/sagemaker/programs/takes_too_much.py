"""Starts children that have little each, and too much together."""

import os
import time

for _ in range(8):
    if os.fork() == 0:
        held = b"x" * (60 << 20)
        time.sleep(30)
        os._exit(0)
for _ in range(8):
    os.wait()
