"""Compares a write to DynamoDB at home with and without its journal, side by side: `python bench/journal.py`.

One process serves, another writes items of 1 KB by turns in blocks, with snapshots taken meanwhile as in a cloud.
Prints medians in milliseconds and their ratio; ratios carry over to other machines, times do not.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from dropforge.local.home import ACCOUNT, REGION, Keys

_BLOCK = 100
_SIGNED = f"AWS4-HMAC-SHA256 Credential=LOCAL/20260102/{REGION}/dynamodb/aws4_request, Signature=0"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare a write with and without the journal.")
    parser.add_argument("--writes", type=int, default=3000, help="writes of each (default 3000)")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(Path(chosen.serve))
        return
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, __file__, "--serve", home]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            compare(server, chosen.writes)
            server.kill()


def compare(server: subprocess.Popen[str], writes: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", int(told(server)))
    attribute = {"AttributeName": "pk"}
    keys = [attribute | {"KeyType": "HASH"}]
    types = [attribute | {"AttributeType": "S"}]
    table = {"TableName": "things", "BillingMode": "PAY_PER_REQUEST"}
    call(connection, "CreateTable", table | {"KeySchema": keys, "AttributeDefinitions": types})
    times: dict[str, list[float]] = {"without": [], "with": []}
    for block in range(2 * writes // _BLOCK):
        how = ("without", "with")[block % 2]
        say(server, how)
        times[how] += [timed(connection, f"{block}-{number}") for number in range(_BLOCK)]
    before, after = (1000 * median(times[how]) for how in ("without", "with"))
    print(f"{'median, ms':28}{'without':>9}{'with':>9}{'ratio':>8}")
    print(f"{'PutItem of 1 KB':28}{before:>9.3f}{after:>9.3f}{after / before:>8.2f}")


def serve(home: Path) -> None:
    """Serve ministack; lines on stdin say whether it writes its journal."""
    from dropforge.local.ministack import Account, Ministack
    from dropforge.local.serving import Server

    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(16)
    port = listening.getsockname()[1]
    ministack = Ministack(home, Account(ACCOUNT, REGION, port, Keys("LOCAL", "secret")))
    Server(ministack.asgi, listening, name="bench", before=ministack.start, beside=ministack.keep_saving).start()
    print(port, flush=True)
    tables = ministack._tables  # noqa: SLF001  the journal is never off but here
    tables.end()
    for line in sys.stdin:
        if line.strip() == "with":
            tables.begin()
        else:
            tables.end()
        print("ready", flush=True)
    os._exit(0)


def say(server: subprocess.Popen[str], word: str) -> None:
    if server.stdin:
        server.stdin.write(f"{word}\n")
        server.stdin.flush()
    told(server)


def told(server: subprocess.Popen[str]) -> str:
    return server.stdout.readline() if server.stdout else ""


def timed(connection: http.client.HTTPConnection, key: str) -> float:
    begun = time.perf_counter()
    call(connection, "PutItem", {"TableName": "things", "Item": {"pk": {"S": key}, "filler": {"S": "x" * 1000}}})
    return time.perf_counter() - begun


def call(connection: http.client.HTTPConnection, operation: str, request: dict[str, Any]) -> None:
    headers = {"X-Amz-Target": f"DynamoDB_20120810.{operation}", "Authorization": _SIGNED}
    connection.request("POST", "/", json.dumps(request), headers)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != http.client.OK:
        raise SystemExit(body.decode())


if __name__ == "__main__":
    main()
