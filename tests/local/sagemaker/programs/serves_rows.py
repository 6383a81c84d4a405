"""Answers each row of CSV with its sum, and each JSON object with what its features come to; refuses a bad one."""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import flask  # type: ignore[import-not-found]  # the image brings it

_SEEN = Path(tempfile.gettempdir(), "failed-once")


def model_fn(_: str) -> None:
    return None


def transform_fn(_: None, body: Any, content_type: str, accept: str) -> Any:
    text = body if isinstance(body, str) else body.decode()
    status = _status(text)
    if status:
        return flask.Response("no such row", status=status)
    while "forever" in text:
        time.sleep(1)
    return _answer(text, content_type), accept


def _status(text: str) -> int:
    if "flaky" in text and not _SEEN.exists():
        _SEEN.touch()
        return 503
    return {"bad": 400, "broken": 500}.get(text, 0)


def _answer(text: str, content_type: str) -> str:
    lines = [line for line in text.splitlines() if line]
    if content_type == "text/csv":
        return "".join(f"{sum(float(part) for part in line.split(','))}\n" for line in lines)
    if content_type == "application/jsonlines":
        return "\n".join(json.dumps({"score": sum(json.loads(line))}) for line in lines)
    if text == "environment":
        return json.dumps({name: value for name, value in os.environ.items() if "SAGEMAKER" in name})
    return f"<{text}>"
