"""Leaves a folder below a folder, and so on: deeper than any path may be long. Where, its hyperparameter may say."""

import argparse
import os
import tempfile

parser = argparse.ArgumentParser()
parser.add_argument("--where", default=tempfile.gettempdir())
os.chdir(parser.parse_args().where)
for _ in range(2000):
    os.mkdir("d")  # noqa: PTH102 - pathlib has no word for where one is
    os.chdir("d")
