"""Never stops to write."""

import sys

while True:
    sys.stdout.write("and so on " * 100 + "\n")
