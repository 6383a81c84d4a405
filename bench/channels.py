"""Measures what a large channel costs in memory, brought to disk and through a pipe: `python bench/channels.py`.

S3 serves from a process of its own; each way of bringing runs in a new process, which first brings one object so that
what is counted is growth with the size alone. Prints seconds and the growth of both processes at their peak in
MB, and writes the sum into bench/results.json.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from dropforge.local.home import ACCOUNT, REGION, Keys

_MB = 1024 * 1024
_BUCKET = "bench"
_RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what a large channel costs in memory.")
    parser.add_argument("--megabytes", type=int, default=2048, help="size of the channel (default 2048)")
    parser.add_argument("--objects", type=int, default=128, help="of how many objects (default 128)")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--bring", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(Path(chosen.serve))
    elif chosen.bring:
        bring(chosen.bring[0], int(chosen.bring[1]))
    else:
        compare(chosen.megabytes, chosen.objects)


def compare(megabytes: int, objects: int) -> None:
    print(f"{f'{megabytes} MB in {objects} objects':28}{'seconds':>9}{'growth':>9}{'of S3':>9}")
    for way in ("disk", "pipe"):
        with tempfile.TemporaryDirectory() as home:
            command = [sys.executable, __file__, "--serve", home]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
                port = told(server)
                fill(int(port), megabytes * _MB // objects, objects)
                before = resident(server.pid)
                asked = [sys.executable, __file__, "--bring", way, port]
                said = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
                growth = resident(server.pid) - before
                server.kill()
        seconds, ours = said.split()
        print(f"{way:28}{float(seconds):>9.1f}{float(ours):>9.1f}{growth / _MB:>9.1f}")
        keep(f"memory for a channel of {megabytes} MB, to {way}", float(ours) + growth / _MB)


def keep(name: str, megabytes: float) -> None:
    """Write a figure beside those of the other measurements: what both processes took."""
    figures = json.loads(_RESULTS.read_text()) if _RESULTS.is_file() else {}
    figures[name] = {"aim": 100, "unit": "MB", "value": megabytes}
    _RESULTS.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n")


def bring(way: str, port: int) -> None:
    """Bring the channel, and print the seconds and the growth of this process's peak."""
    from dropforge.local.sagemaker.jobs import inputs

    def prefix(name: str) -> dict[str, Any]:
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{_BUCKET}/{name}/"}
        return {"ChannelName": name, "DataSource": {"S3DataSource": source}}

    def to_disk(name: str, folder: Path) -> None:
        inputs.fetch(client(port), prefix(name), folder / name, bool)

    def through_pipe(name: str, folder: Path) -> None:
        (pipe,) = inputs.pipes(lambda _: client(port), [prefix(name)], folder, folder, "Pipe")
        pipe.start()
        with (folder / f"{name}_0").open("rb", buffering=0) as reading:
            while reading.read(_MB):
                pass
        pipe.stop()

    work: Callable[[str, Path], None] = to_disk if way == "disk" else through_pipe
    with tempfile.TemporaryDirectory() as folder:
        work("one", Path(folder))
        before, begun = resident(os.getpid()), time.perf_counter()
        work("all", Path(folder))
        print(time.perf_counter() - begun, (resident(os.getpid()) - before) / _MB)


def serve(home: Path) -> None:
    from dropforge.local.ministack import Account, Ministack
    from dropforge.local.serving import Server

    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(16)
    port = listening.getsockname()[1]
    ministack = Ministack(home, Account(ACCOUNT, REGION, port, Keys("LOCAL", "secret")))
    Server(ministack.asgi, listening, name="bench", before=ministack.start).start()
    print(port, flush=True)
    threading.Event().wait()


def fill(port: int, size: int, objects: int) -> None:
    s3 = client(port)
    s3.create_bucket(Bucket=_BUCKET)
    for name in ("one/0", *(f"all/{number:05}" for number in range(objects))):
        s3.put_object(Bucket=_BUCKET, Key=name, Body=os.urandom(size))


def client(port: int) -> Any:
    session = boto3.session.Session("LOCAL", "secret", region_name=REGION)
    return session.client("s3", endpoint_url=f"http://127.0.0.1:{port}", config=Config(s3={"addressing_style": "path"}))


def told(server: subprocess.Popen[str]) -> str:
    return server.stdout.readline().strip() if server.stdout else ""


def resident(process: int) -> int:
    """Give the peak of a process's memory in bytes."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


if __name__ == "__main__":
    main()
