"""Ends as a program does that was out of memory."""

import os
import signal

os.kill(os.getpid(), signal.SIGKILL)
