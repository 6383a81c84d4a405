"""The program inside a worker: loads one handler from the working tree and answers one event after another.

It runs by its path, alone: standard library only, nothing else of ours. A frame is a JSON header after its length in
four bytes, then as many bytes of payload as the header's `size` says.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import queue
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_LENGTH = struct.Struct(">I")
_PR_SET_PDEATHSIG = 1
_END_OF_PARENT = 1


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """What AWS gives a handler beside the event."""

    aws_request_id: str
    invoked_function_arn: str
    deadline: float
    function_name: str
    function_version: str
    memory_limit_in_mb: str
    log_group_name: str
    log_stream_name: str
    identity: None = None
    client_context: None = None

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.time()) * 1000))

    def log(self, message: object) -> None:
        sys.stdout.write(f"{message}\n")


def send(channel: socket.socket, header: dict[str, Any], payload: bytes = b"") -> None:
    """Write one frame."""
    head = json.dumps(header | {"size": len(payload)}).encode()
    channel.sendall(_LENGTH.pack(len(head)) + head + payload)


def receive(channel: socket.socket) -> tuple[dict[str, Any], bytes]:
    """Read one frame; EOFError when the other side has gone."""
    (length,) = _LENGTH.unpack(_exactly(channel, _LENGTH.size))
    header = json.loads(_exactly(channel, length))
    return header, _exactly(channel, header["size"])


def _exactly(channel: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = channel.recv(min(count - len(parts), 1 << 20))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    _die_with_parent()
    arrived: queue.SimpleQueue[tuple[dict[str, Any], bytes]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(channel, arrived), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    try:
        handler = _load(os.environ["_HANDLER"])
    except BaseException as error:  # noqa: BLE001  whatever an import raises is told as Lambda tells it
        send(channel, {"ready": False}, _told(error, None))
        return
    send(channel, {"ready": True})
    while True:
        header, payload = arrived.get()
        send(channel, *_answer(handler, header, payload))


def _answer(
    handler: Callable[[Any, LambdaContext], Any], header: dict[str, Any], payload: bytes
) -> tuple[dict[str, Any], bytes]:
    started = time.monotonic()
    request = header["request_id"]
    _say(f"START RequestId: {request} Version: $LATEST")
    try:
        answer, failed = json.dumps(handler(json.loads(payload), _context(header))).encode(), False
    except Exception as error:  # noqa: BLE001  the edge of the handler: its error is the answer
        answer, failed = _told(error, request), True
        _say(f"[ERROR] {type(error).__name__}: {error}\n{traceback.format_exc()}".rstrip())
    sys.stderr.flush()
    took = (time.monotonic() - started) * 1000
    _say(f"END RequestId: {request}")
    memory = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
    _say(f"REPORT RequestId: {request}\tDuration: {took:.2f} ms\tMemory Size: {memory} MB")
    return {"failed": failed}, answer


def _context(header: dict[str, Any]) -> LambdaContext:
    environment = os.environ
    return LambdaContext(
        aws_request_id=header["request_id"],
        invoked_function_arn=header["arn"],
        deadline=header["deadline"],
        function_name=environment["AWS_LAMBDA_FUNCTION_NAME"],
        function_version=environment["AWS_LAMBDA_FUNCTION_VERSION"],
        memory_limit_in_mb=environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
        log_group_name=environment["AWS_LAMBDA_LOG_GROUP_NAME"],
        log_stream_name=environment["AWS_LAMBDA_LOG_STREAM_NAME"],
    )


def _load(handler: str) -> Callable[[Any, LambdaContext], Any]:
    module, _, name = handler.replace("/", ".").rpartition(".")
    found: Callable[[Any, LambdaContext], Any] = getattr(importlib.import_module(module), name)
    return found


def _told(error: BaseException, request: str | None) -> bytes:
    told: dict[str, Any] = {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }
    return json.dumps(told | ({"requestId": request} if request else {})).encode()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _listen(channel: socket.socket, arrived: queue.SimpleQueue[tuple[dict[str, Any], bytes]]) -> None:
    try:
        while True:
            arrived.put(receive(channel))
    except (EOFError, OSError):
        # The cloud has gone: so does a handler, whatever it is doing.
        os._exit(_END_OF_PARENT)


def _die_with_parent() -> None:
    """Ask the kernel for a KILL when the parent dies; where there is no prctl, the closed channel does it."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        return


if __name__ == "__main__":
    main()
