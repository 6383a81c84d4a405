"""What is here and what is not, as the tables of docs/local-sagemaker.md tell it: they are made of the code's own.

`python -m dropforge.local.sagemaker.wire.fidelity` prints them.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dropforge.local import apis
from dropforge.local.sagemaker.states import Graph
from dropforge.local.sagemaker.wire import protocol
from dropforge.local.sagemaker.wire.operation import Meaning, Operation
from dropforge.local.sagemaker.wire.refusal import Refusal

if TYPE_CHECKING:
    from dropforge.local.sagemaker.service import SageMaker

Services = Mapping[str, Mapping[str, Operation | Meaning]]
"""The operations of each service, by their names."""
RUNTIME, SCALING = "sagemaker-runtime", "application-autoscaling"
_TITLES = {RUNTIME: "The runtime", SCALING: "Application Auto Scaling"}
HONOURED, UNUSED, REFUSED = "honoured", "no effect", "refused"


def members(shape: Any, path: str = "", above: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Give every member of a request with its path, what contains others before what it contains."""
    if shape.type_name == "list":
        yield from members(shape.member, f"{path}[]", above)
    if shape.type_name != "structure" or shape.name in above:
        return
    for name, member in shape.members.items():
        below = f"{path}.{name}" if path else name
        yield below, member
        yield from members(member, below, (*above, shape.name))


def standing(operation: Operation | Meaning, path: str) -> tuple[str, str]:
    """Tell what a member means here, and why; what is not named follows what contains it."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        asked = ".".join(parts[:end]).removesuffix("[]")
        for names, what in ((operation.refused, REFUSED), (operation.unused, UNUSED)):
            if (why := names.get(asked)) is not None:
                return what, why
    return HONOURED, ""


def table(service: str, name: str, operation: Operation | Meaning) -> Iterator[str]:
    """Give the lines of one operation's table: its members, and what differs below them or by value."""
    shape = apis.service(service).operation_model(name).input_shape
    yield from (f"### {name}", "", "| Member | Here | Because |", "|---|---|---|")
    for path, _ in members(shape) if shape else ():
        what, why = standing(operation, path)
        above = path.rpartition(".")[0]
        if not above or (what, why) != standing(operation, above):
            yield f"| `{path}` | {what} | {why} |"
        for names, what in ((operation.unused, UNUSED), (operation.refused, REFUSED)):
            for asked, told in names.items():
                if asked.partition("=")[0] == path and "=" in asked:
                    yield f"| `{asked.replace('=', '` = `')}` | {what} | {told} |"
    yield ""


def statuses(graphs: Iterable[Graph]) -> Iterator[str]:
    """Give the lines of the table of statuses: what may follow what, and where that is told."""
    yield from ("| Status of | From | To | Source |", "|---|---|---|---|")
    for graph in sorted(graphs, key=lambda graph: graph.member):
        for before, after in graph.after.items():
            told = graph.told(before)
            followers = ", ".join(f"`{one}`" if one in told else f"`{one}` (never told here)" for one in sorted(after))
            yield f"| `{graph.member}` | {f'`{before}`' if before else 'its creation'} | {followers} | {graph.source} |"
    yield ""


def refusals() -> Iterator[str]:
    """Give the lines of the table of refusals: every row of every room."""
    yield from ("| Refused when | Code | Status | Message | Source |", "|---|---|---|---|---|")
    rows = {row for room in rooms_of_refusals() for row in vars(room).values() if isinstance(row, Refusal)}
    for row in sorted(rows, key=lambda row: (row.code, row.when)):
        message = row.message.replace("|", "\\|")
        yield f"| {row.when} | `{row.code}` | {row.status} | {message} | {row.source} |"
    yield ""


def rooms_of_refusals() -> Iterator[ModuleType]:
    """Import every room's `refusals`."""
    import dropforge.local.sagemaker as whole

    for found in pkgutil.walk_packages(whole.__path__, f"{whole.__name__}."):
        if found.name.endswith(".refusals"):
            yield importlib.import_module(found.name)


def document(services: Services, graphs: Iterable[Graph]) -> str:
    """Give all tables: statuses, refusals, and of each service its operations in the order of their names."""
    lines = ["### Statuses", "", *statuses(graphs), "### Refusals", "", *refusals()]
    for service, operations in services.items():
        lines += [f"## {_TITLES[service]}", ""] if service in _TITLES else []
        lines += [line for name in sorted(operations) for line in table(service, name, operations[name])]
        if missing := sorted(set(apis.service(service).operation_names) - set(operations)):
            lines += ["### Not in the local cloud", "", f"{', '.join(f'`{name}`' for name in missing)}.", ""]
    return "\n".join(lines)


def services(made: SageMaker) -> Services:
    """Give what each service of a SageMaker performs."""
    from dropforge.local.sagemaker.hosting import runtime

    return {protocol.SAGEMAKER: made.operations, RUNTIME: runtime.meanings(), SCALING: made.scaling.operations}


def main() -> None:
    from dropforge.local.sagemaker.service import GRAPHS, SageMaker

    with tempfile.TemporaryDirectory() as home:
        made = SageMaker(Path(home), client=_nobody, emit=_nobody, speed=1, account="0" * 12, region="us-east-1")
        sys.stdout.write(document(services(made), GRAPHS.values()))


def _nobody(*_: Any) -> Any:
    return None


if __name__ == "__main__":
    main()
