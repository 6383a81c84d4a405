"""`python -m jobkit PROGRAM [ARGUMENT…]`: run any program as a training job."""

import sys

from .program import run

if __name__ == "__main__":
    if len(sys.argv) < 2:  # noqa: PLR2004 -- its own name, and a program
        sys.exit("Name the program to run: python -m jobkit PROGRAM [ARGUMENT…]")
    run(sys.argv[1:])
