"""The house's rules about who may import whom, read from the source alone: nothing here is imported or run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

FILES = frozenset(
    {"fileinput", "glob", "io", "mmap", "os", "pathlib", "pickle", "shelve", "shutil", "sqlite3", "tempfile"}
)
PROCESSES = frozenset({"asyncio", "ctypes", "importlib", "logging", "multiprocessing", "queue", "signal", "subprocess"})
NETWORKS = frozenset({"ftplib", "http", "select", "selectors", "smtplib", "socket", "socketserver", "ssl", "urllib"})
CHANCE = frozenset({"random", "sched", "secrets", "sys", "threading", "time", "uuid"})
PURE_NOT = FILES | PROCESSES | NETWORKS | CHANCE
"""What decide/ may not have: files, processes, networks, threads, the clock, chance."""
PURE_CALLS = frozenset({"open", "input", "print", "eval", "exec", "__import__"})
CLOCK_READS = frozenset({"now", "today", "utcnow"})
PURE_OURS = (
    "chalicelib.decide",
    "chalicelib.errors",
    "chalicelib.gauges",  # what is counted: a value, and the line that it becomes
    "chalicelib.model",
    "chalicelib.names",
    "chalicelib.pipeline",
    "chalicelib.predict.limits",  # a rollout waits for as long as the inference route may remember
    "chalicelib.predict.answer",  # what a smoke test reads is what clients will be told: one reading, in one place
)
PORTS = frozenset({"", "Bucket", "Bus", "Clock", "Hosting", "Jobs", "Mail", "Records", "Registry", "Timer"})
"""What chalicelib.ports has beside values."""
BROUGHT = frozenset({"PIL", "flask"})
"""What jobkit may ask for inside a function: the container's own, used where it is there."""
AWS = frozenset({"boto3", "botocore", "s3transfer"})
HEAVY = frozenset({"chalice", "pydantic", "aws_lambda_powertools", *AWS})


@dataclass(frozen=True, slots=True, order=True)
class Import:
    """One name that a file imports: the module in full, and the name taken from it (empty: the module itself)."""

    file: str
    line: int
    module: str
    name: str = ""
    relative: bool = False
    top: bool = True
    """It runs whenever the file is imported: it stands in no function, and is not for type checkers alone."""

    @property
    def whole(self) -> str:
        return f"{self.module}.{self.name}" if self.name else self.module

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.whole}"


def violations(tree: Mapping[str, str]) -> list[str]:
    """Name every import in the tree (path → source) that the rules forbid; an empty list says that they hold."""
    imports = sorted(found for path, source in tree.items() for found in _imports(path, source))
    broken = [f"{found}: {why}" for found in imports if (why := _forbidden(found))]
    broken += _impure_calls(tree)
    return broken + _reached_from_predict(tree, imports)


def _forbidden(found: Import) -> str | None:  # noqa: PLR0911  a list of rules, each one line
    top = found.module.split(".")[0]
    match PurePosixPath(found.file).parts:
        case ("chalicelib", "decide", *_) if top in PURE_NOT:
            return "decide/ has no I/O, no clock and no chance"
        case ("chalicelib", "decide", *_) if top == "chalicelib" and not _is_pure(found):
            return "decide/ knows values, names and errors alone"
        case ("chalicelib", "decide", *_) if top != "chalicelib" and top not in sys.stdlib_module_names:
            return "decide/ is the standard library's pure part"
        case ("chalicelib", "predict", *_) if top != "chalicelib" and top not in {*sys.stdlib_module_names, "pybase64"}:
            return "predict/ has the standard library and pybase64 alone"
        case ("chalicelib" | "app.py", *rest) if top in AWS and rest[:1] != ["aws"]:
            return "only chalicelib/aws/ speaks with AWS"
        case ("chalicelib" | "app.py", *_) if top == "dropforge":
            return "the app does not know the tool"
        case ("chalicelib" | "app.py" | "dropforge", *_) if top == "tests":
            return "what ships does not know its tests"
        case ("dropforge", "cli", *_) if top == "chalicelib":
            return "cli/ knows nothing that a user's own program could not"
        case ("dropforge", "jobkit", *_) if not _runs_anywhere(found):
            return "jobkit/ is the standard library alone"
    return None


def _is_pure(found: Import) -> bool:
    if found.module == "chalicelib.ports":
        return found.name not in PORTS
    return any(found.whole == pure or found.whole.startswith(f"{pure}.") for pure in PURE_OURS)


def _runs_anywhere(found: Import) -> bool:
    """Tell whether jobkit could still import it as a folder called `jobkit` beside somebody's script."""
    top = found.module.split(".")[0]
    if found.relative:
        return found.whole.startswith("dropforge.jobkit")
    return top in sys.stdlib_module_names or top == "jobkit" or (top in BROUGHT and not found.top)


def _impure_calls(tree: Mapping[str, str]) -> list[str]:
    return [
        f"{path}:{node.lineno} calls {called}: decide/ has no I/O and no clock"
        for path, source in sorted(tree.items())
        if path.startswith("chalicelib/decide/")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and (called := _impure(node.func))
    ]


def _impure(function: ast.expr) -> str | None:
    match function:
        case ast.Name(id=name) if name in PURE_CALLS:
            return name
        case ast.Attribute(value=ast.Name(id="datetime" | "date" as owner), attr=name) if name in CLOCK_READS:
            return f"{owner}.{name}"
    return None


def _reached_from_predict(tree: Mapping[str, str], imports: list[Import]) -> list[str]:
    """Follow predict/ through whatever of ours it imports: nothing heavy may stand at the end of any path."""
    waiting = [path for path in tree if path.startswith("chalicelib/predict/")]
    seen = set(waiting)
    broken: list[str] = []
    while waiting:
        path = waiting.pop()
        for found in (each for each in imports if each.file == path):
            if found.module.split(".")[0] in HEAVY:
                broken.append(f"{found}: predict/ reaches it")
            new = set(_files_of(found, tree)) - seen
            seen |= new
            waiting.extend(new)
    return sorted(broken)


def _files_of(found: Import, tree: Mapping[str, str]) -> Iterator[str]:
    parts = found.whole.split(".")
    for end in range(1, len(parts) + 1):
        base = "/".join(parts[:end])
        yield from (path for path in (f"{base}.py", f"{base}/__init__.py") if path in tree)


def _imports(path: str, source: str) -> Iterator[Import]:
    tree = ast.parse(source, path)
    later = {id(inner) for node in ast.walk(tree) if _waits(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        top = id(node) not in later
        match node:
            case ast.Import():
                yield from (Import(path, node.lineno, alias.name, top=top) for alias in node.names)
            case ast.ImportFrom():
                module, relative = _absolute(path, node), node.level > 0
                yield from (Import(path, node.lineno, module, alias.name, relative, top) for alias in node.names)
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str() as name), *_],
            ):
                yield Import(path, node.lineno, name, top=top)


def _waits(node: ast.AST) -> bool:
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def _absolute(path: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = PurePosixPath(path).parts[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])
