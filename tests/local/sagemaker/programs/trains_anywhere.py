"""Trains by the variables alone, wherever its world lies."""

import argparse
import os
import sys
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
greeting = os.environ.get("GREETING", "hello")
Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text(f"{parser.parse_args().epochs} epochs of {greeting}")
sys.stdout.write("trained\n")
