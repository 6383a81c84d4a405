"""Compares the inference handler with a bare boto3 handler, side by side in one run: `python bench/predict.py`.

Cold: a new Python process each time, ours and theirs by turns. Warm: one process each, calls by turns in blocks.
Both talk plain HTTP to the same stub on loopback, so the differences are the handlers' own: add TLS and the endpoint's
time to both. Prints medians in milliseconds and their ratio; ratios carry over to other machines, times do not.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]
HANDLERS = {"ours": "chalicelib.predict.handler", "boto3": "bench.predict_boto3"}
PNG = b"\x89PNG\r\n\x1a\n"

_COLD = """
import json, os, sys, time
event = json.load(sys.stdin)
begun = time.perf_counter()
from {module} import handle
imported = time.perf_counter()
assert handle(event, None)["statusCode"] == 200
print("READY", imported - begun, time.perf_counter() - begun, file=sys.stderr)
"""
_WARM = """
import json, sys, time
from {module} import handle
for line in sys.stdin:
    asked = json.loads(line)
    times = []
    for _ in range(asked["calls"]):
        begun = time.perf_counter()
        status = handle(asked["event"], None)["statusCode"]
        times.append(time.perf_counter() - begun)
        assert status == 200
    print("TIMES", json.dumps(times), file=sys.stderr, flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the inference handler with a bare boto3 handler.")
    parser.add_argument("--starts", type=int, default=11, help="cold starts of each (default 11)")
    parser.add_argument("--calls", type=int, default=300, help="warm calls of each at 100 KB (default 300)")
    chosen = parser.parse_args()
    with stub() as env:
        print(f"{'median, ms':28}{'ours':>9}{'boto3':>9}{'ratio':>8}")
        colds: dict[str, list[tuple[float, float]]] = {name: [] for name in HANDLERS}
        for _ in range(chosen.starts):
            for name, module in HANDLERS.items():
                colds[name].append(cold(module, env))
        show("cold: import", {name: [imported for imported, _ in times] for name, times in colds.items()})
        show("cold: to the first answer", {name: [answered for _, answered in times] for name, times in colds.items()})
        for label, size, calls in (("100 KB", 100_000, chosen.calls), ("4 MB", 4_000_000, max(chosen.calls // 10, 5))):
            show(f"warm: {label}", warm(event(size), calls, env))


def event(size: int) -> dict[str, Any]:
    return {
        "httpMethod": "POST",
        "pathParameters": {"model": "digits"},
        "headers": {"Content-Type": "image/png"},
        "body": base64.b64encode(PNG.ljust(size, b"\x00")).decode(),
        "isBase64Encoded": True,
        "requestContext": {"requestId": "bench"},
    }


def cold(module: str, env: dict[str, str]) -> tuple[float, float]:
    """Give the seconds that a new process takes to import the handler, and to have its first answer."""
    command = [sys.executable, "-c", _COLD.format(module=module)]
    asked = json.dumps(event(100_000))
    ran = subprocess.run(
        command, input=asked, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=True
    )
    _, imported, answered = next(line for line in ran.stderr.splitlines() if line.startswith("READY")).split()
    return float(imported), float(answered)


def warm(asked: dict[str, Any], calls: int, env: dict[str, str]) -> dict[str, list[float]]:
    """Give the seconds of each call, in blocks by turns: both meet the same machine. The first block does not count."""
    blocks = 6
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(process(_WARM.format(module=it), env)) for name, it in HANDLERS.items()}
        times: dict[str, list[float]] = {name: [] for name in HANDLERS}
        for block in range(blocks):
            for name, child in running.items():
                seen = _block(child, asked, calls // (blocks - 1))
                times[name] += seen if block else []
    return times


def _block(child: subprocess.Popen[str], asked: dict[str, Any], calls: int) -> list[float]:
    sends = there(child.stdin)
    sends.write(json.dumps({"event": asked, "calls": calls}) + "\n")
    sends.flush()
    for line in there(child.stderr):
        if line.startswith("TIMES"):
            return list(json.loads(line.removeprefix("TIMES")))
    raise RuntimeError("The handler's process ended.")


def show(label: str, times: dict[str, list[float]]) -> None:
    ours, theirs = (median(times[name]) * 1000 for name in ("ours", "boto3"))
    print(f"{label:28}{ours:9.2f}{theirs:9.2f}{theirs / ours:7.1f}x")


@contextlib.contextmanager
def stub() -> Iterator[dict[str, str]]:
    """Run the stand-in for AWS; gives the environment that points at it."""
    child = subprocess.Popen(
        [sys.executable, str(ROOT / "bench" / "predict_stub.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with ended(child):
        port = int(there(child.stdout).readline())
        yield {
            "PATH": os.environ["PATH"],
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "DROPFORGE_TABLE": "table",
        }


@contextlib.contextmanager
def process(code: str, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with ended(child):
        yield child


@contextlib.contextmanager
def ended(child: subprocess.Popen[str]) -> Iterator[None]:
    """Close the child's input, at which it ends; kill it where it does not."""
    try:
        yield
    finally:
        with child:
            there(child.stdin).close()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()


def there(pipe: IO[str] | None) -> IO[str]:
    """Give a pipe that a child was started with; the types do not know which it has."""
    if pipe is None:
        raise ValueError("The child was started without this pipe.")
    return pipe


if __name__ == "__main__":
    main()
