"""Functions without a stack: a folder of handlers, and what workers need of a cloud."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dropforge.local.functions.forks import Forks
from dropforge.local.functions.pool import Pool
from dropforge.local.functions.worker import Ground
from dropforge.local.stack_reading import Function
from tests.local.waiting import wait_until

HANDLERS = """
import os, pathlib, sys, time

HAD = set(sys.modules)
MADE = os.urandom(8).hex()

def echo(event, context):
    print("seen", event)
    return {"event": event, "name": context.function_name, "left": context.get_remaining_time_in_millis(),
            "id": context.aws_request_id, "arn": context.invoked_function_arn, "memory": context.memory_limit_in_mb}

def environment(event, context):
    return dict(os.environ)

def fail(event, context):
    raise ValueError(f"no good: {event}")

def meet(event):
    # With as many others as the event wants, all of them at work at once.
    if event:
        folder = pathlib.Path(event["folder"])
        (folder / str(os.getpid())).touch()
        while len(list(folder.iterdir())) < event["count"]:
            time.sleep(0.01)

def hang(event, context):
    pathlib.Path(event["mark"]).write_text(str(os.getpid()))
    time.sleep(600)

def hang_once(event, context):
    if "mark" not in event:
        return "warm"
    mark = pathlib.Path(event["mark"])
    if mark.exists():
        return "second time"
    mark.write_text(str(os.getpid()))
    time.sleep(600)

def made(event, context):
    meet(event)
    return {"made": MADE, "parent": os.getppid(), "had": sorted(HAD & {"boto3", "chalice", "app", "dropforge"})}

def described(event, context):
    from botocore.session import get_session
    loader = get_session().get_component("data_loader")
    read = [part for key in loader._cache for part in key if isinstance(part, str)]
    model = loader.load_service_model("s3", "service-2")
    texts = {shape.get("documentation", "") for shape in model["shapes"].values()}
    read = any(part.startswith("s3/") for part in read)
    return {"s3": read, "plain": type(loader.load_data("endpoints")) is dict, "texts": sorted(texts)}

def leave(event, context):
    os._exit(7)

def unspeakable(event, context):
    return object()

def large(event, context):
    return "x" * event

def pid(event, context):
    meet(event)
    return os.getpid()
"""


def function(handler: str, **more: Any) -> Function:
    values: dict[str, Any] = {
        "name": handler.replace(".", "-"),
        "arn": f"arn:aws:lambda:us-east-1:000000000000:function:{handler.replace('.', '-')}",
        "handler": handler,
        "timeout": 60,
        "memory": 256,
    }
    return Function(**(values | more))


def pid_written_to(mark: Path) -> int:
    """Wait for a hanging handler to have begun; gives its process."""
    return int(wait_until(lambda: mark.read_text() if mark.exists() else ""))


@dataclass
class Workshop:
    """Makes pools over the handlers above, and keeps the lines they print."""

    folder: Path
    forks: Forks
    lines: list[tuple[str, str]] = field(default_factory=list)
    pools: dict[str, Pool] = field(default_factory=dict)

    def pool(self, handler: str, *, bound: int = 2, given: dict[str, str] | None = None, **more: Any) -> Pool:
        ground = Ground(self.folder, given or {}, self._log, self.forks)
        made = Pool(function(handler, **more), ground, bound)
        self.pools[made.function.name] = made
        return made

    def _log(self, name: str, _stream: str, text: str) -> None:
        self.lines.append((name, text))


@contextmanager
def workshop(folder: Path) -> Iterator[Workshop]:
    (folder / "work.py").write_text(HANDLERS)
    (folder / "deep").mkdir()
    (folder / "deep" / "handler.py").write_text("def handle(event, context):\n    return 'deep'\n")
    (folder / "broken.py").write_text("import does_not_exist\n")
    with closing(Forks(folder)) as forks:
        shop = Workshop(folder, forks)
        try:
            yield shop
        finally:
            for pool in shop.pools.values():
                pool.stop()
