"""A loopback stand-in for DynamoDB and SageMaker's runtime, in a process of its own: it answers at once."""

from __future__ import annotations

import asyncio
import json
import sys

SERVING = {
    "live": True,
    "endpoint": "bench-endpoint",
    "run": "ab" * 6,
    "model_version": 1,
    "exact": True,
    "accept": ["image/png"],
    "labels": ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    "top_k": 10,
}
_ITEM = json.dumps({"Item": {"doc": {"S": json.dumps(SERVING)}}}).encode()
_SCORES = json.dumps([0.01] * 9 + [0.91]).encode()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lengths = [line.split(":")[1] for line in head.lower().splitlines() if line.startswith("content-length:")]
            if "expect: 100-continue" in head.lower():
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await reader.readexactly(int(lengths[0]))
            body = _SCORES if "/invocations " in head else _ITEM
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, limit=2**16)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Whoever started this holds its input: it ends when they do.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
