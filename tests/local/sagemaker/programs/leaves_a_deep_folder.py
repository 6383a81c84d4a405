"""Leaves a folder below a folder, and so on: deeper than any path may be long. Where, its hyperparameter says."""

import argparse
import os

parser = argparse.ArgumentParser()
parser.add_argument("--where")
os.chdir(parser.parse_args().where)
for _ in range(2000):
    os.mkdir("d")  # noqa: PTH102 - pathlib has no word for where one is
    os.chdir("d")
