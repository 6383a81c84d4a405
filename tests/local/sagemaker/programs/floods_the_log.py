"""Writes faster than anything can read, and one line without an end."""

import sys

for number in range(6_000):
    sys.stdout.write(f"line {number}\n")
sys.stdout.write("x" * 1_000_000)
