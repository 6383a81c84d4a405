"""Leaves a file whose name is no UTF-8. Where, its hyperparameter says."""

import argparse
import os

parser = argparse.ArgumentParser()
parser.add_argument("--where")
with open(os.path.join(os.fsencode(parser.parse_args().where), b"\xff"), "w") as file:  # noqa: PTH118, PTH123 - bytes
    file.write("x")
