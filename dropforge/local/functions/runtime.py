"""The program of the functions: has boto3 loaded, as Lambda's own runtime, and forks a worker whenever it is told to.

A worker loads one handler from the working tree and answers one event after another. Of the project nothing is loaded
before the fork: what a module makes when it is imported is each worker's own, as on AWS.

It runs by its path, alone: standard library and boto3, nothing else of ours. A frame is a JSON header after its length
in four bytes, then as many bytes of payload as the header's `size` says. The cloud asks for a FORK, two descriptors
beside it (the worker's channel, and where its output goes), or for the STATUS of a worker.
"""

from __future__ import annotations

import ctypes
import errno
import gc
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

FORK, STATUS = b"f", b"s"
_DESCRIPTORS = 2
_LENGTH = struct.Struct(">I")
_PR_SET_PDEATHSIG = 1
_END_OF_PARENT = 1
_DESCRIBED = ("endpoints", "partitions", "sdk-default-configuration")
_SERVICES = ("dynamodb", "events", "s3", "sagemaker", "sagemaker-runtime", "sqs")
_MALLOC = ((-1, 128 * 1024), (-8, 1))
"""M_TRIM_THRESHOLD, kept where it begins, and M_ARENA_MAX: see mallopt(3).

The cloud's own are in `process.py`, as `_keep_memory_small` is; nothing of ours can be imported here.
"""


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
    control = socket.socket(fileno=int(sys.argv[1]))
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _keep_memory_small()
    _load_boto3()
    gc.freeze()  # what is shared is not touched by a worker's collector, and so stays shared
    channel = _fork_until_told(control)
    if channel:
        _work(channel)


def _load_boto3() -> None:
    """Load it with the descriptions that most functions want: workers share them, and need not read them.

    `_compact` and the shared loader are in `apis.py` for the cloud itself; nothing of ours can be imported here.
    """
    importlib.import_module("boto3")
    loaders: Any = importlib.import_module("botocore.loaders")
    sessions: Any = importlib.import_module("botocore.session")
    loaders.OrderedDict = _compact  # what they are read into: half the memory, in half the time
    create, one = loaders.create_loader, loaders.Loader()

    def shared(search_path_string: str | None = None) -> Any:
        made = create(search_path_string)
        if search_path_string is None:  # who looks elsewhere, too, reads for himself
            made._cache = one._cache  # noqa: SLF001  each has a cache of its own, which nobody else can give it
        return made

    sessions.create_loader = shared
    for name in _DESCRIBED:
        one.load_data(name)
    for service in _SERVICES:
        one.load_service_model(service, "service-2")
        one.load_service_model(service, "endpoint-rule-set-1")


def _compact(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Read a JSON object of a description: a plain dictionary, each string once, and no texts for people."""
    intern, text = sys.intern, "documentation"
    return {
        intern(name): ("" if name == text else intern(value)) if type(value) is str else value for name, value in pairs
    }


def _fork_until_told(control: socket.socket) -> socket.socket | None:
    """Fork as the cloud asks. Gives a worker its channel; None when the cloud has gone."""
    while True:
        asked, descriptors, *_ = socket.recv_fds(control, 1, _DESCRIPTORS)
        if not asked:
            return None
        header, _ = receive(control)
        if asked == STATUS:
            send(control, {"status": _status(header["pid"], wait=header["wait"])})
            continue
        ours = os.getpid()
        try:
            pid = _fork(descriptors)
        except OSError as error:
            send(control, {"errno": error.errno})
        else:
            if pid == 0:
                control.close()
                return _be_a_worker(ours, header["environment"], *descriptors)
            send(control, {"pid": pid})
        for descriptor in descriptors:
            os.close(descriptor)


def _fork(descriptors: list[int]) -> int:
    """Fork; OSError where there is no room for another process or for its descriptors, which the kernel keeps back."""
    if len(descriptors) < _DESCRIPTORS:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return os.fork()


def _status(pid: int, *, wait: bool) -> int | None:
    """Give how a worker ended, as subprocess tells it; None while it runs."""
    try:
        found, status = os.waitpid(pid, 0 if wait else os.WNOHANG)
    except ChildProcessError:
        return -signal.SIGKILL  # one of a program before this: it died with that
    return os.waitstatus_to_exitcode(status) if found else None


def _be_a_worker(parent: int, environment: dict[str, str], channel: int, output: int) -> socket.socket:
    _die_with_parent()
    if os.getppid() != parent:
        os._exit(_END_OF_PARENT)  # it died before the kernel knew that we go with it
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    return socket.socket(fileno=channel)


def _work(channel: socket.socket) -> None:
    arrived: queue.SimpleQueue[tuple[dict[str, Any], bytes]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(channel, arrived), daemon=True).start()
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


def _keep_memory_small() -> None:
    """Have glibc give back what is free; where there is no mallopt, nothing is lost."""
    try:
        libc = ctypes.CDLL(None)
        for parameter, value in _MALLOC:
            libc.mallopt(parameter, value)
    except (OSError, AttributeError):
        return


if __name__ == "__main__":
    main()
