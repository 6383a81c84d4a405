"""Serving, as SageMaker's scikit-learn image does it: the user's functions behind `/ping` and `/invocations`.

The user's module brings `model_fn(model_dir)`, and may bring `input_fn(body, content_type)`, `predict_fn(data, model)`,
`output_fn(prediction, accept)`, or `transform_fn(model, body, content_type, accept)` in the place of those three.
"""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import source_archive  # type: ignore[import-not-found]  # beside this program in the container

ML = Path(os.environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml")
MODEL, CODE = ML / "model", ML / "code"
_JSON = "application/json"
_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"

sys.path.append(str(Path(__file__).parent / "lib"))  # what scripts import from AWS's image
from sagemaker_containers.beta.framework import (  # type: ignore[import-not-found]  # noqa: E402 - found by the line above
    encoders,
    errors,
    worker,
)


class Transformer:
    """The model and the functions around it."""

    def __init__(self, module: ModuleType) -> None:
        model_fn = getattr(module, "model_fn", None)
        if model_fn is None:
            raise NotImplementedError("Please provide a model_fn implementation: see SageMaker's documentation.")
        transform: Callable[..., Any] | None = getattr(module, "transform_fn", None)
        self._input = getattr(module, "input_fn", _default_input)
        self._predict = getattr(module, "predict_fn", _default_predict)
        self._output = getattr(module, "output_fn", _default_output)
        self._transform = transform or self._in_steps
        self._model = model_fn(str(MODEL))

    def answer(self, body: bytes, content_type: str, accept: str) -> Any:
        content: bytes | str = body.decode() if content_type.partition(";")[0].strip() in encoders.TEXT_TYPES else body
        result = self._transform(self._model, content, content_type, accept)
        return worker.Response(response=result[0], mimetype=result[1]) if isinstance(result, tuple) else result

    def _in_steps(self, model: Any, content: bytes | str, content_type: str, accept: str) -> Any:
        return self._output(self._predict(self._input(content, content_type), model), accept)


def main() -> None:
    """Load the model, then listen: a model that cannot be loaded never answers a ping."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        transformer = Transformer(_user_module())
    except Exception:  # noqa: BLE001 - the edge of the process, and the user's own code
        traceback.print_exc()
        sys.exit(1)
    handler = type("Handler", (_Handler,), {"transformer": transformer})
    port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
    _Server(("0.0.0.0", port), handler).serve_forever()  # noqa: S104 - the sandbox has a network of its own


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def get_request(self) -> tuple[socket.socket, Any]:
        """Send small answers at once: without this each one waits for the other side's acknowledgement."""
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address

    def server_bind(self) -> None:
        """Bind without asking a resolver for our own name."""
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "localhost", self.server_address[1]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    transformer: Transformer

    def do_GET(self) -> None:
        self._send(200 if self.path == "/ping" else 404, b"", _JSON)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path != "/invocations":
            self._send(404, b"", _JSON)
            return
        accept = self.headers.get("accept") or ""
        accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", _JSON) if accept in {"", "*/*"} else accept
        try:
            answer = self.transformer.answer(body, self.headers.get("content-type") or _JSON, accept)
            self._respond(answer, accept)
        except errors.ClientError as error:
            self._send(error.status, str(error).encode(), "text/plain")
        except Exception:  # noqa: BLE001 - the edge of the process, and the user's own code
            traceback.print_exc()
            self._send(500, b"Internal Server Error", "text/plain")

    def _respond(self, answer: Any, accept: str) -> None:
        """Send what a Flask view may return: text, bytes, or a response with a status and headers."""
        if hasattr(answer, "get_data"):
            extra = {name: value for name, value in answer.headers.items() if name.lower() == _ATTRIBUTES.lower()}
            kind = answer.headers.get("Content-Type") or accept
            self._send(int(answer.status_code), answer.get_data(), kind, extra)
        elif isinstance(answer, (str, bytes)):
            self._send(200, answer.encode() if isinstance(answer, str) else answer, accept)
        else:
            raise TypeError(f"output_fn gave {type(answer).__name__}: text, bytes, a pair or a Response can be sent.")

    def _send(self, status: int, body: bytes, content_type: str, extra: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ARG002 - as http.server has it
        """Log failures only: a line for each ping would hide what matters."""
        if len(args) > 1 and not str(args[1]).startswith("2"):
            sys.stdout.write(f"{self.command} {self.path} {args[1]}\n")


def _user_module() -> ModuleType:
    """Bring the user's code to where it runs: from its own archive, or from `code/` in the model's."""
    program = os.environ.get("SAGEMAKER_PROGRAM", "")
    source = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    CODE.mkdir(parents=True, exist_ok=True)
    if source.startswith("s3://"):
        source_archive.unpack(ML / "input" / "source" / "sourcedir.tar.gz", CODE)
    elif (folder := Path(source) if source else MODEL / "code").is_dir() and folder != CODE:
        shutil.copytree(folder, CODE, dirs_exist_ok=True)
    os.chdir(CODE)
    sys.path[0] = str(CODE)  # in the place of this program's own folder
    return importlib.import_module(program.removesuffix(".py") or "inference")


def _default_input(content: bytes | str, content_type: str) -> Any:
    return encoders.decode(content, content_type)


def _default_predict(data: Any, model: Any) -> Any:
    return model.predict(data)


def _default_output(prediction: Any, accept: str) -> Any:
    return worker.Response(response=encoders.encode(prediction, accept), mimetype=accept)
