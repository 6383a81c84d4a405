"""Makes processes until it may not make another, and leaves all of them behind."""

import os
import time
from pathlib import Path

try:
    while True:
        if os.fork() == 0:
            time.sleep(600)
except OSError as error:
    Path("/opt/ml/output/failure").write_text(str(error.strerror))
    raise
