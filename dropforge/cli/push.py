"""Push a pipeline folder: what lies in it, and jobkit beside every source that imports it."""

from __future__ import annotations

import ast
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropforge import jobkit
from dropforge.cli.bucket import Bucket, Status, check_pipeline, files_under
from dropforge.cli.errors import UsageError

_FILE = "pipeline.toml"
_SOURCE = "src"


@dataclass(frozen=True, slots=True)
class Push:
    """What to upload, in order: (key, file); the pipeline file comes last, when all it names is there."""

    pipeline: str
    objects: tuple[tuple[str, Path], ...]

    @property
    def prefix(self) -> str:
        return f"pipelines/{self.pipeline}/"


def plan_push(folder: Path, name: str | None) -> Push:
    """Name what to upload for a pipeline folder."""
    if not (folder / _FILE).is_file():
        raise UsageError(f"{folder} holds no {_FILE}: name the folder in which it lies.")
    pipeline = check_pipeline(name or folder.resolve().name)
    files = {path.relative_to(folder).as_posix(): path for path in files_under(folder)}
    for source in sorted(_sources(folder)):
        files |= _jobkit_beside(folder, source)
    ordered = sorted(files, key=lambda key: (key == _FILE, key.encode()))
    return Push(pipeline, tuple((f"pipelines/{pipeline}/{key}", files[key]) for key in ordered))


def upload(bucket: Bucket, push: Push) -> Iterator[str]:
    """Upload a plan and remove what the folder no longer holds; yields each key as it is done."""
    stale = set(bucket.keys(push.prefix)) - {key for key, _ in push.objects}
    for key in sorted(stale):
        bucket.remove(key)
    for key, path in push.objects:
        bucket.put_file(key, path)
        yield key


def await_verdict(
    bucket: Bucket,
    name: str,
    *,
    before: Status | None,
    last_key: str,
    settled: Callable[[Status], bool],
    seconds: float,
    pause: float,
) -> Status | None:
    """Wait until status/<name>.json speaks of what was uploaded last; None if it does not in time."""
    uploaded, end = bucket.modified(last_key), time.monotonic() + seconds
    while time.monotonic() < end:
        seen = bucket.status(name)
        if seen and settled(seen) and seen.at >= uploaded and seen.said != (before.said if before else None):
            return seen
        time.sleep(pause)
    return None


def problems(verdict: Status, file: str = _FILE) -> list[str]:
    """Say what is wrong with a pipeline, a line each: `pipeline.toml:12 train.instance_type: must be …`."""
    return in_lines(verdict.said.get("problems", ()), file)


def in_lines(problems: Iterable[Mapping[str, Any]], file: str = _FILE) -> list[str]:
    return [
        " ".join(
            part
            for part in (
                f"{file}:{problem['line']}" if problem.get("line") else file,
                f"{problem['key']}:" if problem.get("key") else "",
                str(problem.get("message") or ""),
            )
            if part
        )
        for problem in problems
    ]


def _sources(folder: Path) -> set[str]:
    """Name the source folders; a file that cannot be read is the service's to refuse, with line and key."""
    try:
        file = tomllib.loads((folder / _FILE).read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return {_SOURCE}
    sections: Sequence[object] = (file.get("train"), file.get("serve"))
    named = [section.get("source_dir") for section in sections if isinstance(section, dict)]
    return {source.strip("/") for source in named if isinstance(source, str) and source.strip("/")}


def _jobkit_beside(folder: Path, source: str) -> dict[str, Path]:
    """Give jobkit's files beside a source that imports it and brings none of its own."""
    root = folder / source
    own = (root / "jobkit").exists() or (root / "jobkit.py").exists()
    if own or not any(_imports_jobkit(path) for path in files_under(root) if path.suffix == ".py"):
        return {}
    home = Path(jobkit.__file__).parent
    return {f"{source}/jobkit/{path.name}": path for path in sorted(home.glob("*.py"))}


def _imports_jobkit(path: Path) -> bool:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return False
    return any(
        (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "jobkit" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "jobkit")
        for node in ast.walk(tree)
    )
